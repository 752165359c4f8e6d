//! Where a call counts what it does.

use super::PyFunction;
use crate::py::mode::Mode;
use crate::store::{Count, Tally};
use pyo3::prelude::*;

impl PyFunction {
    /// The counts of the function, or where nothing may be written those that no store takes.
    pub(super) fn tally(&self, py: Python<'_>) -> &Tally {
        let writes = Mode::now(py).is_ok_and(Mode::writes);
        self.counters.get().tally(writes)
    }

    /// One more of something.
    pub(super) fn count(&self, py: Python<'_>, count: Count) {
        self.tally(py).count(count);
    }
}
