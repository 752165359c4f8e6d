//! Versions of the packages that a call reaches.

use pyo3::prelude::*;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The version of an installed package, to be told.
pub fn installed(py: Python<'_>, package: &str) -> Option<String> {
    let version: String = py
        .import("afml_cache.identity")
        .and_then(|identity| identity.call_method1("installed", (package,))?.extract())
        .ok()?;
    (!version.is_empty()).then_some(version)
}

/// `name=major` of an installed package; asked for once in a process.
pub fn major(py: Python<'_>, package: &str) -> PyResult<String> {
    static KNOWN: Mutex<Option<HashMap<String, String>>> = Mutex::new(None);
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(major) = known().as_ref().and_then(|known| known.get(package)) {
        return Ok(major.clone());
    }
    let version: String = py
        .import("afml_cache.identity")?
        .call_method1("major", (package,))?
        .extract()?;
    let named = format!("{package}={version}");
    known()
        .get_or_insert_default()
        .insert(package.to_owned(), named.clone());
    Ok(named)
}
