//! What was dropped does not come back through a file.

use super::exchange::{ALL, ANY, import, places, store};
use super::{draft, got, key, open};
use afml_cache::store::Selection;
use std::sync::mpsc::{TryRecvError, channel};
use std::time::{SystemTime, UNIX_EPOCH};

fn now_ns() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_nanos() as i64
}

#[test]
fn what_was_dropped_since_it_was_computed_does_not_come_back() {
    let (_folder, here, there, file) = places();
    let created = now_ns();
    for (number, function) in [(1, "m.f"), (2, "m.f"), (3, "m.g"), (4, "m.h")] {
        let mut drafted = draft(number, function, 30, 1.0);
        drafted.created_ns = created;
        drafted.meta.time_range = (function == "m.h").then_some((100, 200));
        store(&drafted, &here);
    }
    here.export(&file, ALL, &ANY).unwrap();
    let of_key = Selection {
        key: Some(key(1)),
        ..ALL
    };
    there.invalidate(of_key).unwrap();
    let imported = import(&there, &file);
    assert_eq!((imported.stored, imported.outdated), (3, 1));
    assert_eq!(got(&there, 1), None);
    there.clear(Some("m.g")).unwrap();
    let of_range = Selection {
        time_range: Some((150, 150)),
        ..ALL
    };
    there.invalidate(of_range).unwrap();
    let imported = import(&there, &file);
    assert_eq!((imported.outdated, imported.present), (3, 1));
    there.clear(None).unwrap();
    assert_eq!(import(&there, &file).outdated, 4);
    assert_eq!(there.totals().unwrap().0, 0);
}

#[test]
fn what_was_computed_after_a_drop_comes_in_and_what_had_begun_before_does_not() {
    let (_folder, here, there, file) = places();
    there.clear(None).unwrap();
    let dropped = now_ns();
    for (number, seconds) in [(1, 0.0), (2, 100.0)] {
        let mut drafted = draft(number, "m.f", 30, seconds);
        drafted.created_ns = dropped;
        store(&drafted, &here);
    }
    // Of a clock that is ahead: whether it was computed before the drop can't be told.
    let mut drafted = draft(3, "m.f", 30, 0.0);
    drafted.created_ns = dropped + 3_600_000_000_000;
    store(&drafted, &here);
    here.export(&file, ALL, &ANY).unwrap();
    let imported = import(&there, &file);
    assert_eq!((imported.stored, imported.outdated), (1, 2));
    assert_eq!(got(&there, 1), Some(30));
}

#[test]
fn nothing_that_is_dropped_comes_back_through_an_import_at_the_same_time() {
    let (folder, here, there, file) = places();
    let created = now_ns();
    for number in 0..60 {
        let mut drafted = draft(
            number,
            "m.f",
            if number % 2 == 0 { 30 } else { 20_000 },
            0.0,
        );
        drafted.created_ns = created;
        store(&drafted, &here);
    }
    here.export(&file, ALL, &ANY).unwrap();
    let another = &open(&folder.path().join("there"), None);
    let file = &file;
    std::thread::scope(|scope| {
        // Gone when the loop below ends, or fails.
        let (alive, ended) = channel::<()>();
        scope.spawn(move || {
            while ended.try_recv() == Err(TryRecvError::Empty) {
                import(another, file);
            }
        });
        for number in 0..60 {
            let selection = Selection {
                function: Some("m.f"),
                key: Some(key(number)),
                ..ALL
            };
            there.invalidate(selection).unwrap();
            assert_eq!(got(&there, number), None);
        }
        drop(alive);
    });
    assert_eq!(import(&there, file).outdated, 60);
    assert_eq!(there.totals().unwrap().0, 0);
}
