//! Counts that several threads raise while they are added to the index, by one store or another.

use super::open;
use afml_cache::store::{Count, Counts, Store, Tally};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

const ROUNDS: usize = 20;
const THREADS: usize = 4;

fn counted(store: &Store) -> Counts {
    let counted = store.counted(&[], Some("m.f")).unwrap();
    counted.get("m.f").copied().unwrap_or_default()
}

fn hits(store: &Store) -> u64 {
    counted(store).get(Count::MemoryHits)
}

/// Counts in several threads while something is done some times; says how much was counted.
fn count_while(tally: &Tally, work: impl Fn()) -> u64 {
    let (begun, done) = (Barrier::new(THREADS + 1), AtomicBool::new(false));
    let count = || {
        begun.wait();
        let mut own = 0;
        while !done.load(Ordering::Relaxed) {
            tally.count(Count::MemoryHits);
            own += 1;
        }
        own
    };
    thread::scope(|scope| {
        let counting: Vec<_> = (0..THREADS).map(|_| scope.spawn(count)).collect();
        begun.wait();
        (0..ROUNDS).for_each(|_| work());
        done.store(true, Ordering::Relaxed);
        counting.into_iter().map(|own| own.join().unwrap()).sum()
    })
}

#[test]
fn what_is_counted_while_it_is_noted_is_noted_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store"), None);
    let tally = Arc::new(Tally::new("m.f"));
    store.takes(&tally);
    let all = count_while(&tally, || store.note(true).unwrap());
    assert_eq!(hits(&store), all);
    drop(store);
    assert_eq!(hits(&open(&folder.path().join("store"), None)), all);
}

#[test]
fn a_function_that_goes_from_store_to_store_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["one", "other"].map(|name| folder.path().join(name));
    let stores = paths.each_ref().map(|path| open(path, None));
    let tally = Arc::new(Tally::new("m.f"));
    let all = count_while(&tally, || {
        for store in &stores {
            store.takes(&tally);
            tally.count(Count::DiskHits);
            store.note(true).unwrap();
        }
    });
    drop((stores, tally));
    let counts = paths.map(|path| counted(&open(&path, None)));
    for counts in &counts {
        assert_eq!(counts.get(Count::DiskHits), ROUNDS as u64);
    }
    let hits = counts.map(|counts| counts.get(Count::MemoryHits));
    assert_eq!(hits.iter().sum::<u64>(), all);
}

#[test]
fn functions_that_are_gone_are_held_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store"), None);
    let held: Vec<_> = (0..1_000)
        .map(|_| {
            let tally = Arc::new(Tally::new("m.f"));
            store.takes(&tally);
            tally.count(Count::MemoryHits);
            Arc::downgrade(&tally)
        })
        .collect();
    let alive = held.iter().filter(|tally| tally.strong_count() > 0).count();
    assert!(alive <= 256);
    store.note(true).unwrap();
    assert_eq!(hits(&store), 1_000);
    assert!(held.iter().all(|tally| tally.strong_count() == 0));
}
