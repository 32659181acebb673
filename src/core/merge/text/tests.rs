//! The tables of the text merge.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn merge(base: Option<&str>, ours: &str, theirs: &str) -> Result<String, Conflict> {
    let sides = Sides {
        base: base.map(str::as_bytes),
        ours: ours.as_bytes(),
        theirs: theirs.as_bytes(),
    };
    text(sides).map(|merged| String::from_utf8(merged).unwrap())
}

#[test]
fn three_way_by_line() {
    let base = Some("a\nb\nc\nd\ne\n");
    for (ours, theirs, merged) in [
        ("A\nb\nc\nd\ne\n", "a\nb\nc\nd\nE\n", Ok("A\nb\nc\nd\nE\n")),
        ("A\nb\nc\nd\ne\n", "A\nb\nc\nd\ne\n", Ok("A\nb\nc\nd\ne\n")),
        ("A\nb\nc\nd\nE\n", "A\nb\nc\nd\ne\n", Ok("A\nb\nc\nd\nE\n")), // the same change on both, and one more
        ("b\nc\nd\ne\n", "a\nb\nc\nd\ne\nf\n", Ok("b\nc\nd\ne\nf\n")),
        (
            "a\nb\nx\nc\nd\ne\n",
            "a\nb\nx\nc\nd\ne\ny\n",
            Ok("a\nb\nx\nc\nd\ne\ny\n"),
        ), // both added the same
        ("A\nb\nc\nd\ne\n", "B\nb\nc\nd\ne\n", Err(Conflict::Overlap)),
        ("b\nc\nd\ne\n", "B\nb\nc\nd\ne\n", Err(Conflict::Overlap)), // removed here, changed there
        ("a\nb\nc\nd\ne\nx\n", "a\nb\nc\nd\ne\ny\n", Err(Conflict::Overlap)),
        ("", "a\nb\nc\nd\nE\n", Err(Conflict::Overlap)),
    ] {
        let merged: Result<&str, Conflict> = merged;
        assert_eq!(
            merge(base, ours, theirs),
            merged.clone().map(str::to_owned),
            "{ours:?} {theirs:?}"
        );
        assert_eq!(
            merge(base, theirs, ours),
            merged.map(str::to_owned),
            "{theirs:?} {ours:?}"
        );
    }
}

#[test]
fn line_ends_are_kept_as_they_are() {
    assert_eq!(
        merge(Some("a\r\nb\r\nc\r\n"), "A\r\nb\r\nc\r\n", "a\r\nb\r\nC\r\n").unwrap(),
        "A\r\nb\r\nC\r\n"
    );
    assert_eq!(merge(Some("a\nb\nc"), "A\nb\nc", "a\nb\nC").unwrap(), "A\nb\nC");
    assert_eq!(merge(Some("a\nb\nc"), "A\nb\nc", "a\nb\nc\n").unwrap(), "A\nb\nc\n");
    assert_eq!(
        merge(Some("a\nb\nc\n"), "A\nb\nc\n", "a\nb\nc\r\n").unwrap(),
        "A\nb\nc\r\n"
    );
}

#[test]
fn bytes_that_are_no_utf8_are_kept() {
    let sides = Sides {
        base: Some(b"a\n\xff\nc\n"),
        ours: b"a\xfe\n\xff\nc\n",
        theirs: b"a\n\xff\nc\xfd\n",
    };
    assert_eq!(text(sides).unwrap(), b"a\xfe\n\xff\nc\xfd\n");
}

#[test]
fn binaries_are_not_merged_but_agree() {
    assert_eq!(merge(Some("a\0"), "b\0", "c\0"), Err(Conflict::NotText));
    assert_eq!(merge(None, "b\0", "b\0").unwrap(), "b\0");
    assert_eq!(merge(Some("a\0"), "a\0", "c\0").unwrap(), "c\0");
}

#[test]
fn without_a_base_the_longer_text_is_taken_or_a_person_decides() {
    for (ours, theirs, merged) in [
        ("a\n", "a\n", Ok("a\n")),
        ("", "a\n", Ok("a\n")),
        ("a\n", "a\nb", Ok("a\nb")),
        ("a", "a\nb", Ok("a\nb")),
        ("note", "notebook\n", Err(Conflict::NoBase)),
        ("a\n", "b\n", Err(Conflict::NoBase)),
    ] {
        let merged: Result<&str, Conflict> = merged;
        assert_eq!(merge(None, ours, theirs), merged.clone().map(str::to_owned));
        assert_eq!(merge(None, theirs, ours), merged.map(str::to_owned));
    }
}

fn some_text() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        proptest::sample::select(vec!["a\n", "b\n", "c\r\n", "d\n", "\n", "e"]),
        0..8,
    )
    .prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn p03_a_text_merge_is_pure_and_the_same_from_both_sides(base in some_text(), x in some_text(), y in some_text()) {
        prop_assert_eq!(merge(Some(&base), &x, &x), Ok(x.clone()));
        prop_assert_eq!(merge(Some(&base), &base, &y), Ok(y.clone()));
        prop_assert_eq!(merge(Some(&base), &x, &base), Ok(x.clone()));
        prop_assert_eq!(merge(Some(&base), &x, &y), merge(Some(&base), &y, &x));
    }

    #[test]
    fn a_text_merge_makes_up_no_line(base in some_text(), x in some_text(), y in some_text()) {
        if let Ok(merged) = merge(Some(&base), &x, &y) {
            let known = [x, y].concat();
            for line in merged.split_inclusive('\n') {
                prop_assert!(known.contains(line));
            }
        }
    }
}
