//! Questions to a person. Whoever asks names the flag that answers it, so that nothing ever requires a prompt.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use console::Term;
use secrecy::{ExposeSecret as _, SecretString};

use super::sanitize;
#[cfg(unix)]
use super::secrets;
use super::terminal::Terminal;
use crate::error::{Error, Kind, Result};

/// What a person can answer with one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The key, in lower case.
    pub key: char,
    /// What it does, in a few words.
    pub label: &'static str,
}

/// Somebody who answers questions. `instead` says, in each, what answers the question without asking, such as `--device NAME`.
pub trait Prompter {
    /// Whether there is anybody to ask. Where not, every question is an error.
    fn is_there(&self) -> bool;

    /// A passphrase that exists already.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] when nobody can be asked, [`Kind::Interrupted`] when the person went away instead of answering; the same
    /// holds for the other questions.
    fn passphrase(&self, question: &str, instead: &str) -> Result<SecretString>;

    /// A passphrase that is made now, asked for twice.
    ///
    /// # Errors
    ///
    /// As [`passphrase`](Self::passphrase).
    fn new_passphrase(&self, question: &str, instead: &str) -> Result<SecretString>;

    /// A text; an empty answer takes the default where there is one.
    ///
    /// # Errors
    ///
    /// As [`passphrase`](Self::passphrase).
    fn text(&self, question: &str, default: Option<&str>, instead: &str) -> Result<String>;

    /// One of some keys.
    ///
    /// # Errors
    ///
    /// As [`passphrase`](Self::passphrase).
    fn choose(&self, question: &str, choices: &[Choice], instead: &str) -> Result<char>;
}

/// Who is asked in this run: the person at the terminal, or nobody when there is no terminal or `no_input` was said.
#[must_use]
pub fn prompter(terminal: &Terminal, no_input: bool, stop: &Arc<AtomicBool>) -> Box<dyn Prompter> {
    if no_input {
        Box::new(Nobody {
            why: "`--no-input` forbids to ask",
        })
    } else if terminal.can_ask() {
        Box::new(Person {
            term: Term::stderr(),
            width: terminal.width,
            stop: Arc::clone(stop),
        })
    } else {
        Box::new(Nobody {
            why: "there is no terminal to ask on",
        })
    }
}

/// The person at the terminal: questions on standard error, answers from standard input.
struct Person {
    term: Term,
    /// Its width in columns.
    width: usize,
    /// Set by a signal that asks to stop.
    stop: Arc<AtomicBool>,
}

impl Person {
    /// Writes all lines but the last of a question that is wider than the terminal; gives the last, and how many came before it.
    /// What wipes a question would leave the rest of one that the terminal broke.
    fn begin(&self, question: &str) -> io::Result<(String, usize)> {
        let question = sanitize::line(question);
        let mut lines = broken(&question, self.width);
        let last = lines.pop().unwrap_or_default();
        for line in &lines {
            self.term.write_line(line)?;
        }
        Ok((last, lines.len()))
    }

    /// Asks for what nobody is to see, until it is not empty. The question is wiped when the answer is there.
    #[cfg(unix)]
    fn secret(&self, question: &str) -> io::Result<SecretString> {
        loop {
            let (last, before) = self.begin(question)?;
            self.term.write_str(&format!("{last}: "))?;
            let answer = secrets::read_line(&self.stop).inspect_err(|_| {
                // What comes next begins on a line of its own.
                let _ = self.term.write_line("");
            })?;
            self.term.clear_line()?;
            self.term.clear_last_lines(before)?;
            if !answer.expose_secret().is_empty() {
                return Ok(answer);
            }
        }
    }

    /// The same where there are no terminals as Unix has them.
    #[cfg(not(unix))]
    fn secret(&self, question: &str) -> io::Result<SecretString> {
        let prompt = dialoguer::Password::new().with_prompt(sanitize::line(question));
        let dialoguer::Result::<String>::Ok(answer) = prompt.report(false).interact_on(&self.term) else {
            return Err(io::ErrorKind::Interrupted.into());
        };
        Ok(SecretString::from(answer))
    }
}

/// How much room an answer is left beside a question, in columns.
const ROOM: usize = 16;

/// The lines of a question in a terminal of `width` columns, broken between words; a word that is too long has a line of its own.
fn broken(question: &str, width: usize) -> Vec<String> {
    let most = width.saturating_sub(ROOM).max(ROOM);
    let mut lines = vec![String::new()];
    for word in question.split(' ') {
        let line = lines.last_mut().expect("there is always a last line");
        if !line.is_empty() && console::measure_text_width(line) + 1 + console::measure_text_width(word) > most {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

fn asked<T>(answer: dialoguer::Result<T>) -> Result<T> {
    answer.map_err(|dialoguer::Error::IO(error)| unanswered(error))
}

fn unanswered(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::UnexpectedEof => {
            Error::new(Kind::Interrupted, "the question was not answered")
        }
        _ => Error::new(Kind::General, "cannot ask on the terminal").caused_by(error),
    }
}

impl Prompter for Person {
    fn is_there(&self) -> bool {
        true
    }

    fn passphrase(&self, question: &str, _: &str) -> Result<SecretString> {
        self.secret(question).map_err(unanswered)
    }

    fn new_passphrase(&self, question: &str, _: &str) -> Result<SecretString> {
        loop {
            let first = self.secret(question).map_err(unanswered)?;
            let second = self.secret("The same again").map_err(unanswered)?;
            if first.expose_secret() == second.expose_secret() {
                return Ok(first);
            }
            self.term
                .write_line("These two are not the same.")
                .map_err(unanswered)?;
        }
    }

    fn text(&self, question: &str, default: Option<&str>, _: &str) -> Result<String> {
        let mut prompt = dialoguer::Input::<String>::new().with_prompt(self.begin(question).map_err(unanswered)?.0);
        if let Some(default) = default {
            prompt = prompt.default(default.to_owned());
        }
        asked(prompt.interact_text_on(&self.term))
    }

    fn choose(&self, question: &str, choices: &[Choice], _: &str) -> Result<char> {
        let menu = menu(question, choices);
        loop {
            self.term.write_str(&menu).map_err(unanswered)?;
            // An answer in capitals means the same.
            let key = self.term.read_key().map_err(|error| {
                // What comes next begins on a line of its own.
                let _ = self.term.write_line("");
                unanswered(error)
            })?;
            let key = match key {
                console::Key::Char(key) => key.to_ascii_lowercase(),
                _ => '?',
            };
            if choices.iter().any(|choice| choice.key == key) {
                self.term.write_line(&key.to_string()).map_err(unanswered)?;
                return Ok(key);
            }
            self.term.write_line(&explain(choices)).map_err(unanswered)?;
        }
    }
}

/// The question with its keys on one line: `Keep which? [l,r,d,?] `.
fn menu(question: &str, choices: &[Choice]) -> String {
    let keys: Vec<String> = choices.iter().map(|choice| choice.key.to_string()).collect();
    format!("{} [{},?] ", sanitize::line(question), keys.join(","))
}

/// What each key does, one a line, below the question.
fn explain(choices: &[Choice]) -> String {
    choices.iter().fold(String::new(), |text, choice| {
        text + "\n  " + &format!("{}  {}", choice.key, choice.label)
    })
}

/// Nobody can be asked.
struct Nobody {
    why: &'static str,
}

impl Nobody {
    fn refuse<T>(&self, question: &str, instead: &str) -> Result<T> {
        let message = format!("{}: {}", self.why, question.trim_end_matches(['?', ':', ' ']));
        Err(Error::new(Kind::Usage, message).hint(format!("use {instead}")))
    }
}

impl Prompter for Nobody {
    fn is_there(&self) -> bool {
        false
    }

    fn passphrase(&self, question: &str, instead: &str) -> Result<SecretString> {
        self.refuse(question, instead)
    }

    fn new_passphrase(&self, question: &str, instead: &str) -> Result<SecretString> {
        self.refuse(question, instead)
    }

    fn text(&self, question: &str, _: Option<&str>, instead: &str) -> Result<String> {
        self.refuse(question, instead)
    }

    fn choose(&self, question: &str, _: &[Choice], instead: &str) -> Result<char> {
        self.refuse(question, instead)
    }
}

/// A person whose answers were written down before; each question takes the next. For tests.
#[cfg(test)]
pub(crate) struct Scripted {
    answers: std::cell::RefCell<std::collections::VecDeque<String>>,
    asked: std::cell::RefCell<Vec<String>>,
}

#[cfg(test)]
impl Scripted {
    /// Somebody who will give these answers, in order; an empty one takes the default.
    pub(crate) fn new<A: Into<String>>(answers: impl IntoIterator<Item = A>) -> Self {
        Self {
            answers: std::cell::RefCell::new(answers.into_iter().map(Into::into).collect()),
            asked: std::cell::RefCell::default(),
        }
    }

    /// The questions that were asked.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }

    fn next(&self, question: &str) -> String {
        self.asked.borrow_mut().push(question.to_owned());
        let answer = self.answers.borrow_mut().pop_front();
        answer.unwrap_or_else(|| panic!("nobody wrote down an answer to {question:?}"))
    }
}

#[cfg(test)]
impl Prompter for Scripted {
    fn is_there(&self) -> bool {
        true
    }

    fn passphrase(&self, question: &str, _: &str) -> Result<SecretString> {
        Ok(self.next(question).into())
    }

    fn new_passphrase(&self, question: &str, _: &str) -> Result<SecretString> {
        Ok(self.next(question).into())
    }

    fn text(&self, question: &str, default: Option<&str>, _: &str) -> Result<String> {
        Ok(match self.next(question) {
            empty if empty.is_empty() => default.unwrap_or_default().to_owned(),
            answer => answer,
        })
    }

    fn choose(&self, question: &str, choices: &[Choice], _: &str) -> Result<char> {
        let answer = self.next(question);
        let key = answer.chars().next().expect("a written answer to a choice is a key");
        assert!(choices.iter().any(|choice| choice.key == key), "{key} is no choice");
        Ok(key)
    }
}

/// Shared, so that a test can look at the questions after the command is done.
#[cfg(test)]
impl Prompter for std::rc::Rc<Scripted> {
    fn is_there(&self) -> bool {
        (**self).is_there()
    }

    fn passphrase(&self, question: &str, instead: &str) -> Result<SecretString> {
        (**self).passphrase(question, instead)
    }

    fn new_passphrase(&self, question: &str, instead: &str) -> Result<SecretString> {
        (**self).new_passphrase(question, instead)
    }

    fn text(&self, question: &str, default: Option<&str>, instead: &str) -> Result<String> {
        (**self).text(question, default, instead)
    }

    fn choose(&self, question: &str, choices: &[Choice], instead: &str) -> Result<char> {
        (**self).choose(question, choices, instead)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cli::failures::failure;
    use crate::config::{ColorChoice, Environment};

    const CHOICES: [Choice; 2] = [
        Choice {
            key: 'l',
            label: "keep local",
        },
        Choice {
            key: 'r',
            label: "keep remote",
        },
    ];

    fn terminal(stdin: bool) -> Terminal {
        let environment = Environment::new("/home/ana", [("TERM", "xterm")]);
        Terminal::new(&environment, ColorChoice::Never, [stdin, true, true], None)
    }

    #[test]
    fn without_a_terminal_the_answer_names_the_flag() {
        let nobody = prompter(&terminal(false), false, &Arc::default());
        assert!(!nobody.is_there());
        let error = nobody
            .passphrase("Passphrase of the vault:", "--passphrase-file FILE or CSYNC_PASSPHRASE")
            .unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        insta::assert_snapshot!(failure(&error, false, false), @r"
        error: there is no terminal to ask on: Passphrase of the vault
        hint: use --passphrase-file FILE or CSYNC_PASSPHRASE
        ");
    }

    #[test]
    fn no_input_forbids_every_question_also_on_a_terminal() {
        let nobody = prompter(&terminal(true), true, &Arc::default());
        for error in [
            nobody.passphrase("?", "--x").unwrap_err(),
            nobody.new_passphrase("?", "--x").unwrap_err(),
            nobody.text("?", Some("default"), "--x").unwrap_err(),
            nobody.choose("?", &CHOICES, "--x").unwrap_err(),
        ] {
            assert_eq!(error.kind(), Kind::Usage);
            assert_eq!(error.hint_text(), Some("use --x"));
        }
    }

    #[test]
    fn a_choice_shows_its_keys_and_explains_them() {
        insta::assert_snapshot!(menu("Keep which?", &CHOICES) + "?" + &explain(&CHOICES), @r"
        Keep which? [l,r,?] ?
          l  keep local
          r  keep remote
        ");
    }

    #[test]
    fn a_question_that_is_too_wide_is_broken_between_words() {
        let question = "Password or token of alice for https://git.example.org/me/sessions.git";
        assert_eq!(broken(question, 100), [question]);
        assert_eq!(
            broken(question, 60),
            [
                "Password or token of alice for",
                "https://git.example.org/me/sessions.git"
            ]
        );
        assert_eq!(broken("", 60), [""]);
        assert_eq!(broken("a b", 0), ["a b"]);
    }

    #[test]
    fn written_answers_are_given_in_order() {
        let person = Scripted::new(["r", "laptop"]);
        assert_eq!(person.choose("Keep which?", &CHOICES, "--keep").unwrap(), 'r');
        assert_eq!(person.text("Name?", None, "--device").unwrap(), "laptop");
        assert_eq!(person.asked(), ["Keep which?", "Name?"]);
    }
}
