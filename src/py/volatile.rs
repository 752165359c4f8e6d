//! Results whose time range is not over yet: in memory only, and for a while.

use crate::clock;
use crate::digest::Digest;
use crate::process::PerProcess;
use crate::store::Store;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of all payloads that are held at once.
const MOST: usize = 256 * 1024 * 1024;

struct Held {
    payload: Arc<[u8]>,
    until: Instant,
    function: String,
    range: (i64, i64),
    /// Of the function, when the body began: an invalidation by another process moves it on.
    epoch: u64,
    /// The store's count of changes when the epoch was last looked at.
    changes: u64,
}

/// Payloads by key, each with its time; a forked child begins with none.
#[derive(Default)]
pub struct Volatile(PerProcess<Mutex<HashMap<Digest, Held>>>);

impl Volatile {
    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Held>> {
        self.0.get().lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds a payload for so long; what has run out goes first, and one too many is not held.
    pub fn put(
        &self,
        key: Digest,
        payload: Vec<u8>,
        ttl: Duration,
        (function, range): (&str, (i64, i64)),
        (epoch, changes): (u64, u64),
    ) -> bool {
        let now = clock::monotonic();
        let mut held = self.held();
        held.retain(|_, one| now < one.until);
        let bytes: usize = held.values().map(|one| one.payload.len()).sum();
        let Some(until) = now.checked_add(ttl) else {
            return false;
        };
        if ttl.is_zero() || bytes + payload.len() > MOST {
            held.remove(&key);
            return false;
        }
        held.insert(
            key,
            Held {
                payload: payload.into(),
                until,
                function: function.to_owned(),
                range,
                epoch,
                changes,
            },
        );
        true
    }

    /// The payload of a key, if its time has not run out and nobody has invalidated it.
    pub fn get(&self, store: &Store, key: Digest) -> Option<Arc<[u8]>> {
        let (payload, function, epoch, changes) = {
            let mut held = self.held();
            let one = held.get(&key)?;
            if clock::monotonic() >= one.until {
                held.remove(&key);
                return None;
            }
            let now = store.changes();
            if one.changes == now && !store.is_network() {
                return Some(one.payload.clone());
            }
            (one.payload.clone(), one.function.clone(), one.epoch, now)
        };
        if store.epoch(&function).ok() != Some(epoch) {
            self.held().remove(&key);
            return None;
        }
        if let Some(one) = self.held().get_mut(&key) {
            one.changes = changes;
        }
        Some(payload)
    }

    /// Lets go of one key.
    pub fn remove(&self, key: Digest) {
        self.held().remove(&key);
    }

    /// Lets go of what a function, or any, looked at in a time range, or ever.
    pub fn drop_matching(&self, function: Option<&str>, range: Option<(i64, i64)>) {
        self.held().retain(|_, one| {
            let other = function.is_some_and(|name| name != one.function);
            let apart =
                range.is_some_and(|(first, last)| one.range.1 < first || last < one.range.0);
            other || apart
        });
    }
}
