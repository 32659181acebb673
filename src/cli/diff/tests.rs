//! What a person sees of two versions.
#![allow(clippy::unwrap_used)]

use chrono::FixedOffset;

use super::*;

const STYLE: DiffStyle = DiffStyle {
    color: false,
    width: 80,
    context: 3,
    line_numbers: false,
    clock: Clock::fixed(Timestamp(1_795_176_000_000_000_000), FixedOffset::east_opt(0).unwrap()),
};

fn diff_with(style: &DiffStyle, kind: FileKind, left: Option<&[u8]>, right: Option<&[u8]>) -> String {
    let request = DiffRequest {
        title: "claude/file",
        kind,
        left: Version {
            label: "local",
            content: left,
            modified: Some(Timestamp(1_795_175_800_000_000_000)),
        },
        right: Version {
            label: "vault",
            content: right,
            modified: None,
        },
    };
    let mut out = Vec::new();
    write(&request, style, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn diff(kind: FileKind, left: impl AsRef<[u8]>, right: impl AsRef<[u8]>) -> String {
    diff_with(&STYLE, kind, Some(left.as_ref()), Some(right.as_ref()))
}

/// Without the three lines that name the versions.
fn hunks(shown: &str) -> String {
    shown.lines().skip(3).map(|line| line.to_owned() + "\n").collect()
}

fn said(role: &str, minute: u32, text: &str) -> String {
    format!(
        r#"{{"type":"{role}","uuid":"{minute}","timestamp":"2026-11-20T12:{minute:02}:00Z","message":{{"role":"{role}","content":{}}}}}"#,
        serde_json::Value::from(text)
    ) + "\n"
}

fn numbered(lines: usize) -> String {
    (1..=lines).map(|line| format!("line {line}\n")).collect()
}

#[test]
fn text_is_a_unified_diff_of_hunks() {
    let old = numbered(40);
    let new = old.replace("line 5\n", "line five\n").replace("line 30\n", "");
    insta::assert_snapshot!(diff(FileKind::Text, old, new), @r"
    claude/file
    --- local  311 B  2026-11-20 11:56:40 (3 minutes ago)
    +++ vault  306 B
    @@ -2,7 +2,7 @@
     line 2
     line 3
     line 4
    -line 5
    +line five
     line 6
     line 7
     line 8
    @@ -27,7 +27,6 @@
     line 27
     line 28
     line 29
    -line 30
     line 31
     line 32
     line 33
    ");
}

#[test]
fn lines_are_numbered_on_request() {
    let style = DiffStyle {
        line_numbers: true,
        ..STYLE
    };
    let old = numbered(101);
    let new = old.replace("line 99\n", "line 99\nline 99 1/2\n");
    insta::assert_snapshot!(hunks(&diff_with(&style, FileKind::Text, Some(old.as_bytes()), Some(new.as_bytes()))), @r"
    @@ -97,5 +97,6 @@
     97  97  line 97
     98  98  line 98
     99  99  line 99
        100 +line 99 1/2
    100 101  line 100
    101 102  line 101
    ");
}

#[test]
fn words_that_changed_are_highlighted() {
    let style = DiffStyle { color: true, ..STYLE };
    let shown = diff_with(&style, FileKind::Text, Some(b"let a = one;\n"), Some(b"let a = two;\n"));
    insta::assert_snapshot!(shown.replace('\u{1b}', "ESC"), @r"
    ESC[1mclaude/fileESC[0m
    ESC[1m--- local  13 B  2026-11-20 11:56:40 (3 minutes ago)ESC[0m
    ESC[1m+++ vault  13 BESC[0m
    ESC[36m@@ -1 +1 @@ESC[0m
    ESC[31m-ESC[0mESC[31mlet a = ESC[0mESC[31mESC[1mESC[4mone;ESC[0m
    ESC[32m+ESC[0mESC[32mlet a = ESC[0mESC[32mESC[1mESC[4mtwo;ESC[0m
    ");
}

#[test]
fn a_missing_last_newline_is_told() {
    insta::assert_snapshot!(hunks(&diff(FileKind::Text, "a\nb", "a\nb\n")), @r"
    @@ -1,2 +1,2 @@
     a
    -b
    \ No newline at end of file
    +b
    ");
}

#[test]
fn a_side_without_the_file_says_so() {
    insta::assert_snapshot!(diff_with(&STYLE, FileKind::Text, None, Some(b"new\n")), @r"
    claude/file
    --- local  does not exist
    +++ vault  4 B
    @@ -0,0 +1 @@
    +new
    ");
    insta::assert_snapshot!(diff_with(&STYLE, FileKind::Text, Some(b"old\n"), None), @r"
    claude/file
    --- local  4 B  2026-11-20 11:56:40 (3 minutes ago)
    +++ vault  does not exist
    @@ -1 +0,0 @@
    -old
    ");
}

#[test]
fn equal_contents_and_contents_that_are_not_text_say_so() {
    insta::assert_snapshot!(hunks(&diff(FileKind::Text, "a\n", "a\n")), @r"
    the same on both sides
    ");
    insta::assert_snapshot!(hunks(&diff(FileKind::Opaque, b"\0\x01", b"\0\x02")), @r"
    not text: the contents differ and are not shown
    ");
}

#[test]
fn carriage_returns_and_bytes_that_are_not_text_become_visible() {
    insta::assert_snapshot!(hunks(&diff(FileKind::Text, b"a\r\ncaf\xe9\n", b"a\ncaf\xc3\xa9\n")), @r"
    @@ -1,2 +1,2 @@
    -a^M
    -caf\xe9
    +a
    +café
    ");
}

#[test]
fn a_very_long_line_shows_where_it_changed() {
    let long = "word ".repeat(2_000);
    let (old, new) = (format!("{long}old{long}\n"), format!("{long}new{long}\n"));
    insta::assert_snapshot!(hunks(&diff(FileKind::Json, &old, &new)), @r"
    @@ -1 +1 @@
    -word word word word …word word word word word word word word oldword word word word word word word word …
    +word word word word …word word word word word word word word newword word word word word word word word …
    ");
    let style = DiffStyle { color: true, ..STYLE };
    let shown = diff_with(&style, FileKind::Json, Some(old.as_bytes()), Some(new.as_bytes()));
    assert!(
        shown.contains("old") && shown.contains("new") && shown.len() < 1_000,
        "{shown}"
    );
    insta::assert_snapshot!(hunks(&diff(FileKind::Json, "", &long)), @r"
    @@ -0,0 +1 @@
    +word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word word … 9,600 more characters
    \ No newline at end of file
    ");
}

#[test]
fn a_transcript_shows_what_the_messages_say() {
    let start = said("user", 0, "Fix the parser.\nIt drops the last token.");
    let old = start.clone() + &said("assistant", 1, "I will look at it here.");
    let new = start + &said("assistant", 2, "I will look at it there.") + &said("user", 3, "Thanks");
    insta::assert_snapshot!(diff(FileKind::Transcript, old, new), @r"
    claude/file
    --- local  276 B  2026-11-20 11:56:40 (3 minutes ago)
    +++ vault  384 B
    @@ local line 1, vault line 1 @@
     user  2026-11-20 12:00:00
       Fix the parser.
       It drops the last token.
    -assistant  2026-11-20 12:01:00
    -  I will look at it here.
    +assistant  2026-11-20 12:02:00
    +  I will look at it there.
    +user  2026-11-20 12:03:00
    +  Thanks
    ");
}

#[test]
fn tools_results_thinking_and_images_are_short() {
    let blocks = serde_json::json!({"type": "assistant", "isSidechain": true, "message": {"content": [
        {"type": "thinking", "thinking": "one\ntwo\nthree\nfour\nfive"},
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "name": "Bash", "input": {"description": "Run tests", "command": "cargo test\n  --lib"}},
        {"type": "tool_use", "name": "Glob", "input": {}},
    ]}});
    let results = serde_json::json!({"type": "user", "message": {"content": [
        {"type": "tool_result", "is_error": true, "content": numbered(20)},
        {"type": "tool_result", "content": [{"type": "text", "text": "fine"}, {"type": "image", "source": {"data": "A".repeat(8192)}}]},
    ]}});
    let shown = diff(FileKind::Transcript, "", format!("{blocks}\n{results}\n"));
    insta::assert_snapshot!(hunks(&shown), @r"
    @@ vault line 1 @@
    +assistant (subagent)
    +  (thinking)
    +  one
    +  two
    +  three
    +  … 2 more lines
    +  Let me see.
    +  ▸ Bash: cargo test …
    +  ▸ Glob
    +user
    +  ◂ failed
    +  line 1
    +  line 2
    +  line 3
    +  line 4
    +  line 5
    +  line 6
    +  … 14 more lines
    +  ◂ result
    +  fine
    +  [image, 6.0 KiB]
    ");
}

#[test]
fn bookkeeping_is_counted_and_what_cannot_be_read_is_shown() {
    let bookkeeping = "{\"type\":\"mode\",\"mode\":\"plan\"}\n";
    let new = [
        &said("user", 0, "Hello"),
        bookkeeping,
        "{\"type\":\"custom-title\",\"customTitle\":\"Parser work\"}\n",
        "{\"type\":\"system\",\"subtype\":\"compact_boundary\"}\n",
        "{\"type\":\"user\",\"isMeta\":true,\"message\":{\"content\":\"noise\"}}\n",
        "[1,2]\n",
        "\n",
        "{\"type\":\"user\",\"torn\n",
    ]
    .concat();
    insta::assert_snapshot!(hunks(&diff(FileKind::Transcript, said("user", 0, "Hello"), &new)), @r#"
    @@ local line 1, vault line 1 @@
     user  2026-11-20 12:00:00
       Hello
    +· title: Parser work
    +· compacted here
    +? {"type":"user","torn
    not shown: bookkeeping of the agent, 0 lines in local, 4 lines in vault
    "#);
    let shown = diff(FileKind::Transcript, bookkeeping, bookkeeping.repeat(2));
    insta::assert_snapshot!(hunks(&shown), @r"
    what is shown of them is the same; they differ in what is not shown
    not shown: bookkeeping of the agent, 1 line in local, 2 lines in vault
    ");
}

#[test]
fn the_history_of_prompts_shows_the_prompts() {
    let line = r#"{"display":"fix it","pastedContents":{},"timestamp":1795176000000,"project":"/home/ana/app","sessionId":"x"}"#;
    insta::assert_snapshot!(hunks(&diff(FileKind::Log, "", format!("{line}\n"))), @r"
    @@ vault line 1 @@
    +prompt  2026-11-20 12:00:00  /home/ana/app
    +  fix it
    ");
}

#[test]
fn a_long_conversation_shows_its_end_with_some_lines_before() {
    let old: String = (0..50).map(|minute| said("user", minute, "more")).collect();
    let new = old.clone() + &said("assistant", 50, "done");
    insta::assert_snapshot!(hunks(&diff(FileKind::Transcript, old, new)), @r"
    @@ local line 49, vault line 49 @@
     user  2026-11-20 12:48:00
       more
     user  2026-11-20 12:49:00
       more
    +assistant  2026-11-20 12:50:00
    +  done
    ");
}

#[test]
fn a_change_deep_in_a_message_shows_who_speaks() {
    let old = said("user", 1, "Hello") + &said("assistant", 2, &numbered(9));
    let new = old.replace("line 8", "line eight");
    insta::assert_snapshot!(hunks(&diff(FileKind::Transcript, old, new)), @r"
    @@ local line 2, vault line 2 @@
     assistant  2026-11-20 12:02:00
       line 1
       line 2
       line 3
       line 4
       line 5
       line 6
       line 7
    -  line 8
    +  line eight
       line 9
    ");
}

#[test]
fn ten_megabytes_without_a_common_line_end_and_do_not_hang() {
    let content = |word: &str| -> String {
        (0..100_000)
            .map(|line| format!("{word} {line} {}\n", "x".repeat(90)))
            .collect()
    };
    let style = DiffStyle { color: true, ..STYLE };
    let (old, new) = (content("old"), content("new"));
    let shown = diff_with(&style, FileKind::Text, Some(old.as_bytes()), Some(new.as_bytes()));
    assert_eq!(shown.lines().count(), 4 + 200_000);
}

mod hostile {
    use proptest::prelude::*;

    use super::*;

    fn kind() -> impl Strategy<Value = FileKind> {
        proptest::sample::select(FileKind::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn p23_no_content_drives_the_terminal(
            kind in kind(),
            left in proptest::collection::vec(any::<u8>(), 0..60),
            right in "[\u{1b}\u{202e}\u{9b}\n\r a\"{}]{0,40}",
        ) {
            let message = said("user", 1, &right);
            for right in [right.as_bytes(), message.as_bytes()] {
                let shown = diff(kind, &left, right);
                let driving = |c: char| (c.is_control() && c != '\n' && c != '\t') || c == '\u{202e}';
                prop_assert!(!shown.chars().any(driving), "{:?}", shown);
            }
        }

        #[test]
        fn every_line_of_a_text_that_differs_is_shown(left in "([ab]\n){0,12}", right in "([ab]\n){0,12}") {
            let style = DiffStyle { context: 100, ..STYLE };
            let shown = diff_with(&style, FileKind::Text, Some(left.as_bytes()), Some(right.as_bytes()));
            let side = |sign: char| -> String {
                let of_side = |line: &&str| line.starts_with(sign) || line.starts_with(' ');
                hunks(&shown).lines().filter(of_side).map(|line| line[1..].to_owned() + "\n").collect()
            };
            if left != right {
                prop_assert_eq!(side('-'), left);
                prop_assert_eq!(side('+'), right);
            }
        }
    }
}
