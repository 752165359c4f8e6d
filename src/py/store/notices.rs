//! What a store tells: once per cause, and never by raising into a call.

use super::PyStore;
use crate::error::Error;
use crate::py::error::{exception, warn};
use pyo3::prelude::*;
use std::sync::PoisonError;

impl PyStore {
    /// One warning per cause.
    pub fn tell(&self, py: Python<'_>, class: &str, cause: &str, message: &str) {
        let first = self
            .own
            .get()
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(format!("{class} {cause}"));
        if first {
            warn(py, class, message);
        }
    }

    /// Tells of an error of the store; returns nothing, since the call goes on without it.
    pub fn tell_error(&self, py: Python<'_>, class: &str, doing: &str, error: &Error) {
        let path = self.path.display();
        self.tell(
            py,
            class,
            &format!("{doing} {:?}", error.kind()),
            &format!(
                "{doing} in the cache `{path}` failed, and the function runs without it: {error}"
            ),
        );
    }
}

/// The exception for a setting that can't be right.
pub fn misused(message: &str) -> PyErr {
    exception("CacheConfigError", message)
}
