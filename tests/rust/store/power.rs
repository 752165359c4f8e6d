//! What a loss of power leaves: all that was synced, and of the rest whatever the disk pleases.
//!
//! Nothing of a payload is ever synced, nor are names; of the index's log, what was written before
//! the last invalidation is. Everything else is forgotten here, in part or whole.

use super::{got, key, open, put};
use afml_cache::store::Selection;
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

const BLOCK: usize = 4096;

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .flat_map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => files(&entry.path()),
            _ => vec![entry.path()],
        })
        .collect();
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let place = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(&file, place).unwrap();
    }
}

fn make_private(folder: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.metadata().unwrap().is_dir() {
                make_private(&entry.path());
            }
        }
    }
    #[cfg(not(unix))]
    let _ = folder;
}

/// Forgets blocks of a file, its end, or all of it.
fn forget(path: &Path, how: u8, at: prop::sample::Index) {
    let mut content = fs::read(path).unwrap();
    let place = at.index(content.len().max(1));
    match how % 5 {
        0 => return fs::remove_file(path).unwrap(),
        1 => content.truncate(place),
        2 => content.clear(),
        3 => {
            let end = (place + BLOCK).min(content.len());
            content[place..end].fill(0);
        }
        _ => return,
    }
    fs::write(path, content).unwrap();
}

fn log_of(store: &Path) -> PathBuf {
    files(store)
        .into_iter()
        .find(|path| path.to_string_lossy().ends_with("sqlite3-wal"))
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn nothing_torn_nothing_dropped_comes_back(
        forgotten in prop::collection::vec((0..10_u8, any::<prop::sample::Index>()), 40),
        lost in any::<prop::sample::Index>(),
        index_too in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let store = open(&path, None);
        let size = |number: u32| [300, 20_000, 70_000][number as usize % 3];
        for number in 0..20 {
            prop_assert!(put(&store, number, size(number), 1.0));
        }
        let before = folder.path().join("before");
        copy(&path.join("v1/payloads"), &before);
        for number in 0..10 {
            let selection = Selection { key: Some(key(number)), ..Selection::default() };
            store.invalidate(selection).unwrap();
        }
        let synced = fs::metadata(log_of(&path)).unwrap().len();
        for number in 20..40 {
            prop_assert!(put(&store, number, size(number), 1.0));
        }

        // Power fails. What was unlinked may be there again; what was written may be gone.
        let after = folder.path().join("after");
        copy(&path, &after);
        copy(&before, &after.join("v1/payloads"));
        let log = log_of(&after);
        let content = fs::read(&log).unwrap();
        let kept = usize::try_from(synced).unwrap();
        fs::write(&log, &content[..kept + lost.index(content.len() - kept + 1)]).unwrap();
        for (file, (how, at)) in files(&after.join("v1/payloads")).iter().zip(&forgotten) {
            forget(file, *how, *at);
        }
        let _ = fs::remove_file(PathBuf::from(log.to_string_lossy().replace("-wal", "-shm")));
        if index_too {
            // Of an index that is gone as well, the epochs are known: those of functions.
            store.clear(Some("m.f")).unwrap();
            fs::copy(path.join("v1/ledger.sqlite3"), after.join("v1/ledger.sqlite3")).unwrap();
            for file in files(&after.join("v1")) {
                if file.to_string_lossy().contains("index-") {
                    fs::remove_file(file).unwrap();
                }
            }
        }
        make_private(&after);
        let reopened = open(&after, None);
        for number in 0..40 {
            let found = got(&reopened, number);
            prop_assert!(number >= 10 || found.is_none(), "{} came back", number);
            prop_assert!(!index_too || found.is_none(), "{} came back", number);
            prop_assert!(found.is_none_or(|length| length == size(number)));
        }
        let verified = reopened.verify(false).unwrap();
        prop_assert!(verified.problems.is_empty(), "{:?}", verified.problems);
        prop_assert!(put(&reopened, 50, 100, 1.0) && got(&reopened, 50) == Some(100));
    }
}
