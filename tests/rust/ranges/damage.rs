//! A catalog that is damaged, replaced or gone, and segments that are.

use super::{
    Change, File, Interval, NEVER, bars, catalog, files, known, put, series, spans, tables,
};
use afml_cache::ranges::parquet;
use proptest::prelude::*;
use std::fs;

#[test]
fn series_of_a_catalog_that_was_begun_anew_are_not_taken_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (series(folder.path(), "A"), series(folder.path(), "B"));
    first.commit(&put(0, 10)).unwrap();
    second.commit(&put(0, 20)).unwrap();
    fs::remove_file(catalog(folder.path())).unwrap();
    second.commit(&put(20, 30)).unwrap();
    assert_eq!(spans(&second), [(20, 30)]);
    first.sync().unwrap();
    assert!(known(&first).is_empty());
    assert!(first.changes().contains(&Interval::new(i64::MIN, NEVER)));
    let (strays, cuts) = first.strays().unwrap().unwrap();
    assert_eq!((strays.len(), cuts.len()), (1, 0));
    assert_eq!(
        second.strays().unwrap().unwrap().0.len(),
        1,
        "what is named is no stray"
    );
}

#[test]
fn a_stray_is_read_only_where_its_bytes_are_those_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let one = series(folder.path(), "A");
    one.commit(&put(0, 10)).unwrap();
    fs::remove_file(catalog(folder.path())).unwrap();
    one.sync().unwrap();
    let (strays, _) = one.strays().unwrap().unwrap();
    let change = || Change {
        segments: vec![(
            File::Stray(strays[0].clone()),
            Interval::new(0, 10),
            10,
            "{}".into(),
        )],
        adopts: true,
        ..put(0, 10)
    };
    let path = &files(folder.path(), ".parquet")[0];
    fs::write(path, "something else").unwrap();
    assert!(one.commit(&change()).is_err());
    fs::write(path, bars(0, 10)).unwrap();
    assert!(one.commit(&change()).unwrap().is_some());
    assert!(one.strays().unwrap().is_none(), "they were taken in");
    assert_eq!(spans(&one), [(0, 10)]);
}

#[test]
fn what_is_cut_is_written_down_until_no_older_segment_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let one = series(folder.path(), "A");
    one.commit(&Change {
        adopts: true,
        ..put(0, 10)
    })
    .unwrap();
    let cut = |first, stop| Change {
        cut: vec![Interval::new(first, stop)],
        ..Change::default()
    };
    one.commit(&cut(3, 5)).unwrap();
    assert_eq!(files(folder.path(), ".cut").len(), 1);
    fs::remove_file(catalog(folder.path())).unwrap();
    one.sync().unwrap();
    let (_, cuts) = one.strays().unwrap().unwrap();
    assert_eq!(cuts[0].spans, [(3, 5)]);
    fs::write(&files(folder.path(), ".cut")[0], "1\n2 3\n").unwrap();
    let (_, cuts) = one.strays().unwrap().unwrap();
    assert_eq!(
        cuts[0].spans,
        [(i64::MIN, i64::MAX)],
        "what can't be read may say anything"
    );

    let whole = Change {
        adopts: true,
        ..put(0, 10)
    };
    one.commit(&whole).unwrap();
    tables(folder.path())
        .execute("UPDATE dead SET since = 0", [])
        .unwrap();
    for path in files(folder.path(), ".parquet") {
        let named = one
            .segments()
            .iter()
            .any(|(_, known)| path.ends_with(&known.name));
        if !named {
            fs::remove_file(path).unwrap();
        }
    }
    one.commit(&cut(100, 200)).unwrap();
    one.commit(&put(0, 10)).unwrap();
    tables(folder.path())
        .execute("UPDATE dead SET since = 0", [])
        .unwrap();
    one.collect().unwrap();
    let left = files(folder.path(), ".cut");
    assert!(
        left.len() <= 1,
        "only the one that can't be read, which is of all times"
    );
}

#[test]
fn a_row_that_is_not_what_was_written_is_never_believed() {
    let folder = tempfile::tempdir().unwrap();
    let one = series(folder.path(), "A");
    for step in 0..12 {
        one.commit(&Change {
            adopts: true,
            ..put(20 * step, 20 * step + 10)
        })
        .unwrap();
    }
    let right = spans(&one);
    drop(one);
    tables(folder.path())
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let sound = fs::read(catalog(folder.path())).unwrap();
    let mut rejected = 0;
    for place in (0..sound.len()).step_by(61) {
        let mut harmed = sound.clone();
        harmed[place] ^= 1 << (place % 8);
        for suffix in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{suffix}", catalog(folder.path()).display()));
        }
        fs::write(catalog(folder.path()), &harmed).unwrap();
        let one = series(folder.path(), "A");
        if one.sync().is_err() {
            continue;
        }
        for span in spans(&one) {
            assert!(right.contains(&span), "{span:?} at {place}");
        }
        for (id, segment) in one.segments() {
            let read = one.read(id).map(|bytes| bytes.slice().to_vec());
            let expected = bars(segment.span.first, segment.span.stop);
            assert!(read.is_err() || read.unwrap() == expected, "at {place}");
        }
        rejected += usize::from(spans(&one) != right);
    }
    assert!(rejected > 0);
}

proptest! {
    #[test]
    fn no_bytes_that_say_to_be_parquet_end_the_process(
        body in prop::collection::vec(any::<u8>(), 0..200),
        footer in prop::collection::vec(any::<u8>(), 0..200),
        length in prop::option::of(any::<u32>()),
    ) {
        let length = length.unwrap_or(u32::try_from(footer.len()).unwrap());
        let mut file = b"PAR1".to_vec();
        file.extend(body);
        file.extend(footer);
        file.extend(length.to_le_bytes());
        file.extend(b"PAR1");
        // Whatever it says of them: a panic is what fails here.
        let _ = parquet::check(&file);
    }
}
