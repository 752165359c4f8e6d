//! The store of functions that name none.

use super::PyStore;
use crate::py::error::corrupt;
use pyo3::prelude::*;
use std::sync::{PoisonError, RwLock};

/// Adds what this file has to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(default_store, module)?)?;
    module.add_function(wrap_pyfunction!(set_default_store, module)?)
}

static DEFAULT: RwLock<Option<Py<PyStore>>> = RwLock::new(None);

/// The store of functions that name none; `afml_cache.config` says which that is.
#[pyfunction]
pub fn default_store(py: Python<'_>) -> PyResult<Py<PyStore>> {
    if let Some(store) = &*DEFAULT.read().unwrap_or_else(PoisonError::into_inner) {
        return Ok(store.clone_ref(py));
    }
    let store = py
        .import("afml_cache.config")?
        .call_method0("make_default_store")?;
    let store: Py<PyStore> = store
        .extract()
        .map_err(|_| corrupt("the default store is not a Store"))?;
    *DEFAULT.write().unwrap_or_else(PoisonError::into_inner) = Some(store.clone_ref(py));
    Ok(store)
}

/// Makes another store the default one; `None` has it chosen anew when it is next needed.
#[pyfunction]
#[pyo3(signature = (store, /))]
fn set_default_store(store: Option<Bound<'_, PyStore>>) {
    let old = std::mem::replace(
        &mut *DEFAULT.write().unwrap_or_else(PoisonError::into_inner),
        store.map(Bound::unbind),
    );
    drop(old);
}
