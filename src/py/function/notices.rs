//! What a function tells its user: once per cause, and never by raising into a call.

use super::PyFunction;
use super::ready::Ready;
use crate::error::Error;
use crate::py::counters::Counters;
use crate::py::digest::uncacheable;
use crate::py::error::{is_interrupt, warn};
use crate::py::identity::Refused;
use crate::py::value::Failure;
use pyo3::prelude::*;
use std::sync::PoisonError;

impl PyFunction {
    pub(super) fn tell_refused(&self, py: Python<'_>, refused: Refused) -> PyResult<()> {
        let place = match &refused.failure {
            Failure::Unhandled(unhandled) => format!("{}{}", refused.label, unhandled.path()),
            Failure::Python(error) if is_interrupt(py, error) => {
                return Err(uncacheable("", refused.failure));
            }
            Failure::Python(error) => format!("{} {}", refused.label, error.get_type(py)),
        };
        let error = uncacheable(&refused.label, refused.failure);
        if self.raises {
            return Err(error);
        }
        if self.first(&place) {
            let (name, reason) = (&self.name, error.value(py));
            let remedy = "pass plain values instead, leave the parameter out of the key with ignore=(...), or a global with ignore_deps=(...)";
            warn(
                py,
                "UncacheableArgumentWarning",
                &format!("`{name}` runs without the cache: {reason}; {remedy}"),
            );
        }
        Ok(())
    }

    pub(super) fn first(&self, what: &str) -> bool {
        self.told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(what.to_owned())
    }

    pub(super) fn tell_changed(&self, py: Python<'_>, what: &str) {
        Counters::count(&self.counters.errors);
        if self.first("changed on the way") {
            let name = &self.name;
            let remedy = "work on a copy, or hand over what changes as an argument of its own";
            warn(
                py,
                "CacheWriteWarning",
                &format!(
                    "`{name}` changed {what} while it ran, so its result is not stored; {remedy}"
                ),
            );
        }
    }

    pub(super) fn tell_unstored(&self, py: Python<'_>, ready: &Ready, error: &Error) {
        Counters::count(&self.counters.errors);
        ready
            .store
            .bind(py)
            .get()
            .tell_error(py, "CacheWriteWarning", "storing a result", error);
    }

    pub(super) fn tell_unstorable(&self, py: Python<'_>, failure: Failure) {
        Counters::count(&self.counters.errors);
        if !self.first("unstorable") {
            return;
        }
        let reason = match failure {
            Failure::Unhandled(unhandled) => {
                format!("`result{}` is {}", unhandled.path(), unhandled.reason)
            }
            Failure::Python(error) => error.to_string(),
        };
        let (name, remedy) = (&self.name, "return plain values, arrays or frames");
        warn(
            py,
            "CacheWriteWarning",
            &format!("the result of `{name}` can't be stored: {reason}; {remedy}"),
        );
    }
}
