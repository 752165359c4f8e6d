//! How the cache is used at this moment: for the whole process, or within a `with` statement.

use super::error::exception;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// What a call may do with the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// Look up; compute and store what is missing.
    Normal,
    /// Compute and overwrite.
    Fresh,
    /// Look up; what is missing is an error, and nothing is written.
    Frozen,
    /// Look up; what is missing is computed, and nothing is written.
    ReadOnly,
    /// As if there were no cache.
    Off,
}

const NAMES: [(&str, Mode); 5] = [
    ("normal", Mode::Normal),
    ("fresh", Mode::Fresh),
    ("frozen", Mode::Frozen),
    ("readonly", Mode::ReadOnly),
    ("off", Mode::Off),
];

/// The mode of the process.
static PROCESS: AtomicU8 = AtomicU8::new(Mode::Normal as u8);
/// How many `with` statements there are; without one no context is asked.
static SCOPES: AtomicUsize = AtomicUsize::new(0);

/// Adds what this file has to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(current_mode, module)?)?;
    module.add_function(wrap_pyfunction!(set_process_mode, module)?)?;
    module.add_function(wrap_pyfunction!(enter_mode, module)?)?;
    module.add_function(wrap_pyfunction!(leave_mode, module)?)
}

impl Mode {
    /// The mode of a call that is made now.
    pub fn now(py: Python<'_>) -> PyResult<Self> {
        if SCOPES.load(Ordering::Relaxed) > 0 {
            let named = variable(py)?.call_method1(intern!(py, "get"), (py.None(),))?;
            if !named.is_none() {
                return Self::named(named.extract()?);
            }
        }
        let number = PROCESS.load(Ordering::Relaxed);
        Ok(NAMES[usize::from(number)].1)
    }

    /// Whether results may be stored, and rows be changed.
    pub fn writes(self) -> bool {
        matches!(self, Self::Normal | Self::Fresh)
    }

    fn named(name: &str) -> PyResult<Self> {
        let known = NAMES.iter().find(|(known, _)| *known == name);
        known.map(|(_, mode)| *mode).ok_or_else(|| {
            let known = NAMES.map(|(name, _)| format!("{name:?}")).join(", ");
            let message = format!("the mode is one of {known}, not {name:?}");
            exception("CacheConfigError", &message)
        })
    }
}

fn variable(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static VARIABLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = VARIABLE.get_or_try_init(py, || {
        let class = py.import("contextvars")?.getattr("ContextVar")?;
        Ok::<_, PyErr>(class.call1(("afml_cache.mode",))?.unbind())
    })?;
    Ok(made.bind(py))
}

/// The mode of a call that is made now.
#[pyfunction]
fn current_mode(py: Python<'_>) -> PyResult<&'static str> {
    Mode::now(py).map(|mode| NAMES[mode as usize].0)
}

/// Choose the mode of calls that are in no `with` statement.
#[pyfunction]
#[pyo3(signature = (name, /))]
fn set_process_mode(name: &str) -> PyResult<()> {
    let mode = Mode::named(name)?;
    PROCESS.store(mode as u8, Ordering::Relaxed);
    Ok(())
}

/// Begin a mode in this context; gives what `leave_mode` takes.
#[pyfunction]
#[pyo3(signature = (name, /))]
fn enter_mode<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    Mode::named(name)?;
    let token = variable(py)?.call_method1(intern!(py, "set"), (name,))?;
    SCOPES.fetch_add(1, Ordering::Relaxed);
    Ok(token)
}

/// End a mode.
#[pyfunction]
#[pyo3(signature = (token, /))]
fn leave_mode(py: Python<'_>, token: Bound<'_, PyAny>) -> PyResult<()> {
    SCOPES.fetch_sub(1, Ordering::Relaxed);
    variable(py)?.call_method1(intern!(py, "reset"), (token,))?;
    Ok(())
}
