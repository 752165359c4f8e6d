//! Statistics of returns, for `afml_cache.sharpe` and `overfitting`: each figure comes with the reason why there
//! is none.

use crate::digest::cores;
use crate::runs::correlation::{Correlations, independent_trials};
use crate::runs::cscv::Trials;
use crate::runs::statistics::{self, Estimate, Moments, Reason};
use crate::runs::{correlation, returns};
use numpy::{Element, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::prelude::*;

/// Adds what this file has to the module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(sharpe_estimate, module)?)?;
    module.add_function(wrap_pyfunction!(probabilistic_sharpe, module)?)?;
    module.add_function(wrap_pyfunction!(deflated_sharpe, module)?)?;
    module.add_function(wrap_pyfunction!(expected_maximum, module)?)?;
    module.add_function(wrap_pyfunction!(effective_trials, module)?)?;
    module.add_function(wrap_pyfunction!(overfitting, module)?)
}

/// A figure, or NaN and why.
type Figure = (f64, Option<&'static str>);
/// Sharpe ratio, periods, skewness, kurtosis.
type Parts = (f64, usize, f64, f64);

fn figure(told: Result<f64, Reason>) -> Figure {
    match told {
        Ok(value) => (value, None),
        Err(reason) => (f64::NAN, Some(reason.text())),
    }
}

fn estimate((sharpe, periods, skewness, kurtosis): Parts) -> Estimate {
    Estimate {
        sharpe,
        periods,
        skewness,
        kurtosis,
    }
}

/// The Sharpe ratio of returns, their number, skewness and kurtosis; or why there is none.
#[pyfunction]
#[pyo3(signature = (values, /))]
fn sharpe_estimate(
    py: Python<'_>,
    values: PyReadonlyArray1<'_, f64>,
) -> PyResult<(Option<Parts>, Option<&'static str>)> {
    let values = values.as_slice()?;
    let told = py.detach(|| {
        let returns = returns::Returns::of(values, returns::EquityKind::Returns)?;
        Moments::of(&returns.values)?.estimate()
    });
    Ok(match told {
        Ok(told) => {
            let parts = (told.sharpe, told.periods, told.skewness, told.kurtosis);
            (Some(parts), None)
        }
        Err(reason) => (None, Some(reason.text())),
    })
}

/// The probability that the true Sharpe ratio is above another one.
#[pyfunction]
#[pyo3(signature = (parts, benchmark, /))]
fn probabilistic_sharpe(parts: Parts, benchmark: f64) -> Figure {
    figure(estimate(parts).probabilistic(benchmark))
}

/// The probability that the true Sharpe ratio is above what luck alone gives.
#[pyfunction]
#[pyo3(signature = (parts, variance, trials, /))]
fn deflated_sharpe(parts: Parts, variance: f64, trials: f64) -> Figure {
    figure(estimate(parts).deflated(variance, trials))
}

/// The largest Sharpe ratio that luck alone gives.
#[pyfunction]
#[pyo3(signature = (variance, trials, /))]
fn expected_maximum(variance: f64, trials: f64) -> Figure {
    figure(statistics::expected_maximum(variance, trials))
}

/// How many of the trials are independent, of a matrix of trials × periods with NaN where a trial
/// has no return.
#[pyfunction]
#[pyo3(signature = (returns, /))]
fn effective_trials(py: Python<'_>, returns: PyReadonlyArray2<'_, f64>) -> PyResult<f64> {
    let (periods, values) = (returns.as_array().ncols(), returns.as_slice()?);
    Ok(py.detach(|| {
        let (mut all, mut count) = (Correlations::default(), 0);
        for trial in values.chunks(periods.max(1)) {
            let known = (0..).zip(trial).filter(|(_, value)| value.is_finite());
            let (bins, known): (Vec<i64>, Vec<f64>) = known.unzip();
            if let Some(scores) = correlation::standardised(&known) {
                all.add(&bins, &scores);
                count += 1;
            }
        }
        independent_trials(all.mean(), count)
    }))
}

/// The probability of backtest overfitting, why there is none, and how many trials and periods of
/// each it is of.
pub type Overfitting = (f64, Option<&'static str>, usize, usize);

#[derive(FromPyObject)]
enum Matrix<'py> {
    #[pyo3(transparent)]
    Single(PyReadonlyArray2<'py, f32>),
    #[pyo3(transparent)]
    Double(PyReadonlyArray2<'py, f64>),
}

/// The probability of backtest overfitting, of a matrix of trials × periods in rows.
#[pyfunction]
#[pyo3(signature = (returns, blocks, /))]
fn overfitting(py: Python<'_>, returns: Matrix<'_>, blocks: usize) -> PyResult<Overfitting> {
    match returns {
        Matrix::Single(returns) => overfitting_of(py, &returns, blocks),
        Matrix::Double(returns) => overfitting_of(py, &returns, blocks),
    }
}

fn overfitting_of<T: Element + Copy + Into<f64> + Sync>(
    py: Python<'_>,
    returns: &PyReadonlyArray2<'_, T>,
    blocks: usize,
) -> PyResult<Overfitting> {
    let (periods, values) = (returns.as_array().ncols(), returns.as_slice()?);
    let trials = match py.detach(|| summed(values, periods, blocks)) {
        Ok(trials) => trials,
        Err(reason) => return Ok((f64::NAN, Some(reason.text()), 0, 0)),
    };
    probability(py, &trials)
}

/// The probability of backtest overfitting of trials; Ctrl-C stops it.
pub fn probability(py: Python<'_>, trials: &Trials) -> PyResult<Overfitting> {
    let mut raised = None;
    let mut go_on = || {
        raised = Python::attach(|py| py.check_signals().err());
        raised.is_none()
    };
    let told = py.detach(|| trials.overfitting(cores(), &mut go_on));
    if let Some(error) = raised {
        return Err(error);
    }
    let (value, reason) = figure(told.map(|value| value.unwrap_or(f64::NAN)));
    Ok((value, reason, trials.count(), trials.used()))
}

/// The trials that vary.
fn summed<T: Copy + Into<f64>>(
    values: &[T],
    periods: usize,
    blocks: usize,
) -> Result<Trials, Reason> {
    let mut trials = Trials::new(periods, blocks)?;
    for trial in values.chunks(periods) {
        match trials.push(trial) {
            Ok(()) | Err(Reason::Constant) => {}
            Err(reason) => return Err(reason),
        }
    }
    Ok(trials)
}
