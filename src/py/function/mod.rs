//! A cached function, as Python sees it.

mod call;
mod notices;
mod ready;
mod timed;

use super::counters::Counters;
use super::error::raise;
use super::identity::{Call, Identity};
use super::method::PyMethod;
use super::store::PyStore;
use crate::digest::Digest;
use crate::format::Meta;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// With how many earlier calls `explain` compares.
const NEIGHBOURS: usize = 200;

/// Adds what this file has to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyFunction>()
}

/// A function whose results are kept.
#[pyclass(
    frozen,
    dict,
    weakref,
    name = "Function",
    module = "afml_cache._native"
)]
pub struct PyFunction {
    function: Py<PyAny>,
    /// `module.qualname`, the name in reports and in keys.
    name: String,
    version: String,
    /// `ignore` and `ignore_deps`, for `describe`.
    options: Py<PyDict>,
    raises: bool,
    /// An `afml_cache.time_ranges.Timing`, for functions that keep their time range.
    timing: Option<Py<PyAny>>,
    store: Option<Py<PyStore>>,
    identity: Mutex<Option<Arc<Identity>>>,
    counters: Counters,
    told: Mutex<HashSet<String>>,
}

#[pymethods]
impl PyFunction {
    #[new]
    #[pyo3(signature = (function, name, *, version, options, raises, timing, store))]
    fn new(
        function: Py<PyAny>,
        name: String,
        version: String,
        options: Py<PyDict>,
        raises: bool,
        timing: Option<Py<PyAny>>,
        store: Option<Py<PyStore>>,
    ) -> Self {
        Self {
            function,
            name,
            version,
            options,
            raises,
            timing,
            store,
            identity: Mutex::default(),
            counters: Counters::default(),
            told: Mutex::default(),
        }
    }

    #[pyo3(signature = (*args, **kwargs))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.call(py, args, kwargs)
    }

    fn __get__<'py>(
        slf: Bound<'py, Self>,
        instance: Bound<'py, PyAny>,
        _owner: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if instance.is_none() {
            return Ok(slf.into_any());
        }
        let py = slf.py();
        Ok(Bound::new(py, PyMethod::new(slf.unbind(), instance.unbind()))?.into_any())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let pickled = slf.py().import("afml_cache._pickled")?;
        pickled.call_method1("reduce", (slf,))
    }

    /// What `Function` was made with, beside the function and its name.
    fn settings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let settings = PyDict::new(py);
        settings.set_item("version", &self.version)?;
        settings.set_item("options", &self.options)?;
        settings.set_item("raises", self.raises)?;
        settings.set_item("timing", &self.timing)?;
        settings.set_item("store", &self.store)?;
        Ok(settings)
    }

    fn __repr__(&self) -> String {
        format!("<cached function {}>", self.name)
    }

    /// `module.qualname` of the function.
    #[getter]
    fn cache_name(&self) -> &str {
        &self.name
    }

    /// What this function has done in this process, as a `CacheInfo`.
    fn cache_info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.counters.info(py)
    }

    /// Set the counters of this process to zero.
    fn reset_counters(&self) {
        self.counters.reset();
    }

    /// Remove every entry of this function and set its counters to zero; returns how many entries
    /// there were.
    fn cache_clear(&self, py: Python<'_>) -> PyResult<usize> {
        let cleared = self
            .place(py)?
            .bind(py)
            .get()
            .clear_entries(py, Some(&self.name));
        self.counters.reset();
        cleared.map_err(raise)
    }

    /// The key of a call: 32 hexadecimal digits.
    #[pyo3(signature = (*args, **kwargs))]
    fn cache_key(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<String> {
        let (_, _, keyed) = self.keyed_or_raise(py, &Call { args, kwargs })?;
        Ok(keyed.key.to_string())
    }

    /// Whether the result of a call is stored.
    #[pyo3(signature = (*args, **kwargs))]
    fn is_cached(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
        let (_, _, keyed) = self.keyed_or_raise(py, &Call { args, kwargs })?;
        let place = self.place(py)?;
        let place = place.bind(py).get();
        let store = place.open(py).map_err(raise)?;
        let stored = py.detach(|| store.contains(keyed.key)).map_err(raise)?;
        Ok(stored || self.timing.is_some() && place.is_volatile(py, &store, keyed.key))
    }

    /// Compute a call whatever is stored, and store the new result.
    #[pyo3(signature = (*args, **kwargs))]
    fn refresh<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.answer(py, &Call { args, kwargs }, true)
    }

    /// Say why a call hits or misses, as an `Explanation`.
    #[pyo3(signature = (*args, **kwargs))]
    fn explain<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (identity, arguments, keyed) = self.keyed_or_raise(py, &Call { args, kwargs })?;
        let store = self.place(py)?.bind(py).get().open(py).map_err(raise)?;
        let found = py.detach(|| {
            Ok((
                store.contains(keyed.key)?,
                store.latest(&self.name, NEIGHBOURS)?,
            ))
        });
        let (cached, earlier): (bool, Vec<Meta>) = found.map_err(raise)?;
        let rows = |parts: &[crate::format::Part]| -> Vec<(String, String, String)> {
            parts
                .iter()
                .map(|part| {
                    (
                        part.label.clone(),
                        part.digest.to_string(),
                        part.text.clone(),
                    )
                })
                .collect()
        };
        let earlier: Vec<_> = earlier.iter().map(|meta| rows(&meta.parts)).collect();
        let ours = rows(&identity.parts(py, &keyed, &arguments));
        let compare = py.import("afml_cache.explanation")?.getattr("compare")?;
        compare.call1((&self.name, keyed.key.to_string(), cached, ours, earlier))
    }

    /// Looks a call up without computing it: (found, value or ticket for `fill`).
    #[pyo3(signature = (args, kwargs))]
    fn find<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: &Bound<'py, PyDict>,
    ) -> PyResult<(bool, Bound<'py, PyAny>)> {
        let call = Call {
            args,
            kwargs: Some(kwargs),
        };
        let nothing = (false, py.None().into_bound(py));
        let Some((ready, _)) = self.ready_or_told(py, &call)? else {
            return Ok(nothing);
        };
        if let Some(value) = self.hit(py, &ready) {
            return Ok((true, value));
        }
        Ok((false, self.ticket_of(py, &ready)?))
    }

    /// What `fill` takes, for a call that is computed whatever is stored.
    #[pyo3(signature = (args, kwargs))]
    fn ticket<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.ready_or_told(
            py,
            &Call {
                args,
                kwargs: Some(kwargs),
            },
        )? {
            Some((ready, _)) => self.ticket_of(py, &ready),
            None => Ok(py.None().into_bound(py)),
        }
    }

    /// Stores what a call gave, under the ticket that `find` returned.
    #[pyo3(signature = (value, seconds, ticket, args, kwargs))]
    fn fill<'py>(
        &self,
        py: Python<'py>,
        value: &Bound<'py, PyAny>,
        seconds: f64,
        ticket: Option<(String, u64)>,
        args: &Bound<'py, PyTuple>,
        kwargs: &Bound<'py, PyDict>,
    ) -> PyResult<()> {
        let Some((key, epoch)) = ticket else {
            return Ok(());
        };
        self.counters
            .computed(Duration::try_from_secs_f64(seconds).unwrap_or_default());
        let call = Call {
            args,
            kwargs: Some(kwargs),
        };
        let Some((ready, arguments)) = self.ready_or_told(py, &call)? else {
            return Ok(());
        };
        if Digest::from_hex(&key) == Some(ready.keyed.key) {
            self.store(py, &ready, &arguments, value, seconds, epoch);
        } else {
            self.tell_changed(py, "an argument or something that the code reads");
        }
        Ok(())
    }
}
