//! Counts in a shared mapping: how often entries were replaced or dropped, by any process.
//!
//! What memory holds of an entry is used only while the counts are those from before it was read.

use super::files::Root;
use crate::digest::Digest;
use memmap2::MmapMut;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts by key; two keys that share one cost a look at the index now and then.
const SLOTS: usize = 1024;
/// The count of what concerns every entry, and then those by key.
const COUNTS: usize = 1 + SLOTS;
/// Bytes of the shared file.
pub const SIZE: usize = COUNTS * size_of::<u64>();

/// What the counts that concern one entry were at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    all: u64,
    slot: u64,
    /// Which row it was, where counts do not show.
    row: Option<Digest>,
}

impl Mark {
    /// Another one after each change, as long as changes are few.
    #[must_use]
    pub fn number(self) -> u64 {
        self.all
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(self.slot)
    }

    /// The same, with the row that answers the key.
    #[must_use]
    pub fn with_row(self, row: Option<Digest>) -> Self {
        Self { row, ..self }
    }
}

/// The counts; where they can't be shared, each process has its own.
#[derive(Debug)]
pub struct Changes(Counts);

#[derive(Debug)]
enum Counts {
    Shared(MmapMut),
    Own(Box<[AtomicU64]>),
}

impl Changes {
    /// The counts of a store.
    pub fn of(root: &Root) -> Self {
        let counts = root.changes(SIZE).map_or_else(
            |_| Counts::Own((0..COUNTS).map(|_| AtomicU64::new(0)).collect()),
            Counts::Shared,
        );
        Self(counts)
    }

    fn counts(&self) -> &[AtomicU64] {
        match &self.0 {
            // SAFETY: a mapping begins at a page, holds `SIZE` bytes and lives as long as `self`;
            // every process uses them as these atomic numbers.
            Counts::Shared(shared) => unsafe {
                std::slice::from_raw_parts(shared.as_ptr().cast(), COUNTS)
            },
            Counts::Own(own) => own,
        }
    }

    fn slot(key: Digest) -> usize {
        1 + usize::from(u16::from_le_bytes([key.0[0], key.0[1]])) % SLOTS
    }

    /// An entry was replaced or dropped.
    pub fn count(&self, key: Digest) {
        self.counts()[Self::slot(key)].fetch_add(1, Ordering::AcqRel);
    }

    /// Entries that nobody lists were dropped.
    pub fn count_all(&self) {
        self.counts()[0].fetch_add(1, Ordering::AcqRel);
    }

    /// The counts that concern an entry, as they are now.
    pub fn mark(&self, key: Digest) -> Mark {
        Mark {
            all: self.all(),
            slot: self.counts()[Self::slot(key)].load(Ordering::Acquire),
            row: None,
        }
    }

    /// How often what concerns every entry was counted.
    pub fn all(&self) -> u64 {
        self.counts()[0].load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::Changes;
    use crate::digest::Digest;
    use crate::store::files::Root;

    #[test]
    fn a_change_shows_to_who_shares_the_folder_and_to_its_own_key() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::prepare(&folder.path().join("store"), None, None).unwrap();
        let (here, there) = (Changes::of(&root), Changes::of(&root));
        let [one, two] = [Digest([1; 16]), Digest([2; 16])];
        let before = (there.mark(one), there.mark(two));
        here.count(one);
        assert_ne!(there.mark(one), before.0);
        assert_eq!(there.mark(two), before.1);
        let before = (there.mark(one), there.mark(two));
        here.count_all();
        assert_ne!(there.mark(one), before.0);
        assert_ne!(there.mark(two), before.1);
    }

    #[test]
    fn every_key_has_a_count() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::prepare(&folder.path().join("store"), None, None).unwrap();
        let changes = Changes::of(&root);
        for byte in 0..=255 {
            let key = Digest([byte; 16]);
            let before = changes.mark(key);
            changes.count(key);
            assert_ne!(changes.mark(key), before);
        }
    }
}
