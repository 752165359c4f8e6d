//! The time range of a call, for functions that keep one.

use super::PyFunction;
use super::ready::Ready;
use crate::clock;
use crate::py::bind::Arguments;
use crate::py::counters::nanoseconds;
use crate::py::error::warn;
use pyo3::intern;
use pyo3::prelude::*;
use std::time::Duration;

/// What a call looked at, and whether that is over.
#[derive(Default)]
pub(super) struct Timed {
    /// First and last instant, ns UTC.
    pub(super) range: Option<(i64, i64)>,
    /// How long a result may be kept whose range ends in the future.
    pub(super) ttl: Option<Duration>,
}

impl PyFunction {
    /// Asks `Timing`; whatever it raises costs a warning, and the result has no range.
    pub(super) fn timed(
        &self,
        py: Python<'_>,
        ready: &Ready,
        arguments: &Arguments<'_>,
        seconds: f64,
    ) -> Timed {
        let Some(timing) = &self.timing else {
            return Timed::default();
        };
        self.ask(timing.bind(py), ready, arguments, seconds)
            .unwrap_or_else(|error| {
                if self.first("time range") {
                    let (name, reason) = (&self.name, error.value(py));
                    let message =
                        format!("the time range of a call of `{name}` can't be found: {reason}");
                    warn(py, "TimeRangeWarning", &message);
                }
                Timed::default()
            })
    }

    /// The range of a call, where that can be told.
    pub(super) fn range_of(
        &self,
        py: Python<'_>,
        ready: &Ready,
        arguments: &Arguments<'_>,
    ) -> Option<(i64, i64)> {
        let timing = self.timing.as_ref()?.bind(py);
        let named = named(ready, arguments);
        let asked = (&self.name, &named);
        let range = timing.call_method1(intern!(py, "range_of"), asked).ok()?;
        range.extract().ok()?
    }

    fn ask(
        &self,
        timing: &Bound<'_, PyAny>,
        ready: &Ready,
        arguments: &Arguments<'_>,
        seconds: f64,
    ) -> PyResult<Timed> {
        let py = timing.py();
        let named = named(ready, arguments);
        let range = timing.call_method1(intern!(py, "range_of"), (&self.name, &named))?;
        let taken = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        let began = clock::wall_ns().saturating_sub_unsigned(nanoseconds(taken));
        let asked = (&self.name, &named, began);
        let ttl: Option<u64> = timing
            .call_method1(intern!(py, "expires_after"), asked)?
            .extract()?;
        Ok(Timed {
            range: range.extract()?,
            ttl: ttl.map(Duration::from_nanos),
        })
    }
}

/// Each argument behind the name of its parameter.
fn named<'a, 'py>(
    ready: &'a Ready,
    arguments: &'a Arguments<'py>,
) -> Vec<(&'a str, &'a Bound<'py, PyAny>)> {
    let parameters = &ready.identity.get().signature.parameters;
    let labels = parameters.iter().map(|parameter| parameter.label.as_str());
    labels.zip(arguments).collect()
}
