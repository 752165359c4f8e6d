//! The identity of code: of the decorated function, and of functions and classes among values.

use super::value::{DigestSink, Walk, refused};
use super::watch::Watch;
use crate::digest::{Digest, Encoder};
use crate::format::Part;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// So many pieces of code are remembered; past that, all are described anew.
const REMEMBERED: usize = 4096;

/// A value that can change in place and that code reads: digested at every call.
#[derive(Debug)]
pub struct Mutable {
    pub label: String,
    pub value: Py<PyAny>,
}

/// One state of a piece of code, and what to look at to see that it has changed.
#[derive(Debug)]
pub struct Code {
    watch: Watch,
    /// Of all items.
    pub digest: Digest,
    pub mutables: Vec<Mutable>,
    /// Top-level names of the packages that it reaches.
    pub packages: Vec<String>,
    /// The items, for `explain`.
    pub parts: Vec<Part>,
}

impl Code {
    /// Reads an `afml_cache.code.Code`.
    pub fn read(code: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = code.py();
        let missing = py
            .import(intern!(py, "afml_cache.code"))?
            .getattr(intern!(py, "MISSING"))?;
        let parts = items(code)?;
        let mut encoder = Encoder::new();
        encoder.u64(parts.len() as u64);
        parts.iter().for_each(|part| encoder.digest(part.digest));
        Ok(Self {
            watch: Watch::read(code, &missing)?,
            digest: encoder.finish(),
            mutables: mutables(code)?,
            packages: code.getattr(intern!(py, "packages"))?.extract()?,
            parts,
        })
    }

    /// Whether the code is still in this state.
    pub fn holds(&self, py: Python<'_>) -> PyResult<bool> {
        self.watch.holds(py)
    }
}

fn items(code: &Bound<'_, PyAny>) -> PyResult<Vec<Part>> {
    let part = |item: Bound<'_, PyAny>| {
        let digest = DigestSink::default().digest(&item.getattr("value")?);
        let label: String = item.getattr("label")?.extract()?;
        let digest = digest.map_err(|failure| super::digest::uncacheable(&label, failure))?;
        Ok(Part {
            label,
            digest,
            text: item.getattr("text")?.extract()?,
        })
    };
    code.getattr("items")?
        .try_iter()?
        .map(|item| part(item?))
        .collect()
}

fn mutables(code: &Bound<'_, PyAny>) -> PyResult<Vec<Mutable>> {
    let rows = code.getattr("mutables")?;
    rows.try_iter()?
        .map(|row| {
            row?.extract()
                .map(|(label, value)| Mutable { label, value })
        })
        .collect()
}

/// Whether a value is code: a function, a class, or one of our own cached functions.
pub fn is_code(value: &Bound<'_, PyAny>) -> bool {
    value.is_instance_of::<PyType>()
        || value.is_exact_instance_of::<super::function::PyFunction>()
        || is_function(value)
}

/// Whether a value was made by a `def` or `lambda`.
pub fn is_function(value: &Bound<'_, PyAny>) -> bool {
    static FUNCTION: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let function = FUNCTION.import(value.py(), "types", "FunctionType");
    function.is_ok_and(|function| value.get_type().is(function))
}

/// By address and the package that counts.
type Known = Mutex<HashMap<(usize, String), (Py<PyAny>, Arc<Code>)>>;

/// The code of a value, as it is now; the package `own` counts wherever it is installed.
///
/// What has a name of its own is remembered. A function made within another one is not: it may be
/// made anew at each call, and would be kept alive with all that its closure holds.
pub fn code_of(value: &Bound<'_, PyAny>, own: &str) -> Walk<Arc<Code>> {
    static KNOWN: PyOnceLock<Known> = PyOnceLock::new();
    let py = value.py();
    let known = || {
        KNOWN
            .get_or_init(py, Known::default)
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    };
    let name = (value.as_ptr().addr(), own.to_owned());
    let found = known().get(&name).map(|(_, code)| code.clone());
    if let Some(code) = found
        && code.holds(py)?
    {
        return Ok(code);
    }
    let options = PyDict::new(py);
    options.set_item("own", own)?;
    let described = py
        .import(intern!(py, "afml_cache.code"))?
        .call_method(intern!(py, "describe"), (value,), Some(&options))
        .map_err(|error| refused(py, error))?;
    let code = Arc::new(Code::read(&described)?);
    if has_a_name(value)? {
        let mut all = known();
        let full = all.len() >= REMEMBERED;
        let dropped = full.then(|| std::mem::take(&mut *all));
        let replaced = all.insert(name, (value.clone().unbind(), code.clone()));
        // Dropping may run code of Python's, which may come back here.
        drop(all);
        drop((dropped, replaced));
    }
    Ok(code)
}

fn has_a_name(value: &Bound<'_, PyAny>) -> Walk<bool> {
    let name = value.getattr_opt(intern!(value.py(), "__qualname__"))?;
    let name = name.and_then(|name| name.extract::<String>().ok());
    Ok(name.is_some_and(|name| !name.contains('<')))
}
