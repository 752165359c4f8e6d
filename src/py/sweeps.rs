//! `Journal`: what is known of sweeps beside results, for `afml_cache.sweeps`.

use super::error::raise;
use super::ranges::{PyLease, lock};
use super::store::PyStore;
use crate::clock;
use crate::digest::Digest;
use crate::error::Result;
use crate::sweeps::{Journal, Note};
use pyo3::prelude::*;

/// Adds what this file has to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyJournal>()
}

/// Notes by kind and name, each JSON, for `afml_cache.sweeps`.
#[pyclass(frozen, name = "Journal", module = "afml_cache._native")]
pub struct PyJournal(Py<PyStore>);

/// Name, owner, when (ns UTC), body.
type NoteRow = (String, String, i64, String);

#[pymethods]
impl PyJournal {
    #[new]
    fn new(store: Py<PyStore>) -> Self {
        Self(store)
    }

    /// Write notes, given as rows of name, owner and body; all or none.
    fn put(&self, py: Python<'_>, kind: &str, rows: Vec<(String, String, String)>) -> PyResult<()> {
        let at_ns = clock::wall_ns();
        let note = |(name, owner, body)| Note {
            kind: kind.to_owned(),
            name,
            owner,
            at_ns,
            body,
        };
        let notes: Vec<Note> = rows.into_iter().map(note).collect();
        self.with(py, |journal| journal.put(&notes))
    }

    /// The notes of these names, as rows of name, owner, when (ns UTC) and body.
    fn get(&self, py: Python<'_>, kind: &str, names: Vec<String>) -> PyResult<Vec<NoteRow>> {
        let found = self.with(py, |journal| journal.get(kind, &names))?;
        Ok(found.into_iter().map(row).collect())
    }

    /// The notes of a kind, the oldest first.
    #[pyo3(signature = (kind, owner = None))]
    fn list(&self, py: Python<'_>, kind: &str, owner: Option<&str>) -> PyResult<Vec<NoteRow>> {
        let found = self.with(py, |journal| journal.list(kind, owner))?;
        Ok(found.into_iter().map(row).collect())
    }

    /// Remove the notes of these names.
    fn remove(&self, py: Python<'_>, kind: &str, names: Vec<String>) -> PyResult<()> {
        self.with(py, |journal| journal.remove(kind, &names))
    }

    /// Ask for the lock of a name among processes; `None` where another one holds it.
    fn lock(&self, py: Python<'_>, name: &str) -> Option<PyLease> {
        let store = self.0.bind(py).get().open(py).ok();
        let key = Digest::of(format!("lock of a sweep {name}").as_bytes());
        lock(py, store, key)
    }
}

impl PyJournal {
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Journal) -> Result<T> + Send,
    ) -> PyResult<T> {
        let journal = self.0.bind(py).get().journal(py).map_err(raise)?;
        py.detach(|| work(&journal)).map_err(raise)
    }
}

fn row(note: Note) -> NoteRow {
    (note.name, note.owner, note.at_ns, note.body)
}
