//! What a process notes in its stores at its end.

use crate::process::PerProcess;
use crate::store::Store;
use pyo3::prelude::*;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

/// The stores that a process has opened; a forked child has none, and has still to say how it ends.
static OPENED: LazyLock<PerProcess<Mutex<Vec<Weak<Store>>>>> = LazyLock::new(PerProcess::default);

/// Has a store note at the end of this process what was used and counted.
pub fn remember(py: Python<'_>, store: &Arc<Store>) -> PyResult<()> {
    let first = {
        let mut opened = stores();
        let first = opened.is_empty();
        opened.retain(|store| store.strong_count() > 0);
        opened.push(Arc::downgrade(store));
        first
    };
    if first {
        let flush = wrap_pyfunction!(flush, py)?;
        py.import("atexit")?.call_method1("register", (&flush,))?;
        at_end_of_worker(py, &flush)?;
    }
    Ok(())
}

/// The stores that are open in this process.
pub fn opened() -> Vec<Arc<Store>> {
    stores().iter().filter_map(Weak::upgrade).collect()
}

/// Processes that multiprocessing starts end without `atexit` (before Python 3.13), and have a
/// register of their own.
fn at_end_of_worker(py: Python<'_>, flush: &Bound<'_, PyAny>) -> PyResult<()> {
    const PRIORITY: u8 = 1;
    let modules = py.import("sys")?.getattr("modules")?;
    let util = modules.call_method1("get", ("multiprocessing.util",))?;
    if util.is_none() {
        return Ok(());
    }
    let no_arguments = pyo3::types::PyTuple::empty(py);
    util.getattr("Finalize")?
        .call1((py.None(), flush, no_arguments, py.None(), PRIORITY))?;
    Ok(())
}

#[pyfunction]
fn flush(py: Python<'_>) {
    for store in opened() {
        // What is lost here only makes eviction a little less wise, and totals a little smaller.
        let _ = py.detach(|| store.note(true));
    }
}

fn stores() -> MutexGuard<'static, Vec<Weak<Store>>> {
    OPENED.get().lock().unwrap_or_else(PoisonError::into_inner)
}
