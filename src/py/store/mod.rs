//! `Store`: a folder of results, opened when it is first needed.

mod at_exit;
mod counted;
mod default;
mod exchange;
mod notices;
mod open;
mod tiers;

pub use default::default_store;
pub use notices::misused;
pub use tiers::{Entry, Fresh};

use super::error::raise;
use super::hot::Hot;
use super::volatile::Volatile;
use crate::digest::Digest;
use crate::error::{Error, Kind};
use crate::format::Mac;
use crate::process::PerProcess;
use crate::ranges::Catalog;
use crate::runs::Runs;
use crate::store::{
    Flights, Keep, Listed, MemoryTier, Selection, Store, hex_bytes, hex_text, usual_memory,
};
use crate::sweeps::Journal;
use pyo3::prelude::*;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

/// Adds what this folder has to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyStore>()?;
    module.add_function(wrap_pyfunction!(memory_by_default, module)?)?;
    default::register(module)?;
    exchange::register(module)
}

/// Bytes that a process keeps in memory where nobody chose how many.
#[pyfunction(name = "usual_memory")]
fn memory_by_default() -> u64 {
    usual_memory()
}

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
///     the user's secret, as are dataclasses and named tuples, which need no pickle; only what the
///     seal fits is ever unpickled or imported.
/// max_size : int, optional
///     Bytes that the folder may take; the entries that save the least go first. By default the
///     smaller of 20 GiB and half of the disk's free space and the folder's own.
/// memory : int, optional
///     Bytes of results that each process keeps in memory; by default the smaller of 512 MiB and a
///     tenth of its memory.
/// network : bool, optional
///     Whether the folder is on a network file system, where neither mappings nor shared memory are
///     to be relied on; found out by default.
///
/// Notes
/// -----
/// `len(store)` is the number of results. `entries`, `invalidate`, `verify`, `gc`, `pin` and `unpin`
/// of `afml_cache` take a store. What asks a store or changes it raises `CacheStoreError` where it
/// can't be opened.
///
/// Examples
/// --------
/// >>> import tempfile
/// >>> from afml_cache import Store, robust_cacheable
/// >>> store = Store(tempfile.mkdtemp(), max_size=10_000_000)
/// >>> @robust_cacheable(store=store)
/// ... def double(x):
/// ...     return 2 * x
/// >>> double(1), double(1), len(store)
/// (2, 2, 1)
/// >>> store.cache_info(double).hits
/// 1
#[pyclass(frozen, name = "Store", module = "afml_cache")]
pub struct PyStore {
    path: PathBuf,
    allow_pickle: bool,
    max_size: Option<u64>,
    network: Option<bool>,
    memory_bytes: Option<u64>,
    memory: MemoryTier<Hot>,
    volatile: Volatile,
    own: PerProcess<Own>,
}

/// What a forked child begins anew with.
#[derive(Default)]
struct Own {
    opened: OnceLock<Arc<Store>>,
    /// Why it could not be opened, and when that was.
    failed: Mutex<Option<(Kind, String, Instant)>>,
    flights: Flights,
    catalog: OnceLock<Arc<Catalog>>,
    runs: OnceLock<Arc<Runs>>,
    journal: OnceLock<Arc<Journal>>,
    told: Mutex<HashSet<String>>,
    /// Why there is no secret, once that is known.
    unsealed: Mutex<Option<String>>,
}

#[pymethods]
impl PyStore {
    #[new]
    #[pyo3(signature = (path, *, allow_pickle = true, max_size = None, memory = None, network = None))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        allow_pickle: bool,
        max_size: Option<u64>,
        memory: Option<u64>,
        network: Option<bool>,
    ) -> PyResult<Self> {
        let absolute = py
            .import("os")?
            .getattr("path")?
            .call_method1("abspath", (path,))?
            .extract()?;
        Ok(Self {
            path: absolute,
            allow_pickle,
            max_size,
            network,
            memory_bytes: memory,
            memory: MemoryTier::new(memory.unwrap_or_else(usual_memory)),
            volatile: Volatile::default(),
            own: PerProcess::new(Own::default),
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

    /// Bytes that the folder may take, if that was chosen.
    #[getter]
    fn max_size(&self) -> Option<u64> {
        self.max_size
    }

    /// Bytes of results that each process keeps in memory, if that was chosen.
    #[getter]
    fn memory(&self) -> Option<u64> {
        self.memory_bytes
    }

    /// Whether the folder is on a network file system, if that was chosen.
    #[getter]
    fn network(&self) -> Option<bool> {
        self.network
    }

    /// Bytes of all entries, without what files and the index take around them.
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

    /// What cached functions have done with this store, in every process and session: for one
    /// function a `CacheInfo`, else a dictionary of them by name.
    ///
    /// Calls of this process are in it at once. Those of others are when they have noted them: about
    /// once a second while they store results, and at their end; what a killed process had not noted
    /// is lost, and so is all of it with a damaged index. Calls in a mode that writes nothing
    /// ("frozen", "readonly", "off") are counted by `f.cache_info()` alone.
    ///
    /// Parameters
    /// ----------
    /// function : callable or str, optional
    ///     A cached function, or its `module.qualname`; one that was never called has zeros.
    ///
    /// Returns
    /// -------
    /// CacheInfo, or dict of str to CacheInfo
    ///
    /// Raises
    /// ------
    /// CacheConfigError
    ///     `function` is neither a cached function nor a name.
    /// CacheStoreError
    ///     The store can't be opened.
    #[pyo3(signature = (function = None))]
    fn cache_info<'py>(
        &self,
        py: Python<'py>,
        function: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.totals_of(py, function.as_ref())
    }

    /// Remove every entry and set the counters of `cache_info` to zero; returns how many entries
    /// there were.
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
        let found = if remove {
            self.drop_selected(py, selection)
        } else {
            let store = self.open(py).map_err(raise)?;
            py.detach(|| store.list(selection))
        };
        Ok(found.map_err(raise)?.into_iter().map(selected).collect())
    }

    /// Check every entry, for `afml_cache.verify`: how many, their bytes, and (function, key, reason)
    /// of those that are wrong; how often the index was made anew, and what is known to be lost.
    #[pyo3(signature = (*, fix))]
    fn verify(
        &self,
        py: Python<'_>,
        fix: bool,
    ) -> PyResult<(usize, u64, Vec<Wrong>, usize, usize)> {
        let store = self.open(py).map_err(raise)?;
        let found = py.detach(|| store.verify(fix)).map_err(raise)?;
        let wrong = found.problems.into_iter();
        let wrong = wrong.map(|one| (one.function, one.key.to_string(), one.reason));
        Ok((
            found.checked,
            found.bytes,
            wrong.collect(),
            found.rebuilt,
            found.lost,
        ))
    }

    /// Let go of entries, for `afml_cache.gc`: entries, bytes and stray files that went.
    fn collect(
        &self,
        py: Python<'_>,
        since_ns: Option<i64>,
        most: Option<u64>,
        function: Option<&str>,
    ) -> PyResult<(usize, u64, usize)> {
        let of = function.zip(most);
        let keep = Keep {
            since_ns,
            bytes: most.filter(|_| of.is_none()),
            of,
        };
        let store = self.open(py).map_err(raise)?;
        let gone = py.detach(|| store.collect(keep)).map_err(raise)?;
        Ok((gone.entries, gone.bytes, gone.files))
    }

    /// Spare an entry from eviction, or no longer, for `afml_cache.pin`; says whether it is there.
    fn pin(&self, py: Python<'_>, key: &str, pinned: bool) -> PyResult<bool> {
        let key =
            Digest::from_hex(key).ok_or_else(|| misused("a key has 32 hexadecimal digits"))?;
        let store = self.open(py).map_err(raise)?;
        let found = py.detach(|| store.pin(key, pinned)).map_err(raise)?;
        Ok(found > 0)
    }

    /// The seal of your secret over a text, in hexadecimal digits; `None` without a secret.
    fn seal(&self, py: Python<'_>, text: &str) -> PyResult<Option<String>> {
        let store = self.open(py).map_err(raise)?;
        Ok(store.seal_note(text).map(|seal| hex_text(&seal)))
    }

    /// Whether a text has the seal of your secret.
    fn is_sealed(&self, py: Python<'_>, text: &str, seal: &str) -> PyResult<bool> {
        let store = self.open(py).map_err(raise)?;
        let seal: Option<Mac> = hex_bytes(seal).try_into().ok();
        Ok(seal.is_some_and(|seal| store.is_sealed_note(text, &seal)))
    }

    fn __repr__(&self) -> String {
        format!("Store({:?})", self.path.display().to_string())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Made)> {
        let make = slf.py().import("afml_cache.store")?.getattr("make_store")?;
        let store = slf.get();
        let path = store.path.display().to_string();
        let sizes = (store.max_size, store.memory_bytes);
        Ok((make, (path, store.allow_pickle, sizes, store.network)))
    }
}

impl PyStore {
    /// The flights of this store's keys.
    pub fn flights(&self) -> &Flights {
        &self.own.get().flights
    }

    /// The store, opened, and the catalog of its series.
    pub fn catalog(&self, py: Python<'_>) -> Result<(Arc<Store>, Arc<Catalog>), Error> {
        let store = self.open(py)?;
        let known = &self.own.get().catalog;
        if let Some(catalog) = known.get() {
            return Ok((store.clone(), catalog.clone()));
        }
        let files = py.detach(|| store.series_files())?;
        let catalog = known.get_or_init(|| Arc::new(Catalog::of(files)));
        Ok((store.clone(), catalog.clone()))
    }

    /// The store, opened, and its runs.
    pub fn runs(&self, py: Python<'_>) -> Result<(Arc<Store>, Arc<Runs>), Error> {
        let store = self.open(py)?;
        let known = &self.own.get().runs;
        if let Some(runs) = known.get() {
            return Ok((store.clone(), runs.clone()));
        }
        let files = py.detach(|| store.run_files())?;
        let runs = known.get_or_init(|| Arc::new(Runs::of(files)));
        Ok((store.clone(), runs.clone()))
    }

    /// The journal of this store's sweeps.
    pub fn journal(&self, py: Python<'_>) -> Result<Arc<Journal>, Error> {
        let store = self.open(py)?;
        let made = || Arc::new(Journal::of(store.sweep_files()));
        Ok(self.own.get().journal.get_or_init(made).clone())
    }

    /// Whether results that need pickle are loaded.
    pub fn allows_pickle(&self) -> bool {
        self.allow_pickle
    }

    /// Whether this process has the store open, and no parent of it.
    pub fn is_open_as(&self, store: &Arc<Store>) -> bool {
        self.own
            .get()
            .opened
            .get()
            .is_some_and(|own| Arc::ptr_eq(own, store))
    }

    /// Drops what is asked for, in memory as on disk; says what it was.
    pub fn drop_selected(
        &self,
        py: Python<'_>,
        selection: Selection<'_>,
    ) -> Result<Vec<Listed>, Error> {
        let store = self.open(py)?;
        let dropped = py.detach(|| store.invalidate(selection));
        if let Some(key) = selection.key {
            self.memory.remove(key);
            self.volatile.remove(key);
        } else {
            self.memory.clear();
            self.volatile
                .drop_matching(selection.function, selection.time_range);
        }
        dropped
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

/// What a store is made of.
type Made = (String, bool, (Option<u64>, Option<u64>), Option<bool>);
type Selected = (
    String,
    String,
    Option<i64>,
    Option<i64>,
    i64,
    f64,
    i64,
    bool,
);
/// Function, key and reason.
type Wrong = (String, String, String);

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
        one.pinned,
    )
}
