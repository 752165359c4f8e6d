//! Series and their catalog: changes of several processes, and files that are damaged or gone.
// A test looks at files as it pleases, and ends with what it can't unwrap.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod changes;
mod damage;

use afml_cache::ranges::{
    Catalog, Change, File, Interval, NEVER, Name, Piece, Reason, Series, State,
};
use afml_cache::store::{Options, Store};
use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a process has that opens a store.
fn series(root: &Path, key: &str) -> Series {
    let store = Store::open(root, Options::default()).unwrap();
    let catalog = Arc::new(Catalog::of(store.series_files().unwrap()));
    Series::of(catalog, Name::new("bars", key, key))
}

fn piece(first: i64, stop: i64, segment: Option<i64>) -> Piece {
    Piece {
        interval: Interval::new(first, stop),
        state: if segment.is_some() {
            State::Data
        } else {
            State::Empty
        },
        reason: Reason::Fetched,
        segment,
        attempt: 0,
        fetched_at: 1,
        recheck_after: NEVER,
    }
}

/// The bars of an interval, as a file.
fn bars(first: i64, stop: i64) -> Vec<u8> {
    let text = format!("bars from {first} to {stop}");
    text.repeat(20).into_bytes()
}

fn put(first: i64, stop: i64) -> Change {
    let file = File::New(bars(first, stop));
    Change {
        segments: vec![(file, Interval::new(first, stop), stop - first, "{}".into())],
        pieces: vec![piece(first, stop, Some(-1))],
        ..Change::default()
    }
}

/// First, stop and segment of all that is known.
fn known(series: &Series) -> Vec<(i64, i64, Option<i64>)> {
    let all = Interval::new(i64::MIN, i64::MAX);
    let pieces = series.pieces(all).into_iter();
    pieces
        .map(|one| (one.interval.first, one.interval.stop, one.segment))
        .collect()
}

fn spans(series: &Series) -> Vec<(i64, i64)> {
    let known = known(series).into_iter();
    known.map(|(first, stop, _)| (first, stop)).collect()
}

fn catalog(root: &Path) -> PathBuf {
    root.join("v1/series/catalog.sqlite3")
}

fn tables(root: &Path) -> Connection {
    Connection::open(catalog(root)).unwrap()
}

/// The files of series with a suffix.
fn files(root: &Path, suffix: &str) -> Vec<PathBuf> {
    let folders = fs::read_dir(root.join("v1/series")).unwrap().flatten();
    let folders = folders.filter(|entry| entry.path().is_dir());
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).unwrap().flatten());
    let files = files.map(|file| file.path());
    files
        .filter(|path| path.to_string_lossy().ends_with(suffix))
        .collect()
}
