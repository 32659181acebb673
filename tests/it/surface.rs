//! The command line as a person sees it: help, errors, JSON, exit codes, the reference.
