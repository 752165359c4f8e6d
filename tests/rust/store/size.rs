//! A store never takes more than it may, and keeps what saves the most.

use super::{got, key, open, put, taken};
use afml_cache::store::Selection;
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};

const CAP: u64 = 4 << 20;

#[test]
fn the_cap_holds_at_all_times() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path, Some(CAP));
    for number in 0..400 {
        let size = [100, 5_000, 40_000, 300_000][number as usize % 4];
        assert!(put(&store, number, size, 1.0));
        let now = taken(&path.join("v1"));
        // Beside entries: the database's own pages that are free again, and its shared memory.
        assert!(now < CAP + (1 << 20), "{now} bytes after {number}");
        assert_eq!(got(&store, number), Some(size), "the last one is there");
    }
    assert!(
        (0..400)
            .filter(|&number| got(&store, number).is_some())
            .count()
            > 10
    );
}

#[test]
fn what_is_larger_than_the_cap_is_refused_and_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store"), Some(1 << 20));
    assert!(put(&store, 1, 200_000, 1.0));
    assert!(!put(&store, 2, 2 << 20, 1000.0));
    assert_eq!(got(&store, 1), Some(200_000));
    assert_eq!(got(&store, 2), None);
}

#[test]
fn what_saves_the_least_for_its_size_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store"), Some(1 << 20));
    assert!(put(&store, 1, 300_000, 1000.0));
    assert!(put(&store, 2, 300_000, 1.0));
    assert!(put(&store, 3, 300_000, 1000.0));
    assert!(put(&store, 4, 300_000, 10.0));
    assert_eq!(
        [1, 2, 3, 4].map(|number| got(&store, number).is_some()),
        [true, false, true, true]
    );
}

#[test]
fn a_time_without_bounds_does_not_spoil_the_order_of_those_that_follow() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store"), Some(1 << 20));
    for number in 1..=6 {
        assert!(put(&store, number, 300_000, 1.7e308));
    }
    for number in 1..=6 {
        let selection = Selection {
            key: Some(key(number)),
            ..Selection::default()
        };
        store.invalidate(selection).unwrap();
    }
    for (number, seconds) in (11..).zip([1000.0, 1000.0, 1.0, 10.0, 1000.0]) {
        assert!(put(&store, number, 300_000, seconds));
    }
    assert_eq!(
        [11, 12, 13, 14, 15].map(|number| got(&store, number).is_some()),
        [true, true, false, false, true]
    );
}

#[test]
fn what_is_used_stays_longer() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store"), Some(1 << 20));
    for number in 1..=3 {
        assert!(put(&store, number, 300_000, 1.0));
    }
    for _ in 0..5 {
        store.used(key(2), 1);
    }
    store.note(true).unwrap();
    assert!(put(&store, 4, 300_000, 1.0));
    assert!(put(&store, 5, 300_000, 1.0));
    assert!(got(&store, 2).is_some());
}

#[test]
fn what_is_pinned_or_computed_now_is_spared() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store"), Some(1 << 20));
    assert!(put(&store, 1, 300_000, 0.0));
    assert!(put(&store, 2, 300_000, 0.0));
    assert_eq!(store.pin(key(1), true).unwrap(), 1);
    let _lease = store.grab(key(2));
    for number in 3..9 {
        assert!(put(&store, number, 300_000, 5.0));
    }
    assert_eq!(
        [1, 2].map(|number| got(&store, number).is_some()),
        [true, true]
    );
    assert_eq!(store.pin(key(1), false).unwrap(), 1);
    assert!(put(&store, 9, 300_000, 5.0));
    assert_eq!(got(&store, 1), None);
}

/// Seconds that a cache saves which lets go of what was used the longest ago.
fn saved_by_lru(trace: &[u32], of: impl Fn(u32) -> (usize, f64)) -> f64 {
    let (mut held, mut order) = (HashMap::new(), BTreeMap::new());
    let (mut bytes, mut saved) = (0, 0.0);
    for (now, &number) in trace.iter().enumerate() {
        let (size, seconds) = of(number);
        if let Some(before) = held.insert(number, now) {
            order.remove(&before);
            saved += seconds;
        } else {
            bytes += size.next_multiple_of(4096) as u64 + 512;
        }
        order.insert(now, number);
        while bytes > CAP {
            let Some((_, oldest)) = order.pop_first() else {
                break;
            };
            held.remove(&oldest);
            bytes -= of(oldest).0.next_multiple_of(4096) as u64 + 512;
        }
    }
    saved
}

/// A day of research: cheap and dear functions, small and large results, some asked for often.
fn a_trace() -> (Vec<u32>, impl Fn(u32) -> (usize, f64)) {
    let mut state = 7_u64;
    let mut draw = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let trace = (0..4_000)
        .map(|_| {
            let rank = (draw() % 1_000 + 1) as f64 / 1_000.0;
            (600.0 * rank.powi(4)) as u32
        })
        .collect();
    let of = |number: u32| {
        let size = [20_000, 60_000, 180_000][number as usize % 3];
        let seconds = [0.01, 0.3, 8.0, 60.0][number as usize / 3 % 4];
        (size, seconds)
    };
    (trace, of)
}

#[test]
fn it_saves_more_seconds_than_one_that_lets_go_of_the_oldest() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("store"), Some(CAP));
    let (trace, of) = a_trace();
    let mut saved = 0.0;
    for &number in &trace {
        let (size, seconds) = of(number);
        if got(&store, number).is_some() {
            saved += seconds;
            store.used(key(number), 1);
            store.note(true).unwrap();
        } else {
            assert!(put(&store, number, size, seconds));
        }
    }
    let least_recent = saved_by_lru(&trace, of);
    assert!(
        saved > 1.1 * least_recent,
        "{saved} s against {least_recent} s"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn room_is_given_back_whatever_happens(steps in prop::collection::vec((0..12_u32, 0..4_u8, 100..90_000_usize), 1..60)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let store = open(&path, Some(1 << 20));
        for (number, what, size) in steps {
            match what {
                0 => drop(store.clear(None).unwrap()),
                1 => drop(store.invalidate(afml_cache::store::Selection { key: Some(key(number)), ..Default::default() }).unwrap()),
                _ => prop_assert!(put(&store, number, size, f64::from(number))),
            }
        }
        let (entries, _) = store.totals().unwrap();
        let files = store.collect(Default::default()).unwrap().files;
        prop_assert_eq!(store.totals().unwrap().0, entries);
        prop_assert!(files <= 60);
        store.clear(None).unwrap();
        store.collect(Default::default()).unwrap();
        prop_assert_eq!(store.taken().unwrap(), 0);
        prop_assert_eq!(taken(&path.join("v1/payloads")), 0);
    }
}
