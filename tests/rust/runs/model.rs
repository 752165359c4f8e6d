//! The ledger as nobody would write it: all that happened, counted again at each question.

use super::Digest;
use afml_cache::runs::correlation::standardised;
use afml_cache::runs::returns::Kept;
use afml_cache::runs::{Metric, Record, Role, State};
use std::collections::{BTreeMap, BTreeSet};

type Names = (String, String, String);

#[derive(Clone, Debug)]
pub struct Run {
    pub record: Record,
    pub kept: Option<Kept>,
    pub state: State,
    pub pinned: bool,
    pub answer: Vec<u8>,
}

/// Runs in the order in which they were recorded first, families that were ever met, and failures.
#[derive(Default)]
pub struct Model {
    pub runs: Vec<Run>,
    families: BTreeSet<Names>,
    failures: BTreeMap<Digest, (Names, i64)>,
}

fn names(record: &Record) -> Names {
    let Record {
        strategy,
        dataset,
        purpose,
        ..
    } = record;
    (strategy.clone(), dataset.clone(), purpose.clone())
}

impl Model {
    pub fn record(&mut self, record: &Record, kept: Option<Kept>, answer: Vec<u8>) {
        self.failures.remove(&record.run);
        let mut new = Run {
            record: record.clone(),
            kept,
            state: State::Whole,
            pinned: false,
            answer,
        };
        let mut known = self.runs.iter_mut();
        let old = known.find(|old| old.record.run == record.run);
        if let Some(old) = &old {
            new.record.at_ns = old.record.at_ns;
            new.record.dataset.clone_from(&old.record.dataset);
            new.record.purpose.clone_from(&old.record.purpose);
            new.pinned = old.pinned;
        }
        self.families.insert(names(&new.record));
        match old {
            Some(old) => *old = new,
            None => self.runs.push(new),
        }
    }

    pub fn live(&mut self, run: Digest) -> Option<&mut Run> {
        let mut runs = self.runs.iter_mut();
        runs.find(|one| one.record.run == run && one.state != State::Deleted)
    }

    pub fn fail(&mut self, run: Digest, record: &Record, at: i64) {
        self.families.insert(names(record));
        self.failures.insert(run, (names(record), at));
    }

    pub fn ids(&self) -> Vec<Digest> {
        let live = self.runs.iter().filter(|one| one.state != State::Deleted);
        live.map(|one| one.record.run).collect()
    }

    pub fn count(&self) -> BTreeMap<String, i64> {
        let mut counts = BTreeMap::new();
        for one in self.runs.iter().filter(|one| one.state != State::Deleted) {
            *counts.entry(one.record.strategy.clone()).or_default() += 1;
        }
        counts
    }

    pub fn families(&self) -> Vec<Names> {
        self.families.iter().cloned().collect()
    }

    pub fn failures(&self, family: &Names) -> BTreeSet<(Digest, i64)> {
        let of = self
            .failures
            .iter()
            .filter(|(_, (names, _))| names == family);
        of.map(|(run, (_, at))| (*run, *at)).collect()
    }

    /// The run that counts for each trial of a family: of several, the last that was new.
    pub fn trials(&self, family: &Names) -> Vec<&Run> {
        let mut latest = BTreeMap::new();
        for (number, one) in self.runs.iter().enumerate() {
            if one.record.role == Role::Trial && names(&one.record) == *family {
                latest.insert(one.record.trial, (number, one));
            }
        }
        let mut latest: Vec<_> = latest.into_values().collect();
        latest.sort_by_key(|(number, _)| *number);
        latest.into_iter().map(|(_, one)| one).collect()
    }

    /// Number, sum and sum of squares of Sharpe ratios, by step.
    pub fn spreads(&self, family: &Names) -> BTreeMap<i64, (i64, f64, f64)> {
        let mut spreads: BTreeMap<i64, (i64, f64, f64)> = BTreeMap::new();
        for one in self.trials(family) {
            let moments = one.record.moments;
            if let Some(Ok(sharpe)) = moments.map(|moments| moments.sharpe()) {
                let spread = spreads.entry(one.record.step_ns).or_default();
                spread.0 += 1;
                spread.1 += sharpe;
                spread.2 += sharpe * sharpe;
            }
        }
        spreads
    }

    /// The mean correlation, pair by pair, in the bins that each two share.
    pub fn correlation(&self, family: &Names) -> Option<f64> {
        let mut by_width: BTreeMap<i64, Vec<BTreeMap<i64, f64>>> = BTreeMap::new();
        for kept in self
            .trials(family)
            .iter()
            .filter_map(|one| one.kept.as_ref())
        {
            if let Some(scores) = standardised(&kept.returns) {
                let scores = kept.bins.iter().copied().zip(scores).collect();
                by_width.entry(kept.width).or_default().push(scores);
            }
        }
        let mut most: Option<(usize, Option<f64>)> = None;
        for trials in by_width.into_values() {
            let mut in_bins: BTreeMap<i64, usize> = BTreeMap::new();
            for bin in trials.iter().flat_map(BTreeMap::keys) {
                *in_bins.entry(*bin).or_default() += 1;
            }
            let deepest = in_bins.values().copied().max().unwrap_or_default();
            if most.is_none_or(|(before, _)| deepest > before) {
                most = Some((deepest, mean(&trials)));
            }
        }
        most.and_then(|(_, mean)| mean)
    }

    /// Ids of the best runs.
    pub fn best(
        &self,
        (strategy, metric): (&str, &str),
        maximize: bool,
        most: usize,
        data: Option<Digest>,
    ) -> Vec<Digest> {
        let mut ranked = self.ranked(strategy, metric, data);
        ranked.sort_by(|(one, first, _), (other, second, _)| {
            let order = one.total_cmp(other);
            let order = if maximize { order.reverse() } else { order };
            order.then(first.cmp(second))
        });
        let runs = ranked.into_iter().map(|(_, _, one)| one.record.run);
        runs.take(most).collect()
    }

    /// Whether the trials that are ranked saw different data.
    pub fn differ(&self, strategy: &str, metric: &str) -> bool {
        let ranked = self.ranked(strategy, metric, None);
        ranked
            .iter()
            .any(|(_, _, one)| one.record.data != ranked[0].2.record.data)
    }

    fn asked(&self, strategy: &str, data: Option<Digest>) -> impl Iterator<Item = (usize, &Run)> {
        let all = self.runs.iter().enumerate();
        all.filter(move |(_, one)| {
            let is_there = one.state != State::Deleted && one.record.strategy == strategy;
            let fits = data.map_or(one.record.role == Role::Trial, |data| {
                one.record.data == data
            });
            is_there && fits
        })
    }

    fn ranked(
        &self,
        strategy: &str,
        metric: &str,
        data: Option<Digest>,
    ) -> Vec<(f64, usize, &Run)> {
        let ranked = self.asked(strategy, data).filter_map(|(number, one)| {
            let value = one.record.metric(metric).and_then(Metric::ranked)?;
            Some((value, number, one))
        });
        ranked.collect()
    }

    /// How many runs have the metric, but no finite number there.
    pub fn unranked(&self, strategy: &str, metric: &str, data: Option<Digest>) -> usize {
        let asked = self
            .asked(strategy, data)
            .map(|(_, one)| one.record.metric(metric));
        asked
            .flatten()
            .filter(|value| value.ranked().is_none())
            .count()
    }
}

fn mean(trials: &[BTreeMap<i64, f64>]) -> Option<f64> {
    let (mut products, mut pairs) = (0.0, 0_u32);
    for (one, scores) in trials.iter().enumerate() {
        // With its own returns, the squares of which come to their number.
        for (bin, score) in scores {
            products += score * score - 1.0;
            for (other, others) in trials.iter().enumerate() {
                if let Some(second) = others.get(bin).filter(|_| one != other) {
                    products += score * second;
                    pairs += 1;
                }
            }
        }
    }
    (pairs > 0).then(|| products / f64::from(pairs))
}
