//! This machine's files: scanning, reading, replacing, and the sandbox that paths are held in.
