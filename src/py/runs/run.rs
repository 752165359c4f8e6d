//! A run as Python has it, and as it tells of one.

use super::super::store::misused;
use crate::digest::Digest;
use crate::runs::returns::{EquityKind, Kept, Series};
use crate::runs::{Found, Metric, Record, Role, State};
use pyo3::prelude::*;

/// What is known of a run.
#[pyclass(frozen, get_all, name = "Run", module = "afml_cache._native")]
pub struct PyRun {
    run: String,
    number: i64,
    strategy: String,
    dataset: String,
    purpose: String,
    code: Option<String>,
    parameters: String,
    data: String,
    is_test: bool,
    state: &'static str,
    pinned: bool,
    at_ns: i64,
    seconds: f64,
    time_range: Option<(i64, i64)>,
    seen_ns: Option<i64>,
    step_ns: i64,
    /// Periods, mean, deviation, skewness, kurtosis.
    moments: Option<(usize, f64, f64, f64, f64)>,
    reason: String,
    metrics: Vec<(String, Given)>,
    about: String,
}

/// A metric, as Python has it.
#[derive(Clone, FromPyObject, IntoPyObject)]
enum Given {
    Whole(i64),
    Number(f64),
    Text(String),
}

/// What `record` takes.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Recorded {
    run: String,
    strategy: String,
    dataset: String,
    purpose: String,
    is_test: bool,
    trial: String,
    code: Option<String>,
    parameters: String,
    data: String,
    at_ns: i64,
    seconds: f64,
    time_range: Option<(i64, i64)>,
    seen_ns: Option<i64>,
    step_ns: i64,
    reason: String,
    metrics: Vec<(String, Given)>,
    about: String,
}

/// Values (float64) and day numbers (int64) of an equity curve, and what it is.
pub type Curve = (Vec<u8>, Option<Vec<u8>>, String);

impl PyRun {
    pub fn of(found: Found) -> Self {
        let record = found.record;
        let metrics = record.metrics.into_iter();
        Self {
            run: record.run.to_string(),
            number: found.number,
            strategy: record.strategy,
            dataset: record.dataset,
            purpose: record.purpose,
            code: record.code.map(|code| code.to_string()),
            parameters: record.parameters.to_string(),
            data: record.data.to_string(),
            is_test: record.role == Role::Test,
            state: match found.state {
                State::Whole => "whole",
                State::Pruned => "pruned",
                State::Deleted => "deleted",
            },
            pinned: found.pinned,
            at_ns: record.at_ns,
            seconds: record.seconds,
            time_range: record.time_range,
            seen_ns: record.seen_ns,
            step_ns: record.step_ns,
            moments: record.moments.map(|one| {
                (
                    one.periods,
                    one.mean,
                    one.deviation,
                    one.skewness,
                    one.kurtosis,
                )
            }),
            reason: record.reason,
            metrics: metrics
                .map(|(name, value)| (name, Given::of(value)))
                .collect(),
            about: record.about,
        }
    }
}

impl Given {
    fn of(metric: Metric) -> Self {
        match metric {
            Metric::Number(value) => Self::Number(value),
            Metric::Whole(value) => Self::Whole(value),
            Metric::Text(value) => Self::Text(value),
        }
    }

    fn metric(self) -> Metric {
        match self {
            Self::Number(value) => Metric::Number(value),
            Self::Whole(value) => Metric::Whole(value),
            Self::Text(value) => Metric::Text(value),
        }
    }
}

/// The record of a run that is told so.
pub fn record(given: Recorded) -> PyResult<Record> {
    let metrics = given.metrics.into_iter();
    Ok(Record {
        run: digest(&given.run)?,
        strategy: given.strategy,
        dataset: given.dataset,
        purpose: given.purpose,
        role: if given.is_test {
            Role::Test
        } else {
            Role::Trial
        },
        trial: digest(&given.trial)?,
        code: given.code.as_deref().map(digest).transpose()?,
        parameters: digest(&given.parameters)?,
        data: digest(&given.data)?,
        at_ns: given.at_ns,
        seconds: given.seconds,
        time_range: given.time_range,
        seen_ns: given.seen_ns,
        step_ns: given.step_ns,
        moments: None,
        reason: given.reason,
        metrics: metrics
            .map(|(name, value)| (name, value.metric()))
            .collect(),
        about: given.about,
    })
}

/// An id as it is written.
pub fn digest(text: &str) -> PyResult<Digest> {
    Digest::from_hex(text).ok_or_else(|| misused("an id has 32 hexadecimal digits"))
}

/// The returns of an equity curve by session; a record is told what they come to, or why there are none.
pub fn returns((values, sessions, kind): Curve, record: &mut Record) -> Option<(Kept, EquityKind)> {
    let values: Vec<f64> = numbers(&values, f64::from_le_bytes);
    let sessions = sessions.map(|bytes| numbers(&bytes, i64::from_le_bytes));
    let kind = EquityKind::named(&kind)?;
    match Series::of(&values, sessions.as_deref(), kind) {
        Ok(series) => {
            record.moments = Some(series.moments);
            Some((series.kept, kind))
        }
        Err(reason) => {
            reason.text().clone_into(&mut record.reason);
            None
        }
    }
}

fn numbers<T>(bytes: &[u8], number: impl Fn([u8; 8]) -> T) -> Vec<T> {
    let (chunks, _) = bytes.as_chunks();
    chunks.iter().map(|chunk| number(*chunk)).collect()
}
