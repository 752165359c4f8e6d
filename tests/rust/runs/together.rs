//! Several who record at once.

use super::{all_answers, answer, id, large, lose_index, put, record, runs};
use std::sync::Barrier;
use std::thread;

#[test]
fn threads_and_processes_that_record_at_once_lose_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let start = Barrier::new(4);
    // Each pair of threads has what a process has.
    let processes = [runs(root), runs(root)];
    thread::scope(|scope| {
        for number in 0..4_u32 {
            let (runs, start) = (&processes[number as usize / 2], &start);
            scope.spawn(move || {
                start.wait();
                for step in 0..25 {
                    let name = format!("{number} {step}");
                    put(
                        runs,
                        record(&name, f64::from(step)),
                        u64::from(number * 100 + step),
                    );
                }
            });
        }
    });
    let told = all_answers(&processes[0]);
    assert_eq!(processes[0].count().unwrap(), [("s".into(), 100)]);
    let standing = processes[1].standing(("s", "set", "")).unwrap().unwrap();
    assert_eq!(
        (standing.family.trials, standing.spreads[0].count),
        (100, 100)
    );
    drop(processes);
    lose_index(root);
    assert_eq!(all_answers(&runs(root)), told);
}

#[test]
fn who_looks_while_the_index_is_made_anew_waits_for_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let first = runs(root);
    for number in 0..60 {
        put(&first, record(&format!("{number}"), 1.0), number);
    }
    drop(first);
    for _ in 0..5 {
        lose_index(root);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(runs(root).ids().unwrap().len(), 60));
            }
        });
    }
}

#[test]
fn one_run_that_several_record_has_the_answer_of_one_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    thread::scope(|scope| {
        for byte in 0..4 {
            scope.spawn(move || {
                let runs = runs(root);
                for _ in 0..10 {
                    runs.record(&record("one", 1.0), None, &large(byte))
                        .unwrap();
                    let seen = answer(&runs, id("one")).unwrap();
                    assert!(seen.iter().all(|one| *one == seen[0]) && seen.len() == 100_000);
                }
            });
        }
    });
    let found = runs(root).find(id("one")).unwrap().unwrap();
    assert_eq!(found.number, 1);
    let place = super::folder(root).join(id("one").to_string());
    assert_eq!(
        std::fs::read_dir(place).unwrap().count(),
        2,
        "one answer, and its trades"
    );
}
