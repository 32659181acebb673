//! Work on two machines at once.
