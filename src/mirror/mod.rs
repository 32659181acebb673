//! The local bare repository and the remotes it is exchanged with, through libgit2.
