//! An index from nothing but the payload files.

use super::files::{HIGHEST, Nonce, Root};
use super::index::{Entry, Index, Payload, Place, generation_of};
use super::ledger::{Cleared, Ledger};
use crate::digest::Digest;
use crate::error::Result;
use crate::format::{Head, Meta};

/// Enters every payload that is there: of several for one key the newest, and none from before its
/// function was cleared.
///
/// # Errors
/// The index can't be written.
pub fn adopt(root: &Root, index: &mut Index, generation: u64) -> Result<()> {
    const AT_ONCE: usize = 1_000;
    // Without a ledger nothing was ever cleared.
    let cleared = Ledger::of(root).cleared().unwrap_or_default();
    let mut latest = generation;
    for files in root.payloads().chunks(AT_ONCE) {
        let found: Vec<_> = files
            .iter()
            .filter_map(|&(key, nonce)| read(root, key, nonce))
            .collect();
        latest = found
            .iter()
            .map(|found| generation_of(found.head.epoch))
            // A higher one is forged, and epochs above it would leave no room for more.
            .filter(|&generation| generation < HIGHEST)
            .map(|generation| generation + 1)
            .fold(latest, u64::max);
        let (valid, dropped): (Vec<_>, Vec<_>) =
            found.iter().partition(|found| found.is_above(&cleared));
        for found in dropped {
            root.remove(found.head.key, found.place.nonce);
        }
        let entries: Vec<_> = valid.iter().map(|found| found.entry()).collect();
        index.adopt(&entries)?;
    }
    index.finish(latest)
}

/// A payload file, and what it says of itself.
struct Found {
    head: Head,
    meta: Meta,
    place: Place,
}

impl Found {
    fn is_above(&self, cleared: &Cleared) -> bool {
        self.head.epoch >= cleared.since(&self.meta.function)
    }

    fn entry(&self) -> Entry<'_> {
        Entry {
            key: self.head.key,
            ours: self.head.key_id,
            function: &self.meta.function,
            seconds: self.head.seconds,
            size: self.head.length,
            place: &self.place,
            time_range: self.meta.time_range,
            epoch: self.head.epoch,
        }
    }
}

fn read(root: &Root, key: Digest, nonce: Nonce) -> Option<Found> {
    let (bytes, _) = root.open(key, nonce).ok()??;
    let head = Head::read(bytes.slice())
        .ok()
        .filter(|head| head.key == key)?;
    let meta = head.meta(bytes.slice()).ok()?;
    let place = Place {
        nonce,
        created_ns: head.created_ns,
        sealed: head.key_id,
        payload: Payload::File(None),
    };
    Some(Found { head, meta, place })
}
