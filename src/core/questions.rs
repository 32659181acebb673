//! Somebody who can be asked while something is under way: for a key's passphrase, or whether a host is the right one.

use secrecy::SecretString;

/// A person who answers, or nobody. Whoever asks must go on without an answer, or fail and say what to do instead.
pub trait Questions: Sync {
    /// Whether there is anybody. Where not, every other question is answered with nothing or no.
    fn is_there(&self) -> bool;

    /// A text that may be seen while it is typed, such as a user name. Nothing where the person gives none.
    fn text(&self, question: &str) -> Option<String>;

    /// A text that is not shown while it is typed. Nothing where the person gives none.
    fn secret(&self, question: &str) -> Option<SecretString>;

    /// Yes or no. `explanation` is shown above the question, and may have several lines.
    fn confirm(&self, explanation: &str, question: &str) -> bool;

    /// Says something that is worth one line, such as that another way is tried now. Shown also where nobody can be asked.
    fn tell(&self, message: &str);
}

/// There is nobody to ask, and nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nobody;

impl Questions for Nobody {
    fn is_there(&self) -> bool {
        false
    }

    fn text(&self, _: &str) -> Option<String> {
        None
    }

    fn secret(&self, _: &str) -> Option<SecretString> {
        None
    }

    fn confirm(&self, _: &str, _: &str) -> bool {
        false
    }

    fn tell(&self, _: &str) {}
}
