//! What happens around a body that runs: before it, the epoch; after it, the result is stored.

use super::PyFunction;
use super::call::Asked;
use super::guard::guarded;
use super::ready::Ready;
use crate::format::Meta;
use crate::py::error::is_interrupt;
use crate::py::held::Scope;
use crate::py::store::Entry;
use crate::py::value::DraftSink;
use crate::store::{Count, Holding, Outcome};
use pyo3::prelude::*;
use std::sync::Arc;

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
        let epoch = self.epoch(py, asked.ready);
        let scope = holding
            .map(|holding| Scope::enter(py, holding))
            .transpose()?;
        let computed = self.timed_run(py, asked.call);
        if let Some(scope) = scope {
            scope.leave(py);
        }
        let (value, taken) = computed?;
        let stored = match epoch {
            Some(epoch) => self.finish(py, asked, &value, taken.as_secs_f64(), epoch)?,
            None => false,
        };
        let outcome = if stored {
            Outcome::Stored
        } else {
            Outcome::NotStored
        };
        Ok((value, outcome))
    }

    /// Stores what a body gave, if that is still the answer to the call; says whether it is in.
    pub(super) fn finish<'py>(
        &self,
        py: Python<'py>,
        asked: &Asked<'_, 'py>,
        value: &Bound<'py, PyAny>,
        seconds: f64,
        epoch: u64,
    ) -> PyResult<bool> {
        // A child that was forked inside of the body has not the store that was opened before.
        let is_here = asked.ready.store.is_open_as(asked.ready.opened);
        if seconds < self.policy.min_seconds || !is_here {
            return Ok(false);
        }
        let stored = guarded(|| {
            let unchanged = self.is_unchanged(py, asked)?;
            Ok(unchanged && self.store(py, asked, value, seconds, epoch))
        });
        stored.unwrap_or_else(|panic| {
            self.tell_panic(py, "stored", &panic);
            Ok(false)
        })
    }

    /// Whether the call would still have the key that it had before the body ran.
    fn is_unchanged(&self, py: Python<'_>, asked: &Asked<'_, '_>) -> PyResult<bool> {
        let again = self.identity(py).and_then(|identity| {
            if self.policy.has_key {
                let arguments = self.bound(py, identity.get(), asked.call)?;
                return identity
                    .get()
                    .key(py, arguments.as_ref().unwrap_or(asked.arguments));
            }
            identity.get().key(py, asked.arguments)
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

    /// Stores a result; a failure costs the caller nothing but a warning.
    pub(super) fn store<'py>(
        &self,
        py: Python<'py>,
        asked: &Asked<'_, 'py>,
        value: &Bound<'py, PyAny>,
        seconds: f64,
        epoch: u64,
    ) -> bool {
        let (ready, arguments) = (asked.ready, asked.arguments);
        let store = ready.store;
        let drafted = match DraftSink::draft(value, store.no_pickle()) {
            Ok(drafted) => drafted,
            Err(failure) => {
                self.tell_unstorable(py, failure);
                return false;
            }
        };
        let timed = self.timed(py, ready, arguments, seconds);
        let entry = Entry {
            key: ready.keyed.key,
            meta: Meta {
                function: self.name.clone(),
                parts: ready.identity.get().parts(py, &ready.keyed, arguments),
                time_range: timed.range,
            },
            seconds,
            epoch,
            compress: self.policy.compress,
        };
        let stored = match timed.ttl {
            Some(ttl) => store
                .keep_volatile(py, ready.opened, drafted, entry, ttl)
                .map(|kept| kept.then_some(0)),
            None => store.keep(py, ready.opened, value, drafted, entry, &self.policy),
        };
        match stored {
            Ok(size) => {
                self.tally(py)
                    .add(Count::StoredBytes, size.unwrap_or(0) as u64);
                size.is_some()
            }
            Err(error) => {
                self.tell_unstored(py, ready, &error);
                false
            }
        }
    }
}
