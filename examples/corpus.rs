//! Writes a home folder full of synthetic Claude Code sessions: `cargo run --example corpus -- --sessions 1000 --seed 7 --out DIR`.
//!
//! `--bytes 50M` scales the sessions to a budget, `--big 500M` adds one huge session, `--compact` makes a small sample that people can
//! read, `--home PATH` is the home folder that the lines name, `--measure` says how well the transcripts compress.

#![allow(clippy::print_stdout)] // a tool of the developers, not a part of the program

#[path = "../tests/support/corpus/mod.rs"]
mod corpus;

use std::error::Error;
use std::fs::File;
use std::path::PathBuf;

use corpus::Corpus;

const USAGE: &str = "usage: corpus --out DIR [--sessions N] [--seed N] [--bytes SIZE] [--big SIZE] [--home PATH] [--compact] [--measure]";

fn main() -> Result<(), Box<dyn Error>> {
    let mut plan = Corpus::new(150, 7);
    let (mut out, mut measure) = (None, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let mut value = || arguments.next().ok_or(USAGE);
        match flag.as_str() {
            "--out" => out = Some(PathBuf::from(value()?)),
            "--sessions" => plan.sessions = value()?.parse()?,
            "--seed" => plan.seed = value()?.parse()?,
            "--bytes" => plan.total_bytes = Some(size(&value()?)?),
            "--big" => plan.big = Some(size(&value()?)?),
            "--home" => plan.recorded_home = Some(value()?),
            "--compact" => plan.compact = true,
            "--measure" => measure = true,
            _ => return Err(USAGE.into()),
        }
    }
    let summary = plan.write(&out.ok_or(USAGE)?)?;
    println!(
        "{} files, {:.1} MB, {} transcripts, {} files that must stay",
        summary.files,
        summary.bytes as f64 / 1e6,
        summary.transcripts.len(),
        summary.secrets.len()
    );
    if measure {
        let (mut before, mut after) = (0, 0);
        for transcript in &summary.transcripts {
            before += transcript.metadata()?.len();
            let mut encoder = zstd::Encoder::new(Counter(0), 3)?;
            std::io::copy(&mut File::open(transcript)?, &mut encoder)?;
            after += encoder.finish()?.0;
        }
        println!(
            "transcripts compress {:.1} times with zstd -3",
            before as f64 / after.max(1) as f64
        );
    }
    Ok(())
}

/// Counts what is written to it.
struct Counter(u64);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Reads `500M`, `20k`, `1G` or a plain number of bytes.
fn size(text: &str) -> Result<u64, Box<dyn Error>> {
    let (number, unit) = match text.char_indices().find(|(_, c)| !c.is_ascii_digit()) {
        Some((at, _)) => text.split_at(at),
        None => (text, ""),
    };
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1_000,
        "m" => 1_000_000,
        "g" => 1_000_000_000,
        _ => return Err(format!("`{text}` is not a size").into()),
    };
    Ok(number.parse::<u64>()? * factor)
}
