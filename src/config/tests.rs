//! Stories of layers, messages and edits.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::error::Error;

const FILE: &str = "/home/ana/.config/csync/config.toml";

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::new("/home/ana", variables.iter().copied()).working_in("/srv")
}

fn of_file(text: &str) -> Result<Config, ConfigError> {
    Config::from_layers(&environment(&[]), Some((Path::new(FILE), text)), &[])
}

/// What a person reads when `text` is the configuration.
fn complaint(text: &str) -> String {
    told(of_file(text).unwrap_err())
}

fn told(error: ConfigError) -> String {
    let error = Error::from(error);
    assert_eq!(error.kind(), crate::error::Kind::Usage);
    format!("error: {error}\nhint: {}", error.hint_text().unwrap())
}

fn with(key: &str, texts: &[&str]) -> Result<String, ConfigError> {
    const TEXT: &str = "\
# my machines
device = \"laptop\" # the small one

[claude]
# not these
exclude = [
    \"projects/*secret*\", # ever
]
";
    let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
    set(Path::new(FILE), TEXT, key, &texts, &environment(&[]))
}

#[test]
fn a_flag_wins_over_the_environment_over_the_file_over_the_default() {
    let file = Some((Path::new(FILE), "max_delete = 30\nmax_retries = 7\ndevice = \"laptop\""));
    let variables = environment(&[("CSYNC_MAX_DELETE", "40"), ("CSYNC_MAX_RETRIES", "8")]);
    let flags = [FlagValue {
        key: "max_delete",
        flag: "--max-delete",
        texts: vec!["50".to_owned()],
    }];
    let config = Config::from_layers(&variables, file, &flags).unwrap();
    assert_eq!((config.max_delete, config.max_retries), (50, 8));
    assert_eq!(config.device.as_ref().unwrap().as_str(), "laptop");

    let origin = |key| config.entry(key).unwrap().origin.to_string();
    assert_eq!(origin("max_delete"), "flag --max-delete");
    assert_eq!(origin("max_retries"), "environment CSYNC_MAX_RETRIES");
    assert_eq!(origin("device"), format!("file {FILE}"));
    assert_eq!(origin("color"), "default");
}

#[test]
fn without_anything_there_are_the_defaults() {
    let config = of_file("").unwrap();
    assert_eq!(config.claude.path, Path::new("/home/ana/.claude"));
    assert_eq!((config.max_delete, config.max_retries), (20, 5));
    assert_eq!(config.color, ColorChoice::Auto);
    assert!(config.claude.send_keys.is_empty());
    assert_eq!(config.remote, None);
    assert_eq!(config.entries().len(), SETTINGS.len());
}

#[test]
fn the_folder_of_claude_code_follows_its_own_variable_unless_the_file_says_otherwise() {
    let variables = environment(&[("CLAUDE_CONFIG_DIR", "/data/claude")]);
    let config = Config::from_layers(&variables, None, &[]).unwrap();
    assert_eq!(config.claude.path, Path::new("/data/claude"));
    assert_eq!(
        config.entry("claude.path").unwrap().origin,
        Origin::Variable("CLAUDE_CONFIG_DIR")
    );

    let file = Some((Path::new(FILE), "[claude]\npath = \"~/other\""));
    let config = Config::from_layers(&variables, file, &[]).unwrap();
    assert_eq!(config.claude.path, Path::new("/home/ana/other"));
}

#[test]
fn every_value_of_the_file_arrives() {
    let config = of_file(
        "remote = \"git@example.org:ana/vault.git\"\n\
         vault = \"000102030405060708090a0b0c0d0e0f\"\n\
         color = \"never\"\n\
         pager = \"bat\"\n\
         claude = { include = [\"projects/**\"], send_keys = [\"hooks\"] }\n\
         [claude.projects]\n",
    );
    assert!(config.is_err(), "TOML forbids to extend an inline table");
    let config = of_file(
        "remote = \"git@example.org:ana/vault.git\"\n\
         vault = \"000102030405060708090a0b0c0d0e0f\"\n\
         color = \"never\"\n\
         pager = \"bat\"\n\
         claude.include = [\"projects/**\"]\n\
         claude.send_keys = [\"hooks\"]\n\
         [claude.projects]\n\
         \"~/code/app\" = \"work/app\"\n",
    )
    .unwrap();
    assert_eq!(config.remote.as_deref(), Some("git@example.org:ana/vault.git"));
    assert_eq!(config.vault.unwrap().to_string(), "000102030405060708090a0b0c0d0e0f");
    assert_eq!(config.color, ColorChoice::Never);
    assert_eq!(config.pager.as_deref(), Some("bat"));
    assert_eq!(config.claude.include, ["projects/**"]);
    assert_eq!(config.claude.send_keys, ["hooks"]);
    let projects: Vec<_> = config.claude.projects.iter().collect();
    assert_eq!(
        projects,
        [(&PathBuf::from("/home/ana/code/app"), &"work/app".to_owned())]
    );
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_key_that_was_meant() {
    insta::assert_snapshot!(complaint("device = \"laptop\"\n\nremot = \"x\"\n"), @r"
    error: `/home/ana/.config/csync/config.toml`, line 3: unknown key `remot`
    hint: did you mean `remote`?
    ");
    insta::assert_snapshot!(complaint("[claude]\nsend-keys = []\n"), @r"
    error: `/home/ana/.config/csync/config.toml`, line 2: unknown key `claude.send-keys`
    hint: did you mean `claude.send_keys`?
    ");
    insta::assert_snapshot!(complaint("[bandwidth]\nlimit = 3\n"), @r"
    error: `/home/ana/.config/csync/config.toml`, line 1: unknown key `bandwidth`
    hint: `csync config show` lists every key
    ");
}

#[test]
fn a_wrong_value_is_named_with_its_line_and_what_belongs_there() {
    insta::assert_snapshot!(complaint("max_delete = \"many\"\n"), @r"
    error: `/home/ana/.config/csync/config.toml`, line 1: `max_delete` must be a whole number from 0 to 100, not a string
    hint: mend it there, or run `csync config set max_delete VALUE`
    ");
    insta::assert_snapshot!(complaint("\nmax_delete = 101\n"), @r"
    error: `/home/ana/.config/csync/config.toml`, line 2: `max_delete` must be a whole number from 0 to 100, not 101
    hint: mend it there, or run `csync config set max_delete VALUE`
    ");
    insta::assert_snapshot!(complaint("color = \"sometimes\"\n"), @r"
    error: `/home/ana/.config/csync/config.toml`, line 1: `color` must be one of auto, always, never, not `sometimes`
    hint: mend it there, or run `csync config set color VALUE`
    ");
    insta::assert_snapshot!(complaint("[claude]\nexclude = [\"a\", 1]\n"), @r"
    error: `/home/ana/.config/csync/config.toml`, line 2: `claude.exclude` must be a list of texts, not a list that holds an integer
    hint: mend it there, or run `csync config set claude.exclude VALUE`
    ");
    insta::assert_snapshot!(complaint("claude = 1\n"), @r"
    error: `/home/ana/.config/csync/config.toml`, line 1: unknown key `claude`
    hint: did you mean `claude.path`?
    ");
    insta::assert_snapshot!(complaint("device = \"a\nb\"\n"), @r"
    error: `/home/ana/.config/csync/config.toml`, line 2: key with no value, expected `=`
    hint: mend that line of `/home/ana/.config/csync/config.toml`
    ");
}

#[test]
fn a_wrong_variable_is_named() {
    let variables = environment(&[("CSYNC_MAX_DELETE", "lots")]);
    insta::assert_snapshot!(told(Config::from_layers(&variables, None, &[]).unwrap_err()), @r"
    error: $CSYNC_MAX_DELETE: `max_delete` must be a whole number from 0 to 100, not `lots`
    hint: change CSYNC_MAX_DELETE, or unset it
    ");
}

/// People put the tokens of hosts where the user's name stands. What follows is their beginning, which the hosts made known.
#[test]
fn p18_a_token_in_a_remote_is_refused_and_not_repeated() {
    for token in [
        "ghp_s3cret0123456789",
        "github_pat_s3cret",
        "gho_s3cret",
        "glpat-s3cret",
        "ATBBs3cret",
        "a/s3cret:s3cret",
    ] {
        let complaint = complaint(&format!("remote = \"https://{token}@host/x.git\"\n"));
        assert!(!complaint.contains("s3cret"), "{complaint}");
    }
}

#[test]
fn p18_a_password_in_a_remote_is_refused_and_not_repeated() {
    let complaint = complaint("remote = \"https://ana:hunter2@example.org/vault.git\"\n");
    assert!(!complaint.contains("hunter2"));
    insta::assert_snapshot!(complaint, @r"
    error: `/home/ana/.config/csync/config.toml`, line 1: `remote` must be a URL or a path without a password in it, not a URL with a password
    hint: mend it there, or run `csync config set remote VALUE`
    ");
    assert!(of_file("remote = \"https://ana@example.org/vault.git\"").is_ok());
    assert!(of_file("remote = \"ssh://git@example.org:22/vault.git\"").is_ok());
    assert!(of_file("remote = \"--upload-pack=evil\"").is_err());
}

#[test]
fn setting_a_value_keeps_comments_and_order() {
    insta::assert_snapshot!(with("device", &["desktop"]).unwrap(), @r#"
    # my machines
    device = "desktop" # the small one

    [claude]
    # not these
    exclude = [
        "projects/*secret*", # ever
    ]
    "#);
    insta::assert_snapshot!(with("max_delete", &["50"]).unwrap(), @r#"
    # my machines
    device = "laptop" # the small one
    max_delete = 50

    [claude]
    # not these
    exclude = [
        "projects/*secret*", # ever
    ]
    "#);
    insta::assert_snapshot!(with("claude.projects", &["~/code/app=work/app"]).unwrap(), @r#"
    # my machines
    device = "laptop" # the small one

    [claude]
    # not these
    exclude = [
        "projects/*secret*", # ever
    ]

    [claude.projects]
    "~/code/app" = "work/app"
    "#);
    insta::assert_snapshot!(with("claude.exclude", &["a", "b"]).unwrap(), @r#"
    # my machines
    device = "laptop" # the small one

    [claude]
    # not these
    exclude = ["a", "b"]
    "#);
}

#[test]
fn a_map_keeps_its_other_entries() {
    let before = "[claude.projects]\n\"/a\" = \"one\" # first\n\"/b\" = \"two\"\n";
    let entry = ["/b=three".to_owned()];
    let after = set(Path::new(FILE), before, "claude.projects", &entry, &environment(&[])).unwrap();
    assert_eq!(
        after,
        "[claude.projects]\n\"/a\" = \"one\" # first\n\"/b\" = \"three\"\n"
    );
}

#[test]
fn a_path_is_kept_as_written_unless_it_would_depend_on_the_working_folder() {
    let path = |written| {
        let text = set(
            Path::new(FILE),
            "",
            "claude.path",
            &[String::from(written)],
            &environment(&[]),
        );
        text.unwrap()
    };
    assert_eq!(path("~/claude"), "[claude]\npath = \"~/claude\"\n");
    assert_eq!(path("claude"), "[claude]\npath = \"/srv/claude\"\n");
}

#[test]
fn what_was_set_is_read_back() {
    for (key, texts) in [
        ("remote", &["/srv/vault.git"][..]),
        ("device", &["ana's \"laptop\""]),
        ("claude.include", &["a", "b c", "\\d"]),
        ("claude.include", &[]),
        ("claude.send_keys", &["hooks", "statusLine"]),
        ("max_retries", &["0"]),
        ("color", &["always"]),
    ] {
        let text = with(key, texts).unwrap();
        let config = of_file(&text).unwrap();
        let owned: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        let expected = setting(key).unwrap().shape.read(&owned, &environment(&[])).unwrap();
        assert_eq!(config.entry(key).unwrap().value, Some(expected), "{key}");
    }
}

#[test]
fn setting_what_cannot_be_is_refused() {
    insta::assert_snapshot!(told(with("max_delete", &["lots"]).unwrap_err()), @r"
    error: `max_delete` must be a whole number from 0 to 100, not `lots`
    hint: max_delete: stop before more than this share of the files, in percent, would be deleted or cut
    ");
    insta::assert_snapshot!(told(with("max_delete", &["1", "2"]).unwrap_err()), @r"
    error: `max_delete` must be a whole number from 0 to 100, not 2 values
    hint: max_delete: stop before more than this share of the files, in percent, would be deleted or cut
    ");
    insta::assert_snapshot!(told(with("colour", &["always"]).unwrap_err()), @r"
    error: unknown key `colour`
    hint: did you mean `color`?
    ");
    insta::assert_snapshot!(told(with("claude.projects", &["/a"]).unwrap_err()), @r"
    error: `claude.projects` must be a table of texts (as arguments: FOLDER=NAME), not `/a`
    hint: claude.projects: local folders and the names that their projects have on every machine
    ");
}

#[test]
fn a_file_that_cannot_be_read_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let variables = Environment::new("/home/ana", [("CSYNC_CONFIG_DIR", folder.path())]);
    let paths = Paths::from_environment(&variables);
    assert!(Config::load(&variables, &paths, &[]).is_ok(), "no file is no error");

    std::fs::write(paths.config_file(), b"device = \"caf\xe9\"").unwrap();
    let error = Config::load(&variables, &paths, &[]).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }), "{error}");

    std::fs::write(paths.config_file(), " ".repeat((1 << 20) + 1)).unwrap();
    let error = Config::load(&variables, &paths, &[]).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { .. }), "{error}");
}

mod any_input {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn p22_no_text_makes_reading_panic(text in "[a-z_.=\\[\\]{}\"'#\n 0-9]{0,80}") {
            let _ = of_file(&text);
            let _ = set(Path::new(FILE), &text, "claude.projects", &["/a=b".to_owned()], &environment(&[]));
        }
    }
}
