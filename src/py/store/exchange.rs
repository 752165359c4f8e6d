//! Entries to a file of their own, and back from one.

use super::PyStore;
use crate::error::{Error, Kind, Result};
use crate::format::Head;
use crate::py::error::{is_interrupt, raise};
use crate::py::mode::Mode;
use crate::py::value::load_from;
use crate::store::{Bytes, Judge, Selection};
use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Adds what this file has to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(export_entries, module)?)?;
    module.add_function(wrap_pyfunction!(import_entries, module)?)
}

/// Write entries to a file, for `afml_cache.export_entries`: how many, bytes of the file, how many
/// are damaged, and how many are pickles where these are not allowed.
#[pyfunction]
#[pyo3(signature = (store, path, function, /))]
fn export_entries(
    py: Python<'_>,
    store: &Bound<'_, PyStore>,
    path: PathBuf,
    function: Option<&str>,
) -> PyResult<(u64, u64, u64, u64)> {
    let selection = Selection {
        function,
        ..Selection::default()
    };
    let judge = Decoding::of(store.get());
    let opened = store.get().open(py).map_err(raise)?;
    let done = py.detach(|| opened.export(&path, selection, &judge));
    let done = judge.told(done)?;
    Ok((done.entries, done.bytes, done.damaged, done.unwanted))
}

/// In, there already, foreign, refused, outdated, too large, pickles, not written, bytes; and why the
/// first that was refused was.
type Counts = ([u64; 9], Option<String>);

/// Take entries in from a file, for `afml_cache.import_entries`; what became of them.
#[pyfunction]
#[pyo3(signature = (store, path, /))]
fn import_entries(py: Python<'_>, store: &Bound<'_, PyStore>, path: PathBuf) -> PyResult<Counts> {
    let writes = Mode::now(py)?.writes();
    let judge = Decoding::of(store.get());
    let opened = store.get().open(py).map_err(raise)?;
    let done = py.detach(|| opened.import(&path, writes, &judge));
    let done = judge.told(done)?;
    let counts = [
        done.stored,
        done.present,
        done.foreign,
        done.refused,
        done.outdated,
        done.too_large,
        done.unwanted,
        done.unwritten,
        done.bytes,
    ];
    Ok((counts, done.reason))
}

/// Decodes as a hit would, and listens for Ctrl-C meanwhile.
struct Decoding {
    allow_pickle: bool,
    stopped: Mutex<Option<PyErr>>,
}

impl Decoding {
    fn of(store: &PyStore) -> Self {
        Self {
            allow_pickle: store.allow_pickle,
            stopped: Mutex::default(),
        }
    }

    fn stop(&self, stopped: PyErr) -> Error {
        let mut held = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(stopped);
        Error::new(Kind::Io, "it was stopped")
    }

    /// What came of it all; an exception of Python's is that itself.
    fn told<T>(self, done: Result<T>) -> PyResult<T> {
        let stopped = self.stopped.into_inner();
        match stopped.unwrap_or_else(PoisonError::into_inner) {
            Some(stopped) => Err(stopped),
            None => done.map_err(raise),
        }
    }
}

impl Judge for Decoding {
    fn goes_on(&self) -> Result<()> {
        Python::attach(|py| py.check_signals().map_err(|stopped| self.stop(stopped)))
    }

    fn wants(&self, head: &Head) -> Result<bool> {
        Ok(self.allow_pickle || !head.pickled)
    }

    fn decodes(&self, head: &Head, bytes: &Arc<Bytes>) -> Result<()> {
        Python::attach(|py| {
            let error = match load_from(py, head, bytes, false) {
                // Where a library is missing a hit finds out, in a process that has it.
                Err(error) if !error.is_instance_of::<PyImportError>(py) => error,
                _ => return Ok(()),
            };
            if is_interrupt(py, &error) {
                return Err(self.stop(error));
            }
            let what = format!("it can't be decoded ({error})");
            Err(Error::new(Kind::Corrupt, what))
        })
    }
}
