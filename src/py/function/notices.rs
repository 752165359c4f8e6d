//! What a function tells its user: once per cause, and never by raising into a call.

use super::PyFunction;
use super::ready::Ready;
use crate::error::Error;
use crate::py::bind::{Arguments, Role};
use crate::py::digest::uncacheable;
use crate::py::error::{is_interrupt, warn};
use crate::py::identity::Refused;
use crate::py::value::Failure;
use crate::store::Count;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;
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

    /// Tells of arguments that name a file whose content is no part of the key.
    pub(super) fn tell_files(&self, py: Python<'_>, ready: &Ready, arguments: &Arguments<'_>) {
        for (parameter, value) in ready.identity.get().keyed(arguments) {
            let by_content = matches!(parameter.role, Role::Content | Role::Unordered);
            if !by_content || !names_a_file(value).unwrap_or(false) {
                continue;
            }
            let label = &parameter.label;
            if self.first(&format!("file {label}")) {
                let name = &self.name;
                warn(
                    py,
                    "UndeclaredFileWarning",
                    &format!(
                        "`{name}` is given the name of a file as `{label}`, and the key has the name only: an edit of the file would not be seen; name the parameter in files=(\"{label}\",), or filter this warning if the file is not read"
                    ),
                );
            }
        }
    }

    pub(super) fn tell_panic(&self, py: Python<'_>, doing: &str, panic: &str) {
        self.count(py, Count::Errors);
        if self.first("panic") {
            let name = &self.name;
            let message = format!(
                "the cache failed while a result of `{name}` was {doing}, and the function runs \
                 without it: {panic}; this is a defect of afml-cache, please report it"
            );
            warn(py, "CacheReadWarning", &message);
        }
    }

    pub(super) fn tell_changed(&self, py: Python<'_>, what: &str) {
        self.count(py, Count::Errors);
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
        self.count(py, Count::Errors);
        ready
            .store
            .tell_error(py, "CacheWriteWarning", "storing a result", error);
    }

    pub(super) fn tell_unstorable(&self, py: Python<'_>, failure: Failure) {
        self.count(py, Count::Errors);
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

/// Asked only where something is computed, since it looks at the file system.
fn names_a_file(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    let text = value.is_exact_instance_of::<PyString>();
    if !text && !value.hasattr(intern!(value.py(), "__fspath__"))? {
        return Ok(false);
    }
    value
        .py()
        .import(intern!(value.py(), "afml_cache.files"))?
        .call_method1(intern!(value.py(), "names_a_file"), (value,))?
        .extract()
}
