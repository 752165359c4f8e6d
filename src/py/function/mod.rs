//! A cached function, as Python sees it.

mod about;
mod call;
mod compute;
mod counted;
mod fill;
mod guard;
mod items;
mod notices;
mod observed;
mod policy;
mod ready;
mod seen;
mod spot;
mod timed;
mod turn;

use super::common::PyCommon;
use super::counters::{Counters, info};
use super::error::raise;
use super::identity::{Call, Identity};
use super::method::PyMethod;
use super::mode::Mode;
use super::slot::Slot;
use super::store::PyStore;
use crate::clock;
use crate::process::PerProcess;
use fill::Filled;
use items::Items;
pub use policy::Policy;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

/// Adds what this file has to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyFunction>()?;
    turn::register(module)
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
    /// An `afml_cache.bar_ends.Bars`: how long the bars of arguments are.
    bars: Py<PyAny>,
    /// Whether a result has depended on the time of a simulation.
    depends: AtomicBool,
    store: Option<Py<PyStore>>,
    policy: Policy,
    /// What `policy` was read from, and what `key=` names.
    given: (Py<PyAny>, Option<Py<PyAny>>),
    /// An `afml_cache.observers.Observer`, which is told of calls.
    observer: Option<Py<PyAny>>,
    identity: Slot<Identity>,
    counters: PerProcess<Counters>,
    told: Mutex<HashSet<String>>,
}

#[pymethods]
impl PyFunction {
    #[new]
    #[allow(clippy::too_many_arguments)] // each by its name, from Python
    #[pyo3(signature = (function, name, *, version, options, raises, timing, bars, store, policy, key, observer))]
    fn new(
        py: Python<'_>,
        function: Py<PyAny>,
        name: String,
        version: String,
        options: Py<PyDict>,
        raises: bool,
        timing: Option<Py<PyAny>>,
        bars: Py<PyAny>,
        store: Option<Py<PyStore>>,
        policy: Py<PyAny>,
        key: Option<Py<PyAny>>,
        observer: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let counted = name.clone();
        let counters = PerProcess::new(move || Counters::new(&counted));
        Ok(Self {
            function,
            name,
            version,
            options,
            raises,
            timing,
            bars,
            depends: AtomicBool::new(false),
            store,
            policy: policy.extract(py)?,
            given: (policy, key),
            observer,
            identity: Slot::default(),
            counters,
            told: Mutex::default(),
        })
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
        settings.set_item("bars", &self.bars)?;
        settings.set_item("store", &self.store)?;
        settings.set_item("policy", &self.given.0)?;
        settings.set_item("key", &self.given.1)?;
        settings.set_item("observer", &self.observer)?;
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

    /// What this function has done in this process since `cache_clear`, as a `CacheInfo`;
    /// `Store.cache_info` has what it did in all.
    fn cache_info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        info(py, &self.counters.get().counts())
    }

    /// Set the counters of this process to zero.
    fn reset_counters(&self) {
        self.counters.get().reset();
    }

    /// Remove every entry of this function and set its counters to zero, here and in the store;
    /// returns how many entries there were.
    fn cache_clear(&self, py: Python<'_>) -> PyResult<usize> {
        let cleared = self
            .place(py)?
            .bind(py)
            .get()
            .clear_entries(py, Some(&self.name));
        self.counters.get().reset();
        cleared.map_err(raise)
    }

    /// The key of a call: 32 hexadecimal digits. An argument that can't be keyed is an
    /// `UncacheableArgumentError`, here and in whatever else takes the arguments of a call.
    #[pyo3(signature = (*args, **kwargs))]
    fn cache_key(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<String> {
        let (_, _, keyed) = self.keyed_or_raise(py, &Call::new(args, kwargs))?;
        Ok(keyed.key.to_string())
    }

    /// The key of a call with the parts that it is made of: label, digest and a short text of each.
    #[pyo3(signature = (*args, **kwargs))]
    fn key_parts(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<(String, Vec<(String, String, String)>)> {
        let (identity, arguments, keyed) = self.keyed_or_raise(py, &Call::new(args, kwargs))?;
        let parts = identity.get().parts(py, &keyed, &arguments);
        Ok((keyed.key.to_string(), about::rows(&parts)))
    }

    /// Whether the result of a call is stored.
    #[pyo3(signature = (*args, **kwargs))]
    fn is_cached(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
        self.is_stored(py, &Call::new(args, kwargs))
    }

    /// As `is_cached`, under the name that joblib has for it.
    #[pyo3(signature = (*args, **kwargs))]
    fn check_call_in_cache(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
        self.is_cached(py, args, kwargs)
    }

    /// As `refresh`, under the name that joblib has for it: returns the result, and a dictionary
    /// with the seconds that it took as `duration`.
    #[pyo3(signature = (*args, **kwargs), name = "call")]
    fn call_anew<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyDict>)> {
        let start = clock::monotonic();
        let value = self.refresh(py, args, kwargs)?;
        let taken = clock::monotonic() - start;
        let metadata = PyDict::new(py);
        metadata.set_item("duration", taken.as_secs_f64())?;
        Ok((value, metadata))
    }

    /// Compute a call whatever is stored, and store the new result, where the mode allows it; in
    /// mode "frozen" it is a `CacheMissError`.
    #[pyo3(signature = (*args, **kwargs))]
    fn refresh<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let call = Call::new(args, kwargs);
        let anew = match Mode::now(py)? {
            Mode::Normal | Mode::Fresh => self.answer(py, &call, Mode::Fresh),
            Mode::Frozen => Err(self.missing("a refresh computes it anew")),
            Mode::ReadOnly | Mode::Off => self.timed_run(py, &call).map(|(value, _)| value),
        };
        self.observed(py, &call, anew)
    }

    /// Store a value as the result of a call, without computing it; says whether it is in, which it
    /// is not in a mode that writes nothing.
    ///
    /// What lets go of entries needs to know what they save: such a one counts with the mean seconds
    /// that the function has taken so far, in every process, and with none where it never ran.
    #[pyo3(signature = (value, /, *args, **kwargs))]
    fn put(
        &self,
        py: Python<'_>,
        value: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
        self.put_value(py, &Call::new(args, kwargs), value)
    }

    /// Remove the result of a call; says whether there was one.
    #[pyo3(signature = (*args, **kwargs))]
    fn invalidate(
        &self,
        py: Python<'_>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<bool> {
        self.drop_stored(py, &Call::new(args, kwargs))
    }

    /// Say why a call hits or misses, as an `Explanation`.
    #[pyo3(signature = (*args, **kwargs))]
    fn explain<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.explained(py, &Call::new(args, kwargs))
    }

    /// What a coroutine does next for a call: ("hit", value), ("turn", `Turn` or nothing), or
    /// ("wait", `Waiting`), each with the key where there is one. `common` is what several such
    /// calls share.
    #[pyo3(signature = (args, kwargs, *, alone = false, common = None))]
    fn begin<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: &Bound<'py, PyDict>,
        alone: bool,
        common: Option<&Bound<'py, PyCommon>>,
    ) -> PyResult<(&'static str, Bound<'py, PyAny>, Option<String>)> {
        let call = Call::new(args, Some(kwargs)).sharing(common.map(Bound::get));
        let (step, given) = self.next_step(py, &call, alone)?;
        Ok((step, given, call.key.get().map(|key| key.to_string())))
    }

    /// Stores what calls gave: of each the value and its seconds, the turn that `begin` gave, and
    /// the arguments; says of each whether it is in.
    #[pyo3(signature = (results, *, common = None))]
    fn fill<'py>(
        &self,
        py: Python<'py>,
        results: Vec<Filled<'py>>,
        common: Option<&Bound<'py, PyCommon>>,
    ) -> PyResult<Vec<bool>> {
        self.fill_turns(py, &results, common.map(Bound::get))
    }

    /// The keys of several calls that share `common`, and of each an `UncacheableArgumentError` in
    /// the place of its key where it has none.
    fn keys<'py>(
        &self,
        py: Python<'py>,
        calls: Vec<Items<'py>>,
        common: &Bound<'py, PyCommon>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        self.keys_of(py, &calls, common.get())
    }

    /// What is stored for several calls that share `common`: of each (value,), or `None`.
    fn stored<'py>(
        &self,
        py: Python<'py>,
        calls: Vec<Items<'py>>,
        common: &Bound<'py, PyCommon>,
    ) -> PyResult<Vec<Option<(Bound<'py, PyAny>,)>>> {
        self.look_all_up(py, &calls, common.get())
    }
}
