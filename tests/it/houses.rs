//! The rooms of the source, and who may import whom.
