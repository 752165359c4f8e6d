//! Files that are gone or are something else, and what others put in their places.

use super::{
    Digest, all_answers, answer, end_of_log, folder, id, index, large, log, lose_index, put,
    record, returns, runs, small,
};
use afml_cache::runs::{AnswerAt, Failure, Role, Runs, Split};
use rusqlite::Connection;
use std::fs;
use std::path::Path;

/// Runs in all states, a failure, a split and code.
pub fn fill(runs: &Runs) {
    for number in 0..12_u32 {
        put(
            runs,
            record(&format!("{number}"), f64::from(number)),
            number.into(),
        );
    }
    let mut test = record("test", 5.0);
    test.role = Role::Test;
    put(runs, test, 77);
    let big = record("big", 99.0);
    runs.record(&big, None, &large(3)).unwrap();
    runs.fail(&Failure {
        run: id("failed").0,
        strategy: "s".into(),
        dataset: "set".into(),
        ..Failure::default()
    })
    .unwrap();
    runs.note_split(&Split {
        split: "split".into(),
        about: "about it".into(),
        ..Split::default()
    })
    .unwrap();
    runs.note_code(id("code"), "parts").unwrap();
    runs.delete(id("3")).unwrap();
    runs.prune(id("4"), b"slim".to_vec()).unwrap();
    runs.pin(id("5"), true).unwrap();
}

#[test]
fn an_answer_that_is_damaged_or_gone_is_an_error_and_never_told() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let runs = runs(root);
    let (one, big) = (record("one", 1.0), record("big", 1.0));
    runs.record(&one, None, &small(&one)).unwrap();
    runs.record(&big, None, &large(1)).unwrap();
    let file = self::folder(root).join(big.run.to_string()).join("answer");
    assert!(file.is_file());
    fs::remove_file(&file).unwrap();
    assert!(runs.answer(big.run).is_err());
    std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
    assert!(runs.answer(big.run).is_err());
    let mut bytes = fs::read(log(root)).unwrap();
    let text = small(&one).payload;
    let at = bytes
        .windows(text.len())
        .position(|some| some == text)
        .unwrap();
    bytes[at] ^= 1;
    fs::write(log(root), bytes).unwrap();
    let error = runs.answer(one.run).unwrap_err();
    assert!(
        error.to_string().contains("is not what was written"),
        "{error}"
    );
    runs.record(&one, None, &small(&one)).unwrap();
    assert_eq!(answer(&runs, one.run).unwrap(), text);
}

#[test]
fn a_log_that_is_gone_is_written_again_as_far_as_the_index_knows() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let first = runs(root);
    fill(&first);
    let ids = first.ids().unwrap();
    let shown = |runs: &Runs, run: Digest| {
        let found = runs.find(run).unwrap().unwrap();
        (found.record, found.pinned)
    };
    let before: Vec<_> = ids.iter().map(|run| shown(&first, *run)).collect();
    let trials = first
        .standing(("s", "set", ""))
        .unwrap()
        .unwrap()
        .family
        .trials;
    fs::remove_file(log(root)).unwrap();
    put(&first, record("new", 0.0), 500);
    assert!(returns(&first, &first.find(id("new")).unwrap().unwrap()).is_some());
    for runs in [first, {
        lose_index(root);
        runs(root)
    }] {
        let again: Vec<_> = ids.iter().map(|run| shown(&runs, *run)).collect();
        assert_eq!(again, before);
        let standing = runs.standing(("s", "set", "")).unwrap().unwrap();
        assert_eq!(standing.family.trials, trials + 1);
        assert_eq!(standing.spreads[0].count, 13);
        assert_eq!(runs.failures(standing.family.number).unwrap().len(), 1);
        assert_eq!(runs.splits("split", None).unwrap()[0].about, "about it");
        assert_eq!(runs.code(id("code")).unwrap().unwrap(), "parts");
        assert_eq!(answer(&runs, id("big")).unwrap(), large(3).payload);
        assert_eq!(answer(&runs, id("1")), None, "it was in the log");
        assert!(
            runs.find(id("3"))
                .unwrap()
                .is_some_and(|found| found.answer == AnswerAt::Nowhere)
        );
        assert_eq!(runs.damaged().unwrap(), 0);
    }
}

#[test]
fn a_shorter_log_takes_nothing_from_runs_that_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let first = runs(root);
    put(&first, record("one", 1.0), 1);
    let length = end_of_log(root);
    let one = first.find(id("one")).unwrap().unwrap();
    let right = returns(&first, &one);
    put(&first, record("two", 2.0), 2);
    // As a copy that was made of the log before that of the index.
    let file = fs::OpenOptions::new().write(true).open(log(root)).unwrap();
    file.set_len(length as u64).unwrap();
    put(&first, record("three", 3.0), 3);
    let ids = [id("one"), id("two"), id("three")];
    assert_eq!(first.ids().unwrap(), ids);
    assert_eq!(
        returns(&first, &first.find(id("one")).unwrap().unwrap()),
        right
    );
    assert_eq!(
        returns(&first, &first.find(id("two")).unwrap().unwrap()),
        None
    );
    assert!(answer(&first, id("one")).is_some());
    assert_eq!(answer(&first, id("two")), None);
    assert!(answer(&first, id("three")).is_some());
}

#[test]
fn an_index_of_other_tables_or_of_nothing_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let first = runs(root);
    fill(&first);
    let told = all_answers(&first);
    drop(first);
    let harm: [&dyn Fn(&Path); 6] = [
        &|path| fs::write(path, "garbage ".repeat(1000)).unwrap(),
        &|path| fs::write(path, "").unwrap(),
        &|path| fs::create_dir(path).unwrap(),
        &|path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap(),
        &|path| {
            let other = Connection::open(path).unwrap();
            other
                .execute_batch("CREATE TABLE runs (a); PRAGMA user_version = 1")
                .unwrap();
        },
        &|_| {},
    ];
    for harm in harm {
        lose_index(root);
        harm(&index(root));
        assert_eq!(all_answers(&runs(root)), told);
        let _ = fs::remove_dir_all(root.join("v1/quarantine"));
    }
}

#[test]
fn an_index_is_replaced_under_whoever_has_it_open() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let (first, second) = (runs(root), runs(root));
    put(&first, record("one", 1.0), 1);
    put(&second, record("two", 2.0), 2);
    lose_index(root);
    put(&first, record("three", 3.0), 3);
    put(&second, record("four", 4.0), 4);
    assert_eq!(second.ids().unwrap().len(), 4);
    assert_eq!(all_answers(&first), all_answers(&second));
}

#[test]
fn what_stands_in_the_way_of_a_run_is_moved_out_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("kept"), "somebody's").unwrap();
    let runs = runs(root);
    let one = record("one", 1.0);
    let place = self::folder(root).join(one.run.to_string());
    std::os::unix::fs::symlink(elsewhere.path(), &place).unwrap();
    runs.record(&one, None, &large(1)).unwrap();
    assert_eq!(answer(&runs, one.run).unwrap(), large(1).payload);
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
    fs::remove_dir_all(&place).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), &place).unwrap();
    assert!(runs.answer(one.run).is_err());
    runs.record(&one, None, &large(2)).unwrap();
    assert_eq!(answer(&runs, one.run).unwrap(), large(2).payload);
    fs::remove_dir_all(&place).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), &place).unwrap();
    runs.delete(one.run).unwrap();
    assert!(elsewhere.path().join("kept").is_file());
    fs::remove_file(log(root)).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("kept"), log(root)).unwrap();
    put(&runs, record("two", 1.0), 2);
    assert_eq!(
        fs::read(elsewhere.path().join("kept")).unwrap(),
        b"somebody's"
    );
}
