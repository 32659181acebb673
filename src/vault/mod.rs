//! What the encrypted tree looks like: keys, sealing and opening one file, heads, segments, the commit seal.
