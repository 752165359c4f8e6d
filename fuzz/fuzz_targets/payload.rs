//! Any bytes as a payload: an error or a head that holds what it says, never a panic.
#![no_main]

use afml_cache::digest::{Digest, Encoder, digest_bytes};
use afml_cache::error::Kind;
use afml_cache::format::{HEADER, Head, Meta, Reader, Seal, Secret};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use std::sync::LazyLock;

const LEAF_ROW: usize = 32;
const CHECK: std::ops::Range<usize> = 96..112;
const STORE: [u8; 16] = [9; 16];

static OURS: LazyLock<Secret> = LazyLock::new(|| Secret::new(&[7; Secret::SIZE]).expect("32"));
static THEIRS: LazyLock<Secret> = LazyLock::new(|| Secret::new(&[8; Secret::SIZE]).expect("32"));

fn number(bytes: &[u8], at: usize) -> usize {
    let mut wide = [0; 8];
    wide.copy_from_slice(&bytes[at..at + 8]);
    usize::try_from(u64::from_le_bytes(wide)).unwrap_or(usize::MAX)
}

/// Where description and tree end, and the table: as the header says, where that is possible.
fn places(bytes: &[u8]) -> Option<(usize, usize)> {
    let table = HEADER
        .checked_add(number(bytes, 56))?
        .checked_add(number(bytes, 64))?;
    let end = table.checked_add(number(bytes, 72).checked_mul(LEAF_ROW)?)?;
    (end <= bytes.len()).then_some((table, end))
}

/// Makes digests, check and seal fit what the bytes have become; `how` says which.
fn repair(bytes: &mut [u8], how: u32) {
    if bytes.len() < HEADER {
        return;
    }
    bytes[..8].copy_from_slice(b"AFMLPAY1");
    bytes[8..12].copy_from_slice(&1_u32.to_le_bytes());
    if how & 2 != 0 {
        let length = bytes.len() as u64;
        bytes[80..88].copy_from_slice(&length.to_le_bytes());
    }
    let Some((table, end)) = places(bytes) else {
        return;
    };
    if how & 4 != 0 {
        for row in (table..end).step_by(LEAF_ROW) {
            let (start, length) = (number(bytes, row), number(bytes, row + 8));
            let leaf = start
                .checked_add(length)
                .and_then(|stop| bytes.get(start..stop));
            if let Some(digest) = leaf.map(digest_bytes) {
                bytes[row + 16..row + 32].copy_from_slice(&digest.0);
            }
        }
    }
    let mut encoder = Encoder::new();
    encoder.raw(&bytes[..CHECK.start]);
    encoder.raw(&bytes[HEADER..end]);
    let check = encoder.finish();
    bytes[CHECK].copy_from_slice(&check.0);
    if how & 8 != 0 {
        let seal = OURS.seal(&[&STORE, &bytes[..CHECK.start], &bytes[HEADER..end]]);
        bytes[112..120].copy_from_slice(&OURS.id());
        bytes[120..HEADER].copy_from_slice(&seal);
    }
}

/// Moves the bounds between description, tree and table, or puts an extreme number anywhere.
fn rearrange(bytes: &mut [u8], seed: u32) {
    const EXTREMES: [u64; 8] = [0, 1, 31, 64, 1 << 31, 1 << 32, i64::MAX as u64, u64::MAX];
    let fields = bytes.len() / 8;
    if seed & 0x300 != 0 || fields == 0 {
        return;
    }
    let at = (seed >> 16) as usize % fields * 8;
    let value = EXTREMES[(seed >> 10) as usize % EXTREMES.len()];
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    rearrange(&mut data[..size], seed);
    if seed % 8 != 0 {
        repair(&mut data[..size], seed >> 3);
    }
    size
});

fuzz_target!(|data: &[u8]| {
    let Ok(head) = Head::read(data) else {
        return;
    };
    check_places(&head, data);
    check_meta(&head, data);
    check_seal(&head, data);
    let whole = head.verify_leaves(data).is_ok();
    let sound = |leaf: &afml_cache::format::Leaf| leaf.range.end <= data.len();
    assert!(!whole || head.leaves.iter().all(sound));
    walk(&data[head.tree.clone()]);
});

fn check_places(head: &Head, data: &[u8]) {
    let mut at = head.size();
    assert!(head.tree.start >= HEADER && head.tree.end <= at && at <= data.len());
    for leaf in &head.leaves {
        assert!(leaf.range.start >= at && leaf.range.start % 64 == 0);
        assert!(leaf.range.end <= head.length);
        at = leaf.range.end;
    }
}

fn check_meta(head: &Head, data: &[u8]) {
    if let Ok(meta) = head.meta(data) {
        assert_eq!(Meta::decode(&meta.encode()).expect("what was written"), meta);
    }
}

fn check_seal(head: &Head, data: &[u8]) {
    let ours = Seal {
        secret: &OURS,
        store: &STORE,
    };
    let strangers = [
        None,
        Some(Seal {
            secret: &THEIRS,
            store: &STORE,
        }),
        Some(Seal {
            secret: &OURS,
            store: &[1; 16],
        }),
    ];
    let ours = head.authenticate(data, Some(ours));
    for seal in strangers {
        assert_eq!(head.authenticate(data, seal).is_ok(), !head.code_bearing);
    }
    if let Err(error) = ours {
        assert!(matches!(error.kind(), Kind::Forged | Kind::ForeignSecret));
    }
}

/// The fields of a tree, of the kinds that its own bytes ask for.
fn walk(tree: &[u8]) {
    let mut reader = Reader::new(tree);
    let mut left = tree.len();
    while let Ok(kind) = reader.u8() {
        left -= 1;
        let taken = match kind % 9 {
            0 => reader.u32().map(|_| 4),
            1 => reader.u64().map(|_| 8),
            2 => reader.i64().map(|_| 8),
            3 => reader.f64().map(|_| 8),
            4 => reader.count().map(|count| {
                assert!(count <= left - 8);
                8
            }),
            5 => reader.length().map(|_| 8),
            6 => reader.bytes().map(|bytes| 8 + bytes.len()),
            7 => reader.text().map(|text| 8 + text.len()),
            _ => reader.digest().map(|_| Digest::SIZE),
        };
        let Ok(taken) = taken else { break };
        left -= taken;
        assert_eq!(reader.is_empty(), left == 0);
    }
}
