//! Who observes a function is told of its calls: before a body runs, and when the call is over.

use super::PyFunction;
use crate::py::identity::Call;
use pyo3::intern;
use pyo3::prelude::*;

impl PyFunction {
    /// Tells the observer that the body runs next; what it gives for that it gets back at the end.
    pub(super) fn begins<'py>(&self, py: Python<'py>, call: &Call<'_, 'py>) -> PyResult<()> {
        let Some(observer) = &self.observer else {
            return Ok(());
        };
        let observer = observer.bind(py);
        let begun = observer.call_method1(intern!(py, "begins"), (call.args, call.kwargs))?;
        let _ = call.begun.set(begun.unbind());
        Ok(())
    }

    /// Tells the observer how a call ended, when nobody waits for its computation any more.
    ///
    /// A hit is a call that ends well and whose body never began.
    pub(super) fn observed<'py>(
        &self,
        py: Python<'py>,
        call: &Call<'_, 'py>,
        ended: PyResult<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Some(observer) = &self.observer else {
            return ended;
        };
        let observer = observer.bind(py);
        let key = call.key.get().map(|key| key.to_string());
        match (&ended, call.begun.get()) {
            (Ok(value), Some(begun)) => {
                observer.call_method1(intern!(py, "computed"), (key, begun, value))?;
            }
            (Ok(value), None) => {
                let told = (key, value, call.args, call.kwargs);
                observer.call_method1(intern!(py, "hit"), told)?;
            }
            (Err(error), Some(begun)) => {
                observer.call_method1(intern!(py, "failed"), (begun, error.value(py)))?;
            }
            (Err(_), None) => {}
        }
        ended
    }
}
