//! A result on its way from and to the tiers: memory, memory for a while, disk.

use super::PyStore;
use crate::clock;
use crate::digest::Digest;
use crate::error::{Error, Kind};
use crate::format::{Draft, Meta};
use crate::py::hot::{Hit, Hot, decoded, is_unchangeable};
use crate::py::value::{Drafted, load};
use crate::store::{Put, Store};
use pyo3::prelude::*;
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Payloads up to this size are kept in memory; larger ones are mapped anew at each hit.
const KEEP: usize = 1024 * 1024;

impl PyStore {
    /// A result that memory holds.
    pub fn recall<'py>(&self, py: Python<'py>, store: &Store, key: Digest) -> Option<Hit<'py>> {
        let changes = store.changes();
        if self.seen.load(Ordering::Acquire) != changes {
            // Cleared first: whoever sees the new count must not find an old value.
            self.memory.clear();
            self.seen.store(changes, Ordering::Release);
        }
        match self.memory.get(key)? {
            Hot::Value(value, seconds, _) => Some(Hit {
                value: value.bind(py).clone(),
                seconds,
                in_memory: true,
            }),
            Hot::Payload(payload) => decoded(py, &payload),
        }
    }

    /// A result that is kept for a while.
    pub fn recall_volatile<'py>(
        &self,
        py: Python<'py>,
        store: &Store,
        key: Digest,
    ) -> Option<Hit<'py>> {
        let payload = py.detach(|| self.volatile.get(store, key))?;
        decoded(py, &payload)
    }

    /// Whether a result is kept for a while.
    pub fn is_volatile(&self, py: Python<'_>, store: &Store, key: Digest) -> bool {
        py.detach(|| self.volatile.contains(store, key))
    }

    /// Keeps a result in memory only, for so long.
    pub fn keep_volatile(
        &self,
        py: Python<'_>,
        store: &Store,
        drafted: Drafted,
        entry: Entry,
        ttl: Duration,
    ) -> Result<bool, Error> {
        let (epoch, changes) = (entry.epoch, store.changes());
        let (draft, keep) = drafted_entry(drafted, entry);
        let kept = py.detach(|| -> Result<bool, Error> {
            if store.epoch(&draft.meta.function)? != epoch {
                return Ok(false);
            }
            let payload = store.payload(&draft, epoch)?;
            let range = draft.meta.time_range.unwrap_or((i64::MIN, i64::MAX));
            let of = (draft.meta.function.as_str(), range);
            Ok(self
                .volatile
                .put(draft.key, payload, ttl, of, (epoch, changes)))
        });
        drop((draft, keep));
        kept
    }

    /// A result that is on disk.
    pub fn fetch<'py>(&self, py: Python<'py>, store: &Store, key: Digest) -> Option<Hit<'py>> {
        let changes = store.changes();
        let found = match py.detach(|| store.get(key)) {
            Ok(found) => found?,
            Err(error) => {
                self.tell_error(py, "CacheReadWarning", "reading a result", &error);
                return None;
            }
        };
        if found.head.code_bearing && !self.allow_pickle {
            return None;
        }
        let seconds = found.head.seconds;
        // Before the value is handed out: what its owner writes lands in `found.bytes`.
        let kept: Option<Arc<[u8]>> =
            (found.bytes.slice().len() <= KEEP).then(|| found.bytes.slice().into());
        match load(py, &found.head, found.bytes) {
            Ok(value) => {
                self.remember(
                    store,
                    changes,
                    key,
                    Kept {
                        value: &value,
                        seconds,
                        payload: kept,
                    },
                );
                Some(Hit {
                    value,
                    seconds,
                    in_memory: false,
                })
            }
            Err(error) => {
                self.undecodable(py, store, key, found.head.code_bearing, &error);
                None
            }
        }
    }

    /// A payload that is whole and can't be decoded: a class that moved, or a library that changed.
    fn undecodable(
        &self,
        py: Python<'_>,
        store: &Store,
        key: Digest,
        pickled: bool,
        error: &PyErr,
    ) {
        let reason = error.value(py).to_string();
        let kind = error.get_type(py);
        let error = Error::new(
            Kind::Corrupt,
            format!("it can't be decoded ({kind}: {reason})"),
        );
        // A pickle may be readable elsewhere, where its class still is; the new result replaces it.
        let error = if pickled {
            error
        } else {
            store.reject(key, error)
        };
        self.tell_error(py, "CacheReadWarning", "decoding a result", &error);
    }

    /// Holds a result in memory, unless something changed since it was read or written.
    fn remember(&self, store: &Store, changes: u64, key: Digest, kept: Kept<'_, '_>) {
        let Some(payload) = kept.payload else { return };
        let hot = if is_unchangeable(kept.value) {
            let value = Arc::new(kept.value.clone().unbind());
            Hot::Value(value, kept.seconds, payload.len() as u64)
        } else {
            Hot::Payload(payload)
        };
        self.memory.put(key, hot);
        if store.changes() != changes {
            self.memory.remove(key);
        }
    }

    /// Stores a result; says how many bytes it takes, or `None` where an invalidation came first.
    pub fn keep(
        &self,
        py: Python<'_>,
        store: &Store,
        value: &Bound<'_, PyAny>,
        drafted: Drafted,
        entry: Entry,
    ) -> Result<Option<usize>, Error> {
        let (key, seconds, epoch) = (entry.key, entry.seconds, entry.epoch);
        let (draft, keep) = drafted_entry(drafted, entry);
        let changes = store.changes();
        let put = py.detach(|| store.put(&draft, epoch));
        drop((draft, keep));
        match put? {
            Put::Outdated => Ok(None),
            Put::Stored { size, inline } => {
                let payload = inline.map(Into::into);
                self.remember(
                    store,
                    changes,
                    key,
                    Kept {
                        value,
                        seconds,
                        payload,
                    },
                );
                Ok(Some(size))
            }
        }
    }
}

/// A payload to be, and what keeps its leaves in place.
fn drafted_entry(drafted: Drafted, entry: Entry) -> (Draft, Vec<Box<dyn Any + Send + Sync>>) {
    let draft = Draft {
        key: entry.key,
        created_ns: clock::wall_ns(),
        seconds: entry.seconds,
        meta: entry.meta,
        tree: drafted.tree,
        leaves: drafted.leaves,
        code_bearing: drafted.code_bearing,
    };
    (draft, drafted.keep)
}

/// What memory may hold of a result.
struct Kept<'a, 'py> {
    value: &'a Bound<'py, PyAny>,
    seconds: f64,
    payload: Option<Arc<[u8]>>,
}

/// What is stored beside a result.
pub struct Entry {
    pub key: Digest,
    pub meta: Meta,
    pub seconds: f64,
    pub epoch: u64,
}
