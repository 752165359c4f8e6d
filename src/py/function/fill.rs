//! What calls gave is stored under the turns that were taken, several at once.

use super::PyFunction;
use super::call::Asked;
use super::compute::Computed;
use super::ready::Ready;
use super::turn::PyTurn;
use crate::py::bind::Arguments;
use crate::py::common::PyCommon;
use crate::py::counters::count_computed;
use crate::py::identity::Call;
use crate::py::store::PyStore;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::time::Duration;

/// What a call gave, and its seconds; its turn, and its arguments.
pub(super) type Filled<'py> = (
    Bound<'py, PyAny>,
    f64,
    Bound<'py, PyTurn>,
    Bound<'py, PyTuple>,
    Bound<'py, PyDict>,
);

impl PyFunction {
    /// Stores what calls gave, under the turns that were taken; says of each whether it is in.
    pub(super) fn fill_turns<'py>(
        &self,
        py: Python<'py>,
        results: &[Filled<'py>],
        common: Option<&PyCommon>,
    ) -> PyResult<Vec<bool>> {
        let mut stored = vec![false; results.len()];
        let place = self.place(py)?;
        let calls: Vec<_> = results
            .iter()
            .map(|result| Call::new(&result.3, Some(&result.4)).sharing(common))
            .collect();
        let mut readies = Vec::with_capacity(results.len());
        for (number, (result, call)) in results.iter().zip(&calls).enumerate() {
            if let Some(found) = self.ready_to_fill(py, result, call, place.get())? {
                readies.push((number, found));
            }
        }
        let asked: Vec<_> = readies
            .iter()
            .map(|(number, ((ready, arguments), _))| Asked {
                ready,
                arguments,
                call: &calls[*number],
            })
            .collect();
        let computed: Vec<_> = readies
            .iter()
            .map(|(number, (_, epoch))| Computed {
                value: &results[*number].0,
                seconds: results[*number].1,
                read: results[*number].2.get().read(),
                epoch: *epoch,
            })
            .collect();
        let done: Vec<_> = asked.iter().zip(&computed).collect();
        let finished = self.finish_all(py, &done)?;
        for ((number, _), finished) in readies.iter().zip(finished) {
            stored[*number] = finished;
            results[*number].2.get().ends(finished);
        }
        Ok(stored)
    }

    /// A call whose result may be stored, and the epoch that it began with; otherwise its turn ends
    /// without one.
    fn ready_to_fill<'a, 'py>(
        &self,
        py: Python<'py>,
        result: &Filled<'py>,
        call: &Call<'_, 'py>,
        store: &'a PyStore,
    ) -> PyResult<Option<((Ready<'a, 'py>, Arguments<'py>), u64)>> {
        let turn = result.2.get();
        let taken = Duration::try_from_secs_f64(result.1).unwrap_or_default();
        count_computed(self.tally(py), taken);
        if let Some((key, epoch)) = turn.ticket()
            && let Some(ready) = self.ready_or_told(py, call, store)?
        {
            if *key == ready.0.keyed.key.to_string() {
                return Ok(Some((ready, *epoch)));
            }
            self.tell_changed(py, "an argument or something that the code reads");
        }
        turn.ends(false);
        Ok(None)
    }
}
