//! Moments of returns, and what a Sharpe ratio is worth after many trials.
//!
//! Every figure is per period and not annualised. A figure that can't be told is a `Reason`.

use libm::erfc;
use statrs::function::erf::erfc_inv;
use std::f64::consts::{E, SQRT_2};
use std::fmt;

/// Returns that a probabilistic or deflated Sharpe ratio needs.
pub const PERIODS: usize = 30;
/// A deviation below this share of the mean is the rounding of returns that do not vary: those of
/// constant growth, read off prices, differ in their last digits.
pub const ROUNDING: f64 = 1e-6;

const EULER_MASCHERONI: f64 = 0.577_215_664_901_532_9;

/// Why a figure can't be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No row has a return.
    NoReturns,
    /// A value behind the first one is NaN.
    Missing,
    /// A value is infinite, or too large to be kept.
    Infinite,
    /// A level of an equity curve of prices is not above zero.
    NotPositive,
    /// A return can't be compounded, since more than everything was lost.
    BelowTotalLoss,
    /// A row is earlier than the one before it.
    Unordered,
    /// There are fewer than `PERIODS` returns.
    FewReturns,
    /// The returns do not vary, or no more than by rounding.
    Constant,
    /// No returns have these moments, or none whose Sharpe ratio has a variance.
    Moments,
    /// The variance of the trials' Sharpe ratios, or their number, is not known.
    NoVariance,
    /// There are fewer than `cscv::TRIALS` trials whose returns vary.
    FewTrials,
    /// There are fewer than `cscv::PERIODS` periods for each block.
    FewPeriods,
}

impl Reason {
    /// In words, to stand behind "no figure: ".
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::NoReturns => "there are no returns",
            Self::Missing => "a value behind the first one is missing (NaN)",
            Self::Infinite => "a value is infinite, or too large",
            Self::NotPositive => "a level is not above zero, as prices are",
            Self::BelowTotalLoss => "a return is below -1, and can't be compounded",
            Self::Unordered => "a row is earlier than the one before it",
            Self::FewReturns => "there are fewer than 30 returns",
            Self::Constant => "the returns do not vary",
            Self::Moments => "no returns have such moments",
            Self::NoVariance => {
                "the variance of the trials' Sharpe ratios, or their number, is not known"
            }
            Self::FewTrials => "there are fewer than 10 trials whose returns vary",
            Self::FewPeriods => "there are fewer than 10 periods for each block",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// What is kept of the returns of a run, per period of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// How many returns there are.
    pub periods: usize,
    /// Their mean.
    pub mean: f64,
    /// Their sample deviation, over one less than `periods`; zero where they do not vary.
    pub deviation: f64,
    /// Their skewness, of biased moments; NaN where they do not vary.
    pub skewness: f64,
    /// Their kurtosis, of biased moments, 3 for a normal distribution; NaN where they do not vary.
    pub kurtosis: f64,
}

impl Moments {
    /// The moments of some returns.
    ///
    /// # Errors
    /// There are none, or one of them is not finite.
    pub fn of(returns: &[f64]) -> Result<Self, Reason> {
        let periods = returns.len();
        if periods == 0 {
            return Err(Reason::NoReturns);
        }
        let largest = returns
            .iter()
            .fold(0.0_f64, |most, one| most.max(one.abs()));
        if returns.iter().any(|one| one.is_nan()) {
            return Err(Reason::Missing);
        }
        if !largest.is_finite() {
            return Err(Reason::Infinite);
        }
        // In units of the largest, no power overflows, or vanishes.
        let unit = if largest > 0.0 { largest } else { 1.0 };
        let count = float(periods);
        let mean = returns.iter().map(|one| one / unit).sum::<f64>() / count;
        let [rest, square, cube, fourth] = powers(returns, unit, mean);
        let square = (square - rest * rest / count).max(0.0);
        let deviation = (square / (count - 1.0).max(1.0)).sqrt();
        let varies = deviation > ROUNDING * mean.abs();
        let variance = square / count;
        Ok(Self {
            periods,
            mean: mean * unit,
            deviation: if varies { deviation * unit } else { 0.0 },
            skewness: if varies {
                cube / count / variance.powf(1.5)
            } else {
                f64::NAN
            },
            kurtosis: if varies {
                fourth / count / (variance * variance)
            } else {
                f64::NAN
            },
        })
    }

    /// Mean over deviation.
    ///
    /// # Errors
    /// The returns do not vary.
    pub fn sharpe(&self) -> Result<f64, Reason> {
        if self.deviation > 0.0 {
            Ok(self.mean / self.deviation)
        } else {
            Err(Reason::Constant)
        }
    }

    /// The Sharpe ratio, with what tells how sure it is.
    ///
    /// # Errors
    /// The returns do not vary.
    pub fn estimate(&self) -> Result<Estimate, Reason> {
        Ok(Estimate {
            sharpe: self.sharpe()?,
            periods: self.periods,
            skewness: self.skewness,
            kurtosis: self.kurtosis,
        })
    }
}

/// Sums of the distances to the mean, and of their squares, cubes and fourth powers.
fn powers(returns: &[f64], unit: f64, mean: f64) -> [f64; 4] {
    let mut sums = [0.0; 4];
    for one in returns {
        let distance = one / unit - mean;
        let square = distance * distance;
        sums[0] += distance;
        sums[1] += square;
        sums[2] += square * distance;
        sums[3] += square * square;
    }
    sums
}

/// A Sharpe ratio, and what tells how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Mean over deviation, per period.
    pub sharpe: f64,
    /// How many returns it is of.
    pub periods: usize,
    /// Their skewness.
    pub skewness: f64,
    /// Their kurtosis: 3 for a normal distribution, not 0.
    pub kurtosis: f64,
}

impl Estimate {
    /// The probability that the true Sharpe ratio is above another one (Bailey & López de Prado
    /// 2012).
    ///
    /// # Errors
    /// There are too few returns, or none have such moments.
    pub fn probabilistic(&self, benchmark: f64) -> Result<f64, Reason> {
        if self.periods < PERIODS {
            return Err(Reason::FewReturns);
        }
        let (skewness, kurtosis) = (self.skewness, self.kurtosis);
        let variance = 1.0 - skewness * self.sharpe + (kurtosis - 1.0) / 4.0 * self.sharpe.powi(2);
        let sure = (self.sharpe - benchmark) * float(self.periods - 1).sqrt() / variance.sqrt();
        if variance > 0.0 && !sure.is_nan() {
            Ok(normal_probability(sure))
        } else {
            Err(Reason::Moments)
        }
    }

    /// The probability that the true Sharpe ratio is above the largest that so many trials without
    /// any skill would have shown (Bailey & López de Prado 2014).
    ///
    /// # Errors
    /// There are too few returns, none have such moments, or the variance is not known.
    pub fn deflated(&self, variance: f64, trials: f64) -> Result<f64, Reason> {
        if self.periods < PERIODS {
            return Err(Reason::FewReturns);
        }
        self.probabilistic(expected_maximum(variance, trials)?)
    }
}

/// The largest Sharpe ratio to expect of so many independent trials without any skill, whose Sharpe
/// ratios have this variance (Bailey & López de Prado 2014); zero for fewer than two trials.
///
/// # Errors
/// The variance or the number is not known.
pub fn expected_maximum(variance: f64, trials: f64) -> Result<f64, Reason> {
    if trials < 2.0 {
        return Ok(0.0);
    }
    if !(variance >= 0.0 && variance.is_finite() && trials.is_finite()) {
        return Err(Reason::NoVariance);
    }
    let usual = (1.0 - EULER_MASCHERONI) * normal_quantile_above(1.0 / trials);
    let rare = EULER_MASCHERONI * normal_quantile_above(1.0 / (trials * E));
    Ok(variance.sqrt() * (usual + rare))
}

fn normal_probability(at: f64) -> f64 {
    0.5 * erfc(-at / SQRT_2)
}

/// What a normal variable exceeds with a probability: exact where one minus it would be one.
fn normal_quantile_above(probability: f64) -> f64 {
    SQRT_2 * erfc_inv(2.0 * probability)
}

/// A number of periods or trials: far below where floats are no longer whole numbers.
#[allow(clippy::cast_precision_loss)]
pub(super) fn float(count: usize) -> f64 {
    count as f64
}
