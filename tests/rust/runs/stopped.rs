//! Processes that are killed at any byte, disks that are full, and folders that can't be written.

use super::{
    all_answers, answer, end_of_log, folder, id, index, large, log, lose_index, put, record, runs,
    small,
};
use std::fs;
use std::path::Path;

#[test]
fn a_log_that_ends_anywhere_has_the_runs_that_were_there_whole() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let mut lengths = vec![];
    let mut told = vec![];
    let first = runs(root);
    for number in 0..4 {
        put(&first, record(&format!("{number}"), 1.0), number);
        lengths.push(end_of_log(root));
        told.push(all_answers(&first));
    }
    drop(first);
    let whole = fs::read(log(root)).unwrap();
    for end in lengths[0]..lengths[3] {
        if end % 37 != 0 && !lengths.contains(&end) {
            continue;
        }
        // A file that ends there, or one that has room for more.
        let zeroes = if end % 2 == 0 { 0 } else { 5_000 };
        let begun = [&whole[..end], &vec![0; zeroes]].concat();
        fs::write(log(root), begun).unwrap();
        lose_index(root);
        let some = runs(root);
        let there = lengths.iter().filter(|length| **length <= end).count();
        assert_eq!(all_answers(&some), told[there - 1], "at {end}");
        assert_eq!(some.damaged().unwrap(), 0, "a killed process is no damage");
        put(&some, record("next", 3.0), 9);
        assert!(runs(root).find(id("next")).unwrap().is_some());
    }
}

#[test]
fn a_run_that_is_in_the_log_alone_is_there_for_whoever_looks_next() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let first = runs(root);
    put(&first, record("one", 1.0), 1);
    let before = copied(root);
    put(&first, record("two", 2.0), 2);
    let told = all_answers(&first);
    drop(first);
    // As if the process had been killed, or the power lost, before the index was on the medium.
    restore(root, &before);
    let second = runs(root);
    assert_eq!(
        second
            .best(("s", "sharpe"), true, 5, None)
            .unwrap()
            .runs
            .len(),
        2
    );
    assert_eq!(all_answers(&second), told);
}

/// The files of an index.
fn copied(root: &Path) -> Vec<(String, Vec<u8>)> {
    let names = ["", "-wal", "-shm"].map(|suffix| format!("{}{suffix}", index(root).display()));
    let read = |name: &String| Some((name.clone(), fs::read(name).ok()?));
    names.iter().filter_map(read).collect()
}

fn restore(root: &Path, files: &[(String, Vec<u8>)]) {
    lose_index(root);
    for (name, content) in files.iter().filter(|(name, _)| !name.ends_with("-shm")) {
        fs::write(name, content).unwrap();
    }
}

#[test]
fn whoever_has_looked_before_sees_what_another_left_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let (first, second) = (runs(root), runs(root));
    put(&first, record("one", 1.0), 1);
    assert_eq!(second.ids().unwrap().len(), 1);
    let end = end_of_log(root);
    put(&first, record("two", 2.0), 2);
    let whole = &fs::read(log(root)).unwrap()[..end_of_log(root)];
    drop(first);
    // The same frame once more, as another process would have written it and died.
    let again = &whole[end..];
    fs::write(log(root), [whole, again].concat()).unwrap();
    assert_eq!(second.ids().unwrap().len(), 2);
    fs::write(log(root), [whole, again, &again[..40]].concat()).unwrap();
    assert_eq!(second.ids().unwrap().len(), 2);
    put(&second, record("three", 3.0), 3);
    assert_eq!(second.ids().unwrap().len(), 3);
    assert_eq!(second.damaged().unwrap(), 0);
}

#[test]
fn what_cannot_be_written_leaves_a_run_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let runs = runs(root);
    let one = record("one", 1.0);
    runs.record(&one, None, &large(1)).unwrap();
    let told = all_answers(&runs);
    for path in [log(root), index(root)] {
        let aside = path.with_extension("aside");
        fs::rename(&path, &aside).unwrap();
        fs::create_dir(&path).unwrap();
        fs::write(path.join("in the way"), "").unwrap();
        fs::create_dir_all(root.join("v1/quarantine").join(path.file_name().unwrap())).unwrap();
        let inside = root
            .join("v1/quarantine")
            .join(path.file_name().unwrap())
            .join("full");
        fs::write(inside, "").unwrap();
        assert!(runs.record(&one, None, &large(2)).is_err());
        assert!(runs.record(&record("two", 1.0), None, &large(2)).is_err());
        fs::remove_dir_all(&path).unwrap();
        fs::rename(&aside, &path).unwrap();
        assert_eq!(all_answers(&super::runs(root)), told, "{}", path.display());
    }
    assert!(!self::folder(root).join(id("two").to_string()).exists());
    assert_eq!(answer(&runs, one.run).unwrap(), large(1).payload);
}

#[test]
fn what_can_only_be_read_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let first = runs(root);
    put(&first, record("one", 1.0), 1);
    let told = all_answers(&first);
    drop(first);
    // What a folder that can't be written refuses: the lock that all who write have to take.
    let lock = root.join("v1/locks/log of runs");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    let second = runs(root);
    assert_eq!(all_answers(&second), told);
    let two = record("two", 1.0);
    assert!(second.record(&two, None, &small(&two)).is_err());
    assert_eq!(all_answers(&second), told);
    lose_index(root);
    assert!(
        runs(root).ids().is_err(),
        "there is nothing to be read, and nobody says that"
    );
}

#[test]
fn files_of_a_run_that_nobody_recorded_are_collected() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let runs = runs(root);
    runs.record(&record("one", 1.0), None, &large(1)).unwrap();
    let stray = self::folder(root).join(id("stray").to_string());
    fs::create_dir(&stray).unwrap();
    fs::write(stray.join("answer"), "half").unwrap();
    assert_eq!(
        runs.collect().unwrap(),
        0,
        "somebody may be about to record it"
    );
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    for name in [id("stray"), id("one")] {
        let path = self::folder(root).join(name.to_string());
        fs::File::open(path).unwrap().set_modified(past).unwrap();
    }
    assert_eq!(runs.collect().unwrap(), 1);
    assert!(!stray.exists());
    assert_eq!(answer(&runs, id("one")).unwrap(), large(1).payload);
}
