//! Entries to a file and back: whole or not at all, and nothing that was dropped.

use super::{draft, got, key, open, put};
use afml_cache::digest::Digest;
use afml_cache::error::{Error, Kind, Result};
use afml_cache::format::{Draft, Head, Secret};
use afml_cache::store::{Bytes, Imported, Judge, Options, Put, Selection, Store};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Takes every payload; or refuses those of one function.
pub struct Any(&'static str);

impl Judge for Any {
    fn goes_on(&self) -> Result<()> {
        Ok(())
    }

    fn wants(&self, _: &Head) -> Result<bool> {
        Ok(true)
    }

    fn decodes(&self, head: &Head, bytes: &Arc<Bytes>) -> Result<()> {
        if self.0 == head.meta(bytes.slice()).unwrap().function {
            return Err(Error::new(Kind::Corrupt, "it holds a class"));
        }
        Ok(())
    }
}

pub const ALL: Selection<'_> = Selection {
    function: None,
    time_range: None,
    key: None,
    before_ns: None,
    pinned: None,
};
pub const ANY: Any = Any("");

pub fn import(store: &Store, file: &Path) -> Imported {
    store.import(file, true, &ANY).unwrap()
}

fn with_secret(path: &Path, byte: u8) -> Store {
    let options = Options {
        secret: Some(Secret::new(&[byte; 32]).unwrap()),
        ..Options::default()
    };
    Store::open(path, options).unwrap()
}

fn sealed(number: u32, size: usize) -> Draft {
    Draft {
        code_bearing: true,
        ..draft(number, "m.f", size, 1.0)
    }
}

pub fn store(drafted: &Draft, store: &Store) {
    let epoch = store.epoch(&drafted.meta.function).unwrap();
    assert!(matches!(store.put(drafted, epoch), Ok(Put::Stored { .. })));
}

/// Two stores and a file between them.
pub fn places() -> (tempfile::TempDir, Store, Store, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = ["here", "there"].map(|name| open(&folder.path().join(name), None));
    let file = folder.path().join("entries.afml");
    (folder, here, there, file)
}

fn quarantined(folder: &tempfile::TempDir) -> usize {
    let path = folder.path().join("there/v1/quarantine");
    fs::read_dir(path).unwrap().count()
}

#[test]
fn what_was_exported_is_there_after_an_import() {
    let (_folder, here, there, file) = places();
    let sizes = [0, 10, 16_000, 20_000, 3 << 20];
    for (number, size) in (0..).zip(sizes) {
        assert!(put(&here, number, size, 1.0));
    }
    let exported = here.export(&file, ALL, &ANY).unwrap();
    assert_eq!(exported.entries, 5);
    assert_eq!(exported.bytes, fs::metadata(&file).unwrap().len());
    let imported = import(&there, &file);
    assert_eq!((imported.stored, imported.refused), (5, 0));
    for (number, size) in (0..).zip(sizes) {
        assert_eq!(got(&there, number), Some(size));
    }
    let listed = |store: &Store| {
        let mut listed = store.list(ALL).unwrap();
        listed.sort_by_key(|entry| entry.key);
        let rows = listed.into_iter();
        let rows = rows.map(|entry| (entry.key, entry.created_ns, entry.seconds.to_bits()));
        rows.collect::<Vec<_>>()
    };
    assert_eq!(listed(&here), listed(&there));
    assert!(there.verify(false).unwrap().problems.is_empty());
    assert_eq!(import(&there, &file).present, 5);
}

#[test]
fn only_what_is_asked_for_is_exported() {
    let (_folder, here, there, file) = places();
    store(&draft(1, "m.f", 30, 1.0), &here);
    store(&draft(2, "m.g", 30_000, 1.0), &here);
    store(&draft(3, "m.g", 30, 1.0), &here);
    let of_function = Selection {
        function: Some("m.g"),
        ..ALL
    };
    assert_eq!(here.export(&file, of_function, &ANY).unwrap().entries, 2);
    let of_key = Selection {
        key: Some(key(1)),
        ..ALL
    };
    assert_eq!(here.export(&file, of_key, &ANY).unwrap().entries, 1);
    import(&there, &file);
    assert_eq!(
        [1, 2, 3].map(|number| got(&there, number)),
        [Some(30), None, None]
    );
}

#[test]
fn a_seal_is_made_anew_for_the_other_store_and_with_our_secret_alone() {
    let folder = tempfile::tempdir().unwrap();
    let here = with_secret(&folder.path().join("here"), 1);
    let file = folder.path().join("entries.afml");
    store(&sealed(1, 30), &here);
    store(&sealed(2, 30_000), &here);
    store(&draft(3, "m.f", 30, 1.0), &here);
    here.export(&file, ALL, &ANY).unwrap();
    let ours = with_secret(&folder.path().join("ours"), 1);
    assert_eq!(import(&ours, &file).stored, 3);
    assert_eq!(
        [1, 2, 3].map(|number| got(&ours, number)),
        [Some(30), Some(30_000), Some(30)]
    );
    for (name, theirs) in [
        ("theirs", with_secret(&folder.path().join("theirs"), 2)),
        ("nobody's", open(&folder.path().join("nobody's"), None)),
    ] {
        let imported = import(&theirs, &file);
        assert_eq!((imported.stored, imported.foreign), (1, 2), "{name}");
        assert_eq!(got(&theirs, 3), Some(30));
        assert_eq!(theirs.totals().unwrap().0, 1);
    }
}

#[test]
fn what_can_not_be_decoded_is_set_aside() {
    let (folder, here, there, file) = places();
    store(&draft(1, "m.f", 30, 1.0), &here);
    store(&draft(2, "m.g", 30_000, 1.0), &here);
    here.export(&file, ALL, &ANY).unwrap();
    let imported = there.import(&file, true, &Any("m.g")).unwrap();
    assert_eq!((imported.stored, imported.refused), (1, 1));
    assert!(imported.reason.unwrap().contains("it holds a class"));
    assert_eq!(quarantined(&folder), 1);
}

#[test]
fn a_file_is_taken_whole_or_not_at_all() {
    let (folder, here, there, file) = places();
    assert!(put(&here, 1, 30, 1.0) && put(&here, 2, 300, 1.0));
    here.export(&file, ALL, &ANY).unwrap();
    let whole = fs::read(&file).unwrap();
    let kind = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        there.import(&file, true, &ANY).unwrap_err().kind()
    };
    for length in 0..whole.len() {
        assert_eq!(kind(&whole[..length]), Kind::Corrupt, "{length} bytes");
    }
    assert_eq!(kind(&[&whole[..], b"x"].concat()), Kind::Corrupt);
    for place in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[place] ^= 1 << (place % 8);
        let told = kind(&flipped);
        let version = (8..16).contains(&place) && told == Kind::Newer;
        assert!(version || told == Kind::Corrupt, "byte {place}: {told:?}");
    }
    assert_eq!(there.totals().unwrap().0, 0);
    assert_eq!(quarantined(&folder), 0);
}

#[test]
fn a_store_takes_no_more_than_it_may() {
    let (folder, here, _there, file) = places();
    assert!(put(&here, 0, 2 << 20, 1.0));
    for number in 1..30 {
        assert!(put(&here, number, 100_000, f64::from(number)));
    }
    here.export(&file, ALL, &ANY).unwrap();
    let small = open(&folder.path().join("small"), Some(1 << 20));
    let imported = import(&small, &file);
    assert_eq!((imported.stored, imported.too_large), (29, 1));
    assert!(small.taken().unwrap() <= 1 << 20);
    assert_eq!(got(&small, 29), Some(100_000));
}

#[test]
fn nothing_is_written_where_nothing_may_be() {
    let (_folder, here, there, file) = places();
    assert!(put(&here, 1, 30, 1.0) && put(&there, 1, 40, 1.0) && put(&here, 2, 300, 1.0));
    here.export(&file, ALL, &ANY).unwrap();
    let imported = there.import(&file, false, &ANY).unwrap();
    assert_eq!((imported.unwritten, imported.present), (1, 1));
    assert_eq!((got(&there, 1), got(&there, 2)), (Some(40), None));
}

#[test]
fn an_earlier_export_is_replaced_and_nothing_else_is() {
    let (folder, here, _there, file) = places();
    assert!(put(&here, 1, 30, 1.0));
    here.export(&file, ALL, &ANY).unwrap();
    assert!(put(&here, 2, 30, 1.0));
    assert_eq!(here.export(&file, ALL, &ANY).unwrap().entries, 2);
    for content in [&b""[..], b"notes", b"AFMLPAY1"] {
        fs::write(&file, content).unwrap();
        let error = here.export(&file, ALL, &ANY).unwrap_err();
        assert_eq!(error.kind(), Kind::Refused);
        assert_eq!(fs::read(&file).unwrap(), content);
    }
    let left = fs::read_dir(folder.path()).unwrap().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn what_is_damaged_is_not_exported() {
    let (folder, here, _there, file) = places();
    assert!(put(&here, 1, 30_000, 1.0) && put(&here, 2, 300, 1.0));
    let payloads = folder.path().join("here/v1/payloads");
    let inner = fs::read_dir(payloads).unwrap().flatten().next().unwrap();
    let payload = fs::read_dir(inner.path())
        .unwrap()
        .flatten()
        .next()
        .unwrap();
    let mut bytes = fs::read(payload.path()).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(payload.path(), bytes).unwrap();
    let exported = here.export(&file, ALL, &ANY).unwrap();
    assert_eq!((exported.entries, exported.damaged), (1, 1));
}

#[test]
fn a_file_that_says_it_is_of_another_store_brings_nothing_that_is_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let here = with_secret(&folder.path().join("here"), 1);
    let file = folder.path().join("entries.afml");
    store(&sealed(1, 30), &here);
    here.export(&file, ALL, &ANY).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes[16..32].fill(9);
    let covered = [&bytes[64..], &bytes[..48]].concat();
    bytes[48..64].copy_from_slice(&Digest::of(&covered).0);
    fs::write(&file, bytes).unwrap();
    let there = with_secret(&folder.path().join("there"), 1);
    let imported = import(&there, &file);
    assert_eq!((imported.stored, imported.refused), (0, 1));
    assert_eq!(quarantined(&folder), 1);
}

#[test]
fn what_comes_from_a_file_is_not_known_to_be_sound_before_a_hit_has_looked() {
    let folder = tempfile::tempdir().unwrap();
    let here = with_secret(&folder.path().join("here"), 1);
    let file = folder.path().join("entries.afml");
    store(&draft(1, "m.f", 3 << 20, 1.0), &here);
    store(&sealed(2, 3 << 20), &here);
    here.export(&file, ALL, &ANY).unwrap();
    let there = with_secret(&folder.path().join("there"), 1);
    assert_eq!(import(&there, &file).stored, 2);
    for number in [1, 2] {
        let is_sound = |store: &Store| store.get(key(number), true).unwrap().unwrap().sound;
        assert!(is_sound(&here));
        assert!(!is_sound(&there));
    }
}
