//! The life of a call: look up, and only then compute and store.

use super::PyFunction;
use super::ready::Ready;
use crate::clock;
use crate::format::Meta;
use crate::py::bind::Arguments;
use crate::py::counters::Counters;
use crate::py::error::is_interrupt;
use crate::py::identity::Call;
use crate::py::store::Entry;
use crate::py::value::DraftSink;
use crate::store::{Lead, Outcome, Ticket};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How often a waiting thread looks for Ctrl-C.
const PATIENCE: Duration = Duration::from_millis(50);

impl PyFunction {
    /// The result of a call: stored, or computed and then stored.
    pub fn call<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.answer(py, &Call { args, kwargs }, false)
    }

    pub(super) fn answer<'py>(
        &self,
        py: Python<'py>,
        call: &Call<'_, 'py>,
        refresh: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Some((ready, arguments)) = self.ready_or_told(py, call)? else {
            return self.run(py, call);
        };
        if refresh {
            return self
                .compute(py, &ready, &arguments, call)
                .map(|(value, _)| value);
        }
        loop {
            if let Some(value) = self.hit(py, &ready) {
                return Ok(value);
            }
            let store = ready.store.bind(py).get();
            match store.flights().join(ready.keyed.key) {
                Ticket::Lead(lead) => return self.lead(py, &ready, &arguments, call, lead),
                Ticket::Alone => {
                    return self
                        .compute(py, &ready, &arguments, call)
                        .map(|(value, _)| value);
                }
                Ticket::Follow(follow) => {
                    Counters::count(&self.counters.waits);
                    let outcome = loop {
                        if let Some(outcome) = py.detach(|| follow.flight.wait(PATIENCE)) {
                            break outcome;
                        }
                        py.check_signals()?;
                    };
                    if outcome == Outcome::NotStored {
                        drop(follow);
                        return self
                            .compute(py, &ready, &arguments, call)
                            .map(|(value, _)| value);
                    }
                }
            }
        }
    }

    pub(super) fn lead<'py>(
        &self,
        py: Python<'py>,
        ready: &Ready,
        arguments: &Arguments<'py>,
        call: &Call<'_, 'py>,
        lead: Lead<'_>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // Another flight of this key may have landed between our look-up and our taking the lead.
        if let Some(value) = self.hit(py, ready) {
            lead.land(Outcome::Stored);
            return Ok(value);
        }
        let (value, outcome) = self.compute(py, ready, arguments, call)?;
        lead.land(outcome);
        Ok(value)
    }

    pub(super) fn hit<'py>(&self, py: Python<'py>, ready: &Ready) -> Option<Bound<'py, PyAny>> {
        let (store, key) = (ready.store.bind(py).get(), ready.keyed.key);
        let hit = store
            .recall(py, &ready.opened, key)
            .or_else(|| {
                self.timing.as_ref()?;
                store.recall_volatile(py, &ready.opened, key)
            })
            .or_else(|| store.fetch(py, &ready.opened, key))?;
        self.counters.hit(hit.in_memory, hit.seconds);
        Some(hit.value)
    }

    pub(super) fn run<'py>(
        &self,
        py: Python<'py>,
        call: &Call<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.function.bind(py).call(call.args, call.kwargs)
    }

    pub(super) fn epoch(&self, py: Python<'_>, ready: &Ready) -> Option<u64> {
        py.detach(|| ready.opened.epoch(&self.name))
            .map_err(|error| self.tell_unstored(py, ready, &error))
            .ok()
    }

    pub(super) fn compute<'py>(
        &self,
        py: Python<'py>,
        ready: &Ready,
        arguments: &Arguments<'py>,
        call: &Call<'_, 'py>,
    ) -> PyResult<(Bound<'py, PyAny>, Outcome)> {
        self.tell_files(py, ready, arguments);
        let epoch = self.epoch(py, ready);
        let start = clock::monotonic();
        let value = self.run(py, call)?;
        let taken = clock::monotonic() - start;
        self.counters.computed(taken);
        let Some(epoch) = epoch else {
            return Ok((value, Outcome::NotStored));
        };
        if !self.is_unchanged(py, ready, arguments)? {
            return Ok((value, Outcome::NotStored));
        }
        let stored = self.store(py, ready, arguments, &value, taken.as_secs_f64(), epoch);
        Ok((
            value,
            if stored {
                Outcome::Stored
            } else {
                Outcome::NotStored
            },
        ))
    }

    /// Whether the call would still have the key that it had before the body ran.
    pub(super) fn is_unchanged<'py>(
        &self,
        py: Python<'py>,
        ready: &Ready,
        arguments: &Arguments<'py>,
    ) -> PyResult<bool> {
        let again = self
            .identity(py)
            .and_then(|identity| identity.key(py, arguments));
        match again {
            Ok(Ok(again)) if again.key == ready.keyed.key => Ok(true),
            Err(error) if is_interrupt(py, &error) => Err(error),
            Ok(Ok(again)) => {
                self.tell_changed(py, &ready.identity.difference(&ready.keyed, &again));
                Ok(false)
            }
            _ => {
                self.tell_changed(py, "something that it was given");
                Ok(false)
            }
        }
    }

    /// Stores a result; a failure costs the caller nothing but a warning.
    pub(super) fn store<'py>(
        &self,
        py: Python<'py>,
        ready: &Ready,
        arguments: &Arguments<'py>,
        value: &Bound<'py, PyAny>,
        seconds: f64,
        epoch: u64,
    ) -> bool {
        let store = ready.store.bind(py).get();
        let drafted = match DraftSink::draft(value, store.no_pickle()) {
            Ok(drafted) => drafted,
            Err(failure) => {
                self.tell_unstorable(py, failure);
                return false;
            }
        };
        let timed = self.timed(py, ready, arguments, seconds);
        let meta = Meta {
            function: self.name.clone(),
            parts: ready.identity.parts(py, &ready.keyed, arguments),
            time_range: timed.range,
        };
        let entry = Entry {
            key: ready.keyed.key,
            meta,
            seconds,
            epoch,
        };
        if let Some(ttl) = timed.ttl {
            let kept = store.keep_volatile(py, &ready.opened, drafted, entry, ttl);
            return kept.unwrap_or_else(|error| {
                self.tell_unstored(py, ready, &error);
                false
            });
        }
        match store.keep(py, &ready.opened, value, drafted, entry) {
            Ok(Some(size)) => {
                self.counters.stored_bytes.fetch_add(size as u64, Relaxed);
                true
            }
            Ok(None) => false,
            Err(error) => {
                self.tell_unstored(py, ready, &error);
                false
            }
        }
    }
}
