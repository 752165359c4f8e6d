//! A cached function: bind, digest, look up, and only then compute.

use super::bind::Arguments;
use super::counters::Counters;
use super::digest::uncacheable;
use super::error::{is_interrupt, warn};
use super::identity::{Call, Identity, Keyed, Refused};
use super::store::{Entry, PyStore, default_store};
use super::value::{DraftSink, Failure, time_range};
use crate::clock;
use crate::digest::Digest;
use crate::error::Error;
use crate::format::Meta;
use crate::store::{Lead, Outcome, Store, Ticket};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often a waiting thread looks for Ctrl-C.
const PATIENCE: Duration = Duration::from_millis(50);
/// With how many earlier calls `explain` compares.
const NEIGHBOURS: usize = 200;

/// Adds what this file has to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyFunction>()
}

/// A function whose results are kept.
#[pyclass(frozen, dict, weakref, name = "Function", module = "afml_cache._native")]
pub struct PyFunction {
    function: Py<PyAny>,
    /// `module.qualname`, the name in reports and in keys.
    name: String,
    version: String,
    /// `ignore` and `ignore_deps`, for `describe`.
    options: Py<PyDict>,
    raises: bool,
    time_aware: bool,
    store: Option<Py<PyStore>>,
    identity: Mutex<Option<Arc<Identity>>>,
    counters: Counters,
    told: Mutex<HashSet<String>>,
}

/// One call that can be answered from the cache.
struct Ready {
    identity: Arc<Identity>,
    keyed: Keyed,
    store: Py<PyStore>,
    opened: Arc<Store>,
}

/// Why a call goes past the cache.
enum Past {
    /// The arguments do not fit the signature: the function itself says so best.
    Misfit,
    /// Something can't be keyed.
    Refused(Refused),
    /// The store can't be opened.
    Closed,
}

#[pymethods]
impl PyFunction {
    #[new]
    #[pyo3(signature = (function, name, *, version, options, raises, time_aware, store))]
    fn new(
        function: Py<PyAny>,
        name: String,
        version: String,
        options: Py<PyDict>,
        raises: bool,
        time_aware: bool,
        store: Option<Py<PyStore>>,
    ) -> Self {
        Self {
            function,
            name,
            version,
            options,
            raises,
            time_aware,
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
        self.answer(py, &Call { args, kwargs }, false)
    }

    fn __get__<'py>(
        slf: Bound<'py, Self>,
        instance: Bound<'py, PyAny>,
        _owner: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if instance.is_none() {
            return Ok(slf.into_any());
        }
        let method = slf.py().import(intern!(slf.py(), "types"))?.getattr(intern!(slf.py(), "MethodType"))?;
        method.call1((slf, instance))
    }

    /// Pickled by name, as a function is.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.getattr("__qualname__")
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<cached {}>", self.function.bind(py).repr()?))
    }

    /// `module.qualname` of the function.
    #[getter]
    fn cache_name(&self) -> &str {
        &self.name
    }

    /// cache_info($self)
    /// --
    ///
    /// What this function has done in this process, as a `CacheInfo`.
    fn cache_info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.counters.info(py)
    }

    /// reset_counters($self)
    /// --
    ///
    /// Set the counters of this process to zero.
    fn reset_counters(&self) {
        self.counters.reset();
    }

    /// cache_clear($self)
    /// --
    ///
    /// Remove every entry of this function and set its counters to zero; returns how many entries
    /// there were.
    fn cache_clear(&self, py: Python<'_>) -> PyResult<usize> {
        let cleared = self.place(py)?.bind(py).get().clear_entries(py, Some(&self.name));
        self.counters.reset();
        cleared.map_err(super::error::raise)
    }

    /// cache_key($self, *args, **kwargs)
    /// --
    ///
    /// The key of a call: 32 hexadecimal digits.
    #[pyo3(signature = (*args, **kwargs))]
    fn cache_key(&self, py: Python<'_>, args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<String> {
        let (_, _, keyed) = self.keyed_or_raise(py, &Call { args, kwargs })?;
        Ok(keyed.key.to_string())
    }

    /// is_cached($self, *args, **kwargs)
    /// --
    ///
    /// Whether the result of a call is stored.
    #[pyo3(signature = (*args, **kwargs))]
    fn is_cached(&self, py: Python<'_>, args: &Bound<'_, PyTuple>, kwargs: Option<&Bound<'_, PyDict>>) -> PyResult<bool> {
        let (_, _, keyed) = self.keyed_or_raise(py, &Call { args, kwargs })?;
        let store = self.place(py)?.bind(py).get().open(py).map_err(super::error::raise)?;
        py.detach(|| store.contains(keyed.key)).map_err(super::error::raise)
    }

    /// refresh($self, *args, **kwargs)
    /// --
    ///
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

    /// explain($self, *args, **kwargs)
    /// --
    ///
    /// Say why a call hits or misses, as an `Explanation`.
    #[pyo3(signature = (*args, **kwargs))]
    fn explain<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (identity, arguments, keyed) = self.keyed_or_raise(py, &Call { args, kwargs })?;
        let store = self.place(py)?.bind(py).get().open(py).map_err(super::error::raise)?;
        let found = py.detach(|| Ok((store.contains(keyed.key)?, store.latest(&self.name, NEIGHBOURS)?)));
        let (cached, earlier): (bool, Vec<Meta>) = found.map_err(super::error::raise)?;
        let rows = |parts: &[crate::format::Part]| -> Vec<(String, String, String)> {
            parts.iter().map(|part| (part.label.clone(), part.digest.to_string(), part.text.clone())).collect()
        };
        let earlier: Vec<_> = earlier.iter().map(|meta| rows(&meta.parts)).collect();
        let ours = rows(&identity.parts(&keyed, &arguments));
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
        let call = Call { args, kwargs: Some(kwargs) };
        let nothing = (false, py.None().into_bound(py));
        let Some((ready, _)) = self.ready_or_told(py, &call)? else { return Ok(nothing) };
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
        match self.ready_or_told(py, &Call { args, kwargs: Some(kwargs) })? {
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
        let Some((key, epoch)) = ticket else { return Ok(()) };
        self.counters.computed(Duration::try_from_secs_f64(seconds).unwrap_or_default());
        let call = Call { args, kwargs: Some(kwargs) };
        let Some((ready, arguments)) = self.ready_or_told(py, &call)? else { return Ok(()) };
        if Digest::from_hex(&key) == Some(ready.keyed.key) {
            self.store(py, &ready, &arguments, value, seconds, epoch);
        } else {
            self.tell_changed(py, "an argument or something that the code reads");
        }
        Ok(())
    }
}

impl PyFunction {
    fn place(&self, py: Python<'_>) -> PyResult<Py<PyStore>> {
        match &self.store {
            Some(store) => Ok(store.clone_ref(py)),
            None => default_store(py),
        }
    }

    /// A call's key, and the epoch before its body runs.
    fn ticket_of<'py>(&self, py: Python<'py>, ready: &Ready) -> PyResult<Bound<'py, PyAny>> {
        match self.epoch(py, ready) {
            Some(epoch) => Ok((ready.keyed.key.to_string(), epoch).into_pyobject(py)?.into_any()),
            None => Ok(py.None().into_bound(py)),
        }
    }

    /// The state of the code now: the one that we know, if nothing that it reached has changed.
    fn identity(&self, py: Python<'_>) -> PyResult<Arc<Identity>> {
        let held = || self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        let known = held().clone();
        if let Some(known) = known {
            if known.holds(py)? {
                return Ok(known);
            }
        }
        let function = self.function.bind(py);
        let fresh = Arc::new(Identity::of(function, &self.name, &self.version, self.options.bind(py))?);
        let old = held().replace(fresh.clone());
        drop(old);
        Ok(fresh)
    }

    fn keyed<'py>(&self, py: Python<'py>, call: &Call<'_, 'py>) -> PyResult<Result<(Arc<Identity>, Arguments<'py>, Keyed), Past>> {
        let identity = self.identity(py)?;
        let Some(arguments) = identity.signature.bind(call.args, call.kwargs)? else { return Ok(Err(Past::Misfit)) };
        Ok(match identity.key(py, &arguments)? {
            Ok(keyed) => Ok((identity, arguments, keyed)),
            Err(refused) => Err(Past::Refused(refused)),
        })
    }

    fn keyed_or_raise<'py>(&self, py: Python<'py>, call: &Call<'_, 'py>) -> PyResult<(Arc<Identity>, Arguments<'py>, Keyed)> {
        match self.keyed(py, call)? {
            Ok(keyed) => Ok(keyed),
            Err(Past::Refused(refused)) => Err(uncacheable(&refused.label, refused.failure)),
            Err(_) => {
                let signature = py.import("inspect")?.call_method1("signature", (&self.function,))?;
                signature.call_method("bind", call.args, call.kwargs)?;
                Err(super::store::misused("the arguments do not fit the signature"))
            }
        }
    }

    fn ready<'py>(&self, py: Python<'py>, call: &Call<'_, 'py>) -> PyResult<Result<(Ready, Arguments<'py>), Past>> {
        let (identity, arguments, keyed) = match self.keyed(py, call)? {
            Ok(keyed) => keyed,
            Err(past) => return Ok(Err(past)),
        };
        let store = self.place(py)?;
        Ok(match store.bind(py).get().open(py) {
            Ok(opened) => Ok((Ready { identity, keyed, store, opened }, arguments)),
            Err(error) => {
                Counters::count(&self.counters.errors);
                store.bind(py).get().tell_error(py, "CacheWriteWarning", "opening", &error);
                Err(Past::Closed)
            }
        })
    }

    /// A call that can be answered, or `None` where it must be computed without the cache and
    /// whoever should know of that has been told.
    fn ready_or_told<'py>(&self, py: Python<'py>, call: &Call<'_, 'py>) -> PyResult<Option<(Ready, Arguments<'py>)>> {
        let past = match self.ready(py, call) {
            Ok(Ok(ready)) => return Ok(Some(ready)),
            Ok(Err(past)) => past,
            Err(error) if is_interrupt(py, &error) => return Err(error),
            Err(error) => Past::Refused(Refused { label: "code".into(), failure: Failure::Python(error) }),
        };
        match past {
            Past::Misfit => return Ok(None),
            Past::Closed => {}
            Past::Refused(refused) => self.tell_refused(py, refused)?,
        }
        Counters::count(&self.counters.bypasses);
        Ok(None)
    }

    fn tell_refused(&self, py: Python<'_>, refused: Refused) -> PyResult<()> {
        let place = match &refused.failure {
            Failure::Unhandled(unhandled) => format!("{}{}", refused.label, unhandled.path()),
            Failure::Python(error) if is_interrupt(py, error) => return Err(uncacheable("", refused.failure)),
            Failure::Python(error) => format!("{} {}", refused.label, error.get_type(py)),
        };
        let error = uncacheable(&refused.label, refused.failure);
        if self.raises {
            return Err(error);
        }
        if self.first(&place) {
            let (name, reason) = (&self.name, error.value(py));
            let remedy = "pass plain values instead, leave the parameter out of the key with ignore=(...), or a global with ignore_deps=(...)";
            warn(py, "UncacheableArgumentWarning", &format!("`{name}` runs without the cache: {reason}; {remedy}"));
        }
        Ok(())
    }

    fn first(&self, what: &str) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(what.to_owned())
    }

    fn answer<'py>(&self, py: Python<'py>, call: &Call<'_, 'py>, refresh: bool) -> PyResult<Bound<'py, PyAny>> {
        let Some((ready, arguments)) = self.ready_or_told(py, call)? else { return self.run(py, call) };
        if refresh {
            return self.compute(py, &ready, &arguments, call).map(|(value, _)| value);
        }
        loop {
            if let Some(value) = self.hit(py, &ready) {
                return Ok(value);
            }
            let store = ready.store.bind(py).get();
            match store.flights().join(ready.keyed.key) {
                Ticket::Lead(lead) => return self.lead(py, &ready, &arguments, call, lead),
                Ticket::Alone => return self.compute(py, &ready, &arguments, call).map(|(value, _)| value),
                Ticket::Follow(follow) => {
                    Counters::count(&self.counters.waits);
                    let outcome = loop {
                        if let Some(outcome) = py.detach(|| follow.flight.wait(PATIENCE)) {
                            break outcome;
                        }
                        py.check_signals()?;
                    };
                    if outcome == Outcome::NotStored {
                        drop(follow);
                        return self.compute(py, &ready, &arguments, call).map(|(value, _)| value);
                    }
                }
            }
        }
    }

    fn lead<'py>(
        &self,
        py: Python<'py>,
        ready: &Ready,
        arguments: &Arguments<'py>,
        call: &Call<'_, 'py>,
        lead: Lead<'_>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // Another flight of this key may have landed between our look-up and our taking the lead.
        if let Some(value) = self.hit(py, ready) {
            lead.land(Outcome::Stored);
            return Ok(value);
        }
        let (value, outcome) = self.compute(py, ready, arguments, call)?;
        lead.land(outcome);
        Ok(value)
    }

    fn hit<'py>(&self, py: Python<'py>, ready: &Ready) -> Option<Bound<'py, PyAny>> {
        let (store, key) = (ready.store.bind(py).get(), ready.keyed.key);
        let hit = store.recall(py, key).or_else(|| store.fetch(py, &ready.opened, key))?;
        self.counters.hit(hit.in_memory, hit.seconds);
        Some(hit.value)
    }

    fn run<'py>(&self, py: Python<'py>, call: &Call<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        self.function.bind(py).call(call.args, call.kwargs)
    }

    fn epoch(&self, py: Python<'_>, ready: &Ready) -> Option<u64> {
        py.detach(|| ready.opened.epoch(&self.name)).map_err(|error| self.tell_unstored(py, ready, &error)).ok()
    }

    fn compute<'py>(
        &self,
        py: Python<'py>,
        ready: &Ready,
        arguments: &Arguments<'py>,
        call: &Call<'_, 'py>,
    ) -> PyResult<(Bound<'py, PyAny>, Outcome)> {
        let epoch = self.epoch(py, ready);
        let start = clock::monotonic();
        let value = self.run(py, call)?;
        let taken = clock::monotonic() - start;
        self.counters.computed(taken);
        let Some(epoch) = epoch else { return Ok((value, Outcome::NotStored)) };
        if !self.is_unchanged(py, ready, arguments)? {
            return Ok((value, Outcome::NotStored));
        }
        let stored = self.store(py, ready, arguments, &value, taken.as_secs_f64(), epoch);
        Ok((value, if stored { Outcome::Stored } else { Outcome::NotStored }))
    }

    /// Whether the call would still have the key that it had before the body ran.
    fn is_unchanged<'py>(&self, py: Python<'py>, ready: &Ready, arguments: &Arguments<'py>) -> PyResult<bool> {
        let again = self.identity(py).and_then(|identity| identity.key(py, arguments));
        match again {
            Ok(Ok(again)) if again.key == ready.keyed.key => Ok(true),
            Err(error) if is_interrupt(py, &error) => Err(error),
            Ok(Ok(again)) => {
                self.tell_changed(py, &ready.identity.difference(&ready.keyed, &again));
                Ok(false)
            }
            _ => {
                self.tell_changed(py, "something that it was given");
                Ok(false)
            }
        }
    }

    fn tell_changed(&self, py: Python<'_>, what: &str) {
        Counters::count(&self.counters.errors);
        if self.first("changed on the way") {
            let name = &self.name;
            let remedy = "work on a copy, or hand over what changes as an argument of its own";
            warn(py, "CacheWriteWarning", &format!("`{name}` changed {what} while it ran, so its result is not stored; {remedy}"));
        }
    }

    fn tell_unstored(&self, py: Python<'_>, ready: &Ready, error: &Error) {
        Counters::count(&self.counters.errors);
        ready.store.bind(py).get().tell_error(py, "CacheWriteWarning", "storing a result", error);
    }

    /// Stores a result; a failure costs the caller nothing but a warning.
    fn store<'py>(
        &self,
        py: Python<'py>,
        ready: &Ready,
        arguments: &Arguments<'py>,
        value: &Bound<'py, PyAny>,
        seconds: f64,
        epoch: u64,
    ) -> bool {
        let store = ready.store.bind(py).get();
        let drafted = match DraftSink::draft(value, store.may_pickle(&ready.opened)) {
            Ok(drafted) => drafted,
            Err(failure) => {
                self.tell_unstorable(py, failure);
                return false;
            }
        };
        let meta = Meta {
            function: self.name.clone(),
            parts: ready.identity.parts(&ready.keyed, arguments),
            time_range: if self.time_aware { covered(arguments) } else { None },
        };
        let entry = Entry { key: ready.keyed.key, meta, seconds, epoch };
        match store.keep(py, &ready.opened, value, drafted, entry) {
            Ok(Some(size)) => {
                self.counters.stored_bytes.fetch_add(size as u64, std::sync::atomic::Ordering::Relaxed);
                true
            }
            Ok(None) => false,
            Err(error) => {
                self.tell_unstored(py, ready, &error);
                false
            }
        }
    }

    fn tell_unstorable(&self, py: Python<'_>, failure: Failure) {
        Counters::count(&self.counters.errors);
        if !self.first("unstorable") {
            return;
        }
        let reason = match failure {
            Failure::Unhandled(unhandled) => format!("`result{}` is {}", unhandled.path(), unhandled.reason),
            Failure::Python(error) => error.to_string(),
        };
        let (name, remedy) = (&self.name, "return plain values, arrays or frames");
        warn(py, "CacheWriteWarning", &format!("the result of `{name}` can't be stored: {reason}; {remedy}"));
    }
}

/// First and last instant of all time-indexed arguments.
fn covered(arguments: &Arguments<'_>) -> Option<(i64, i64)> {
    let ranges = arguments.iter().filter_map(time_range);
    ranges.reduce(|all, next| (all.0.min(next.0), all.1.max(next.1)))
}
