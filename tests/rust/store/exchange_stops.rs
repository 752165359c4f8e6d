//! An import that is to stop does, wherever it is.

use super::exchange::{ANY, places};
use afml_cache::digest::Digest;
use afml_cache::error::{Error, Kind, Result};
use afml_cache::format::Head;
use afml_cache::store::{Bytes, Judge};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Goes on so many times.
struct Patient(AtomicUsize);

impl Judge for Patient {
    fn goes_on(&self) -> Result<()> {
        let one_less = |left: usize| left.checked_sub(1);
        let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
        let left = self.0.fetch_update(set, fetch, one_less);
        left.map_or(Err(Error::new(Kind::Io, "it was stopped")), |_| Ok(()))
    }

    fn wants(&self, _: &Head) -> Result<bool> {
        Ok(true)
    }

    fn decodes(&self, _: &Head, _: &Arc<Bytes>) -> Result<()> {
        Ok(())
    }
}

/// A file of payloads without a byte, which says that it has so many.
fn empties(count: usize, said: u64) -> Vec<u8> {
    let content = vec![0; count * 8];
    let length = 64 + content.len() as u64;
    let numbers = [1, 7, 7, said, length].map(u64::to_le_bytes);
    let cover = [&b"AFMLEXP1"[..], numbers.as_flattened()].concat();
    let check = Digest::of(&[&content[..], &cover].concat());
    [&cover[..], &check.0, &content].concat()
}

#[test]
fn an_import_of_very_many_that_are_nothing_stops_at_once() {
    const COUNT: usize = 10_000;
    let (_folder, _here, there, file) = places();
    std::fs::write(&file, empties(COUNT, COUNT as u64)).unwrap();
    let imported = there.import(&file, false, &ANY).unwrap();
    assert_eq!(imported.refused, COUNT as u64);
    for times in [0, 1, 2, 3, 4, 5, COUNT] {
        let judge = Patient(AtomicUsize::new(times));
        let stopped = there.import(&file, false, &judge).unwrap_err();
        assert!(stopped.to_string().contains("it was stopped"), "{stopped}");
    }
}

#[test]
fn more_payloads_than_can_be_in_a_file_are_refused_before_it_is_read() {
    let (_folder, _here, there, file) = places();
    for said in [11, 1 << 40, u64::MAX] {
        std::fs::write(&file, empties(10, said)).unwrap();
        let judge = Patient(AtomicUsize::new(0));
        let refused = there.import(&file, true, &judge).unwrap_err();
        assert_eq!(refused.kind(), Kind::Corrupt, "{refused}");
    }
}
