//! The name that a person gives to one of their machines.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A device's name: 1 to 64 characters, no control characters, no space at either end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceName(String);

/// A text that cannot be a device's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a device's name has 1 to 64 characters, none of them a control character, and no space at either end")]
pub struct BadDeviceName;

impl DeviceName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DeviceName {
    type Error = BadDeviceName;

    fn try_from(name: String) -> Result<Self, BadDeviceName> {
        let length = name.chars().count();
        if (1..=64).contains(&length) && name.trim() == name && !name.chars().any(char::is_control) {
            Ok(Self(name))
        } else {
            Err(BadDeviceName)
        }
    }
}

impl From<DeviceName> for String {
    fn from(name: DeviceName) -> Self {
        name.0
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert!(DeviceName::try_from("ana's laptop".to_owned()).is_ok());
        for bad in [
            String::new(),
            " x".into(),
            "a\nb".into(),
            "\u{1b}[31m".into(),
            "x".repeat(65),
        ] {
            assert_eq!(DeviceName::try_from(bad), Err(BadDeviceName));
        }
    }
}
