//! Errors of the core as Python exceptions, and warnings that never raise.

use crate::error::{Error, Kind};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

/// The exception that fits an error; its class lives in `afml_cache.exceptions`.
pub fn raise(error: Error) -> PyErr {
    let class = match error.kind() {
        Kind::Io
        | Kind::TooLarge
        | Kind::Locked
        | Kind::DamagedIndex
        | Kind::Refused
        | Kind::Newer => "CacheStoreError",
        Kind::Corrupt | Kind::Forged | Kind::ForeignSecret => "CacheCorruptError",
        Kind::Invalid => "CacheConfigError",
    };
    exception(class, &error.to_string())
}

/// A payload that can't be what it says it is.
pub fn corrupt(what: &str) -> PyErr {
    exception("CacheCorruptError", what)
}

/// An exception of ours, by the name of its class.
pub fn exception(class: &str, message: &str) -> PyErr {
    Python::attach(|py| {
        let made = py
            .import("afml_cache.exceptions")
            .and_then(|module| module.getattr(class)?.call1((message,)));
        match made {
            Ok(made) => PyErr::from_value(made),
            Err(error) => error,
        }
    })
}

/// Warns; where warnings are errors it is logged instead, so that nothing is raised into a call.
pub fn warn(py: Python<'_>, class: &str, message: &str) {
    let warned = py
        .import("afml_cache.exceptions")
        .and_then(|module| module.call_method1("warn", (class, message)));
    if let Err(error) = warned {
        error.write_unraisable(py, None);
    }
}

/// Whether an exception is the user's wish to stop, which must never be swallowed.
pub fn is_interrupt(py: Python<'_>, error: &PyErr) -> bool {
    !error.is_instance_of::<PyException>(py)
}

/// Tries another way where one failed, unless the user wishes to stop.
pub fn or_else<T>(
    py: Python<'_>,
    tried: PyResult<T>,
    other: impl FnOnce() -> PyResult<T>,
) -> PyResult<T> {
    match tried {
        Err(error) if !is_interrupt(py, &error) => other(),
        tried => tried,
    }
}
