//! Checking a store, letting go of what is old, and clearing away what was left.

use super::{content, got, key, open, put};
use afml_cache::store::{Keep, Selection};
use std::fs;
use std::path::{Path, PathBuf};

fn payloads(store: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(store.join("v1/payloads")).unwrap().flatten();
    folders
        .flat_map(|folder| fs::read_dir(folder.path()).unwrap().flatten())
        .map(|file| file.path())
        .collect()
}

#[test]
fn a_check_finds_what_the_disk_did_to_a_trusted_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path, None);
    for number in 0..4 {
        assert!(put(&store, number, 30_000, 1.0));
    }
    assert!(store.verify(false).unwrap().problems.is_empty());
    let file = payloads(&path).remove(0);
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 5;
    bytes[last] ^= 4;
    fs::write(&file, bytes).unwrap();
    let found = store.verify(false).unwrap();
    assert_eq!((found.checked, found.problems.len()), (4, 1));
    assert_eq!(store.totals().unwrap().0, 4);
    assert_eq!(store.verify(true).unwrap().problems.len(), 1);
    assert_eq!(store.totals().unwrap().0, 3);
    assert_eq!(fs::read_dir(path.join("v1/quarantine")).unwrap().count(), 1);
    assert!(store.verify(false).unwrap().problems.is_empty());
}

#[test]
fn what_is_old_goes_and_what_is_pinned_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store"), None);
    // Created at the instant that its number says.
    for number in 0..10 {
        assert!(put(&store, number, 20_000, 1.0));
    }
    store.pin(key(2), true).unwrap();
    let keep = Keep {
        since_ns: Some(5),
        ..Keep::default()
    };
    assert_eq!(store.collect(keep).unwrap().entries, 4);
    let left: Vec<u32> = (0..10)
        .filter(|&number| got(&store, number).is_some())
        .collect();
    assert_eq!(left, [2, 5, 6, 7, 8, 9]);
}

#[test]
fn a_limit_on_one_function_leaves_the_others_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store"), None);
    for number in 0..10 {
        assert!(put(&store, number, 20_000, f64::from(number)));
    }
    let epoch = store.epoch("m.g").unwrap();
    store
        .put(&super::draft(99, "m.g", 20_000, 0.0), epoch)
        .unwrap();
    let keep = Keep {
        of: Some(("m.f", 70_000)),
        ..Keep::default()
    };
    store.collect(keep).unwrap();
    let left: Vec<u32> = (0..10)
        .filter(|&number| got(&store, number).is_some())
        .collect();
    assert_eq!(left, [7, 8, 9]);
    assert_eq!(got(&store, 99), Some(20_000));
}

#[test]
fn a_file_that_no_entry_names_is_cleared_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path, None);
    assert!(put(&store, 1, 20_000, 1.0));
    let file = payloads(&path).remove(0);
    let stray = file.with_file_name(format!("{}-00000000000000aa", key(1)));
    fs::copy(&file, &stray).unwrap();
    assert_eq!(store.collect(Keep::default()).unwrap().files, 1);
    assert!(!stray.exists() && file.exists());
    assert_eq!(got(&store, 1), Some(20_000));
}

#[test]
fn an_index_that_is_gone_is_rebuilt_without_what_was_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path, None);
    assert!(put(&store, 1, 20_000, 1.0));
    let file = payloads(&path).remove(0);
    let bytes = fs::read(&file).unwrap();
    store.clear(Some("m.f")).unwrap();
    assert!(put(&store, 2, 20_000, 1.0));
    // As a copy of the folder that was laid over it would bring it back.
    fs::write(&file, bytes).unwrap();
    fs::remove_file(path.join("v1/index-1.sqlite3")).unwrap();
    assert_eq!(got(&store, 1), None);
    assert_eq!(got(&store, 2), Some(20_000));
    assert_eq!(
        fs::read_to_string(path.join("v1/CURRENT")).unwrap().trim(),
        "2"
    );
}

#[test]
fn a_result_of_before_a_rebuild_is_not_stored_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path, None);
    let epoch = store.epoch("m.f").unwrap();
    let selection = Selection {
        key: Some(key(1)),
        ..Selection::default()
    };
    store.invalidate(selection).unwrap();
    fs::remove_file(path.join("v1/index-1.sqlite3")).unwrap();
    let put = store.put(&super::draft(1, "m.f", 100, 1.0), epoch).unwrap();
    assert!(matches!(put, afml_cache::store::Put::Outdated));
}

#[test]
fn of_several_files_for_one_key_a_rebuild_takes_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path, None);
    let epoch = store.epoch("m.f").unwrap();
    let put_at = |created_ns, size| {
        let mut draft = super::draft(1, "m.f", size, 1.0);
        draft.created_ns = created_ns;
        store.put(&draft, epoch).unwrap();
        let file = payloads(&path).remove(0);
        (file.clone(), fs::read(file).unwrap())
    };
    let (older, bytes) = put_at(5, 20_000);
    put_at(9, 30_000);
    fs::write(older, bytes).unwrap();
    fs::remove_file(path.join("v1/index-1.sqlite3")).unwrap();
    assert_eq!(got(&store, 1), Some(30_000));
    assert_eq!(content(1, 3).len(), 3);
}

#[test]
fn an_index_whose_log_was_cut_short_is_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path, None);
    for number in 0..50 {
        assert!(put(&store, number, 20_000, 1.0));
    }
    // What is known of the log is in memory that processes share, and says more than there is.
    let log = fs::OpenOptions::new()
        .write(true)
        .open(path.join("v1/index-1.sqlite3-wal"))
        .unwrap();
    log.set_len(log.metadata().unwrap().len() / 2).unwrap();
    let other = open(&path, None);
    for store in [&other, &store] {
        assert_eq!(store.totals().unwrap().0, 50);
        assert!((0..50).all(|number| got(store, number) == Some(20_000)));
    }
}

#[test]
fn an_epoch_that_was_forged_leaves_room_for_those_to_come() {
    for generation in [1 << 20, (1 << 23) - 2, (1 << 24) - 1] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let store = open(&path, None);
        let epoch = store.epoch("m.f").unwrap();
        assert!(put(&store, 1, 20_000, 1.0));
        let forged = store.payload(&super::draft(1, "m.f", 30_000, 1.0), generation << 40);
        fs::write(payloads(&path).remove(0), forged.unwrap()).unwrap();
        let rebuild = |number| {
            fs::remove_file(path.join(format!("v1/index-{number}.sqlite3"))).unwrap();
            store.epoch("m.f").unwrap()
        };
        let next = rebuild(1);
        assert!(epoch < next && next < 1 << 60, "{generation} gives {next}");
        assert_eq!(got(&store, 1), Some(30_000));
        // What is cleared is gone for good, and what comes after it stays, as in any other store.
        assert!(put(&store, 2, 20_000, 1.0));
        let read = |file: PathBuf| (fs::read(&file).unwrap(), file);
        let dropped: Vec<_> = payloads(&path).into_iter().map(read).collect();
        store.clear(Some("m.f")).unwrap();
        for (bytes, file) in dropped {
            fs::write(file, bytes).unwrap();
        }
        assert!(put(&store, 3, 20_000, 1.0));
        for number in 2..5 {
            assert!(rebuild(number) > next);
            assert_eq!((got(&store, 2), got(&store, 3)), (None, Some(20_000)));
        }
    }
}

#[test]
fn a_lock_can_be_asked_for_while_its_holder_lets_go_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store"), None);
    let asked = || (0..20_000).all(|_| store.grab(key(1)).is_some());
    std::thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(asked));
        assert!(
            threads
                .map(|thread| thread.join().unwrap())
                .iter()
                .all(|&all| all)
        );
    });
}
