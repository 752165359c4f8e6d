//! Bits of the index and of the log that are flipped.

use super::damage::fill;
use super::{all_answers, answer, end_of_log, index, log, lose_index, returns, runs};
use afml_cache::runs::{Metric, Runs};
use rusqlite::Connection;
use std::fs;
use std::path::Path;

fn settle(root: &Path) {
    let database = Connection::open(index(root)).unwrap();
    database
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
}

/// What every answer that is given must be, whatever is missing: the run as it was recorded.
fn check_what_is_told(damaged: &Runs, sound: &Runs, at: usize) {
    let Ok(ids) = damaged.ids() else { return };
    let known = sound.ids().unwrap();
    for run in ids.into_iter().filter(|run| known.contains(run)) {
        let Ok(Some(found)) = damaged.find(run) else {
            continue;
        };
        let right = sound.find(run).unwrap().unwrap();
        assert_eq!(found.record, right.record, "at {at}");
        assert_eq!(
            (found.state, found.pinned),
            (right.state, right.pinned),
            "at {at}"
        );
        if let Ok(Some(bytes)) = damaged.answer(run) {
            assert_eq!(Some(bytes.slice().to_vec()), answer(sound, run), "at {at}");
        }
        if let Ok(Some((kept, _))) = damaged.kept(&found) {
            assert_eq!(Some(kept), returns(sound, &right), "at {at}");
        }
    }
    if let Ok(ranking) = damaged.best(("s", "sharpe"), true, 5, None) {
        let values = ranking
            .runs
            .iter()
            .map(|found| match found.record.metric("sharpe") {
                Some(Metric::Number(value)) => *value,
                other => panic!("{other:?} at {at}"),
            });
        assert!(values.is_sorted_by(|one, next| one >= next), "at {at}");
    }
    let families = damaged.families(None).unwrap_or_default();
    let right = sound.families(None).unwrap();
    assert!(
        families.iter().all(|family| right.contains(family)),
        "at {at}"
    );
    for counted in damaged.count().unwrap_or_default() {
        assert!(sound.count().unwrap().contains(&counted), "at {at}");
    }
    if let Ok(Some(standing)) = damaged.standing(("s", "set", "")) {
        let right = sound.standing(("s", "set", "")).unwrap().unwrap();
        for spread in &standing.spreads {
            assert!(right.spreads.contains(spread), "at {at}");
        }
        let told = [None, right.correlation];
        assert!(told.contains(&standing.correlation), "at {at}");
    }
    if let Ok(splits) = damaged.splits("split", None) {
        let right = sound.splits("split", None).unwrap();
        assert!(splits.iter().all(|split| right.contains(split)), "at {at}");
    }
}

#[test]
fn no_flipped_bit_of_the_index_is_told() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = folder.path();
    fill(&runs(root));
    let sound = runs(other.path());
    fill(&sound);
    settle(root);
    let bytes = fs::read(index(root)).unwrap();
    let mut made_anew = 0;
    for place in (0..bytes.len()).step_by(797) {
        let mut harmed = bytes.clone();
        harmed[place] ^= 1 << (place % 8);
        lose_index(root);
        fs::write(index(root), &harmed).unwrap();
        let damaged = runs(root);
        check_what_is_told(&damaged, &sound, place);
        if root.join("v1/quarantine/runs.sqlite3").exists() {
            made_anew += 1;
            assert_eq!(
                all_answers(&damaged),
                all_answers(&sound),
                "made anew at {place}"
            );
            fs::remove_dir_all(root.join("v1/quarantine")).unwrap();
        }
    }
    assert!(made_anew > 10, "{made_anew}");
}

#[test]
fn no_flipped_bit_of_the_log_is_told_and_all_else_is_there() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let root = folder.path();
    fill(&runs(root));
    let sound = runs(other.path());
    fill(&sound);
    let bytes = fs::read(log(root)).unwrap();
    let bytes = bytes[..end_of_log(root)].to_vec();
    let (all, told) = (sound.ids().unwrap(), all_answers(&sound));
    for place in (0..bytes.len()).step_by(331) {
        let mut harmed = bytes.clone();
        harmed[place] ^= 1 << (place % 8);
        fs::write(log(root), &harmed).unwrap();
        // With the index, and without.
        let damaged = runs(root);
        check_what_is_told(&damaged, &sound, place);
        assert_eq!(damaged.ids().unwrap(), all);
        drop(damaged);
        lose_index(root);
        let damaged = runs(root);
        let found = damaged.ids().unwrap();
        let is_told = damaged.damaged().unwrap() == 1;
        assert!(is_told || all_answers(&damaged) == told, "at {place}");
        // One frame is lost; it may be that of a deletion, or of all returns' sessions.
        assert!(found.len() >= all.len() - 1, "at {place}");
        for run in found.iter().filter(|run| all.contains(run)) {
            let record = damaged.find(*run).unwrap().unwrap().record;
            assert_eq!(
                record,
                sound.find(*run).unwrap().unwrap().record,
                "at {place}"
            );
        }
        lose_index(root);
        fs::write(log(root), &bytes).unwrap();
        assert_eq!(runs(root).ids().unwrap(), all);
    }
}
