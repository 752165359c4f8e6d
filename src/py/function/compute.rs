//! What happens around a body that runs: before it, the epoch; after it, the result is stored.

use super::PyFunction;
use super::call::Asked;
use super::guard::guarded;
use super::ready::Ready;
use crate::digest::Digest;
use crate::format::{Meta, Seen};
use crate::py::error::is_interrupt;
use crate::py::held::Scope;
use crate::py::store::{Entry, Fresh};
use crate::py::value::{DraftSink, Failure};
use crate::store::{Count, Holding, Outcome};
use pyo3::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// What a body gave.
pub(super) struct Computed<'a, 'py> {
    pub(super) value: &'a Bound<'py, PyAny>,
    pub(super) seconds: f64,
    /// What it had read that others tell of, while it ran.
    pub(super) read: Seen,
    /// That of before it ran.
    pub(super) epoch: u64,
}

/// A call, and what its body gave.
pub(super) type Done<'a, 'py> = (&'a Asked<'a, 'py>, &'a Computed<'a, 'py>);

/// The key of a result, and what is to be put on disk of it.
type Drawn<'a, 'py> = (Digest, Option<Fresh<'a, 'py>>);

impl PyFunction {
    pub(super) fn epoch(&self, py: Python<'_>, ready: &Ready) -> Option<u64> {
        py.detach(|| ready.opened.epoch(&self.name))
            .map_err(|error| self.tell_unstored(py, ready, &error))
            .ok()
    }

    /// The result of the body, and whether it could be stored.
    pub(super) fn compute<'py>(
        &self,
        py: Python<'py>,
        asked: &Asked<'_, 'py>,
        holding: Option<Arc<Holding>>,
    ) -> PyResult<(Bound<'py, PyAny>, Outcome)> {
        self.tell_files(py, asked.ready, asked.arguments);
        self.tell_inputs(py, asked)?;
        let epoch = self.epoch(py, asked.ready);
        let (ran, read) = self.watched_run(py, asked, holding)?;
        let (value, taken) = ran?;
        let stored = match epoch {
            Some(epoch) => {
                let computed = Computed {
                    value: &value,
                    seconds: taken.as_secs_f64(),
                    read,
                    epoch,
                };
                self.finish(py, asked, &computed)?
            }
            None => false,
        };
        let outcome = if stored {
            Outcome::Stored
        } else {
            Outcome::NotStored
        };
        Ok((value, outcome))
    }

    /// What the body gives, and what it has read of time.
    pub(super) fn watched_run<'py>(
        &self,
        py: Python<'py>,
        asked: &Asked<'_, 'py>,
        holding: Option<Arc<Holding>>,
    ) -> PyResult<(PyResult<(Bound<'py, PyAny>, Duration)>, Seen)> {
        let scope = Scope::enter(py, holding)?;
        let ran = self.timed_run(py, asked.call);
        let read = scope.seen();
        scope.leave(py);
        Ok((ran, read))
    }

    /// Stores what a body gave, if that is still the answer to the call; says whether those who
    /// wait for it will find it.
    pub(super) fn finish<'py>(
        &self,
        py: Python<'py>,
        asked: &Asked<'_, 'py>,
        computed: &Computed<'_, 'py>,
    ) -> PyResult<bool> {
        let stored = self.finish_all(py, &[(asked, computed)])?;
        Ok(stored == [true])
    }

    /// The same for several calls.
    pub(super) fn finish_all<'py>(
        &self,
        py: Python<'py>,
        done: &[Done<'_, 'py>],
    ) -> PyResult<Vec<bool>> {
        let stored = guarded(|| {
            let mut chosen = Vec::with_capacity(done.len());
            for (asked, computed) in done {
                chosen.push(self.is_wanted(py, asked, computed)?);
            }
            let wanted = || done.iter().zip(&chosen).filter(|(_, chosen)| **chosen);
            let wanted: Vec<_> = wanted().map(|(done, _)| *done).collect();
            let mut keys = self.store_all(py, &wanted)?.into_iter();
            let found = |(done, chosen): (&Done<'_, '_>, &bool)| {
                let ready = done.0.ready;
                let key = chosen.then(|| keys.next()).flatten().flatten();
                // What depends on the time of a simulation is no use to those who wait for all times.
                key.is_some_and(|key| key == ready.flight() || key == ready.keyed.key)
            };
            Ok(done.iter().zip(&chosen).map(found).collect())
        });
        stored.unwrap_or_else(|panic| {
            self.tell_panic(py, "stored", &panic);
            Ok(vec![false; done.len()])
        })
    }

    /// Whether a result is to be stored, and still is the answer to its call.
    fn is_wanted(
        &self,
        py: Python<'_>,
        asked: &Asked<'_, '_>,
        computed: &Computed<'_, '_>,
    ) -> PyResult<bool> {
        let ready = asked.ready;
        // A child that was forked inside of the body has not the store that was opened before.
        let is_here = ready.store.is_open_as(ready.opened);
        if computed.seconds < self.policy.min_seconds || !is_here {
            return Ok(false);
        }
        self.is_unchanged(py, asked)
    }

    /// Whether the call would still have the key that it had before the body ran.
    fn is_unchanged(&self, py: Python<'_>, asked: &Asked<'_, '_>) -> PyResult<bool> {
        let common = asked.call.common;
        let again = self.identity(py).and_then(|identity| {
            if self.policy.has_key {
                let arguments = self.bound(py, identity.get(), asked.call)?;
                return identity.get().key(
                    py,
                    arguments.as_ref().unwrap_or(asked.arguments),
                    common,
                );
            }
            identity.get().key(py, asked.arguments, common)
        });
        match again {
            Ok(Ok(again)) if again.key == asked.ready.keyed.key => Ok(true),
            Err(error) if is_interrupt(py, &error) => Err(error),
            Ok(Ok(again)) => {
                let ready = asked.ready;
                self.tell_changed(py, &ready.identity.get().difference(&ready.keyed, &again));
                Ok(false)
            }
            _ => {
                self.tell_changed(py, "something that it was given");
                Ok(false)
            }
        }
    }

    /// Stores a result, and gives the key that it is found by.
    pub(super) fn store<'py>(
        &self,
        py: Python<'py>,
        asked: &Asked<'_, 'py>,
        computed: &Computed<'_, 'py>,
    ) -> PyResult<Option<Digest>> {
        let keys = self.store_all(py, &[(asked, computed)])?;
        Ok(keys.into_iter().next().flatten())
    }

    /// Stores results, and gives the keys that they are found by; a failure costs the caller nothing
    /// but a warning. Raises the user's wish to stop, and nothing else.
    fn store_all<'py>(
        &self,
        py: Python<'py>,
        done: &[Done<'_, 'py>],
    ) -> PyResult<Vec<Option<Digest>>> {
        let mut keys = vec![None; done.len()];
        let (mut fresh, mut numbers) = (Vec::new(), Vec::new());
        for (number, (asked, computed)) in done.iter().enumerate() {
            match self.drafted(py, asked, computed)? {
                Some((key, Some(result))) => {
                    numbers.push((number, key));
                    fresh.push(result);
                }
                Some((key, None)) => keys[number] = Some(key),
                None => {}
            }
        }
        let Some((asked, _)) = done.first() else {
            return Ok(keys);
        };
        let (ready, policy) = (asked.ready, &self.policy);
        let kept = ready.store.keep(py, ready.opened, fresh, policy);
        for ((number, key), kept) in numbers.into_iter().zip(kept) {
            match kept {
                Ok(size) => {
                    let bytes = size.unwrap_or(0) as u64;
                    self.tally(py).add(Count::StoredBytes, bytes);
                    keys[number] = size.map(|_| key);
                }
                Err(error) => self.tell_unstored(py, ready, &error),
            }
        }
        Ok(keys)
    }

    /// A result as it is to be stored; one that is good for a while alone is kept at once.
    fn drafted<'a, 'py>(
        &self,
        py: Python<'py>,
        asked: &Asked<'_, 'py>,
        computed: &Computed<'a, 'py>,
    ) -> PyResult<Option<Drawn<'a, 'py>>> {
        let (ready, store) = (asked.ready, asked.ready.store);
        let drafted = match DraftSink::draft(computed.value, store.no_pickle()) {
            Ok(drafted) => drafted,
            Err(Failure::Python(error)) if is_interrupt(py, &error) => return Err(error),
            Err(failure) => {
                self.tell_unstorable(py, failure);
                return Ok(None);
            }
        };
        let timed = self.timed(py, ready, asked.arguments, computed.seconds);
        let entry = self.entry(py, asked, computed, timed.range)?;
        let key = entry.key;
        let drawn = match timed.ttl {
            Some(ttl) => store
                .keep_volatile(py, ready.opened, drafted, entry, ttl)
                .map(|kept| kept.then_some((key, None))),
            None => Fresh::of(computed.value, drafted, entry).map(|fresh| Some((key, Some(fresh)))),
        };
        Ok(drawn.unwrap_or_else(|error| {
            self.tell_unstored(py, ready, &error);
            None
        }))
    }

    /// What is stored beside a result.
    fn entry(
        &self,
        py: Python<'_>,
        asked: &Asked<'_, '_>,
        computed: &Computed<'_, '_>,
        time_range: Option<(i64, i64)>,
    ) -> PyResult<Entry> {
        let (ready, arguments) = (asked.ready, asked.arguments);
        let seen = self.seen_by(py, (ready, arguments), time_range, computed.read)?;
        Ok(Entry {
            key: self.key_of_result(ready, seen),
            meta: Meta {
                function: self.name.clone(),
                parts: ready.identity.get().parts(py, &ready.keyed, arguments),
                time_range,
                seen,
            },
            seconds: computed.seconds,
            epoch: computed.epoch,
            compress: self.policy.compress,
        })
    }
}
