//! The tables of the JSON merge.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn merge_text(base: Option<&str>, ours: &str, theirs: &str) -> Result<String, Conflict> {
    let sides = Sides {
        base: base.map(str::as_bytes),
        ours: ours.as_bytes(),
        theirs: theirs.as_bytes(),
    };
    json(sides).map(|merged| String::from_utf8(merged).unwrap())
}

fn key(name: &str) -> Result<&'static str, Conflict> {
    Err(Conflict::SameKey { key: name.to_owned() })
}

#[test]
fn one_key_in_every_state() {
    // A key that is absent (-), 1, 2 or 3 in the base, ours and theirs; what becomes of it, or x for a conflict.
    for (states, wanted) in [
        ("---", '-'),
        ("--1", '1'),
        ("-1-", '1'),
        ("-11", '1'),
        ("-12", 'x'),
        ("1--", '-'),
        ("1-1", '-'),
        ("11-", '-'),
        ("1-2", 'x'),
        ("12-", 'x'),
        ("111", '1'),
        ("112", '2'),
        ("121", '2'),
        ("122", '2'),
        ("123", 'x'),
    ] {
        let document = |state: char, more: &str| match state {
            '-' => format!("{{{more}}}"),
            value => format!("{{\"k\":{value},{more}}}"),
        };
        let states: Vec<char> = states.chars().collect();
        let base = document(states[0], "\"z\":0");
        let merged = merge_text(
            Some(&base),
            &document(states[1], "\"z\":0"),
            &document(states[2], "\"z\":0"),
        );
        match wanted {
            'x' => assert_eq!(merged.as_deref(), key("k").as_ref().map(|it| *it), "{states:?}"),
            value => assert!(
                json_same(merged.unwrap().as_bytes(), document(value, "\"z\":0").as_bytes()),
                "{states:?}"
            ),
        }
    }
}

#[test]
fn objects_merge_at_every_depth() {
    for (base, ours, theirs, merged) in [
        (
            r#"{"a":{"b":1,"c":1}}"#,
            r#"{"a":{"b":2,"c":1}}"#,
            r#"{"a":{"b":1,"c":2}}"#,
            Ok(r#"{"a":{"b":2,"c":2}}"#),
        ),
        (r#"{"a":{"b":1}}"#, r#"{"a":{"b":2}}"#, r#"{"a":{"b":3}}"#, key("a.b")),
        (r#"{"a":{"b":1}}"#, r#"{}"#, r#"{"a":{"b":2}}"#, key("a")),
        (r#"{"a":{"b":1}}"#, r#"{}"#, r#"{"a":{"b":1},"d":1}"#, Ok(r#"{"d":1}"#)),
        (
            r#"{}"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":{"c":1}}"#,
            Ok(r#"{"a":{"b":1,"c":1}}"#),
        ),
        (
            r#"{"a":1}"#,
            r#"{"a":{"b":1}}"#,
            r#"{"a":{"c":1}}"#,
            Ok(r#"{"a":{"b":1,"c":1}}"#),
        ),
        (r#"{"a":{}}"#, r#"{"a":[]}"#, r#"{"a":{"c":1}}"#, key("a")),
        (
            r#"{"a":1}"#,
            r#"{"a":2,"b":null}"#,
            r#"{"a":1,"c":false}"#,
            Ok(r#"{"a":2,"b":null,"c":false}"#),
        ),
    ] {
        let got = merge_text(Some(base), ours, theirs);
        match merged {
            Ok(merged) => assert!(
                json_same(got.as_ref().unwrap().as_bytes(), merged.as_bytes()),
                "{ours} {theirs}: {got:?}"
            ),
            Err(conflict) => assert_eq!(got, Err(conflict), "{ours} {theirs}"),
        }
    }
}

#[test]
fn lists_of_scalars_add_and_remove_on_both_sides() {
    for (base, ours, theirs, merged) in [
        ("[1,2]", "[1,2,3]", "[1,2,4]", Some("[1,2,3,4]")),
        ("[1,2]", "[2]", "[1]", Some("[]")),
        ("[1,2]", "[2,5]", "[1,2,3]", Some("[2,5,3]")),
        ("[1]", "[1,2]", "[1,2,3]", Some("[1,2,3]")),
        ("[1]", "[9]", "[1]", Some("[9]")),
        ("[1]", "[1]", "[9,1]", Some("[9,1]")),
        ("[1]", "[1,\"1\"]", "[1,true]", Some("[1,\"1\",true]")),
        ("[{}]", "[{},1]", "[{},2]", None),
        ("[1]", "[1,{}]", "[1,2]", None),
        ("7", "[1]", "[2]", None),
    ] {
        let document = |list: &str| format!("{{\"allow\":{list}}}");
        let got = merge_text(Some(&document(base)), &document(ours), &document(theirs));
        match merged {
            Some(merged) => assert!(
                json_same(got.as_ref().unwrap().as_bytes(), document(merged).as_bytes()),
                "{got:?}"
            ),
            None => assert_eq!(got.as_deref(), key("allow").as_ref().map(|it| *it), "{ours} {theirs}"),
        }
    }
}

#[test]
fn order_format_and_comments_of_ours_stay() {
    let base = r#"{"model":"a","permissions":{"allow":["x"]},"theme":"dark"}"#;
    let ours = "{\r\n    // which model\r\n    \"theme\": \"dark\",\r\n    \"permissions\": { \"allow\": [ \"x\", \"y\" ], },\r\n    \"model\": \"a\" /* the best */\r\n}\r\n";
    let theirs = r#"{"model":"b","permissions":{"allow":["x","z"]},"theme":"dark","new":{"deep":[1,{"k":"\u0007"}]}}"#;
    let merged = merge_text(Some(base), ours, theirs).unwrap();
    assert!(merged.starts_with("{\r\n    // which model\r\n    \"theme\": \"dark\",\r\n    \"permissions\": { \"allow\": [ \"x\", \"y\", \"z\" ], },\r\n    \"model\": \"b\""), "{merged}");
    assert!(merged.contains("/* the best */"));
    assert!(merged.ends_with("}\r\n"));
    assert!(json_same(
        merged.as_bytes(),
        br#"{"theme":"dark","permissions":{"allow":["x","y","z"]},"model":"b","new":{"deep":[1,{"k":"\u0007"}]}}"#
    ));
}

#[test]
fn what_says_the_same_keeps_our_bytes() {
    let ours = "{ \"b\" : 1.0,\n \"a\" : [ ] }\n";
    assert_eq!(
        merge_text(Some("{\"a\":[]}"), ours, "{\"a\":[],\"b\":1}").unwrap(),
        ours
    );
    assert!(json_same(b"{\"a\":1,\"b\":2}", b" { // x\n \"b\":2, \"a\":1e0 } "));
    assert!(!json_same(b"[1,2]", b"[2,1]"));
    assert!(!json_same(b"{\"a\":1}", b"{\"a\":\"1\"}"));
    assert!(!json_same(b"{\"a\":null}", b"{}"));
    assert!(json_same(b"not JSON", b"not JSON"));
    assert!(!json_same(b"not JSON", b"not  JSON"));
    assert!(!json_same(b"[9007199254740993]", b"[9007199254740992]"));
}

#[test]
fn without_a_base_keys_are_united() {
    for (ours, theirs, merged) in [
        (r#"{"a":1}"#, r#"{"b":2}"#, Ok(r#"{"a":1,"b":2}"#)),
        (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, Ok(r#"{"a":1,"b":2}"#)),
        (r#"{"l":[1]}"#, r#"{"l":[2]}"#, Ok(r#"{"l":[1,2]}"#)),
        ("", r#"{"b":2}"#, Ok(r#"{"b":2}"#)),
        (r#"{"a":1}"#, r#"{"a":2}"#, key("a")),
        ("1", "2", Err(Conflict::Overlap)),
    ] {
        let got = merge_text(None, ours, theirs);
        match merged {
            Ok(merged) => assert!(
                json_same(got.as_ref().unwrap().as_bytes(), merged.as_bytes()),
                "{got:?}"
            ),
            Err(conflict) => assert_eq!(got, Err(conflict)),
        }
    }
}

#[test]
fn damaged_doubled_deep_or_large_documents_are_refused() {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    for bad in [
        "{\"a\":",
        "{\"a\":1,\"a\":2}",
        "{'a':1}",
        "{a:1}",
        "{\"a\":0x1}",
        "[1] [2]",
        "\u{0}",
        &deep(129),
        &deep(100_000),
        &"{\"a\":".repeat(50_000),
    ] {
        assert_eq!(merge_text(Some("{}"), bad, "{\"b\":1}"), Err(Conflict::NotJson));
        assert_eq!(merge_text(Some("{}"), "{\"b\":1}", bad), Err(Conflict::NotJson));
        assert_eq!(json_without(bad.as_bytes(), &["x"]).filter(|_| bad.len() > 200), None);
    }
    assert!(
        merge_text(Some("[]"), &deep(128), "[1]")
            .is_err_and(|it| it == Conflict::SameKey { key: String::new() } || it == Conflict::Overlap)
    );
    assert_eq!(
        json(Sides {
            base: None,
            ours: b"{\"a\":\"\xff\"}",
            theirs: b"{}"
        }),
        Err(Conflict::NotJson)
    );
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(9 << 20));
    assert_eq!(merge_text(None, &large, "{}"), Err(Conflict::NotJson));
}

#[test]
fn many_keys_are_merged_up_to_a_limit() {
    let document = |name: &str, count: usize| {
        let keys: Vec<_> = (0..count).map(|at| format!("\"{name}{at}\":{at}")).collect();
        format!("{{{}}}", keys.join(","))
    };
    let merged = merge_text(None, &document("a", 500), &document("b", 500)).unwrap();
    assert_eq!(Json::read(merged.as_bytes()).unwrap().as_object().unwrap().len(), 1_000);
    assert_eq!(merge_text(None, "{}", &document("b", 10_000)), Err(Conflict::NotJson));
}

#[test]
fn keys_are_taken_out_and_the_format_stays() {
    let content = "{\n  \"a\": 1, // one\n  \"hooks\": { \"x\": [1] },\n  \"b\": { \"hooks\": 2 }\n}\n";
    let without = String::from_utf8(json_without(content.as_bytes(), &["hooks", "none"]).unwrap()).unwrap();
    assert_eq!(without, "{\n  \"a\": 1, // one\n  \"b\": { \"hooks\": 2 }\n}\n");
    assert_eq!(json_without(content.as_bytes(), &["none"]).unwrap(), content.as_bytes());
    for (content, without) in [
        (r#"{"hooks":1}"#, "{}"),
        (r#"{"hooks":1,"a":2}"#, r#"{"a":2}"#),
        (r#"{"a":2,"hooks":1}"#, r#"{"a":2}"#),
        (r#"{"hooks":1,"a":2,"hooks":3}"#, r#"{"a":2}"#),
        (r#"{"\u0068ooks":1,"a":2}"#, r#"{"a":2}"#),
    ] {
        assert!(
            json_same(
                &json_without(content.as_bytes(), &["hooks"]).unwrap(),
                without.as_bytes()
            ),
            "{content}"
        );
    }
    for not_an_object in ["[]", "1", "", "{", "\u{ff}"] {
        assert_eq!(json_without(not_an_object.as_bytes(), &["hooks"]), None);
    }
}

/// A document of few keys and few values, so that sides agree, differ and nest.
fn document() -> impl Strategy<Value = String> {
    let scalar = proptest::sample::select(vec!["1", "2", "\"x\"", "null", "true"]).prop_map(str::to_owned);
    let value = scalar.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(", "))),
            object(inner),
        ]
    });
    object(value.boxed())
}

fn object(value: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    proptest::collection::btree_map(proptest::sample::select(vec!["a", "b", "c"]), value, 0..4).prop_map(|entries| {
        let entries: Vec<_> = entries
            .iter()
            .map(|(key, value)| format!("\n  \"{key}\": {value}"))
            .collect();
        format!("{{{}}}", entries.join(","))
    })
}

proptest! {
    #[test]
    fn p03_a_json_merge_is_pure_and_comes_to_the_same_from_both_sides(base in document(), x in document(), y in document()) {
        prop_assert_eq!(merge_text(Some(&base), &x, &x), Ok(x.clone()));
        prop_assert_eq!(merge_text(Some(&base), &base, &y), Ok(y.clone()));
        prop_assert_eq!(merge_text(Some(&base), &x, &base), Ok(x.clone()));
        let (forth, back) = (merge_text(Some(&base), &x, &y), merge_text(Some(&base), &y, &x));
        prop_assert_eq!(&forth, &merge_text(Some(&base), &x, &y));
        prop_assert_eq!(forth.is_ok(), back.is_ok());
        if let Ok(merged) = forth {
            // The vault's version is taken where ours did not change: merging again changes nothing.
            prop_assert_eq!(merge_text(Some(&y), &merged, &y), Ok(merged.clone()));
        }
    }

    #[test]
    fn any_edit_is_made_in_place(x in document(), y in document()) {
        let (now, wanted) = (Json::read(x.as_bytes()).unwrap(), Json::read(y.as_bytes()).unwrap());
        let edited = edit::apply(x.as_bytes(), &now, &wanted).unwrap();
        prop_assert_eq!(Json::read(&edited).unwrap(), wanted);
    }

    #[test]
    fn any_text_merges_or_conflicts_but_never_panics(x in any::<String>(), y in any::<Vec<u8>>()) {
        let _ = json(Sides { base: Some(b"{}"), ours: x.as_bytes(), theirs: &y });
        let _ = json_without(&y, &["a"]);
    }
}
