//! Calls of coroutine functions: they await the body and each other, and never block the loop.

use super::PyFunction;
use super::call::Asked;
use crate::format;
use crate::py::held::{Scope, begin_wait, computes};
use crate::py::identity::Call;
use crate::py::mode::Mode;
use crate::store::{Count, Flight, Grab, Holding, Lead, Outcome, Seen, Ticket, Wait, Watch};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Adds what this file has to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyTurn>()?;
    module.add_class::<PyWaiting>()
}

/// A computation that a coroutine begins by entering it, and ends by leaving it.
#[pyclass(frozen, name = "Turn", module = "afml_cache._native")]
pub struct PyTurn {
    /// The key and the epoch; none where nothing is to be stored.
    ticket: Option<(String, u64)>,
    holding: Arc<Holding>,
    under_way: Mutex<UnderWay>,
}

#[derive(Default)]
struct UnderWay {
    lead: Option<Lead>,
    scope: Option<Scope>,
    /// What it had read when it was left for a while.
    read: format::Seen,
    outcome: Option<Outcome>,
}

/// Another's computation of a key.
#[pyclass(frozen, name = "Waiting", module = "afml_cache._native")]
pub struct PyWaiting {
    #[pyo3(get)]
    key: String,
    wait: Wait,
    whose: Whose,
}

enum Whose {
    Ours(Arc<Flight>),
    Theirs(Watch),
}

#[pymethods]
impl PyTurn {
    fn __enter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        let turn = slf.get();
        turn.under_way().scope = Some(Scope::enter(slf.py(), Some(turn.holding.clone()))?);
        Ok(slf)
    }

    /// The body has run, and those who wait go on waiting until it is stored.
    fn pause(&self, py: Python<'_>) {
        let mut under_way = self.under_way();
        if let Some(scope) = under_way.scope.take() {
            under_way.read = scope.seen();
            drop(under_way);
            scope.leave(py);
        }
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, py: Python<'_>, _raised: &Bound<'_, PyTuple>) {
        let UnderWay {
            lead,
            scope,
            outcome,
            read: _,
        } = std::mem::take(&mut *self.under_way());
        if let Some(scope) = scope {
            scope.leave(py);
        }
        let outcome = outcome.unwrap_or(Outcome::Failed);
        self.holding.end(outcome != Outcome::NotStored);
        if let Some(lead) = lead {
            lead.land(outcome);
        }
    }
}

#[pymethods]
impl PyWaiting {
    /// Whether there is nothing to wait for any more: "stored" or "failed", for which the call is
    /// looked up again, or "alone", for which it is computed.
    fn look(&self) -> Option<&'static str> {
        match &self.whose {
            Whose::Ours(flight) => flight.wait(Duration::ZERO).map(|outcome| match outcome {
                Outcome::Stored => "stored",
                Outcome::Failed => "failed",
                Outcome::NotStored => "alone",
            }),
            Whose::Theirs(watch) => match watch.look() {
                Seen::Busy => None,
                Seen::Free => Some("stored"),
                Seen::NotStored => Some("alone"),
            },
        }
    }

    /// Whether the other one has come to wait for this one.
    fn closes_a_circle(&self) -> bool {
        self.wait.closes_a_circle()
    }
}

impl PyTurn {
    fn new(ticket: Option<(String, u64)>, lock: &Path) -> Self {
        Self {
            ticket,
            holding: Arc::new(Holding::new(lock.to_path_buf(), None)),
            under_way: Mutex::default(),
        }
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The key and the epoch that it began with.
    pub fn ticket(&self) -> Option<&(String, u64)> {
        self.ticket.as_ref()
    }

    /// What the computation has read so far that others tell of.
    pub fn read(&self) -> format::Seen {
        let under_way = self.under_way();
        let scope = under_way.scope.as_ref();
        scope.map_or(under_way.read, Scope::seen)
    }

    /// Says how it ended; those who wait hear of it when it is left.
    pub fn ends(&self, stored: bool) {
        self.under_way().outcome = Some(if stored {
            Outcome::Stored
        } else {
            Outcome::NotStored
        });
    }
}

/// What a coroutine does next.
type Next<'py> = (&'static str, Bound<'py, PyAny>);

impl PyFunction {
    /// Looks a call up: a "hit" with its value, a "turn" with a `Turn` or nothing, or a "wait" with
    /// a `Waiting`; `alone` asks for a turn whatever others do.
    pub(super) fn next_step<'py>(
        &self,
        py: Python<'py>,
        call: &Call<'_, 'py>,
        alone: bool,
    ) -> PyResult<Next<'py>> {
        let mode = Mode::now(py)?;
        let uncached = || Ok(("turn", py.None().into_bound(py)));
        if mode == Mode::Off {
            self.count(py, Count::Bypasses);
            return uncached();
        }
        let place = self.place(py)?;
        let Some((ready, arguments)) = self.ready_or_told(py, call, place.get())? else {
            return match mode {
                Mode::Frozen => Err(self.missing("it can't be looked up")),
                _ => uncached(),
            };
        };
        call.key.set(Some(ready.keyed.key));
        let asked = Asked {
            ready: &ready,
            arguments: &arguments,
            call,
        };
        if mode != Mode::Fresh
            && !alone
            && let Some(value) = self.hit(py, &asked, mode)?
        {
            return Ok(("hit", value));
        }
        match mode {
            Mode::Frozen if alone => return Err(self.missing("a refresh computes it anew")),
            Mode::Frozen => {
                let reason = format!("there is no entry {}", ready.keyed.key);
                return Err(self.missing(&reason));
            }
            Mode::ReadOnly => {
                self.tell_inputs(py, &asked)?;
                return uncached();
            }
            _ => {}
        }
        self.tell_inputs(py, &asked)?;
        self.tell_files(py, &ready, &arguments);
        self.join(py, &asked, alone || mode == Mode::Fresh)
    }

    fn join<'py>(
        &self,
        py: Python<'py>,
        asked: &Asked<'_, 'py>,
        alone: bool,
    ) -> PyResult<Next<'py>> {
        let (ready, key) = (asked.ready, asked.ready.flight());
        let lock = ready.opened.lock_of(key);
        let turn = || {
            let (epoch, key) = (self.epoch(py, ready), ready.keyed.key);
            PyTurn::new(epoch.map(|epoch| (key.to_string(), epoch)), &lock)
        };
        let taken = |turn: PyTurn| Ok(("turn", Bound::new(py, turn)?.into_any()));
        let waiting = |whose| -> PyResult<Next<'py>> {
            self.count(py, Count::Waits);
            match begin_wait(py, &lock)? {
                None => taken(turn()),
                Some(wait) => {
                    let key = key.to_string();
                    let waiting = PyWaiting { key, wait, whose };
                    Ok(("wait", Bound::new(py, waiting)?.into_any()))
                }
            }
        };
        if alone || computes(py, &lock)? {
            return taken(turn());
        }
        let lead = match ready.store.flights().join(key, true) {
            Ticket::Follow(flight) => return waiting(Whose::Ours(flight)),
            Ticket::Alone => return taken(turn()),
            Ticket::Lead(lead) => lead,
        };
        let lease = match ready.opened.grab(key) {
            // The lead is given back: whoever comes next asks for the lock again.
            Some(Grab::Theirs(watch)) => return waiting(Whose::Theirs(watch)),
            Some(Grab::Mine(lease)) => Some(lease),
            None => None,
        };
        let turn = PyTurn {
            holding: Arc::new(Holding::new(lock.clone(), lease)),
            ..turn()
        };
        // Another flight may have landed between our look-up and our taking the lead.
        if let Some(value) = self.landed(py, asked)? {
            turn.holding.end(true);
            lead.land(Outcome::Stored);
            return Ok(("hit", value));
        }
        turn.under_way().lead = Some(lead);
        taken(turn)
    }
}
