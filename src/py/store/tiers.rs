//! A result on its way from and to the tiers: memory, memory for a while, disk.

use super::PyStore;
use crate::clock;
use crate::digest::Digest;
use crate::error::{Error, Kind};
use crate::format::{Compression, Draft, Head, Meta, Seen};
use crate::py::error::is_interrupt;
use crate::py::function::Policy;
use crate::py::hot::{Hit, Hot, Made, decoded};
use crate::py::value::Drafted;
use crate::store::{Count, Mark, Put, Store, Tally};
use pyo3::prelude::*;
use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

impl PyStore {
    /// A result that memory holds.
    pub fn recall<'py>(&self, py: Python<'py>, store: &Store, key: Digest) -> Option<Hit<'py>> {
        let current = |hot: &Hot| !store.is_network() && hot.mark == store.mark(key);
        let found = self.memory.read(key, |hot| match hot.hit_as_it_is(py) {
            Some(hit) if current(hot) => Ok(hit),
            _ => Err(hot.clone()),
        });
        let hot = match found? {
            Ok(hit) => return Some(hit),
            Err(hot) => hot,
        };
        if hot.mark != self.mark(py, store, key) {
            self.memory.remove(key);
            return None;
        }
        // A library that changed under the process: what is on disk says so.
        let Ok((hit, instead)) = hot.hit(py) else {
            self.memory.remove(key);
            return None;
        };
        if let Some(instead) = instead {
            self.memory.put(key, Arc::new(instead));
        }
        Some(hit)
    }

    /// What was counted of changes to a key; on network file systems the index is asked.
    fn mark(&self, py: Python<'_>, store: &Store, key: Digest) -> Mark {
        if store.is_network() {
            py.detach(|| store.mark(key))
        } else {
            store.mark(key)
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

    /// What a result has seen that is kept for a while, if one is.
    pub fn seen_by_volatile(&self, py: Python<'_>, store: &Store, key: Digest) -> Option<Seen> {
        let payload = py.detach(|| self.volatile.get(store, key))?;
        Head::read(&payload).ok().map(|head| head.seen)
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
    pub fn fetch<'py>(
        &self,
        py: Python<'py>,
        store: &Store,
        key: Digest,
        writes: bool,
        policy: &Policy,
        tally: &Tally,
    ) -> PyResult<Option<Hit<'py>>> {
        let mark = self.mark(py, store, key);
        let found = match py.detach(|| store.get(key, writes)) {
            Ok(found) => found,
            Err(error) => {
                tally.count(Count::Errors);
                self.tell_error(py, "CacheReadWarning", "reading a result", &error);
                None
            }
        };
        let Some(mut found) = found.filter(|found| self.allow_pickle || !found.head.pickled) else {
            return Ok(None);
        };
        let pickled = found.head.code_bearing;
        let made = Made::of(&found.head);
        let remembered = policy.remembers(found.head.length);
        let checked = found.checked.take();
        match Hot::of_found(py, found, mark) {
            Ok((value, hot)) => {
                if let Some(checked) = checked {
                    py.detach(|| store.note_checked(&checked));
                }
                if let Some(hot) = hot.filter(|_| remembered) {
                    self.memory.put(key, Arc::new(hot));
                }
                Ok(Some(Hit {
                    value,
                    made,
                    in_memory: false,
                    is_simulated: false,
                    uses: 1,
                }))
            }
            Err(error) if is_interrupt(py, &error) => Err(error),
            Err(error) => {
                tally.count(Count::Errors);
                self.undecodable(py, store, key, (pickled, writes), &error);
                Ok(None)
            }
        }
    }

    /// A payload that is whole and can't be decoded: a class that moved, or a library that changed.
    fn undecodable(
        &self,
        py: Python<'_>,
        store: &Store,
        key: Digest,
        (pickled, writes): (bool, bool),
        error: &PyErr,
    ) {
        let reason = error.value(py).to_string();
        let kind = error.get_type(py);
        let error = Error::new(
            Kind::Corrupt,
            format!("it can't be decoded ({kind}: {reason})"),
        );
        // A pickle may be readable elsewhere, where its class still is; the new result replaces it.
        let error = if pickled || !writes {
            error
        } else {
            store.reject(key, error)
        };
        self.tell_error(py, "CacheReadWarning", "decoding a result", &error);
    }

    /// Stores results; says of each how many bytes it takes, or `None` where an invalidation came
    /// first.
    pub fn keep(
        &self,
        py: Python<'_>,
        store: &Store,
        results: Vec<Fresh<'_, '_>>,
        policy: &Policy,
    ) -> Vec<Result<Option<usize>, Error>> {
        let (mut drafts, mut rest) = (Vec::new(), Vec::new());
        for result in results {
            let key = result.draft.key;
            rest.push((key, self.mark(py, store, key), result.value, result.leaves));
            drafts.push((result.draft, result.epoch));
        }
        let puts = py.detach(|| {
            let puts = store.put_all(&drafts);
            // A good moment: the index is being written anyway.
            let _ = store.note(false);
            puts
        });
        let kept = |(put, (key, mark, value, _))| match put? {
            Put::Outdated | Put::There => Ok(None),
            Put::Stored { size, inline } => {
                let kept = inline.filter(|_| policy.remembers(size));
                if let Some(hot) = kept.and_then(|payload| Hot::of_stored(mark, value, &payload)) {
                    self.memory.put(key, Arc::new(hot));
                }
                Ok(Some(size))
            }
        };
        puts.into_iter().zip(rest).map(kept).collect()
    }
}

/// A result on its way to disk.
pub struct Fresh<'a, 'py> {
    value: &'a Bound<'py, PyAny>,
    draft: Draft,
    /// What keeps its leaves in place.
    leaves: Vec<Box<dyn Any + Send + Sync>>,
    epoch: u64,
}

impl<'a, 'py> Fresh<'a, 'py> {
    /// Makes it as small as it is to be.
    pub fn of(value: &'a Bound<'py, PyAny>, drafted: Drafted, entry: Entry) -> Result<Self, Error> {
        let (epoch, compress) = (entry.epoch, entry.compress);
        let (mut draft, leaves) = drafted_entry(drafted, entry);
        if let Some(how) = compress {
            value.py().detach(|| draft.pack(how))?;
        }
        Ok(Self {
            value,
            draft,
            leaves,
            epoch,
        })
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
        pickled: drafted.pickled,
        compression: None,
    };
    (draft, drafted.keep)
}

/// What is stored beside a result.
pub struct Entry {
    pub key: Digest,
    pub meta: Meta,
    pub seconds: f64,
    pub epoch: u64,
    pub compress: Option<Compression>,
}
