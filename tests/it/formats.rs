//! The format: what is refused, what stock tools read, and a vault that was made once and must be readable for ever.

pub mod by_hand;
