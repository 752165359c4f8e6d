//! Several calls at once, which share what they are mostly made of: the items of a sweep.

use super::PyFunction;
use super::call::Asked;
use super::ready::Past;
use crate::py::common::PyCommon;
use crate::py::digest::uncacheable;
use crate::py::identity::Call;
use crate::py::mode::Mode;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

/// Arguments of one call.
pub(super) type Items<'py> = (Bound<'py, PyTuple>, Bound<'py, PyDict>);

impl PyFunction {
    /// The keys of calls, and what can't be keyed as the error that says so.
    pub(super) fn keys_of<'py>(
        &self,
        py: Python<'py>,
        calls: &[Items<'py>],
        common: &PyCommon,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let key = |(args, kwargs): &Items<'py>| {
            let call = Call::new(args, Some(kwargs)).sharing(Some(common));
            match self.keyed(py, &call)? {
                Ok((_, _, keyed)) => Ok(keyed.key.to_string().into_pyobject(py)?.into_any()),
                Err(Past::Refused(refused)) => {
                    let error = uncacheable(&refused.label, refused.failure);
                    Ok(error.value(py).clone().into_any())
                }
                Err(_) => {
                    // The signature itself says best what does not fit.
                    let inspect = py.import("inspect")?;
                    let signature = inspect.call_method1("signature", (&self.function,))?;
                    signature.call_method("bind", args, Some(kwargs))
                }
            }
        };
        calls.iter().map(key).collect()
    }

    /// What is stored for calls.
    pub(super) fn look_all_up<'py>(
        &self,
        py: Python<'py>,
        calls: &[Items<'py>],
        common: &PyCommon,
    ) -> PyResult<Vec<Option<(Bound<'py, PyAny>,)>>> {
        let mode = Mode::now(py)?;
        let place = self.place(py)?;
        let mut found = Vec::with_capacity(calls.len());
        for (args, kwargs) in calls {
            let call = Call::new(args, Some(kwargs)).sharing(Some(common));
            let Some((ready, arguments)) = self.ready_or_told(py, &call, place.get())? else {
                found.push(None);
                continue;
            };
            let asked = Asked {
                ready: &ready,
                arguments: &arguments,
                call: &call,
            };
            found.push(self.hit(py, &asked, mode)?.map(|value| (value,)));
            py.check_signals()?;
        }
        Ok(found)
    }
}
