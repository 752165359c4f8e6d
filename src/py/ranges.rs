//! `Series`: what is known of one series, for `afml_cache.ranges`.

use super::error::raise;
use super::store::PyStore;
use crate::digest::Digest;
use crate::error::{Error, Kind};
use crate::process::PerProcess;
use crate::ranges::{Change, File, Interval, Intervals, Name, Piece, Reason, Series, State};
use crate::store::{Grab, Lease, Mark, Store};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Adds what this file has to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PySeries>()?;
    module.add_class::<PyLease>()?;
    module.add_function(wrap_pyfunction!(joined, module)?)?;
    module.add_function(wrap_pyfunction!(without, module)?)?;
    module.add_function(wrap_pyfunction!(series_of, module)?)
}

/// Intervals in order; those that overlap, or are at most `within` apart, are one.
#[pyfunction]
#[pyo3(signature = (intervals, within = 0, /))]
fn joined(intervals: Vec<Pair>, within: i64) -> Vec<Pair> {
    pairs(&set(intervals).merged(within))
}

/// What is in these intervals and in none of those.
#[pyfunction]
#[pyo3(signature = (these, those, /))]
fn without(these: Vec<Pair>, those: Vec<Pair>) -> Vec<Pair> {
    pairs(&set(these).without(&set(those)))
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
    let listed = py.detach(|| catalog.list(cache)).map_err(raise)?;
    Ok(listed.into_iter().map(|series| series.key).collect())
}

/// First, stop, state, reason, segment, attempt, fetched (ns UTC), to be asked again (ns UTC).
type Row = (i64, i64, u8, u8, Option<i64>, u8, i64, i64);
/// Number, file, first, stop, rows, bytes, created (ns UTC), where its bars are from.
type SegmentRow = (i64, String, i64, i64, i64, i64, i64, String);
/// First, stop, until when that is so (ns UTC).
type Ready = (i64, i64, i64);
type Pair = (i64, i64);

/// A file for a change: its content, or the name of one that lies there; first, stop, rows, about.
#[derive(FromPyObject)]
enum GivenFile {
    #[pyo3(transparent)]
    Stray(String),
    #[pyo3(transparent)]
    New(Vec<u8>),
}

/// What is known of one series of bars, and the segments that have them; for `afml_cache.ranges`.
#[pyclass(frozen, name = "Series", module = "afml_cache._native")]
pub struct PySeries {
    store: Py<PyStore>,
    name: Name,
    own: PerProcess<OnceLock<Own>>,
}

struct Own {
    store: Arc<Store>,
    series: Series,
}

#[pymethods]
impl PySeries {
    #[new]
    fn new(store: Bound<'_, PyStore>, cache: &str, key: &str, slug: &str) -> Self {
        Self {
            store: store.unbind(),
            name: Name::new(cache, key, slug),
            own: PerProcess::new(OnceLock::new),
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
    fn mark(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        let own = self.own(py).map_err(raise)?;
        Ok(own.store.series_mark(self.name.digest).map(Mark::number))
    }

    /// Read what other processes have changed; the revision that is known then.
    fn sync(&self, py: Python<'_>) -> PyResult<i64> {
        self.run(py, Series::sync)
    }

    /// Where other processes changed what was known here, since this was asked last.
    fn changes(&self, py: Python<'_>) -> PyResult<Vec<Pair>> {
        let changed = self.run(py, |series| Ok(series.changes()))?;
        Ok(pairs(&changed.into_iter().collect()))
    }

    /// The widest interval around one of which everything is known now.
    fn ready(&self, py: Python<'_>, first: i64, stop: i64, now: i64) -> PyResult<Option<Ready>> {
        let ready = self.run(py, |series| series.ready(Interval::new(first, stop), now))?;
        Ok(ready.map(|(around, until)| (around.first, around.stop, until)))
    }

    /// What of an interval is not known, or is to be asked for again.
    fn missing(&self, py: Python<'_>, first: i64, stop: i64, now: i64) -> PyResult<Vec<Pair>> {
        let missing = self.run(py, |series| series.missing(Interval::new(first, stop), now))?;
        Ok(pairs(&missing))
    }

    /// What is known of an interval, in order.
    fn pieces(&self, py: Python<'_>, first: i64, stop: i64) -> PyResult<Vec<Row>> {
        let pieces = self.run(py, |series| series.pieces(Interval::new(first, stop)))?;
        Ok(pieces.iter().map(row).collect())
    }

    /// The segments, by number.
    fn segments(&self, py: Python<'_>) -> PyResult<Vec<SegmentRow>> {
        let segments = self.run(py, Series::segments)?;
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
        Ok(segments.into_iter().map(shown).collect())
    }

    /// How its values look, and whether that is sealed with our secret.
    fn form(&self, py: Python<'_>) -> PyResult<Option<(String, bool)>> {
        let form = self.run(py, Series::form)?;
        let own = self.own(py).map_err(raise)?;
        Ok(form.map(|(form, seal)| {
            let is_ours = |seal| own.store.is_sealed_text(self.name.digest, &form, &seal);
            let sealed = seal.is_some_and(is_ours);
            (form, sealed)
        }))
    }

    /// Files in its folder that the catalog does not name, where it never looked for them.
    fn strays(&self, py: Python<'_>) -> PyResult<Option<Vec<String>>> {
        self.run(py, Series::strays)
    }

    /// The content of a segment, checked.
    fn read<'py>(&self, py: Python<'py>, segment: i64) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.run(py, |series| series.read(segment))?;
        Ok(PyBytes::new(py, bytes.slice()))
    }

    /// The content of a file in its folder, unchecked.
    fn read_file<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.run(py, |series| series.read_file(name))?;
        Ok(PyBytes::new(py, bytes.slice()))
    }

    /// Change the series: all of it, on the medium, or nothing. Numbers of the new segments; `None`
    /// where the change was made for another revision.
    #[pyo3(signature = (pieces, *, files = vec![], cut = vec![], expected = None, adopts = false))]
    fn commit(
        &self,
        py: Python<'_>,
        pieces: Vec<Row>,
        files: Vec<(GivenFile, i64, i64, i64, String)>,
        cut: Vec<Pair>,
        expected: Option<i64>,
        adopts: bool,
    ) -> PyResult<Option<Vec<i64>>> {
        let own = self.own(py).map_err(raise)?;
        let change = Change {
            segments: files.into_iter().map(segment).collect(),
            cut: set(cut).as_slice().to_vec(),
            pieces: pieces.into_iter().map(piece).collect::<PyResult<_>>()?,
            form: None,
            expected,
            adopts,
        };
        let made = self.run(py, |series| series.commit(&change));
        own.store.count_series(self.name.digest);
        made
    }

    /// Say how its values look; sealed with our secret where there is one.
    fn set_form(&self, py: Python<'_>, form: String) -> PyResult<()> {
        let own = self.own(py).map_err(raise)?;
        let seal = own.store.seal_text(self.name.digest, &form);
        let change = Change {
            form: Some((form, seal)),
            ..Change::default()
        };
        let done = self.run(py, |series| series.commit(&change));
        own.store.count_series(self.name.digest);
        done.map(drop)
    }

    /// Know something in this process alone.
    fn hold(&self, py: Python<'_>, row: Row) -> PyResult<()> {
        let row = piece(row)?;
        self.run(py, |series| series.hold(row))
    }

    /// Forget a segment that is gone or damaged, and what it was said to hold.
    fn forget(&self, py: Python<'_>, segment: i64, set_aside: bool) -> PyResult<()> {
        let done = self.run(py, |series| series.forget(segment, set_aside));
        let own = self.own(py).map_err(raise)?;
        own.store.count_series(self.name.digest);
        done
    }

    /// Remove files that were replaced a while ago, or that nobody named; how many.
    fn collect(&self, py: Python<'_>) -> PyResult<usize> {
        self.run(py, Series::collect)
    }

    /// Ask for the lock of the series among processes; `None` where another one holds it.
    fn lock(&self, py: Python<'_>) -> PyResult<Option<PyLease>> {
        let own = self.own(py).map_err(raise)?;
        let lease = |held| PyLease(Mutex::new(held));
        Ok(match py.detach(|| own.store.grab(self.lock_key())) {
            Some(Grab::Theirs(_)) => None,
            Some(Grab::Mine(held)) => Some(lease(Some(held))),
            // Where there can be no lock, nobody is waited for.
            None => Some(lease(None)),
        })
    }
}

impl PySeries {
    /// No call of a function has this key.
    fn lock_key(&self) -> Digest {
        let mut text = b"lock of series".to_vec();
        text.extend_from_slice(&self.name.digest.0);
        Digest::of(&text)
    }

    fn own(&self, py: Python<'_>) -> Result<&Own, Error> {
        let own = self.own.get();
        if let Some(own) = own.get() {
            return Ok(own);
        }
        let (store, catalog) = self.store.bind(py).get().catalog(py)?;
        Ok(own.get_or_init(|| Own {
            store,
            series: Series::of(catalog, self.name.clone()),
        }))
    }

    fn run<T: Send>(
        &self,
        py: Python<'_>,
        work: impl Send + FnOnce(&Series) -> Result<T, Error>,
    ) -> PyResult<T> {
        let own = self.own(py).map_err(raise)?;
        py.detach(|| work(&own.series)).map_err(raise)
    }
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

/// A lock that is held until it is released, or its process ends.
#[pyclass(frozen, name = "SeriesLock", module = "afml_cache._native")]
struct PyLease(Mutex<Option<Lease>>);

#[pymethods]
impl PyLease {
    /// Let go of it.
    fn release(&self) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(held);
    }
}
