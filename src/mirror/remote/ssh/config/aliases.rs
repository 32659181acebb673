//! The hosts that a configuration file gives names to.

/// The names after `Host` in the text of an ssh_config file, without patterns and exclusions, each once and in order.
/// `Include` is not followed.
#[must_use]
pub fn aliases(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in text.lines() {
        let line = line.trim_start_matches(is_blank);
        let end = line.find(|character| is_blank(character) || character == '=');
        let (keyword, rest) = line.split_at(end.unwrap_or(line.len()));
        if !keyword.eq_ignore_ascii_case("host") {
            continue;
        }
        // One equals sign may stand between a keyword and its values.
        let rest = rest.trim_start_matches(is_blank);
        let rest = rest.strip_prefix('=').unwrap_or(rest);
        for name in words(rest) {
            if name.is_empty() || name.starts_with('!') || name.contains(['*', '?']) || found.contains(&name) {
                continue;
            }
            found.push(name);
        }
    }
    found
}

/// What stands between words. A line may end with a carriage return.
const fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\x0c')
}

/// The words of a line: between blanks, or in double quotes. A comment ends them.
fn words(mut rest: &str) -> Vec<String> {
    let mut words = Vec::new();
    loop {
        rest = rest.trim_start_matches(is_blank);
        if rest.is_empty() || rest.starts_with('#') {
            return words;
        }
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_at(rest.find(is_blank).unwrap_or(rest.len())),
        };
        words.push(word.to_owned());
        rest = after;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_without_patterns_are_found() {
        let text = "\
            # Host commented\n\
            Host work-host\n\
            \tHostName git.example.com\n\
            host=\"two words\" second third # a comment\r\n\
            HOST = fourth *.example.com !not ?x fourth\n\
            Hostname no\n\
            Match host other\n\
            Host\n\
            Include config.d/*\n";
        assert_eq!(aliases(text), ["work-host", "two words", "second", "third", "fourth"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail(text in "([Hh]ost)?[ =\"#\\PC]{0,40}") {
            for name in aliases(&text) {
                prop_assert!(text.contains(&name) && !name.is_empty());
            }
        }
    }
}
