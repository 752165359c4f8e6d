//! What a process notes in its stores at its end.

use crate::store::Store;
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Stores, each with the process that opened it.
static OPENED: Mutex<Vec<(u32, Weak<Store>)>> = Mutex::new(Vec::new());

/// Has a store note at the end of this process what was used.
pub fn remember(py: Python<'_>, store: &Arc<Store>) -> PyResult<()> {
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if opened.is_empty() {
        let flush = wrap_pyfunction!(flush, py)?;
        py.import("atexit")?.call_method1("register", (flush,))?;
    }
    opened.retain(|(_, store)| store.strong_count() > 0);
    opened.push((std::process::id(), Arc::downgrade(store)));
    Ok(())
}

#[pyfunction]
fn flush(py: Python<'_>) {
    let opened = std::mem::take(&mut *OPENED.lock().unwrap_or_else(PoisonError::into_inner));
    let ours = opened
        .into_iter()
        .filter(|(process, _)| *process == std::process::id());
    for store in ours.filter_map(|(_, store)| store.upgrade()) {
        // What is lost here only makes eviction a little less wise.
        let _ = py.detach(|| store.note_uses(true));
    }
}
