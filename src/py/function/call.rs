//! The life of a call: look up, and only then compute and store.

use super::PyFunction;
use super::ready::Ready;
use crate::clock;
use crate::py::bind::Arguments;
use crate::py::counters::{count_computed, count_hit};
use crate::py::error::exception;
use crate::py::held::{begin_wait, computes};
use crate::py::identity::Call;
use crate::py::mode::Mode;
use crate::store::{Count, Flight, Grab, Holding, Lead, Lease, Outcome, Seen, Ticket, Wait, Watch};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::sync::Arc;
use std::time::Duration;

/// How often a waiting thread looks for Ctrl-C, and whether its wait has become a circle.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long another process's lock is first left alone, and how long at most.
const FIRST_PAUSE: Duration = Duration::from_micros(200);
const LAST_PAUSE: Duration = Duration::from_millis(10);

/// A call that the cache can answer, with what its body takes.
pub(super) struct Asked<'a, 'py> {
    pub(super) ready: &'a Ready<'a, 'py>,
    pub(super) arguments: &'a Arguments<'py>,
    pub(super) call: &'a Call<'a, 'py>,
}

/// What came of asking for the lock of a key.
enum Leased {
    /// Compute, and hold this meanwhile.
    Mine(Option<Lease>),
    /// Compute without it: waiting would never end.
    Alone,
    /// Compute without it: others have a result that can't be stored.
    NotStored,
}

impl PyFunction {
    /// The result of a call: stored, or computed and then stored.
    pub fn call<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let call = Call::new(args, kwargs);
        let answered = self.answer(py, &call, Mode::now(py)?);
        self.observed(py, &call, answered)
    }

    pub(super) fn answer<'py>(
        &self,
        py: Python<'py>,
        call: &Call<'_, 'py>,
        mode: Mode,
    ) -> PyResult<Bound<'py, PyAny>> {
        if mode == Mode::Off {
            self.count(py, Count::Bypasses);
            return self.run(py, call);
        }
        let place = self.place(py)?;
        let Some((ready, arguments)) = self.ready_or_told(py, call, place.get())? else {
            return match mode {
                Mode::Frozen => Err(self.missing("it can't be looked up")),
                _ => self.run(py, call),
            };
        };
        call.key.set(Some(ready.keyed.key));
        let asked = Asked {
            ready: &ready,
            arguments: &arguments,
            call,
        };
        if mode == Mode::Fresh {
            return self.compute(py, &asked, None).map(|(value, _)| value);
        }
        if let Some(value) = self.hit(py, &asked, mode)? {
            return self.spot_checked(py, &asked, mode, value);
        }
        match mode {
            Mode::Frozen => Err(self.missing(&format!("there is no entry {}", ready.keyed.key))),
            Mode::ReadOnly => {
                self.tell_inputs(py, &asked)?;
                self.timed_run(py, call).map(|(value, _)| value)
            }
            _ => self.fly(py, &asked),
        }
    }

    /// One caller computes and the others wait, in this process and in all.
    fn fly<'py>(&self, py: Python<'py>, asked: &Asked<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        let (store, key) = (asked.ready.store, asked.ready.flight());
        let lock = asked.ready.opened.lock_of(key);
        let alone = || self.compute(py, asked, None).map(|(value, _)| value);
        if computes(py, &lock)? {
            return alone();
        }
        loop {
            match store.flights().join(key, false) {
                Ticket::Lead(lead) => return self.lead(py, asked, lead),
                Ticket::Alone => return alone(),
                Ticket::Follow(flight) => {
                    self.count(py, Count::Waits);
                    let Some(wait) = begin_wait(py, &lock)? else {
                        return alone();
                    };
                    match follow(py, &wait, &flight)? {
                        None | Some(Outcome::NotStored) => return alone(),
                        Some(Outcome::Stored | Outcome::Failed) => {}
                    }
                }
            }
            if let Some(value) = self.landed(py, asked)? {
                return Ok(value);
            }
        }
    }

    fn lead<'py>(
        &self,
        py: Python<'py>,
        asked: &Asked<'_, 'py>,
        lead: Lead,
    ) -> PyResult<Bound<'py, PyAny>> {
        let lease = match self.lease(py, asked)? {
            Leased::Mine(lease) => lease,
            Leased::Alone => None,
            Leased::NotStored => {
                lead.land(Outcome::NotStored);
                return self.compute(py, asked, None).map(|(value, _)| value);
            }
        };
        let lock = asked.ready.opened.lock_of(asked.ready.flight());
        let holding = Arc::new(Holding::new(lock, lease));
        // Another flight of this key may have landed between our look-up and our taking the lead.
        if let Some(value) = self.landed(py, asked)? {
            holding.end(true);
            lead.land(Outcome::Stored);
            return Ok(value);
        }
        let computed = self.compute(py, asked, Some(holding.clone()));
        let outcome = computed
            .as_ref()
            .map_or(Outcome::Failed, |(_, outcome)| *outcome);
        holding.end(outcome != Outcome::NotStored);
        lead.land(outcome);
        computed.map(|(value, _)| value)
    }

    /// The lock of a key, waited for while another process has it.
    fn lease(&self, py: Python<'_>, asked: &Asked<'_, '_>) -> PyResult<Leased> {
        let (opened, key) = (asked.ready.opened, asked.ready.flight());
        loop {
            match py.detach(|| opened.grab(key)) {
                None => return Ok(Leased::Mine(None)),
                Some(Grab::Mine(lease)) => return Ok(Leased::Mine(Some(lease))),
                Some(Grab::Theirs(watch)) => {
                    self.count(py, Count::Waits);
                    let Some(wait) = begin_wait(py, &watch.path)? else {
                        return Ok(Leased::Alone);
                    };
                    match keep_watch(py, &wait, &watch)? {
                        None => return Ok(Leased::Alone),
                        Some(Seen::NotStored) => return Ok(Leased::NotStored),
                        Some(Seen::Free | Seen::Busy) => {}
                    }
                }
            }
        }
    }

    /// A result that is stored, and not too old.
    ///
    /// # Errors
    /// `LookAheadError` for what has seen beyond the time of a simulation.
    pub(super) fn hit<'py>(
        &self,
        py: Python<'py>,
        asked: &Asked<'_, 'py>,
        mode: Mode,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(hit) = self.found(py, asked, mode.writes())? else {
            return Ok(None);
        };
        if !self.policy.is_fresh(hit.made.at_ns) {
            self.count(py, Count::Expired);
            return Ok(None);
        }
        let tally = self.counters.get().tally(mode.writes());
        count_hit(self.function.bind(py), tally, hit.in_memory, hit.made.taken);
        if mode.writes() && hit.uses > 0 {
            let own = asked.ready.simulated_key().filter(|_| hit.is_simulated);
            let key = own.unwrap_or(asked.ready.keyed.key);
            asked.ready.opened.used(key, hit.uses);
        }
        Ok(Some(hit.value))
    }

    /// A result that another flight may have stored since we looked.
    pub(super) fn landed<'py>(
        &self,
        py: Python<'py>,
        asked: &Asked<'_, 'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = self.found(py, asked, true)?;
        let found = found.filter(|hit| self.policy.is_fresh(hit.made.at_ns));
        Ok(found.map(|hit| {
            let function = self.function.bind(py);
            count_hit(function, self.tally(py), hit.in_memory, hit.made.taken);
            hit.value
        }))
    }

    pub(super) fn run<'py>(
        &self,
        py: Python<'py>,
        call: &Call<'_, 'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.begins(py, call)?;
        self.function.bind(py).call(call.args, call.kwargs)
    }

    /// A body's result, and how long it took.
    pub(super) fn timed_run<'py>(
        &self,
        py: Python<'py>,
        call: &Call<'_, 'py>,
    ) -> PyResult<(Bound<'py, PyAny>, Duration)> {
        self.begins(py, call)?;
        let start = clock::monotonic();
        let value = self.function.bind(py).call(call.args, call.kwargs)?;
        let taken = clock::monotonic() - start;
        count_computed(self.tally(py), taken);
        Ok((value, taken))
    }

    pub(super) fn missing(&self, reason: &str) -> PyErr {
        let name = &self.name;
        let message = format!(
            "`{name}` has no stored result for this call ({reason}), and nothing is computed in \
             mode \"frozen\"; `{name}.explain(...)` says what differs from earlier calls"
        );
        exception("CacheMissError", &message)
    }
}

/// Waits for a flight of this process; `None` where it would never end.
fn follow(py: Python<'_>, wait: &Wait, flight: &Flight) -> PyResult<Option<Outcome>> {
    loop {
        if let Some(outcome) = py.detach(|| flight.wait(PATIENCE)) {
            return Ok(Some(outcome));
        }
        py.check_signals()?;
        if wait.closes_a_circle() {
            return Ok(None);
        }
    }
}

/// Waits for another process; `None` where it would never end.
fn keep_watch(py: Python<'_>, wait: &Wait, watch: &Watch) -> PyResult<Option<Seen>> {
    let mut pause = FIRST_PAUSE;
    let mut looked = clock::monotonic();
    loop {
        let seen = py.detach(|| {
            clock::pause(pause);
            watch.look()
        });
        if seen != Seen::Busy {
            return Ok(Some(seen));
        }
        pause = (pause * 2).min(LAST_PAUSE);
        py.check_signals()?;
        if clock::monotonic() - looked > PATIENCE {
            looked = clock::monotonic();
            if wait.closes_a_circle() {
                return Ok(None);
            }
        }
    }
}
