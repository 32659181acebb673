use std::os::unix::fs::PermissionsExt;

use super::*;

fn row(name: &str) -> Row {
    Row {
        path: LogicalPath::new("claude", name).unwrap(),
        relative: name.to_owned(),
        stat: Stat {
            size: u64::MAX,
            modified: Timestamp(-1),
            changed: Timestamp(2),
            inode: u64::MAX - 1,
            mode: 0o600,
        },
        seen: Timestamp(i64::MAX),
        hash: ContentHash([7; 32]),
        size: 12,
        agreed: Some(Agreed {
            head: BlobId([1; 20]),
            hash: ContentHash([2; 32]),
        }),
    }
}

fn file() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("state/index.sqlite");
    (dir, file)
}

#[test]
fn rows_are_read_back_as_they_were_written() {
    let (_dir, file) = file();
    let mut index = Index::open(&file).unwrap();
    let plain = Row {
        agreed: None,
        ..row("b")
    };
    index.write(&[plain.clone(), row("a"), row("gone")], &[]).unwrap();
    index.write(&[], &[row("gone").path]).unwrap();
    drop(index);
    let index = Index::open(&file).unwrap();
    assert_eq!(index.rows().unwrap(), [row("a"), plain]);
    assert!(!index.was_rebuilt());
}

#[test]
fn p19_the_index_is_closed_to_others() {
    let (_dir, file) = file();
    let mut index = Index::open(&file).unwrap();
    index.write(&[row("a")], &[]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for path in files_of(&file) {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    assert_eq!(mode(file.parent().unwrap()), 0o700);
}

#[test]
fn a_damaged_index_is_moved_aside_and_begun_anew() {
    let (_dir, file) = file();
    for number in 1..=2 {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "this was a database once, but is none any more").unwrap();
        let mut index = Index::open(&file).unwrap();
        assert!(index.was_rebuilt());
        index.write(&[row("a")], &[]).unwrap();
        assert_eq!(index.rows().unwrap().len(), 1);
        assert!(file.with_file_name(format!("index.sqlite.corrupt-{number}")).exists());
    }
}

#[test]
fn damage_that_shows_only_later_is_mended_then() {
    let (_dir, file) = file();
    let mut index = Index::open(&file).unwrap();
    let many: Vec<_> = (0..2000).map(|number| row(&format!("{number}"))).collect();
    index.write(&many, &[]).unwrap();
    drop(index);
    // The first page, which says what the tables are, stays whole.
    let mut bytes = fs::read(&file).unwrap();
    bytes[4096..].fill(0xee);
    fs::write(&file, bytes).unwrap();
    let mut index = Index::open(&file).unwrap();
    assert!(index.rows().unwrap().is_empty());
    assert!(index.was_rebuilt());
    index.write(&[row("a")], &[]).unwrap();
    assert_eq!(index.rows().unwrap().len(), 1);
}

#[test]
fn other_versions_and_other_tables_are_begun_anew() {
    let (_dir, file) = file();
    drop(Index::open(&file).unwrap());
    Connection::open(&file)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let mut index = Index::open(&file).unwrap();
    assert!(index.was_rebuilt());
    index.write(&[row("a")], &[]).unwrap();
    drop(index);
    Connection::open(&file)
        .unwrap()
        .execute_batch("DROP TABLE files")
        .unwrap();
    assert!(Index::open(&file).unwrap().rows().unwrap().is_empty());
}

#[test]
fn heads_and_notes_are_remembered() {
    let (_dir, file) = file();
    let mut index = Index::open(&file).unwrap();
    let (one, two) = (BlobId([1; 20]), BlobId([2; 20]));
    index.put_heads(&[(one, "one".into()), (two, "two".into())]).unwrap();
    assert_eq!(index.head(one).unwrap().as_deref(), Some("one"));
    index.forget_heads_except(&HashSet::from([two])).unwrap();
    assert_eq!(index.head(one).unwrap(), None);
    assert_eq!(index.heads().unwrap(), [(two, "two".to_owned())]);
    assert_eq!(index.meta("last-sync").unwrap(), None);
    index.set_meta("last-sync", "now").unwrap();
    assert_eq!(index.meta("last-sync").unwrap().as_deref(), Some("now"));
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let error = Index::open(Path::new("/proc/self/csync/index.sqlite")).unwrap_err();
    assert!(error.to_string().contains("/proc/self/csync"), "{error}");
}
