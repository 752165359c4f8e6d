//! `Series`: what is known of one series, for `afml_cache.ranges`.

use super::error::raise;
use super::store::PyStore;
use crate::digest::Digest;
use crate::error::{Error, Kind};
use crate::format::Mac;
use crate::process::PerProcess;
use crate::ranges::{
    Change, File, Interval, Intervals, Name, Piece, Reason, Series, State, parquet,
};
use crate::store::{Bytes, Cut, Grab, Lease, Mark, Store, hex_bytes, hex_text};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Adds what this file has to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PySeries>()?;
    module.add_class::<PyLease>()?;
    module.add_function(wrap_pyfunction!(joined, module)?)?;
    module.add_function(wrap_pyfunction!(check_parquet, module)?)?;
    module.add_function(wrap_pyfunction!(without, module)?)?;
    module.add_function(wrap_pyfunction!(series_of, module)?)
}

/// Raises where a Parquet file asks for memory that it can't fill.
#[pyfunction]
#[pyo3(signature = (content, /))]
fn check_parquet(py: Python<'_>, content: Vec<u8>) -> PyResult<()> {
    py.detach(|| crate::ranges::parquet::check(&content))
        .map_err(raise)
}

/// Intervals in order; those that overlap, or are at most `within` apart, are one.
#[pyfunction]
#[pyo3(signature = (intervals, within = 0, /))]
fn joined(intervals: Vec<Pair>, within: i64) -> Vec<Pair> {
    pairs(&set(intervals).merged(within))
}

/// What is in these intervals and in none of the holes.
#[pyfunction]
#[pyo3(signature = (these, holes, /))]
fn without(these: Vec<Pair>, holes: Vec<Pair>) -> Vec<Pair> {
    pairs(&set(these).without(&set(holes)))
}

fn set(intervals: Vec<Pair>) -> Intervals {
    let interval = |(first, stop)| Interval::new(first, stop);
    intervals.into_iter().map(interval).collect()
}

fn pairs(set: &Intervals) -> Vec<Pair> {
    set.as_slice()
        .iter()
        .map(|one| (one.first, one.stop))
        .collect()
}

/// The keys of the series of a cache, as JSON.
#[pyfunction]
#[pyo3(signature = (store, cache, /))]
fn series_of(py: Python<'_>, store: &Bound<'_, PyStore>, cache: &str) -> PyResult<Vec<String>> {
    let (_, catalog) = store.get().catalog(py).map_err(raise)?;
    py.detach(|| catalog.keys(cache)).map_err(raise)
}

/// First, stop, state, reason, segment, attempt, fetched (ns UTC), to be asked again (ns UTC).
type Row = (i64, i64, u8, u8, Option<i64>, u8, i64, i64);
/// Number, file, first, stop, rows, bytes, created (ns UTC), where its bars are from.
type SegmentRow = (i64, String, i64, i64, i64, i64, i64, String);
/// First, stop, until when that is so (ns UTC).
type Ready = (i64, i64, i64);
type Pair = (i64, i64);
type CutRow = (i64, Vec<Pair>);

/// A file for a change: its content, or the name of one that lies there; first, stop, rows, about.
#[derive(FromPyObject)]
enum GivenFile {
    #[pyo3(transparent)]
    Stray(String),
    #[pyo3(transparent)]
    New(Vec<u8>),
}

/// What is known of one series of bars, and the segments that have them; for `afml_cache.ranges`.
///
/// Where the store can't be opened, questions are answered from what this process knows.
#[pyclass(frozen, name = "Series", module = "afml_cache._native")]
pub struct PySeries {
    store: Py<PyStore>,
    name: Name,
    own: PerProcess<Own>,
}

struct Own {
    store: OnceLock<Arc<Store>>,
    series: Series,
}

#[pymethods]
impl PySeries {
    #[new]
    fn new(store: Bound<'_, PyStore>, cache: &str, key: &str, slug: &str) -> Self {
        let name = Name::new(cache, key, slug);
        let own = name.clone();
        Self {
            store: store.unbind(),
            name,
            own: PerProcess::new(move || Own {
                store: OnceLock::new(),
                series: Series::new(own.clone()),
            }),
        }
    }

    /// Tells the series from all others; 32 hexadecimal digits.
    #[getter]
    fn digest(&self) -> String {
        self.name.digest.to_string()
    }

    /// The name of its folder.
    #[getter]
    fn folder(&self) -> String {
        self.name.folder()
    }

    /// A number that moves on whenever any process changes the series; `None` where it can't be
    /// told without asking the catalog.
    fn mark(&self) -> Option<u64> {
        let store = self.own.get().store.get()?;
        store.series_mark(self.name.digest).map(Mark::number)
    }

    /// Read what other processes have changed; the revision that is known then.
    fn sync(&self, py: Python<'_>) -> PyResult<i64> {
        self.run(py, Series::sync)
    }

    /// Where other processes changed what was known here, since this was asked last.
    fn changes(&self, py: Python<'_>) -> Vec<Pair> {
        pairs(&self.ask(py, Series::changes).into_iter().collect())
    }

    /// The widest interval around one of which everything is known now.
    fn ready(&self, py: Python<'_>, first: i64, stop: i64, now: i64) -> Option<Ready> {
        let ready = self.ask(py, |series| series.ready(Interval::new(first, stop), now));
        ready.map(|(around, until)| (around.first, around.stop, until))
    }

    /// What of an interval is not known, or is to be asked for again.
    fn missing(&self, py: Python<'_>, first: i64, stop: i64, now: i64) -> Vec<Pair> {
        pairs(&self.ask(py, |series| series.missing(Interval::new(first, stop), now)))
    }

    /// What is known of an interval, in order.
    fn pieces(&self, py: Python<'_>, first: i64, stop: i64) -> Vec<Row> {
        let pieces = self.ask(py, |series| series.pieces(Interval::new(first, stop)));
        pieces.iter().map(row).collect()
    }

    /// The segments, by number.
    fn segments(&self, py: Python<'_>) -> Vec<SegmentRow> {
        let shown = |(id, one): (i64, crate::ranges::Segment)| {
            let (first, stop) = (one.span.first, one.span.stop);
            (
                id,
                one.name,
                first,
                stop,
                one.rows,
                one.bytes,
                one.created,
                one.about,
            )
        };
        let segments = self.ask(py, Series::segments);
        segments.into_iter().map(shown).collect()
    }

    /// How its values look, and whether that is sealed with our secret.
    fn form(&self, py: Python<'_>) -> Option<(String, bool)> {
        let (form, seal) = self.ask(py, Series::form)?;
        let sealed = seal.is_some_and(|seal| self.is_sealed(&form, &seal));
        Some((form, sealed))
    }

    /// The seal over how its values look, in hexadecimal digits; `None` without a secret.
    fn seal(&self, form: &str) -> Option<String> {
        let store = self.own.get().store.get()?;
        let seal = store.seal_text(self.name.digest, form)?;
        Some(hex_text(&seal))
    }

    /// Whether a text has a seal of ours.
    fn is_ours(&self, form: &str, seal: &str) -> bool {
        let seal: Option<Mac> = hex_bytes(seal).try_into().ok();
        seal.is_some_and(|seal| self.is_sealed(form, &seal))
    }

    /// Segments in its folder that the catalog does not name, where it never looked for them; and
    /// what was cut out of those that were written before: when (ns UTC), and intervals.
    fn strays(&self, py: Python<'_>) -> PyResult<Option<(Vec<String>, Vec<CutRow>)>> {
        let strays = self.run(py, Series::strays)?;
        let shown = |cut: Cut| (cut.at, cut.spans);
        Ok(strays.map(|(names, cuts)| (names, cuts.into_iter().map(shown).collect())))
    }

    /// The content of a segment, checked.
    fn read<'py>(&self, py: Python<'py>, segment: i64) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.run(py, |series| sound(series.read(segment)?))?;
        Ok(PyBytes::new(py, bytes.slice()))
    }

    /// The content of a segment that the catalog does not name, checked against its name.
    fn read_stray<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.run(py, |series| sound(series.read_stray(name)?))?;
        Ok(PyBytes::new(py, bytes.slice()))
    }

    /// Move a segment that the catalog does not name out of the way.
    fn set_stray_aside(&self, py: Python<'_>, name: &str) -> PyResult<()> {
        self.run(py, |series| series.set_stray_aside(name))
    }

    /// Change the series: all of it, on the medium, or nothing. Numbers of the new segments; `None`
    /// where the change was made for another revision. `form` is how its values look from now on,
    /// and whether that is to be sealed with our secret: only if we vouch for it.
    #[pyo3(signature = (
        pieces, *, files = vec![], cut = vec![], form = None, expected = None, adopts = false
    ))]
    #[allow(clippy::too_many_arguments)]
    fn commit(
        &self,
        py: Python<'_>,
        pieces: Vec<Row>,
        files: Vec<(GivenFile, i64, i64, i64, String)>,
        cut: Vec<Pair>,
        form: Option<(String, bool)>,
        expected: Option<i64>,
        adopts: bool,
    ) -> PyResult<Option<Vec<i64>>> {
        let own = self.own(py).map_err(raise)?;
        let sealed = |(form, sealed): (String, bool)| {
            let store = own.store.get().filter(|_| sealed);
            let seal = store.and_then(|store| store.seal_text(self.name.digest, &form));
            (form, seal)
        };
        let change = Change {
            segments: files.into_iter().map(segment).collect(),
            cut: set(cut).as_slice().to_vec(),
            pieces: pieces.into_iter().map(piece).collect::<PyResult<_>>()?,
            form: form.map(sealed),
            expected,
            adopts,
            is_gone: false,
        };
        self.changed(py, |series| series.commit(&change))
    }

    /// Know something in this process alone.
    fn hold(&self, py: Python<'_>, row: Row) -> PyResult<()> {
        let row = piece(row)?;
        self.ask(py, |series| series.hold(row));
        Ok(())
    }

    /// Do as if there was no such segment: it can't be read in this process.
    fn shun(&self, py: Python<'_>, segment: i64) {
        self.ask(py, |series| series.shun(segment));
    }

    /// Forget a segment that is gone or damaged, and what it was said to hold.
    fn forget(&self, py: Python<'_>, segment: i64, set_aside: bool) -> PyResult<()> {
        self.changed(py, |series| series.forget(segment, set_aside))
    }

    /// Remove files that were replaced a while ago, or that nobody named; how many.
    fn collect(&self, py: Python<'_>) -> PyResult<usize> {
        self.run(py, Series::collect)
    }

    /// Ask for the lock of the series among processes; `None` where another one holds it.
    fn lock(&self, py: Python<'_>) -> Option<PyLease> {
        let store = self.own(py).ok().and_then(|own| own.store.get());
        lock(py, store, self.lock_key())
    }
}

impl PySeries {
    /// No call of a function has this key.
    fn lock_key(&self) -> Digest {
        let mut text = b"lock of series".to_vec();
        text.extend_from_slice(&self.name.digest.0);
        Digest::of(&text)
    }

    /// What this process knows, with its catalog.
    fn own(&self, py: Python<'_>) -> Result<&Own, Error> {
        let own = self.own.get();
        if own.store.get().is_none() {
            let (store, catalog) = self.store.bind(py).get().catalog(py)?;
            own.series.attach(catalog);
            let _ = own.store.set(store);
        }
        Ok(own)
    }

    fn is_sealed(&self, form: &str, seal: &Mac) -> bool {
        let store = self.own.get().store.get();
        store.is_some_and(|store| store.is_sealed_text(self.name.digest, form, seal))
    }

    /// Asks what this process knows.
    fn ask<T: Send>(&self, py: Python<'_>, question: impl Send + FnOnce(&Series) -> T) -> T {
        let own = self.own.get();
        py.detach(|| question(&own.series))
    }

    fn run<T: Send>(
        &self,
        py: Python<'_>,
        work: impl Send + FnOnce(&Series) -> Result<T, Error>,
    ) -> PyResult<T> {
        let own = self.own(py).map_err(raise)?;
        py.detach(|| work(&own.series)).map_err(raise)
    }

    /// Changes the series, and has other processes look.
    fn changed<T: Send>(
        &self,
        py: Python<'_>,
        work: impl Send + FnOnce(&Series) -> Result<T, Error>,
    ) -> PyResult<T> {
        let done = self.run(py, work);
        if let Some(store) = self.own.get().store.get() {
            store.count_series(self.name.digest);
        }
        done
    }
}

fn sound(segment: Bytes) -> Result<Bytes, Error> {
    parquet::check(segment.slice())?;
    Ok(segment)
}

fn row(piece: &Piece) -> Row {
    (
        piece.interval.first,
        piece.interval.stop,
        piece.state as u8,
        piece.reason as u8,
        piece.segment,
        piece.attempt,
        piece.fetched_at,
        piece.recheck_after,
    )
}

fn piece(row: Row) -> PyResult<Piece> {
    let (first, stop, state, reason, segment, attempt, fetched_at, recheck_after) = row;
    let known = State::of(state).zip(Reason::of(reason));
    let (state, reason) = known.ok_or_else(|| {
        let what = format!("no state {state} or no reason {reason}");
        raise(Error::new(Kind::Invalid, what))
    })?;
    Ok(Piece {
        interval: Interval::new(first, stop),
        state,
        reason,
        segment,
        attempt,
        fetched_at,
        recheck_after,
    })
}

fn segment(
    (file, first, stop, rows, about): (GivenFile, i64, i64, i64, String),
) -> (File, Interval, i64, String) {
    let file = match file {
        GivenFile::New(content) => File::New(content),
        GivenFile::Stray(name) => File::Stray(name),
    };
    (file, Interval::new(first, stop), rows, about)
}

/// Asks for a lock among processes; `None` where another one holds it.
pub fn lock(py: Python<'_>, store: Option<&Arc<Store>>, key: Digest) -> Option<PyLease> {
    let lease = |held| Some(PyLease(Mutex::new(held)));
    match store.and_then(|store| py.detach(|| store.grab(key))) {
        Some(Grab::Theirs(_)) => None,
        Some(Grab::Mine(held)) => lease(Some(held)),
        // Where there can be no lock, nobody is waited for.
        None => lease(None),
    }
}

/// A lock that is held until it is released, or its process ends.
#[pyclass(frozen, name = "Lock", module = "afml_cache._native")]
pub struct PyLease(Mutex<Option<Lease>>);

#[pymethods]
impl PyLease {
    /// Let go of it.
    fn release(&self) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(held);
    }
}
