//! `Store`: a folder of results, opened when it is first needed.

use super::error::{corrupt, exception, raise, warn};
use super::hot::{Hit, Hot, decoded, is_unchangeable};
use super::value::{Drafted, Forbidden, load};
use super::volatile::Volatile;
use crate::clock;
use crate::digest::Digest;
use crate::error::{Error, Kind};
use crate::format::{Draft, Meta, Secret};
use crate::store::{Flights, Listed, MemoryTier, Put, Selection, Store};
use pyo3::prelude::*;
use std::any::Any;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Bytes that the memory tier may hold.
const MEMORY: u64 = 512 * 1024 * 1024;
/// Payloads up to this size are kept in memory; larger ones are mapped anew at each hit.
const KEEP: usize = 1024 * 1024;
/// A folder that could not be opened is tried again after this long.
const RETRY: Duration = Duration::from_secs(30);

/// Adds what this file has to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyStore>()?;
    module.add_function(wrap_pyfunction!(default_store, module)?)?;
    module.add_function(wrap_pyfunction!(set_default_store, module)?)
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
///     the user's secret, as are dataclasses and named tuples, which need no pickle; only what the
///     seal fits is ever unpickled or imported.
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

    /// The store, opened; a failure is remembered for a while.
    pub fn open(&self, py: Python<'_>) -> Result<Arc<Store>, Error> {
        let held = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        match &*held() {
            Some(Ok(store)) => return Ok(store.clone()),
            Some(Err((kind, reason, since))) if clock::monotonic() - *since < RETRY => {
                return Err(Error::new(*kind, reason.clone()));
            }
            _ => {}
        }
        let secret = self.secret(py);
        // Two threads may both open; the first one's store is kept, and both are sound.
        let opened = py.detach(|| Store::open(&self.path, secret));
        let mut place = held();
        match (&*place, opened) {
            (Some(Ok(store)), _) => Ok(store.clone()),
            (_, Ok(store)) => {
                let store = Arc::new(store);
                *place = Some(Ok(store.clone()));
                Ok(store)
            }
            (_, Err(error)) => {
                *place = Some(Err((error.kind(), error.to_string(), clock::monotonic())));
                Err(error)
            }
        }
    }

    fn secret(&self, py: Python<'_>) -> Option<Secret> {
        let read = py
            .import("afml_cache.config")
            .and_then(|config| config.call_method0("secret_source"))
            .and_then(|source| {
                let (key, path): (Option<String>, PathBuf) = source.extract()?;
                let bytes = match key {
                    Some(key) => crate::store::hex_bytes(&key),
                    None => crate::store::secret(&path).map_err(raise)?,
                };
                Secret::new(&bytes).map_err(raise)
            });
        read.map_err(|error| {
            let reason = error.value(py);
            let advice = "set AFML_CACHE_KEY to 64 hexadecimal digits, or make that file usable";
            *self.unsealed.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!(
                "there is no secret to seal it with ({reason}; {advice})"
            ));
        })
        .ok()
    }

    /// What can't be stored: pickles where they are not allowed, and nothing that can run code where
    /// there is no secret.
    pub fn no_pickle(&self) -> Forbidden {
        let unsealed = self
            .unsealed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let path = self.path.display();
        let refused = format!("`allow_pickle` is false for `{path}`");
        Forbidden {
            pickles: (!self.allow_pickle).then_some(refused).or(unsealed.clone()),
            classes: unsealed,
        }
    }

    /// One warning per cause.
    pub fn tell(&self, py: Python<'_>, class: &str, cause: &str, message: &str) {
        let first = self
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(format!("{class} {cause}"));
        if first {
            warn(py, class, message);
        }
    }

    /// Tells of an error of the store; returns nothing, since the call goes on without it.
    pub fn tell_error(&self, py: Python<'_>, class: &str, doing: &str, error: &Error) {
        let path = self.path.display();
        self.tell(
            py,
            class,
            &format!("{doing} {:?}", error.kind()),
            &format!(
                "{doing} in the cache `{path}` failed, and the function runs without it: {error}"
            ),
        );
    }

    /// A result that memory holds.
    pub fn recall<'py>(&self, py: Python<'py>, store: &Store, key: Digest) -> Option<Hit<'py>> {
        let changes = store.changes();
        if self.seen.load(Ordering::Acquire) != changes {
            // Cleared first: whoever sees the new count must not find an old value.
            self.memory.clear();
            self.seen.store(changes, Ordering::Release);
        }
        match self.memory.get(key)? {
            Hot::Value(value, seconds, _) => Some(Hit {
                value: value.bind(py).clone(),
                seconds,
                in_memory: true,
            }),
            Hot::Payload(payload) => decoded(py, &payload),
        }
    }

    /// A result that is kept for a while.
    pub fn recall_volatile<'py>(
        &self,
        py: Python<'py>,
        store: &Store,
        key: Digest,
    ) -> Option<Hit<'py>> {
        let payload = py.detach(|| self.volatile.get(store, key))?;
        decoded(py, &payload)
    }

    /// Whether a result is kept for a while.
    pub fn is_volatile(&self, py: Python<'_>, store: &Store, key: Digest) -> bool {
        py.detach(|| self.volatile.contains(store, key))
    }

    /// Keeps a result in memory only, for so long.
    pub fn keep_volatile(
        &self,
        py: Python<'_>,
        store: &Store,
        drafted: Drafted,
        entry: Entry,
        ttl: Duration,
    ) -> Result<bool, Error> {
        let (epoch, changes) = (entry.epoch, store.changes());
        let (draft, keep) = drafted_entry(drafted, entry);
        let kept = py.detach(|| -> Result<bool, Error> {
            if store.epoch(&draft.meta.function)? != epoch {
                return Ok(false);
            }
            let payload = store.payload(&draft, epoch)?;
            let range = draft.meta.time_range.unwrap_or((i64::MIN, i64::MAX));
            let of = (draft.meta.function.as_str(), range);
            Ok(self
                .volatile
                .put(draft.key, payload, ttl, of, (epoch, changes)))
        });
        drop((draft, keep));
        kept
    }

    /// A result that is on disk.
    pub fn fetch<'py>(&self, py: Python<'py>, store: &Store, key: Digest) -> Option<Hit<'py>> {
        let changes = store.changes();
        let found = match py.detach(|| store.get(key)) {
            Ok(found) => found?,
            Err(error) => {
                self.tell_error(py, "CacheReadWarning", "reading a result", &error);
                return None;
            }
        };
        if found.head.pickled && !self.allow_pickle {
            return None;
        }
        let seconds = found.head.seconds;
        // Before the value is handed out: what its owner writes lands in `found.bytes`.
        let kept: Option<Arc<[u8]>> =
            (found.bytes.slice().len() <= KEEP).then(|| found.bytes.slice().into());
        match load(py, &found.head, found.bytes) {
            Ok(value) => {
                self.remember(
                    store,
                    changes,
                    key,
                    Kept {
                        value: &value,
                        seconds,
                        payload: kept,
                    },
                );
                Some(Hit {
                    value,
                    seconds,
                    in_memory: false,
                })
            }
            Err(error) => {
                self.undecodable(py, store, key, found.head.code_bearing, &error);
                None
            }
        }
    }

    /// A payload that is whole and can't be decoded: a class that moved, or a library that changed.
    fn undecodable(
        &self,
        py: Python<'_>,
        store: &Store,
        key: Digest,
        pickled: bool,
        error: &PyErr,
    ) {
        let reason = error.value(py).to_string();
        let kind = error.get_type(py);
        let error = Error::new(
            Kind::Corrupt,
            format!("it can't be decoded ({kind}: {reason})"),
        );
        // A pickle may be readable elsewhere, where its class still is; the new result replaces it.
        let error = if pickled {
            error
        } else {
            store.reject(key, error)
        };
        self.tell_error(py, "CacheReadWarning", "decoding a result", &error);
    }

    /// Holds a result in memory, unless something changed since it was read or written.
    fn remember(&self, store: &Store, changes: u64, key: Digest, kept: Kept<'_, '_>) {
        let Some(payload) = kept.payload else { return };
        let hot = if is_unchangeable(kept.value) {
            let value = Arc::new(kept.value.clone().unbind());
            Hot::Value(value, kept.seconds, payload.len() as u64)
        } else {
            Hot::Payload(payload)
        };
        self.memory.put(key, hot);
        if store.changes() != changes {
            self.memory.remove(key);
        }
    }

    /// Stores a result; says how many bytes it takes, or `None` where an invalidation came first.
    pub fn keep(
        &self,
        py: Python<'_>,
        store: &Store,
        value: &Bound<'_, PyAny>,
        drafted: Drafted,
        entry: Entry,
    ) -> Result<Option<usize>, Error> {
        let (key, seconds, epoch) = (entry.key, entry.seconds, entry.epoch);
        let (draft, keep) = drafted_entry(drafted, entry);
        let changes = store.changes();
        let put = py.detach(|| store.put(&draft, epoch));
        drop((draft, keep));
        match put? {
            Put::Outdated => Ok(None),
            Put::Stored { size, inline } => {
                let payload = inline.map(Into::into);
                self.remember(
                    store,
                    changes,
                    key,
                    Kept {
                        value,
                        seconds,
                        payload,
                    },
                );
                Ok(Some(size))
            }
        }
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

/// A payload to be, and what keeps its leaves in place.
fn drafted_entry(drafted: Drafted, entry: Entry) -> (Draft, Vec<Box<dyn Any + Send + Sync>>) {
    let draft = Draft {
        key: entry.key,
        created_ns: clock::wall_ns(),
        seconds: entry.seconds,
        meta: entry.meta,
        tree: drafted.tree,
        leaves: drafted.leaves,
        code_bearing: drafted.code_bearing,
        pickled: drafted.pickled,
    };
    (draft, drafted.keep)
}

/// What memory may hold of a result.
struct Kept<'a, 'py> {
    value: &'a Bound<'py, PyAny>,
    seconds: f64,
    payload: Option<Arc<[u8]>>,
}

/// What is stored beside a result.
pub struct Entry {
    pub key: Digest,
    pub meta: Meta,
    pub seconds: f64,
    pub epoch: u64,
}

static DEFAULT: RwLock<Option<Py<PyStore>>> = RwLock::new(None);

/// The store of functions that name none; `afml_cache.config` says which that is.
#[pyfunction]
pub fn default_store(py: Python<'_>) -> PyResult<Py<PyStore>> {
    if let Some(store) = &*DEFAULT.read().unwrap_or_else(PoisonError::into_inner) {
        return Ok(store.clone_ref(py));
    }
    let store = py
        .import("afml_cache.config")?
        .call_method0("make_default_store")?;
    let store: Py<PyStore> = store
        .extract()
        .map_err(|_| corrupt("the default store is not a Store"))?;
    *DEFAULT.write().unwrap_or_else(PoisonError::into_inner) = Some(store.clone_ref(py));
    Ok(store)
}

/// Makes another store the default one; `None` has it chosen anew when it is next needed.
#[pyfunction]
#[pyo3(signature = (store, /))]
fn set_default_store(store: Option<Bound<'_, PyStore>>) {
    let old = std::mem::replace(
        &mut *DEFAULT.write().unwrap_or_else(PoisonError::into_inner),
        store.map(Bound::unbind),
    );
    drop(old);
}

/// The exception for a setting that can't be right.
pub fn misused(message: &str) -> PyErr {
    exception("CacheConfigError", message)
}
