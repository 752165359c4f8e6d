//! `Runs`: the backtests of a store, for `afml_cache.runs`.

mod payloads;
mod run;

use super::error::raise;
use super::ranges::{PyLease, lock};
use super::statistics::{Overfitting, probability};
use super::store::PyStore;
use crate::digest::Digest;
use crate::error::Result;
use crate::runs::returns::{EquityKind, Kept};
use crate::runs::{Answer, Failure as Failed, Found, Role, Runs, Split, State, Wanted};
use crate::store::Store;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use run::{Curve, PyRun, Recorded, digest, record, returns};
use std::sync::Arc;

/// Adds what this file has to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyRuns>()?;
    module.add_class::<PyRun>()
}

/// The backtests of a store, and the ledger of what was tried; for `afml_cache.runs`.
#[pyclass(frozen, name = "Runs", module = "afml_cache._native")]
pub struct PyRuns(Py<PyStore>);

/// Sessions to a bin, bins, returns, and what the equity curve was.
type ReturnsOf = (i64, Vec<i64>, Vec<f32>, &'static str);
/// Split, fold, version, digests of its rows to train and to test with, when (ns UTC), about.
type SplitRow = (String, i64, i64, String, String, i64, String);

#[pymethods]
impl PyRuns {
    #[new]
    fn new(store: Py<PyStore>) -> Self {
        Self(store)
    }

    /// Bytes of all runs and of the ledger.
    #[getter]
    fn size_bytes(&self, py: Python<'_>) -> PyResult<u64> {
        let (_, runs) = self.opened(py)?;
        Ok(py.detach(|| runs.files().size()))
    }

    /// How many stretches of the log can't be read.
    #[getter]
    fn damaged(&self, py: Python<'_>) -> PyResult<u64> {
        self.with(py, Runs::damaged)
    }

    /// The folder around all runs.
    #[getter]
    fn folder<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (_, runs) = self.opened(py)?;
        py.import("pathlib")?
            .call_method1("Path", (runs.files().folder(),))
    }

    /// The folder of a run.
    fn folder_of<'py>(&self, py: Python<'py>, run: &str) -> PyResult<Bound<'py, PyAny>> {
        let (_, runs) = self.opened(py)?;
        py.import("pathlib")?
            .call_method1("Path", (runs.files().folder_of(digest(run)?),))
    }

    /// Record a run: `answer` is what the backtest returned, `files` names and contents of what
    /// other tools may open.
    fn record(
        &self,
        py: Python<'_>,
        given: Recorded,
        curve: Option<Curve>,
        answer: &Bound<'_, PyAny>,
        files: Vec<(String, Vec<u8>)>,
    ) -> PyResult<()> {
        let mut record = record(given)?;
        let (store, runs) = self.opened(py)?;
        let payload = self.payload(py, &store, (record.run, &record.strategy), answer)?;
        py.detach(|| {
            let kept = curve.and_then(|curve| returns(curve, &mut record));
            runs.record(&record, kept, &Answer { payload, files })
        })
        .map_err(raise)
    }

    /// Give a run another answer, and other files.
    fn replace(
        &self,
        py: Python<'_>,
        run: &str,
        answer: &Bound<'_, PyAny>,
        files: Vec<(String, Vec<u8>)>,
    ) -> PyResult<()> {
        let (store, runs) = self.opened(py)?;
        let run = digest(run)?;
        let payload = self.payload(py, &store, (run, ""), answer)?;
        py.detach(|| runs.replace(run, &Answer { payload, files }))
            .map_err(raise)
    }

    /// A run by its id; `None` for one that is not there, or was deleted.
    fn find(&self, py: Python<'_>, run: &str) -> PyResult<Option<PyRun>> {
        let run = digest(run)?;
        let found = self.with(py, |runs| runs.find(run))?;
        Ok(found
            .filter(|found| found.state != State::Deleted)
            .map(PyRun::of))
    }

    /// Runs by their ids, in this order; `None` for those that are not there.
    fn find_all(&self, py: Python<'_>, ids: Vec<String>) -> PyResult<Vec<Option<PyRun>>> {
        let ids: Vec<Digest> = ids.iter().map(|run| digest(run)).collect::<PyResult<_>>()?;
        let all = self.with(py, |runs| runs.find_all(&ids))?.into_iter();
        let there = |found: Option<Found>| found.filter(|found| found.state != State::Deleted);
        Ok(all.map(|found| there(found).map(PyRun::of)).collect())
    }

    /// What was kept as the answer of a run; `None` where nothing is there, `CacheCorruptError`
    /// where it can't be believed.
    fn answer<'py>(&self, py: Python<'py>, run: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (store, runs) = self.opened(py)?;
        let run = digest(run)?;
        let bytes = py.detach(|| runs.answer(run)).map_err(raise)?;
        bytes
            .map(|bytes| self.value(py, &store, run, bytes))
            .transpose()
    }

    /// Runs in the order in which they were recorded first; looks at test folds alone if `tests`.
    #[pyo3(signature = (*, strategy = None, data = None, parameters = None, tests = false, most = None))]
    fn select(
        &self,
        py: Python<'_>,
        strategy: Option<&str>,
        data: Option<&str>,
        parameters: Option<&str>,
        tests: bool,
        most: Option<usize>,
    ) -> PyResult<Vec<PyRun>> {
        let wanted = Wanted {
            strategy,
            data: data.map(digest).transpose()?,
            parameters: parameters.map(digest).transpose()?,
            role: tests.then_some(Role::Test),
            states: &[],
            most,
        };
        let found = self.with(py, |runs| runs.select(&wanted))?;
        Ok(found.into_iter().map(PyRun::of).collect())
    }

    /// Runs of a strategy of which all is there.
    fn whole(&self, py: Python<'_>, strategy: &str) -> PyResult<Vec<PyRun>> {
        let wanted = Wanted {
            strategy: Some(strategy),
            states: &[State::Whole],
            ..Wanted::default()
        };
        let found = self.with(py, |runs| runs.select(&wanted))?;
        Ok(found.into_iter().map(PyRun::of).collect())
    }

    /// The ids of all runs.
    fn ids(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let ids = self.with(py, Runs::ids)?;
        Ok(ids.iter().map(Digest::to_string).collect())
    }

    /// Strategies, and how many runs each has.
    fn count(&self, py: Python<'_>) -> PyResult<Vec<(String, i64)>> {
        self.with(py, Runs::count)
    }

    /// The best runs by a metric; how many runs have no finite number there; whether they saw
    /// different data.
    fn best(
        &self,
        py: Python<'_>,
        strategy: &str,
        metric: &str,
        maximize: bool,
        most: usize,
        data: Option<&str>,
    ) -> PyResult<(Vec<PyRun>, i64, bool)> {
        let data = data.map(digest).transpose()?;
        let found = self.with(py, |runs| {
            runs.best((strategy, metric), maximize, most, data)
        })?;
        let best = found.runs.into_iter().map(PyRun::of).collect();
        Ok((best, found.unranked, found.differ))
    }

    /// Spare a run from pruning, or no longer.
    fn pin(&self, py: Python<'_>, run: &str, pinned: bool) -> PyResult<()> {
        let run = digest(run)?;
        self.with(py, |runs| runs.pin(run, pinned))
    }

    /// Leave a run nothing but `slim`.
    fn prune(&self, py: Python<'_>, run: &str, slim: &Bound<'_, PyAny>) -> PyResult<()> {
        let (store, runs) = self.opened(py)?;
        let run = digest(run)?;
        let payload = self.payload(py, &store, (run, ""), slim)?;
        py.detach(|| runs.prune(run, payload)).map_err(raise)
    }

    /// Remove a run; the ledger keeps what was tried.
    fn delete(&self, py: Python<'_>, run: &str) -> PyResult<()> {
        let run = digest(run)?;
        self.with(py, |runs| runs.delete(run))
    }

    /// Note that a backtest raised.
    fn fail(
        &self,
        py: Python<'_>,
        run: &str,
        family: (String, String, String),
        at_ns: i64,
        about: String,
    ) -> PyResult<()> {
        let (strategy, dataset, purpose) = family;
        let failure = Failed {
            run: digest(run)?.0,
            strategy,
            dataset,
            purpose,
            at_ns,
            about,
        };
        self.with(py, |runs| runs.fail(&failure))
    }

    /// Backtests of a family that raised: run id, when (ns UTC), and about.
    fn failures(&self, py: Python<'_>, family: i64) -> PyResult<Vec<(String, i64, String)>> {
        let failures = self.with(py, |runs| runs.failures(family))?;
        let shown = |one: Failed| (Digest(one.run).to_string(), one.at_ns, one.about);
        Ok(failures.into_iter().map(shown).collect())
    }

    /// Note what the digest of a strategy's code stands for.
    fn note_code(&self, py: Python<'_>, code: &str, parts: &str) -> PyResult<()> {
        let code = digest(code)?;
        self.with(py, |runs| runs.note_code(code, parts))
    }

    /// What the digest of a strategy's code stands for.
    fn code(&self, py: Python<'_>, code: &str) -> PyResult<Option<String>> {
        let code = digest(code)?;
        self.with(py, |runs| runs.code(code))
    }

    /// Families: number, strategy, data set, purpose, trials, version.
    #[pyo3(signature = (strategy = None))]
    fn families(
        &self,
        py: Python<'_>,
        strategy: Option<&str>,
    ) -> PyResult<Vec<(i64, String, String, String, i64, i64)>> {
        let families = self.with(py, |runs| runs.families(strategy))?;
        let shown = families.into_iter().map(|one| {
            (
                one.number,
                one.strategy,
                one.dataset,
                one.purpose,
                one.trials,
                one.version,
            )
        });
        Ok(shown.collect())
    }

    /// The figures of a family: number, trials, version, Sharpe ratios by step (ns, count, sum, sum
    /// of squares), average correlation, and what is remembered of its overfitting with its version.
    fn standing<'py>(
        &self,
        py: Python<'py>,
        strategy: &str,
        dataset: &str,
        purpose: &str,
    ) -> PyResult<Option<Bound<'py, PyDict>>> {
        let found = self.with(py, |runs| runs.standing((strategy, dataset, purpose)))?;
        let Some(standing) = found else {
            return Ok(None);
        };
        let shown = PyDict::new(py);
        let family = standing.family;
        shown.set_item("number", family.number)?;
        shown.set_item("trials", family.trials)?;
        shown.set_item("version", family.version)?;
        shown.set_item("correlation", standing.correlation)?;
        let spreads: Vec<_> = standing
            .spreads
            .iter()
            .map(|one| (one.step_ns, one.count, one.total, one.squares))
            .collect();
        shown.set_item("spreads", spreads)?;
        let remembered = family
            .overfitting
            .map(|(found, version)| (PyBytes::new(py, &found), version));
        shown.set_item("overfitting", remembered)?;
        Ok(Some(shown))
    }

    /// The runs that count for the trials of a family.
    fn trials(&self, py: Python<'_>, family: i64) -> PyResult<Vec<PyRun>> {
        let found = self.with(py, |runs| runs.latest(family))?;
        Ok(found.into_iter().map(PyRun::of).collect())
    }

    /// How many sessions there are to a bin, bins, and returns of a run, and what its equity was.
    fn returns_of(&self, py: Python<'_>, run: &str) -> PyResult<Option<ReturnsOf>> {
        let (_, runs) = self.opened(py)?;
        let run = digest(run)?;
        let kept = py.detach(|| match runs.find(run)? {
            Some(found) => runs.kept(&found),
            None => Ok(None),
        });
        let shown =
            |(kept, kind): (Kept, EquityKind)| (kept.width, kept.bins, kept.returns, kind.name());
        Ok(kept.map_err(raise)?.map(shown))
    }

    /// The probability of backtest overfitting of a family, or why there is none; trials and periods
    /// that it is of. Ctrl-C stops it.
    fn overfitting(&self, py: Python<'_>, family: i64) -> PyResult<Overfitting> {
        match self.with(py, |runs| runs.joined(family))? {
            Ok(trials) => probability(py, &trials),
            Err(reason) => Ok((f64::NAN, Some(reason.text()), 0, 0)),
        }
    }

    /// Remember what was found of the overfitting of a version of a family.
    fn remember_overfitting(
        &self,
        py: Python<'_>,
        family: i64,
        version: i64,
        found: Vec<u8>,
    ) -> PyResult<()> {
        self.with(py, |runs| {
            runs.remember_overfitting(family, version, &found)
        })
    }

    /// Note a fold of a walk-forward split.
    fn note_split(&self, py: Python<'_>, row: SplitRow) -> PyResult<()> {
        let (split, fold, version, train, test, at_ns, about) = row;
        let split = Split {
            split,
            fold,
            version,
            data: [digest(&train)?.0, digest(&test)?.0],
            at_ns,
            about,
        };
        self.with(py, |runs| runs.note_split(&split))
    }

    /// The versions of a fold of a split.
    fn splits(&self, py: Python<'_>, split: &str, fold: i64) -> PyResult<Vec<SplitRow>> {
        let found = self.with(py, |runs| runs.splits(split, Some(fold)))?;
        let shown = found.into_iter().map(|one| {
            let [train, test] = one.data.map(|data| Digest(data).to_string());
            (
                one.split,
                one.fold,
                one.version,
                train,
                test,
                one.at_ns,
                one.about,
            )
        });
        Ok(shown.collect())
    }

    /// Whether some data is that of a test fold, and of no fold to train with.
    fn is_test(&self, py: Python<'_>, data: &str) -> PyResult<bool> {
        let data = digest(data)?;
        self.with(py, |runs| runs.is_test(data))
    }

    /// Keep rows that frames of splits are made of.
    fn put_frame(
        &self,
        py: Python<'_>,
        frame: &str,
        rows: &Bound<'_, PyAny>,
        about: &str,
    ) -> PyResult<()> {
        let (store, runs) = self.opened(py)?;
        let frame = digest(frame)?;
        let payload = self.payload(py, &store, (frame, ""), rows)?;
        py.detach(|| runs.put_frame(frame, &payload, about))
            .map_err(raise)
    }

    /// Rows that frames of splits are made of; `None` where they are gone.
    fn frame<'py>(&self, py: Python<'py>, frame: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (store, runs) = self.opened(py)?;
        let frame = digest(frame)?;
        let bytes = py
            .detach(|| runs.files().open_frame(frame))
            .map_err(raise)?;
        bytes
            .map(|bytes| self.value(py, &store, frame, bytes))
            .transpose()
    }

    /// The digests of all such rows, each with what is known of it.
    fn frames(&self, py: Python<'_>) -> PyResult<Vec<(String, String)>> {
        let frames = self.with(py, Runs::frames)?;
        let shown = |(frame, about): (Digest, String)| (frame.to_string(), about);
        Ok(frames.into_iter().map(shown).collect())
    }

    /// Remove the files of runs that nobody knows; how many there were.
    fn collect(&self, py: Python<'_>) -> PyResult<usize> {
        self.with(py, Runs::collect)
    }

    /// Ask for the lock of a run among processes; `None` where another one holds it.
    fn lock(&self, py: Python<'_>, run: &str) -> PyResult<Option<PyLease>> {
        let mut text = b"lock of run".to_vec();
        text.extend_from_slice(&digest(run)?.0);
        let store = self.0.bind(py).get().open(py).ok();
        Ok(lock(py, store, Digest::of(&text)))
    }
}

impl PyRuns {
    /// Does something with the runs while other threads of Python go on.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Runs) -> Result<T> + Send,
    ) -> PyResult<T> {
        let (_, runs) = self.opened(py)?;
        py.detach(|| work(&runs)).map_err(raise)
    }

    fn opened(&self, py: Python<'_>) -> PyResult<(Arc<Store>, Arc<Runs>)> {
        self.0.bind(py).get().runs(py).map_err(raise)
    }
}
