//! Values that Python takes apart for us: instances, estimators, whatever has a protocol of its own.

use super::sink::{Failure, Walk};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};

/// The kind of a value and its parts; a refusal becomes a failure with a path.
pub fn take_apart<'py>(
    value: &Bound<'py, PyAny>,
) -> Walk<(Bound<'py, PyString>, Bound<'py, PyTuple>)> {
    let py = value.py();
    let apart = py
        .import(intern!(py, "afml_cache._apart"))?
        .call_method1(intern!(py, "take_apart"), (value,))
        .map_err(|error| refused(py, error))?;
    Ok(apart.extract()?)
}

/// A refusal of ours goes on as the reason, anything else as it is.
pub fn refused(py: Python<'_>, error: PyErr) -> Failure {
    let ours = py
        .import(intern!(py, "afml_cache.exceptions"))
        .and_then(|module| module.getattr(intern!(py, "UncacheableArgumentError")));
    match ours {
        Ok(ours) if error.matches(py, &ours).unwrap_or(false) => {
            Failure::refused(error.value(py).to_string(), error.cause(py))
        }
        _ => Failure::Python(error),
    }
}
