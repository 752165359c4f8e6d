//! What a result may not have seen: anything beyond the time that a simulation around has reached.
//!
//! Outside of simulations and computations nobody asks: one counter says that there are none.

use super::error::exception;
use super::held::{Scope, innermost};
use crate::digest::{Digest, Encoder};
use crate::format::Seen;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many simulations and computations some context knows of.
static KNOWN: AtomicUsize = AtomicUsize::new(0);
/// Stands for no instant; nanoseconds end one later.
const NEVER: i64 = i64::MIN;

/// Adds what this file has to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PySimulation>()?;
    module.add_class::<PyWatched>()?;
    module.add_class::<PyApart>()?;
    module.add_function(wrap_pyfunction!(simulation_variable, module)?)?;
    module.add_function(wrap_pyfunction!(is_watching, module)?)?;
    module.add_function(wrap_pyfunction!(note_seen, module)?)?;
    module.add_function(wrap_pyfunction!(refuse_future, module)?)
}

/// Counts as one more that hits are to be looked at for, as long as any context holds it: a task
/// may go on when the `with` statement has ended in which it was started.
pub struct Counted(());

impl Counted {
    pub fn new() -> Self {
        KNOWN.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        KNOWN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether any context is in a simulation or a computation.
#[pyfunction]
pub fn is_watching() -> bool {
    KNOWN.load(Ordering::Relaxed) > 0
}

/// The time that a simulation has reached; each `as_of` has one of its own.
#[pyclass(frozen, name = "Simulation", module = "afml_cache._native")]
pub struct PySimulation {
    /// As its user gave it.
    #[pyo3(get)]
    time: Py<PyAny>,
    /// The same, ns UTC.
    #[pyo3(get)]
    instant: i64,
    /// The same for all times that mean the same.
    name: String,
    _counted: Counted,
}

#[pymethods]
impl PySimulation {
    #[new]
    fn new(time: Py<PyAny>, instant: i64, name: String) -> Self {
        Self {
            time,
            instant,
            name,
            _counted: Counted::new(),
        }
    }

    /// What a key is in this simulation, where the result depends on its time.
    #[pyo3(name = "key")]
    fn key_text(&self, key: &str) -> PyResult<String> {
        let invalid = || exception("CacheConfigError", "a key has 32 hexadecimal digits");
        let key = Digest::from_hex(key).ok_or_else(invalid)?;
        Ok(self.key(key).to_string())
    }
}

impl PySimulation {
    /// What a key is in this simulation, where the result depends on its time.
    pub fn key(&self, key: Digest) -> Digest {
        let mut encoder = Encoder::new();
        encoder.bytes(b"as of");
        encoder.digest(key);
        encoder.bytes(self.name.as_bytes());
        encoder.finish()
    }

    /// Refuses what has seen beyond its time; whoever computes around depends on that.
    pub fn refuse_future(&self, py: Python<'_>, function: &str, seen: Seen) -> PyResult<()> {
        let Some(until) = seen.until().filter(|&until| until > self.instant) else {
            return Ok(());
        };
        note(py, Seen::open_ended())?;
        let error = py.import("afml_cache.look_ahead")?.call_method1(
            "from_the_future",
            (function, until, self.instant, seen.open_ended),
        )?;
        Err(PyErr::from_value(error))
    }
}

/// The context variable of simulations.
fn variable(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static VARIABLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = VARIABLE.get_or_try_init(py, || {
        let class = py.import("contextvars")?.getattr("ContextVar")?;
        Ok::<_, PyErr>(class.call1(("afml_cache.as_of",))?.unbind())
    })?;
    Ok(made.bind(py))
}

/// The context variable of simulations, for `afml_cache.as_of`.
#[pyfunction]
fn simulation_variable(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    variable(py).cloned()
}

/// The simulation around, if there is one.
pub fn simulation(py: Python<'_>) -> PyResult<Option<Bound<'_, PySimulation>>> {
    if !is_watching() {
        return Ok(None);
    }
    let found = variable(py)?.call_method1(intern!(py, "get"), (py.None(),))?;
    Ok(found.cast_into::<PySimulation>().ok())
}

/// What a computation has seen so far.
pub struct Watch {
    /// The simulation that it is part of: it depends on the time of that one alone.
    simulation: Option<Py<PySimulation>>,
    until: AtomicI64,
    open_ended: AtomicBool,
    _counted: Counted,
}

impl Watch {
    /// One that has seen nothing yet.
    pub fn begin(py: Python<'_>) -> PyResult<Self> {
        Ok(Self {
            simulation: simulation(py)?.map(Bound::unbind),
            until: AtomicI64::new(NEVER),
            open_ended: AtomicBool::new(false),
            _counted: Counted::new(),
        })
    }

    fn note(&self, seen: Seen, within: Option<&Bound<'_, PySimulation>>) {
        if let Some(until) = seen.until() {
            self.until.fetch_max(until, Ordering::Relaxed);
        }
        let own = self.simulation.as_ref().map(Py::as_ptr);
        if seen.open_ended && own == within.map(Bound::as_ptr) {
            self.open_ended.store(true, Ordering::Relaxed);
        }
    }

    /// What it has seen.
    pub fn seen(&self) -> Seen {
        let until = self.until.load(Ordering::Relaxed);
        let mut seen = Seen::of(Some(until).filter(|&until| until != NEVER));
        seen.open_ended = self.open_ended.load(Ordering::Relaxed);
        seen
    }
}

/// Tells every computation around what was just seen.
pub fn note(py: Python<'_>, seen: Seen) -> PyResult<()> {
    if seen.is_nothing() || !is_watching() {
        return Ok(());
    }
    let mut next = innermost(py)?;
    if next.is_none() {
        return Ok(());
    }
    let within = simulation(py)?;
    while let Some(held) = next {
        let held = held.get();
        let Some(watch) = &held.watch else { break };
        watch.note(seen, within.as_ref());
        next = held.caller.as_ref().map(|caller| caller.clone_ref(py));
    }
    Ok(())
}

/// Tell every computation around up to when something was seen, in ns UTC, and whether that depends
/// on what "now" is.
#[pyfunction]
#[pyo3(signature = (until, *, open_ended = false))]
fn note_seen(py: Python<'_>, until: Option<i64>, open_ended: bool) -> PyResult<()> {
    let mut seen = Seen::of(until);
    seen.open_ended = open_ended;
    note(py, seen)
}

/// Refuse what has seen beyond the time of the simulation around, for
/// `afml_cache.look_ahead.refuse_future`.
#[pyfunction]
#[pyo3(signature = (name, seen, /))]
fn refuse_future(py: Python<'_>, name: &str, seen: Option<i64>) -> PyResult<()> {
    match simulation(py)? {
        Some(simulation) => simulation.get().refuse_future(py, name, Seen::of(seen)),
        None => Ok(()),
    }
}

/// A computation of whatever a `with` statement holds, for those who keep its result themselves.
#[pyclass(frozen, name = "Watched", module = "afml_cache._native")]
pub struct PyWatched(Mutex<Stay>);

/// Before, within and after the `with` statement.
enum Stay {
    Ahead,
    Within(Scope),
    Over(Seen),
}

#[pymethods]
impl PyWatched {
    #[new]
    fn new() -> Self {
        Self(Mutex::new(Stay::Ahead))
    }

    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        let scope = Scope::enter(slf.py(), None)?;
        let mut stay = slf.get().stay();
        if matches!(*stay, Stay::Ahead) {
            *stay = Stay::Within(scope);
            drop(stay);
            return Ok(slf);
        }
        drop(stay);
        scope.leave(slf.py());
        Err(exception(
            "CacheConfigError",
            "what is watched is one `with` statement; begin another for the next",
        ))
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, PyTuple>) {
        let seen = self.seen();
        let stay = std::mem::replace(&mut *self.stay(), Stay::Over(seen));
        if let Stay::Within(scope) = stay {
            scope.leave(py);
        }
    }

    /// The last instant that was seen, ns UTC; `None` where nothing held a time.
    #[getter]
    fn until(&self) -> Option<i64> {
        self.seen().until()
    }

    /// Whether something was asked for up to "now", that of the clock or of the `as_of` around.
    #[getter]
    fn open_ended(&self) -> bool {
        self.seen().open_ended
    }
}

/// A stay outside of the simulation and of the computations around, for what is called for others
/// too: whatever a loader gives is kept for all.
#[pyclass(frozen, name = "Apart", module = "afml_cache._native")]
#[derive(Default)]
pub struct PyApart(Mutex<Option<(Scope, Py<PyAny>)>>);

#[pymethods]
impl PyApart {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    fn __enter__(&self, py: Python<'_>) -> PyResult<()> {
        let scope = Scope::enter_apart(py)?;
        let token = variable(py)?.call_method1(intern!(py, "set"), (py.None(),))?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((scope, token.unbind()));
        Ok(())
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, PyTuple>) {
        let stay = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((scope, token)) = stay {
            // In another context than it was entered in there is nothing to leave.
            let _ = variable(py).and_then(|all| all.call_method1(intern!(py, "reset"), (token,)));
            scope.leave(py);
        }
    }
}

impl PyWatched {
    fn stay(&self) -> MutexGuard<'_, Stay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> Seen {
        match &*self.stay() {
            Stay::Ahead => Seen::default(),
            Stay::Within(scope) => scope.seen(),
            Stay::Over(seen) => *seen,
        }
    }
}
