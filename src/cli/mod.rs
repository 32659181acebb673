//! The command line: arguments, prompts, progress, colours, JSON, exit codes. Nothing below it prints or prompts.
