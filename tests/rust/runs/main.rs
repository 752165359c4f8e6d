//! Runs and the ledger: a naive model, damage, and whoever is killed or in the way.
// A test looks at files as it pleases, and ends with what it can't unwrap.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod acts;
mod damage;
mod flips;
mod ledger;
mod model;
mod stopped;
mod together;

use afml_cache::runs::returns::{EquityKind, Kept, Series};
use afml_cache::runs::{Answer, Found, Metric, Record, Role, Runs};
use afml_cache::store::{Options, Store};
use std::fs;
use std::path::{Path, PathBuf};

type Digest = afml_cache::digest::Digest;

/// What a process has that opens a store.
fn runs(root: &Path) -> Runs {
    let store = Store::open(root, Options::default()).unwrap();
    Runs::of(store.run_files().unwrap())
}

fn digest(bytes: [u8; Digest::SIZE]) -> Digest {
    afml_cache::digest::Digest(bytes)
}

fn id(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// A run of the strategy "s" on the data "d", with a Sharpe ratio.
fn record(name: &str, sharpe: f64) -> Record {
    Record {
        run: id(name),
        strategy: "s".into(),
        dataset: "set".into(),
        purpose: String::new(),
        role: Role::Trial,
        trial: id(&format!("trial {name}")),
        code: None,
        parameters: id(&format!("parameters {name}")),
        data: id("d"),
        at_ns: 7,
        seconds: 0.5,
        time_range: Some((1, 2)),
        seen_ns: None,
        step_ns: 1_000,
        moments: None,
        reason: String::new(),
        metrics: vec![
            ("sharpe".into(), Metric::Number(sharpe)),
            ("trades".into(), Metric::Whole(5)),
            ("note".into(), Metric::Text("fine".into())),
        ],
        about: "{}".into(),
    }
}

/// Returns by session of an equity curve that is drawn from a seed.
fn kept(seed: u64, sessions: &[i64]) -> Series {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut level = 100.0;
    let mut levels = vec![level];
    for _ in 1..sessions.len() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        #[allow(clippy::cast_precision_loss)]
        let share = (state >> 40) as f64 / f64::from(1 << 24);
        level *= 1.0 + (share - 0.48) / 50.0;
        levels.push(level);
    }
    Series::of(&levels, Some(sessions), EquityKind::Price).unwrap()
}

/// Records a run with returns.
fn put(runs: &Runs, mut record: Record, seed: u64) -> Record {
    let sessions: Vec<i64> = (100..160).collect();
    let series = kept(seed, &sessions);
    record.moments = Some(series.moments);
    let kept = Some((series.kept, EquityKind::Price));
    runs.record(&record, kept, &small(&record)).unwrap();
    record
}

fn small(record: &Record) -> Answer {
    Answer {
        payload: format!("answer of {}", record.run).into_bytes(),
        files: Vec::new(),
    }
}

fn large(byte: u8) -> Answer {
    Answer {
        payload: vec![byte; 100_000],
        files: vec![("trades.parquet".into(), vec![byte; 300])],
    }
}

fn answer(runs: &Runs, run: Digest) -> Option<Vec<u8>> {
    let answer = runs.answer(run).unwrap();
    answer.map(|bytes| bytes.slice().to_vec())
}

/// The returns of a run by session.
fn returns(runs: &Runs, found: &Found) -> Option<Kept> {
    runs.kept(found).unwrap().map(|(kept, _)| kept)
}

fn folder(root: &Path) -> PathBuf {
    root.join("v1/runs")
}

fn log(root: &Path) -> PathBuf {
    folder(root).join("log")
}

fn index(root: &Path) -> PathBuf {
    folder(root).join("runs.sqlite3")
}

/// Where the last frame of the log ends.
fn end_of_log(root: &Path) -> usize {
    let bytes = fs::read(log(root)).unwrap();
    let mut end = 0;
    while bytes[end..].starts_with(b"AFMLRUN1") {
        let length = bytes[end + 8..end + 16].try_into().unwrap();
        end += 33 + usize::try_from(u64::from_le_bytes(length)).unwrap();
    }
    end
}

/// Takes the index away.
fn lose_index(root: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", index(root).display()));
    }
}

/// All that can be asked, as text: two states of which all answers are the same have one.
fn all_answers(runs: &Runs) -> String {
    use std::fmt::Write;
    let mut told = String::new();
    for run in runs.ids().unwrap() {
        let found = runs.find(run).unwrap().unwrap();
        let answer = answer(runs, run).map(|bytes| Digest::of(&bytes));
        writeln!(told, "{found:?} {answer:?} {:?}", returns(runs, &found)).unwrap();
    }
    writeln!(told, "{:?}", runs.count().unwrap()).unwrap();
    for family in runs.families(None).unwrap() {
        let names = (&*family.strategy, &*family.dataset, &*family.purpose);
        let standing = runs.standing(names).unwrap().unwrap();
        let latest = runs.latest(family.number).unwrap();
        let latest: Vec<_> = latest.iter().map(|found| found.record.run).collect();
        let failures = runs.failures(family.number).unwrap();
        writeln!(
            told,
            "{family:?} {:?} {latest:?} {failures:?}",
            standing.spreads
        )
        .unwrap();
        // Sums of floats depend on the order of what came and went.
        let correlation = standing.correlation.map(|mean| (mean * 1e9).round());
        writeln!(told, "{correlation:?}").unwrap();
    }
    for (strategy, _) in runs.count().unwrap() {
        for metric in ["sharpe", "trades", "note"] {
            for maximize in [true, false] {
                let ranking = runs.best((&strategy, metric), maximize, 9, None).unwrap();
                let best: Vec<_> = ranking.runs.iter().map(|found| found.record.run).collect();
                let rest = (ranking.unranked, ranking.differ);
                writeln!(told, "{strategy} {metric} {best:?} {rest:?}").unwrap();
            }
        }
    }
    writeln!(
        told,
        "{:?} {:?}",
        runs.splits("split", None).unwrap(),
        runs.frames().unwrap()
    )
    .unwrap();
    told
}
