//! One file per use case; composes the rooms below.
