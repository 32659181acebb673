//! The real `git` command, as the tests' judge.
