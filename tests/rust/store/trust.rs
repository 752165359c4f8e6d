//! What counts as checked, and from when on.

use crate::{draft, key, put};
use afml_cache::format::{Compression, Secret};
use afml_cache::store::{Found, Options, Store};
use std::path::Path;

/// Mapped, so that what is in it is not looked at anyway.
const SIZE: usize = 3 << 20;

fn open(path: &Path, secret: Option<[u8; 32]>) -> Store {
    let options = Options {
        secret: secret.map(|bytes| Secret::new(&bytes).unwrap()),
        ..Options::default()
    };
    Store::open(path, options).unwrap()
}

fn found(store: &Store, writes: bool) -> Found {
    store.get(key(1), writes).unwrap().unwrap()
}

/// Makes another file of the same content in a payload's place.
fn copy_over(folder: &Path) {
    let payloads = folder.join("v1/payloads");
    for folder in std::fs::read_dir(payloads).unwrap() {
        for payload in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = payload.unwrap().path();
            let content = std::fs::read(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, content).unwrap();
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_payload_is_sound_once_it_is_noted_to_have_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Some([1; 32]));
    assert!(put(&store, 1, SIZE, 1.0));
    assert!(found(&store, true).sound, "what we wrote ourselves");
    copy_over(folder.path());
    for _ in 0..2 {
        let found = found(&store, true);
        assert!(!found.sound && found.checked.is_some(), "not noted yet");
    }
    assert!(found(&store, false).checked.is_none(), "nothing is written");
    store.note_checked(&found(&store, true).checked.unwrap());
    let noted = found(&store, true);
    assert!(noted.sound && noted.checked.is_none());
    copy_over(folder.path());
    assert!(!found(&store, true).sound, "another file of that name");
}

#[test]
#[cfg(target_os = "linux")]
fn nobody_else_s_word_makes_a_payload_sound() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, other) = (Some([1; 32]), Some([2; 32]));
    assert!(put(&open(folder.path(), ours), 1, SIZE, 1.0));
    assert!(found(&open(folder.path(), ours), true).sound);
    for secret in [other, None] {
        let store = open(folder.path(), secret);
        let theirs = found(&store, true);
        assert!(!theirs.sound, "{secret:?}");
        store.note_checked(&theirs.checked.unwrap());
        assert_eq!(found(&store, true).sound, secret.is_some());
        let store = open(folder.path(), ours);
        assert!(!found(&store, true).sound, "after {secret:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_packed_payload_is_as_sound_as_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Some([1; 32]));
    let mut packed = draft(1, "m.f", 8 * SIZE, 1.0);
    packed.pack(Compression::Lz4).unwrap();
    let epoch = store.epoch("m.f").unwrap();
    store.put(&packed, epoch).unwrap();
    assert!(found(&store, true).sound);
    copy_over(folder.path());
    assert!(!found(&store, true).sound);
}

#[test]
fn what_is_read_in_full_is_looked_at_in_full() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path(), Some([1; 32]));
    for size in [100, 1 << 20] {
        assert!(put(&store, 1, size, 1.0));
        assert!(!found(&store, true).sound);
    }
}
