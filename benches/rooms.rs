//! How fast the rooms are, one by one: sealing and opening, merging, scanning. `cargo bench`; whole commands: `scripts/bench`.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../tests/support/corpus/mod.rs"]
mod corpus;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use csync::merge::{self, Sides};
use csync::{FileKind, LogicalPath, Root, Rules, SegmentRef, UserIgnores, Vault, VaultKey, scan, segments};

fn path() -> LogicalPath {
    LogicalPath::parse("claude/projects/~-code-app/0b8e2a10-0000-4000-8000-000000000001.jsonl").unwrap()
}

fn sealing(criterion: &mut Criterion) {
    let vault = Vault::new(VaultKey::generate());
    let file = vault.file_id(&path());
    let mut group = criterion.benchmark_group("segment");
    for size in [4 << 10, 64 << 10, segments::MAX_SEGMENT] {
        let content = corpus::session(7, size);
        let content = &content[..content.len().min(size)];
        let sealed = vault.seal_segment(content).unwrap().into_bytes();
        let segment = SegmentRef {
            id: vault.segment_id(file, content),
            size: content.len() as u64,
        };
        group.throughput(Throughput::Bytes(content.len() as u64));
        group.bench_function(format!("seal {} KiB", size >> 10), |bencher| {
            bencher.iter(|| vault.seal_segment(black_box(content)).unwrap());
        });
        group.bench_function(format!("open {} KiB", size >> 10), |bencher| {
            bencher.iter(|| vault.open_segment(file, &segment, black_box(&sealed)).unwrap());
        });
    }
    group.finish();
}

fn merging(criterion: &mut Criterion) {
    let base = corpus::session(7, 1 << 20);
    let grow = |seed: u64| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("session.jsonl");
        std::fs::write(&file, &base).unwrap();
        corpus::append_turn(&file, 40, seed).unwrap();
        std::fs::read(&file).unwrap()
    };
    let (ours, theirs) = (grow(1), grow(2));
    let mut group = criterion.benchmark_group("merge");
    group.throughput(Throughput::Bytes((ours.len() + theirs.len()) as u64));
    group.bench_function("fast-forward, 1 MiB", |bencher| {
        let sides = Sides {
            base: Some(&base),
            ours: &base,
            theirs: &theirs,
        };
        bencher.iter(|| merge::jsonl(black_box(sides), FileKind::Transcript, false).unwrap());
    });
    group.bench_function("two conversations, 1 MiB", |bencher| {
        let sides = Sides {
            base: Some(&base),
            ours: &ours,
            theirs: &theirs,
        };
        bencher.iter(|| merge::jsonl(black_box(sides), FileKind::Transcript, false).unwrap());
    });
    group.finish();
}

struct Everything;

impl Rules for Everything {
    fn enter(&self, _: &str) -> bool {
        true
    }

    fn take(&self, _: &str) -> bool {
        true
    }
}

fn scanning(criterion: &mut Criterion) {
    let home = tempfile::tempdir().unwrap();
    corpus::Corpus::new(1000, 7)
        .within(20 << 20)
        .write(home.path())
        .unwrap();
    let root = Root::open(&home.path().join(".claude")).unwrap();
    criterion.bench_function("scan 1,000 sessions", |bencher| {
        bencher.iter_batched(
            UserIgnores::none,
            |ignores| scan(&root, &Everything, &ignores),
            BatchSize::SmallInput,
        );
    });
}

criterion_group! {
    name = rooms;
    config = Criterion::default().sample_size(20);
    targets = sealing, merging, scanning
}
criterion_main!(rooms);
