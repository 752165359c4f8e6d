//! What the running computation holds: known to all that it calls, through the context.

use super::error::corrupt;
use super::look_ahead::Watch;
use crate::format::Seen;
use crate::store::{Holding, Wait};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use std::path::Path;
use std::sync::Arc;

/// One computation under way, and the one that called it.
#[pyclass(frozen, name = "Held", module = "afml_cache._native")]
pub struct PyHeld {
    /// What others wait for, if they may.
    holding: Option<Arc<Holding>>,
    pub caller: Option<Py<PyHeld>>,
    /// What it has seen; nothing for what is called for others too, which those around do not see.
    pub watch: Option<Watch>,
}

/// A computation's stay in the context.
pub struct Scope {
    held: Py<PyHeld>,
    token: Py<PyAny>,
}

fn variable(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static VARIABLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = VARIABLE.get_or_try_init(py, || {
        let class = py.import("contextvars")?.getattr("ContextVar")?;
        Ok::<_, PyErr>(class.call1(("afml_cache.held",))?.unbind())
    })?;
    Ok(made.bind(py))
}

/// The computation that this context is in.
pub fn innermost(py: Python<'_>) -> PyResult<Option<Py<PyHeld>>> {
    let held = variable(py)?.call_method1(intern!(py, "get"), (py.None(),))?;
    held.extract()
        .map_err(|_| corrupt("the context holds something else than a computation"))
}

/// Everything that this context computes, the innermost first.
pub fn chain(py: Python<'_>) -> PyResult<Vec<Arc<Holding>>> {
    let mut chain = Vec::new();
    let mut next = innermost(py)?;
    while let Some(held) = next {
        let held = held.get();
        chain.extend(held.holding.clone());
        next = held.caller.as_ref().map(|caller| caller.clone_ref(py));
    }
    Ok(chain)
}

/// Makes it known that this context waits for a lock; `None` where it would wait for itself.
pub fn begin_wait(py: Python<'_>, lock: &Path) -> PyResult<Option<Wait>> {
    let wait = Wait::begin(chain(py)?, lock);
    Ok(Some(wait).filter(|wait| !wait.closes_a_circle()))
}

/// Whether this context computes the key of a lock.
pub fn computes(py: Python<'_>, lock: &Path) -> PyResult<bool> {
    Ok(chain(py)?.iter().any(|holding| holding.is_of(lock)))
}

impl Scope {
    /// What this context calls from here on is called by this computation.
    pub fn enter(py: Python<'_>, holding: Option<Arc<Holding>>) -> PyResult<Self> {
        let watch = Watch::begin(py)?;
        Self::begin(py, holding, Some(watch))
    }

    /// What this context calls from here on is no business of the computations around.
    pub fn enter_apart(py: Python<'_>) -> PyResult<Self> {
        Self::begin(py, None, None)
    }

    fn begin(
        py: Python<'_>,
        holding: Option<Arc<Holding>>,
        watch: Option<Watch>,
    ) -> PyResult<Self> {
        let held = PyHeld {
            holding,
            caller: innermost(py)?,
            watch,
        };
        let held = Py::new(py, held)?;
        let token = variable(py)?.call_method1(intern!(py, "set"), (&held,))?;
        Ok(Self {
            held,
            token: token.unbind(),
        })
    }

    /// What it has seen so far.
    pub fn seen(&self) -> Seen {
        let watch = self.held.get().watch.as_ref();
        watch.map(Watch::seen).unwrap_or_default()
    }

    /// The computation is over.
    pub fn leave(self, py: Python<'_>) {
        // In another context than it was entered in, as a coroutine's that is closed from outside,
        // there is nothing to leave.
        let _ = variable(py)
            .and_then(|variable| variable.call_method1(intern!(py, "reset"), (&self.token,)));
    }
}
