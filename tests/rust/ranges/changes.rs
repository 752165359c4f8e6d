//! What one process commits another one sees; what is replaced is removed later, and nothing else.

use super::{Change, Interval, bars, files, known, piece, put, series, spans, tables};
use afml_cache::error::Kind;
use std::fs::{File, FileTimes};
use std::time::{Duration, SystemTime};

#[test]
fn a_commit_is_made_for_the_revision_that_it_expects_and_for_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (series(folder.path(), "A"), series(folder.path(), "A"));
    let unknown = Some(one.sync().unwrap());
    assert!(
        one.commit(&Change {
            expected: unknown,
            ..put(0, 10)
        })
        .unwrap()
        .is_some()
    );
    let first = Some(one.sync().unwrap());
    assert_eq!(
        other
            .commit(&Change {
                expected: unknown,
                ..put(0, 20)
            })
            .unwrap(),
        None
    );
    assert!(
        other
            .commit(&Change {
                expected: first,
                ..put(10, 20)
            })
            .unwrap()
            .is_some()
    );
    assert_eq!(
        one.commit(&Change {
            expected: first,
            ..put(5, 15)
        })
        .unwrap(),
        None
    );
    assert_eq!(spans(&one), [(0, 10), (10, 20)]);
    assert_eq!(
        files(folder.path(), ".parquet").len(),
        2,
        "no file of a change that was not made"
    );
}

#[test]
fn what_one_process_changes_another_one_sees_and_is_told_where() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (series(folder.path(), "A"), series(folder.path(), "A"));
    one.commit(&put(0, 10)).unwrap();
    one.commit(&put(10, 20)).unwrap();
    other.sync().unwrap();
    assert_eq!(known(&other), known(&one));
    let _ = (one.changes(), other.changes());
    let made = other.commit(&put(12, 15)).unwrap().unwrap();
    assert!(one.changes().is_empty());
    one.sync().unwrap();
    assert_eq!(one.changes(), [Interval::new(10, 20)]);
    assert!(
        other.changes().is_empty(),
        "its own changes are known to it"
    );
    assert_eq!(one.read(made[0]).unwrap().slice(), bars(12, 15));
    assert_eq!(spans(&one), [(0, 10), (10, 12), (12, 15), (15, 20)]);
}

#[test]
fn a_segment_without_a_live_bar_is_dead_and_its_file_goes_after_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let one = series(folder.path(), "A");
    let old = one.commit(&put(0, 10)).unwrap().unwrap()[0];
    one.commit(&Change {
        adopts: true,
        ..put(0, 6)
    })
    .unwrap();
    assert!(one.read(old).is_ok(), "a part of it is live");
    one.commit(&put(6, 10)).unwrap();
    assert_eq!(one.read(old).unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(
        (
            one.collect().unwrap(),
            files(folder.path(), ".parquet").len()
        ),
        (0, 3)
    );
    tables(folder.path())
        .execute("UPDATE dead SET since = 0", [])
        .unwrap();
    assert_eq!(
        (
            one.collect().unwrap(),
            files(folder.path(), ".parquet").len()
        ),
        (1, 2)
    );
    assert_eq!(one.collect().unwrap(), 0);
    let live: Vec<_> = one.segments().into_iter().map(|(id, _)| id).collect();
    assert!(live.into_iter().all(|id| one.read(id).is_ok()));
}

#[test]
fn a_file_that_nobody_entered_goes_when_it_is_old() {
    let folder = tempfile::tempdir().unwrap();
    let one = series(folder.path(), "A");
    one.commit(&Change {
        adopts: true,
        ..put(0, 10)
    })
    .unwrap();
    let named = files(folder.path(), ".parquet")[0].clone();
    let stray = named.with_file_name(format!("{:016x}-{}.parquet", 1, "ab".repeat(16)));
    std::fs::write(&stray, "of a process that was killed").unwrap();
    assert_eq!(
        one.collect().unwrap(),
        0,
        "somebody may be about to enter it"
    );
    for path in [&stray, &named] {
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        let times = FileTimes::new().set_modified(long_ago);
        File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_times(times)
            .unwrap();
    }
    assert_eq!(one.collect().unwrap(), 1);
    assert!(named.exists() && !stray.exists());
}

#[test]
fn a_change_that_can_t_be_written_changes_nothing_here_either() {
    let folder = tempfile::tempdir().unwrap();
    let one = series(folder.path(), "A");
    one.commit(&put(0, 10)).unwrap();
    one.commit(&put(10, 20)).unwrap();
    let before = (known(&one), one.segments().len(), one.sync().unwrap());
    let drafts = folder.path().join("v1/tmp");
    std::fs::remove_dir_all(&drafts).unwrap();
    let cut = Change {
        cut: vec![Interval::new(5, 30)],
        pieces: vec![piece(0, 2, None)],
        ..Change::default()
    };
    assert!(
        one.commit(&cut).is_err(),
        "what is cut can't be written down"
    );
    assert!(one.commit(&put(0, 30)).is_err());
    let after = (known(&one), one.segments().len(), one.sync().unwrap());
    assert_eq!(before, after);
    std::fs::create_dir(&drafts).unwrap();
    assert!(one.commit(&cut).unwrap().is_some());
    assert_eq!(spans(&one), [(0, 2), (2, 5)]);
}

#[test]
fn what_is_held_is_known_until_something_newer_is() {
    let folder = tempfile::tempdir().unwrap();
    let one = series(folder.path(), "A");
    one.commit(&put(0, 10)).unwrap();
    one.hold(piece(5, 15, Some(-1000)));
    assert_eq!(spans(&one), [(0, 5), (5, 15)]);
    let other = series(folder.path(), "A");
    other.commit(&put(20, 30)).unwrap();
    one.sync().unwrap();
    assert_eq!(spans(&one), [(0, 5), (5, 15), (20, 30)]);
    one.commit(&put(10, 20)).unwrap();
    assert_eq!(spans(&one), [(0, 5), (5, 10), (10, 20), (20, 30)]);
    assert_eq!(known(&one)[1].2, Some(-1000));
    other.sync().unwrap();
    assert_eq!(spans(&other), [(0, 10), (10, 20), (20, 30)]);
}

#[test]
fn a_segment_that_can_t_be_read_here_is_live_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let one = series(folder.path(), "A");
    let made = one.commit(&put(0, 10)).unwrap().unwrap();
    one.shun(made[0]);
    assert!(known(&one).is_empty());
    one.commit(&put(0, 4)).unwrap();
    assert_eq!(spans(&one), [(0, 4)]);
    let other = series(folder.path(), "A");
    other.sync().unwrap();
    assert_eq!(spans(&other), [(0, 4), (4, 10)]);
}
