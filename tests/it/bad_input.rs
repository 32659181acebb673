//! Corrupt files, hostile names, full disks: one clear error each, and nothing lost.
