//! A number in a shared mapping: how often an entry was replaced or dropped, by any process.

use super::files::Root;
use memmap2::MmapMut;
use std::sync::atomic::{AtomicU64, Ordering};

/// The count; where it can't be shared, each process has its own.
#[derive(Debug)]
pub struct Changes {
    shared: Option<MmapMut>,
    own: AtomicU64,
}

impl Changes {
    /// The count of a store.
    pub fn of(root: &Root) -> Self {
        Self {
            shared: root.changes().ok(),
            own: AtomicU64::new(0),
        }
    }

    fn counter(&self) -> &AtomicU64 {
        match &self.shared {
            // SAFETY: a mapping begins at a page, holds eight bytes, and lives as long as `self`;
            // every process uses them as this one atomic number.
            Some(shared) => unsafe { AtomicU64::from_ptr(shared.as_ptr().cast_mut().cast()) },
            None => &self.own,
        }
    }

    /// One more change.
    pub fn count(&self) {
        self.counter().fetch_add(1, Ordering::AcqRel);
    }

    /// The count as it is now.
    pub fn now(&self) -> u64 {
        self.counter().load(Ordering::Acquire)
    }
}
