//! How many of the trials of a family are independent, by the mean correlation of their returns.
//!
//! The correlations of many trials are not computed pair by pair. With each trial standardised to
//! z, the sum of z by time tells them all: over T times that all m trials have, the mean is
//! (‖Σz‖²/T − m) / (m(m−1)). Trials that come and go change the sum at their own times alone.

use super::statistics::{ROUNDING, float};

/// Returns with mean 0 and population deviation 1; `None` where they do not vary.
#[must_use]
pub fn standardised<T: Copy + Into<f64>>(returns: &[T]) -> Option<Vec<f64>> {
    let count = float(returns.len());
    let mut scores: Vec<f64> = returns.iter().map(|one| (*one).into()).collect();
    let mean = scores.iter().sum::<f64>() / count;
    scores.iter_mut().for_each(|score| *score -= mean);
    let square: f64 = scores.iter().map(|score| score * score).sum();
    let deviation = (square / count).sqrt();
    if deviation > ROUNDING * mean.abs() {
        scores.iter_mut().for_each(|score| *score /= deviation);
        Some(scores)
    } else {
        None
    }
}

/// What the mean correlation of trials is told from: for each bin of one width, how many of them
/// have a return there, and the sum of these, standardised.
///
/// Trials need not have the same bins. Each pair of them counts by the bins that it shares; a pair
/// that shares none does not count. On one grid that is the mean of their correlations, exactly.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Correlations {
    /// The bins, in order.
    pub bins: Vec<i64>,
    /// The sum of z in each.
    pub sums: Vec<f64>,
    /// How many trials have it.
    pub trials: Vec<u32>,
}

impl Correlations {
    /// A trial more, with its bins in order, and its returns there as `standardised` gives them.
    pub fn add(&mut self, bins: &[i64], scores: &[f64]) {
        if self.bins != bins {
            self.widen(bins);
        }
        for (place, score) in self.places(bins).into_iter().zip(scores) {
            self.sums[place] += score;
            self.trials[place] += 1;
        }
    }

    /// A trial less, which was added as it is here.
    ///
    /// # Panics
    /// It was not added.
    pub fn remove(&mut self, bins: &[i64], scores: &[f64]) {
        for (place, score) in self.places(bins).into_iter().zip(scores) {
            self.sums[place] -= score;
            self.trials[place] = self.trials[place].checked_sub(1).expect("it was added");
        }
        if self.trials.contains(&0) {
            let old = std::mem::take(self);
            for (place, trials) in old.trials.into_iter().enumerate().filter(|(_, n)| *n > 0) {
                self.bins.push(old.bins[place]);
                self.sums.push(old.sums[place]);
                self.trials.push(trials);
            }
        }
    }

    /// The mean correlation; `None` where no two trials have a bin in common.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let (mut products, mut pairs) = (0.0, 0.0);
        for (sum, trials) in self.sums.iter().zip(&self.trials) {
            let trials = f64::from(*trials);
            // Over all bins of a trial its own squares come to their number.
            products += sum * sum - trials;
            pairs += trials * (trials - 1.0);
        }
        (pairs > 0.0).then(|| products / pairs)
    }

    /// Makes room for bins that are not there yet.
    fn widen(&mut self, bins: &[i64]) {
        let mut all = [&self.bins, bins].concat();
        all.sort_unstable();
        all.dedup();
        let old = std::mem::take(self);
        self.sums = vec![0.0; all.len()];
        self.trials = vec![0; all.len()];
        self.bins = all;
        for (place, from) in self.places(&old.bins).into_iter().zip(0..) {
            self.sums[place] = old.sums[from];
            self.trials[place] = old.trials[from];
        }
    }

    /// Where these bins are.
    fn places(&self, bins: &[i64]) -> Vec<usize> {
        if self.bins == bins {
            return (0..bins.len()).collect();
        }
        let place = |bin| self.bins.binary_search(bin).expect("a bin that is there");
        bins.iter().map(place).collect()
    }
}

/// N = ρ̄ + (1−ρ̄)M of M trials, with ρ̄ held within 0 and 1 (Bailey & López de Prado 2014); all of
/// them where no correlation is known.
#[must_use]
pub fn independent_trials(correlation: Option<f64>, trials: usize) -> f64 {
    let correlation = correlation.unwrap_or(0.0).clamp(0.0, 1.0);
    correlation + (1.0 - correlation) * float(trials)
}
