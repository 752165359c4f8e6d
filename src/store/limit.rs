//! How much a store may take.

use super::Store;
use crate::clock;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most that a store takes where nothing else is said.
const USUAL_LIMIT: u64 = 20 << 30;
/// How long the free space of a disk is taken as known.
const FRESH: Duration = Duration::from_secs(10);

/// How much the store may take.
#[derive(Debug)]
pub struct Limit {
    chosen: Option<u64>,
    known: Mutex<Option<(Instant, u64)>>,
}

impl Limit {
    /// A limit, or the usual one.
    pub fn new(chosen: Option<u64>) -> Self {
        Self {
            chosen,
            known: Mutex::default(),
        }
    }
}

impl Store {
    /// Bytes that entries may take, the index's log left out.
    pub(super) fn limit(&self) -> u64 {
        let limit = self.room.chosen.unwrap_or_else(|| self.usual_limit());
        limit.saturating_sub(self.session().log_size(&self.root))
    }

    /// The smaller of 20 GiB and half of free disk and own use.
    fn usual_limit(&self) -> u64 {
        let mut known = self
            .room
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = clock::monotonic();
        match *known {
            Some((since, limit)) if now - since < FRESH => limit,
            _ => {
                let own = self.taken().unwrap_or(0);
                let limit = match self.root.free_bytes() {
                    Some(free) => USUAL_LIMIT.min(u64::midpoint(free, own)),
                    None => USUAL_LIMIT,
                };
                *known = Some((now, limit));
                limit
            }
        }
    }
}
