//! The store as a whole: its size, what it keeps, and what a loss of power leaves of it.
// A test looks at files as it pleases, and ends with what it can't unwrap.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::default_trait_access
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

mod counters;
mod exchange;
mod exchange_drops;
mod exchange_stops;
mod power;
mod size;
mod trust;
mod upkeep;

use afml_cache::digest::Digest;
use afml_cache::format::{Draft, Meta, Source};
use afml_cache::store::{Options, Put, Store};
use std::path::Path;

/// A result of so many bytes, which its number makes different from all others.
fn content(number: u32, size: usize) -> Vec<u8> {
    let start = u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (0..size as u64)
        .map(|at| start.wrapping_add(at.wrapping_mul(at | 1)).to_le_bytes()[3])
        .collect()
}

fn key(number: u32) -> Digest {
    Digest::of(&number.to_le_bytes())
}

fn draft(number: u32, function: &str, size: usize, seconds: f64) -> Draft {
    Draft {
        key: key(number),
        created_ns: i64::from(number),
        seconds,
        meta: Meta {
            function: function.to_owned(),
            ..Meta::default()
        },
        tree: b"tree".to_vec(),
        leaves: vec![Source::Owned(content(number, size))],
        code_bearing: false,
        pickled: false,
        compression: None,
    }
}

fn open(path: &Path, max_size: Option<u64>) -> Store {
    let options = Options {
        max_size,
        ..Options::default()
    };
    Store::open(path, options).unwrap()
}

fn put(store: &Store, number: u32, size: usize, seconds: f64) -> bool {
    let epoch = store.epoch("m.f").unwrap();
    let put = store.put(&draft(number, "m.f", size, seconds), epoch);
    matches!(put, Ok(Put::Stored { .. }))
}

/// What is stored for a number, which must be what was put; `None` for nothing.
fn got(store: &Store, number: u32) -> Option<usize> {
    let found = store.get(key(number), true).ok()??;
    let leaf = &found.bytes.slice()[found.head.leaves[0].range.clone()];
    assert_eq!(
        leaf,
        content(number, leaf.len()),
        "a wrong value of {number}"
    );
    Some(leaf.len())
}

/// Bytes of all files in a folder.
fn taken(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => taken(&entry.path()),
            Ok(found) => found.len(),
            // It went while we looked.
            Err(_) => 0,
        })
        .sum()
}
