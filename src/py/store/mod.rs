//! `Store`: a folder of results, opened when it is first needed.

mod default;
mod notices;
mod open;
mod tiers;

pub use default::default_store;
pub use notices::misused;
pub use tiers::Entry;

use super::error::raise;
use super::hot::Hot;
use super::volatile::Volatile;
use crate::error::{Error, Kind};
use crate::store::{Flights, Listed, MemoryTier, Selection, Store};
use pyo3::prelude::*;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Bytes that the memory tier may hold.
const MEMORY: u64 = 512 * 1024 * 1024;

/// Adds what this folder has to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyStore>()?;
    default::register(module)
}

type Opened = Result<Arc<Store>, (Kind, String, Instant)>;

/// A folder of results.
///
/// It is opened when it is first needed. Functions that use a folder which can't be opened run
/// uncached, with one warning.
///
/// Parameters
/// ----------
/// path : str or os.PathLike
///     The folder; made where it is missing. It must belong to the user and be writable by nobody
///     else.
/// allow_pickle : bool, default True
///     Whether results that nothing but pickle can hold are stored and loaded. They are sealed with
///     the user's secret, and only what the seal fits is ever unpickled.
#[pyclass(frozen, name = "Store", module = "afml_cache")]
pub struct PyStore {
    path: PathBuf,
    allow_pickle: bool,
    opened: Mutex<Option<Opened>>,
    memory: MemoryTier<Hot>,
    flights: Flights,
    told: Mutex<HashSet<String>>,
    /// Why there is no secret, once that is known.
    unsealed: Mutex<Option<String>>,
    /// The store's count of changes when memory was last known to be up to date.
    seen: AtomicU64,
    volatile: Volatile,
}

#[pymethods]
impl PyStore {
    #[new]
    #[pyo3(signature = (path, *, allow_pickle = true))]
    fn new(py: Python<'_>, path: PathBuf, allow_pickle: bool) -> PyResult<Self> {
        let absolute = py
            .import("os")?
            .getattr("path")?
            .call_method1("abspath", (path,))?
            .extract()?;
        Ok(Self {
            path: absolute,
            allow_pickle,
            opened: Mutex::default(),
            memory: MemoryTier::new(MEMORY),
            flights: Flights::default(),
            told: Mutex::default(),
            unsealed: Mutex::default(),
            seen: AtomicU64::new(0),
            volatile: Volatile::default(),
        })
    }

    /// The folder.
    #[getter]
    fn path<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        py.import("pathlib")?.call_method1("Path", (&self.path,))
    }

    /// Whether results that need pickle are stored and loaded.
    #[getter]
    fn allow_pickle(&self) -> bool {
        self.allow_pickle
    }

    /// Bytes of all entries.
    #[getter]
    fn size_bytes(&self, py: Python<'_>) -> PyResult<u64> {
        let store = self.open(py).map_err(raise)?;
        py.detach(|| store.totals())
            .map(|(_, bytes)| bytes)
            .map_err(raise)
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        let store = self.open(py).map_err(raise)?;
        py.detach(|| store.totals())
            .map(|(entries, _)| entries)
            .map_err(raise)
    }

    // A store without entries is a store all the same.
    fn __bool__(&self) -> bool {
        true
    }

    /// Remove every entry; returns how many there were.
    fn clear(&self, py: Python<'_>) -> PyResult<usize> {
        self.clear_entries(py, None).map_err(raise)
    }

    /// What the entries of a time range and a function are, for `afml_cache.entries`; removed if so
    /// asked. Rows of function, key, first, last, created (ns UTC), seconds, bytes.
    #[pyo3(signature = (time_range, function, *, remove))]
    fn select(
        &self,
        py: Python<'_>,
        time_range: Option<(i64, i64)>,
        function: Option<&str>,
        remove: bool,
    ) -> PyResult<Vec<Selected>> {
        let selection = Selection {
            function,
            time_range,
            ..Selection::default()
        };
        let store = self.open(py).map_err(raise)?;
        let found = py.detach(|| {
            if remove {
                store.invalidate(selection)
            } else {
                store.list(selection)
            }
        });
        if remove {
            self.memory.clear();
            self.volatile.drop_matching(function, time_range);
        }
        Ok(found.map_err(raise)?.into_iter().map(selected).collect())
    }

    fn __repr__(&self) -> String {
        format!("Store({:?})", self.path.display().to_string())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String, bool))> {
        let make = slf.py().import("afml_cache.store")?.getattr("make_store")?;
        Ok((
            make,
            (slf.get().path.display().to_string(), slf.get().allow_pickle),
        ))
    }
}

impl PyStore {
    /// The flights of this store's keys.
    pub fn flights(&self) -> &Flights {
        &self.flights
    }

    /// Drops the entries of a function, or all; memory lets go of everything.
    pub fn clear_entries(&self, py: Python<'_>, function: Option<&str>) -> Result<usize, Error> {
        let store = self.open(py)?;
        let cleared = py.detach(|| store.clear(function));
        self.memory.clear();
        self.volatile.drop_matching(function, None);
        cleared
    }
}

type Selected = (String, String, Option<i64>, Option<i64>, i64, f64, i64);

fn selected(one: Listed) -> Selected {
    let (first, last) = one.time_range.unzip();
    let (created, seconds, size) = (one.created_ns, one.seconds, one.size);
    (
        one.function,
        one.key.to_string(),
        first,
        last,
        created,
        seconds,
        size,
    )
}
