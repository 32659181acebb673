//! Bits that flip on the way: every one is found before it reaches a person's file.
