//! The other programs that a person has chosen: their pager, their editor.

use std::process::Command;

use crate::config::SECRET_VARIABLES;

/// A command of these words, of which there must be one. It does not inherit the variables that hold secrets: pagers and editors can be
/// told to run other programs, and none of them has any business with those.
#[must_use]
pub fn command(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    for name in SECRET_VARIABLES {
        command.env_remove(name);
    }
    command
}

/// The words of a command line: apart by spaces, held together by single or double quotes; `\` takes the next character as it is
/// outside single quotes. Nothing is expanded and no shell is asked.
#[must_use]
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(characters.next()),
            (None, ' ' | '\t') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_person_means_them() {
        assert_eq!(words(r#" a  "b c" d\ e '\f' "" "#), ["a", "b c", "d e", r"\f", ""]);
    }

    #[test]
    fn p18_a_chosen_program_does_not_get_the_secrets() {
        let command = command(&["editor".to_owned()]);
        for name in SECRET_VARIABLES {
            let is_removed = |(removed, value): (&std::ffi::OsStr, Option<_>)| removed == name && value.is_none();
            assert!(command.get_envs().any(is_removed), "{name} is passed on");
        }
    }
}
