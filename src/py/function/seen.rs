//! What a call has seen, and what of it may be handed out in a simulation.

use super::PyFunction;
use super::call::Asked;
use super::guard::guarded;
use super::ready::Ready;
use crate::clock;
use crate::digest::Digest;
use crate::format::Seen;
use crate::py::bind::Arguments;
use crate::py::error::{is_interrupt, warn};
use crate::py::held::innermost;
use crate::py::hot::Hit;
use crate::py::look_ahead::{is_watching, note};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::sync::atomic::Ordering;

impl PyFunction {
    /// A result of whatever age.
    ///
    /// In a simulation that is first what depends on its time. What was found outside of it is no
    /// answer where it depends on what "now" was.
    ///
    /// # Errors
    /// `LookAheadError` for what has seen beyond the time of the simulation.
    #[inline]
    pub(super) fn found<'py>(
        &self,
        py: Python<'py>,
        asked: &Asked<'_, 'py>,
        writes: bool,
    ) -> PyResult<Option<Hit<'py>>> {
        let (ready, key) = (asked.ready, asked.ready.keyed.key);
        if is_watching() {
            return self.found_by_watched(py, asked, writes);
        }
        self.look_up(py, ready, key, writes)
    }

    #[cold]
    fn found_by_watched<'py>(
        &self,
        py: Python<'py>,
        asked: &Asked<'_, 'py>,
        writes: bool,
    ) -> PyResult<Option<Hit<'py>>> {
        let (ready, key) = (asked.ready, asked.ready.keyed.key);
        let own = ready.simulated_key();
        for key in own.into_iter().chain([key]) {
            let Some(mut hit) = self.look_up(py, ready, key, writes)? else {
                continue;
            };
            hit.is_simulated = own == Some(key);
            if !ready.is_watched(py)? || !self.policy.is_fresh(hit.made.at_ns) {
                return Ok(Some(hit));
            }
            let seen = self.seen_of(py, asked, &hit)?;
            if let Some(around) = &ready.around {
                let simulation = around.simulation.get();
                simulation.refuse_future(py, &self.name, seen)?;
            }
            if own.is_some() && !hit.is_simulated && seen.open_ended {
                return Ok(None);
            }
            note(py, seen)?;
            return Ok(Some(hit));
        }
        Ok(None)
    }

    /// A result in memory or on disk, of whatever age.
    #[inline]
    fn look_up<'py>(
        &self,
        py: Python<'py>,
        ready: &Ready,
        key: Digest,
        writes: bool,
    ) -> PyResult<Option<Hit<'py>>> {
        let (store, opened) = (ready.store, ready.opened);
        let found = guarded(|| {
            let hit = store
                .recall(py, opened, key)
                .filter(|hit| self.policy.is_fresh(hit.made.at_ns))
                .or_else(|| {
                    self.timing.as_ref()?;
                    store.recall_volatile(py, opened, key)
                });
            match hit {
                Some(hit) => Ok(Some(hit)),
                None => store.fetch(py, opened, key, writes, &self.policy, self.tally(py)),
            }
        });
        found.unwrap_or_else(|panic| {
            self.tell_panic(py, "looked up", &panic);
            Ok(None)
        })
    }

    /// What a stored result has seen; one that does not say has seen what its arguments have.
    fn seen_of(&self, py: Python<'_>, asked: &Asked<'_, '_>, hit: &Hit<'_>) -> PyResult<Seen> {
        if hit.made.seen.is_nothing() {
            self.seen_by_inputs(py, asked, hit.made.at_ns)
        } else {
            Ok(hit.made.seen)
        }
    }

    /// What a call's arguments and time range have seen, by that time at most as to the range.
    pub(super) fn seen_by_inputs(
        &self,
        py: Python<'_>,
        asked: &Asked<'_, '_>,
        made_ns: i64,
    ) -> PyResult<Seen> {
        let (ready, arguments) = (asked.ready, asked.arguments);
        let range = self.range_of(py, ready, arguments);
        let until = self.seen_by_arguments(py, ready, arguments)?;
        Ok(Seen::of(until.max(last_of(range, made_ns))))
    }

    /// Tells the computations around of a call whose body is about to run.
    pub(super) fn tell_inputs(&self, py: Python<'_>, asked: &Asked<'_, '_>) -> PyResult<()> {
        if is_watching() && innermost(py)?.is_some() {
            note(py, self.seen_by_inputs(py, asked, clock::wall_ns())?)?;
        }
        Ok(())
    }

    /// What a computation has seen that ends now: its arguments, its time range, and what it read.
    pub(super) fn seen_by(
        &self,
        py: Python<'_>,
        (ready, arguments): (&Ready, &Arguments<'_>),
        range: Option<(i64, i64)>,
        read: Seen,
    ) -> PyResult<Seen> {
        let until = self.seen_by_arguments(py, ready, arguments)?;
        let until = until.max(last_of(range, clock::wall_ns()));
        Ok(Seen::of(until).with(read))
    }

    /// The last instant of a call's arguments; what can't be told costs a warning.
    fn seen_by_arguments(
        &self,
        py: Python<'_>,
        ready: &Ready,
        arguments: &Arguments<'_>,
    ) -> PyResult<Option<i64>> {
        let timed = ready.identity.get().timed(py, &ready.keyed, arguments);
        if timed.is_empty() {
            return Ok(None);
        }
        let asked: PyResult<Option<i64>> = PyList::new(py, timed).and_then(|timed| {
            self.bars
                .bind(py)
                .call_method1(intern!(py, "seen_until"), (timed,))?
                .extract()
        });
        match asked {
            Err(error) if !is_interrupt(py, &error) => {
                if self.first("seen until") {
                    let (name, reason) = (&self.name, error.value(py));
                    let message = format!(
                        "up to when the arguments of a call of `{name}` have seen can't be told, \
                         so `as_of` does not refuse its result: {reason}"
                    );
                    warn(py, "TimeRangeWarning", &message);
                }
                Ok(None)
            }
            told => told,
        }
    }

    /// Whether a computation within a simulation has ever depended on its time.
    pub(super) fn depends_on_now(&self) -> bool {
        self.depends.load(Ordering::Relaxed)
    }

    /// The key that a result is stored by.
    pub(super) fn key_of_result(&self, ready: &Ready, seen: Seen) -> Digest {
        let own = ready.simulated_key().filter(|_| seen.open_ended);
        self.depends.fetch_or(own.is_some(), Ordering::Relaxed);
        own.unwrap_or(ready.keyed.key)
    }
}

impl Ready<'_, '_> {
    /// Whether anybody is to know what a hit has seen.
    fn is_watched(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.around.is_some() || innermost(py)?.is_some())
    }
}

/// The end of a time range that is not open; nobody has seen beyond the time of the computation.
fn last_of(range: Option<(i64, i64)>, made_ns: i64) -> Option<i64> {
    let last = range.map(|(_, last)| last);
    last.filter(|&last| last != i64::MAX)
        .map(|last| last.min(made_ns))
}
