//! One project in two places.
