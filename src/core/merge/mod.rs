//! Three-way merges by kind of file.
