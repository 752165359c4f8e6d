//! Half-open intervals of positions, and sets of them.

use std::iter::FromIterator;

/// From `first` on, and before `stop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    /// The first position in it.
    pub first: i64,
    /// The first position behind it.
    pub stop: i64,
}

impl Interval {
    /// The interval between two positions; an empty one where they are the wrong way round.
    #[must_use]
    pub fn new(first: i64, stop: i64) -> Self {
        Self {
            first,
            stop: stop.max(first),
        }
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.first >= self.stop
    }

    /// What is in both; empty where nothing is.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::new(self.first.max(other.first), self.stop.min(other.stop))
    }

    /// Whether they have a position in common.
    #[must_use]
    pub fn meets(self, other: Self) -> bool {
        !self.and(other).is_empty()
    }
}

/// A set of positions: intervals in order, with something between any two of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intervals(Vec<Interval>);

impl Intervals {
    /// Its intervals.
    #[must_use]
    pub fn as_slice(&self) -> &[Interval] {
        &self.0
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut holes = other.0.iter().peekable();
        for &whole in &self.0 {
            let mut rest = whole;
            while holes.next_if(|hole| hole.stop <= rest.first).is_some() {}
            let mut ahead = holes.clone();
            while let Some(hole) = ahead.next_if(|hole| hole.first < whole.stop) {
                left.push(Interval::new(rest.first, hole.first));
                rest = Interval::new(hole.stop, whole.stop);
            }
            left.push(rest);
        }
        left.into_iter().collect()
    }

    /// What is in both sets.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.without(&self.without(other))
    }

    /// The same, with gaps of at most `within` between two intervals filled.
    #[must_use]
    pub fn merged(&self, within: i64) -> Self {
        let mut merged: Vec<Interval> = Vec::new();
        for &next in &self.0 {
            match merged.last_mut() {
                Some(last) if next.first.saturating_sub(last.stop) <= within => {
                    last.stop = next.stop;
                }
                _ => merged.push(next),
            }
        }
        Self(merged)
    }
}

impl FromIterator<Interval> for Intervals {
    fn from_iter<I: IntoIterator<Item = Interval>>(intervals: I) -> Self {
        let mut all: Vec<Interval> = intervals
            .into_iter()
            .filter(|interval| !interval.is_empty())
            .collect();
        all.sort_unstable();
        let mut joined: Vec<Interval> = Vec::with_capacity(all.len());
        for next in all {
            match joined.last_mut() {
                Some(last) if next.first <= last.stop => last.stop = last.stop.max(next.stop),
                _ => joined.push(next),
            }
        }
        Self(joined)
    }
}

impl From<Interval> for Intervals {
    fn from(interval: Interval) -> Self {
        Self::from_iter([interval])
    }
}

#[cfg(test)]
mod tests {
    use super::{Interval, Intervals};
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    type Positions = BTreeSet<i64>;

    fn sets() -> impl Strategy<Value = Vec<(i64, i64)>> {
        vec((0..60_i64, 0..12_i64), 0..8)
    }

    fn intervals(drawn: &[(i64, i64)]) -> Intervals {
        drawn
            .iter()
            .map(|&(first, length)| Interval::new(first, first + length))
            .collect()
    }

    fn positions(set: &Intervals) -> Positions {
        set.as_slice()
            .iter()
            .flat_map(|one| one.first..one.stop)
            .collect()
    }

    fn is_in_order(set: &Intervals) -> bool {
        set.as_slice().iter().all(|one| !one.is_empty())
            && set
                .as_slice()
                .is_sorted_by(|one, next| one.stop < next.first)
    }

    proptest! {
        #[test]
        fn sets_of_intervals_are_sets_of_positions(one in sets(), other in sets()) {
            let (one, other) = (intervals(&one), intervals(&other));
            let (these, those) = (positions(&one), positions(&other));
            let without = one.without(&other);
            prop_assert!(is_in_order(&one) && is_in_order(&without));
            prop_assert_eq!(positions(&without), &these - &those);
            prop_assert_eq!(positions(&one.and(&other)), &these & &those);
        }

        #[test]
        fn merging_fills_what_is_narrow_and_nothing_else(one in sets(), within in 0..6_i64) {
            let set = intervals(&one);
            let merged = set.merged(within);
            prop_assert!(is_in_order(&merged));
            prop_assert!(positions(&set).is_subset(&positions(&merged)));
            for hole in merged.without(&set).as_slice() {
                prop_assert!(hole.stop - hole.first <= within);
            }
            for pair in merged.as_slice().windows(2) {
                prop_assert!(pair[1].first - pair[0].stop > within);
            }
        }
    }
}
