//! `digest(value)`.

use super::error::exception;
use super::value::{DigestSink, Failure, Unhandled};
use pyo3::prelude::*;

/// Adds what this file has to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(digest, module)?)
}

/// Digest a value by its whole content.
///
/// Equal content of one type has one digest in every process and on every machine; any other
/// content, type, dtype, label, time zone or order has another one.
///
/// Parameters
/// ----------
/// value
///     Anything that can be an argument of a cached function.
///
/// Returns
/// -------
/// str
///     32 hexadecimal digits.
///
/// Raises
/// ------
/// UncacheableArgumentError
///     The value, or one inside of it, is of a type that is not handled; the message has the path.
#[pyfunction]
#[pyo3(signature = (value, /))]
fn digest(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let mut sink = DigestSink::default();
    match sink.digest(value) {
        Ok(digest) => Ok(digest.to_string()),
        Err(failure) => Err(uncacheable("value", failure)),
    }
}

/// The exception for a value that can't be keyed.
pub fn uncacheable(root: &str, failure: Failure) -> PyErr {
    match failure {
        Failure::Python(error) => error,
        Failure::Unhandled(unhandled) => {
            let path = unhandled.path();
            let Unhandled { reason, cause, .. } = *unhandled;
            let error = exception(
                "UncacheableArgumentError",
                &format!("`{root}{path}` can't be keyed by its content: {reason}"),
            );
            Python::attach(|py| error.set_cause(py, cause));
            error
        }
    }
}
