//! The configuration: its layers, and where each value came from.
