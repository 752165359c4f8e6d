//! Spot checks: some hits are computed again all the same, and compared.

use super::PyFunction;
use super::call::Asked;
use super::compute::Computed;
use crate::py::error::{is_interrupt, warn};
use crate::py::mode::Mode;
use crate::py::value::{DigestSink, DraftSink, Forbidden, Walk};
use crate::store::Count;
use pyo3::prelude::*;

impl PyFunction {
    /// A result that was stored, or what the body gives now where the two differ.
    pub(super) fn spot_checked<'py>(
        &self,
        py: Python<'py>,
        asked: &Asked<'_, 'py>,
        mode: Mode,
        stored: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if mode != Mode::Normal || !self.policy.is_checked() {
            return Ok(stored);
        }
        self.count(py, Count::SpotChecks);
        // Before the body runs: what it gives may share memory with what is stored.
        let before = sketch(&stored);
        let (ran, read) = self.watched_run(py, asked, None)?;
        let (value, taken) = match ran {
            Ok(ran) => ran,
            Err(error) if is_interrupt(py, &error) => return Err(error),
            Err(error) => {
                self.tell_difference(py, &format!("now it raises {}", error.value(py)));
                return Ok(stored);
            }
        };
        if matches!((before, sketch(&value)), (Ok(before), Ok(now)) if before == now) {
            return Ok(stored);
        }
        self.tell_difference(py, "now it returns something else");
        if let Some(epoch) = self.epoch(py, asked.ready) {
            let computed = Computed {
                value: &value,
                seconds: taken.as_secs_f64(),
                read,
                epoch,
            };
            self.finish(py, asked, &computed)?;
        }
        Ok(value)
    }

    fn tell_difference(&self, py: Python<'_>, what: &str) {
        self.count(py, Count::SpotDifferences);
        if self.first("spot check") {
            let name = &self.name;
            let message = format!(
                "a spot check of `{name}` found a stored result that the function no longer gives: \
                 {what}; it depends on something that is not in its key (a random state, a file, \
                 the clock), or the stored bytes were damaged"
            );
            warn(py, "SpotCheckWarning", &message);
        }
    }
}

/// What two equal values have in common: the digest, or the payload of a value that has none.
fn sketch(value: &Bound<'_, PyAny>) -> Walk<Vec<u8>> {
    if let Ok(digest) = DigestSink::default().digest(value) {
        return Ok(digest.0.to_vec());
    }
    let drafted = DraftSink::draft(value, Forbidden::default())?;
    let mut bytes = drafted.tree;
    for leaf in &drafted.leaves {
        bytes.extend_from_slice(leaf.bytes());
    }
    Ok(bytes)
}
