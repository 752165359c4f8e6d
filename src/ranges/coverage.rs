//! What is known of a series, by interval.

use super::interval::{Interval, Intervals};
use std::collections::BTreeMap;

/// Stands for a time that never comes.
pub const NEVER: i64 = i64::MAX;

/// What is known of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// Its bars are in a segment, and final.
    Data = 0,
    /// There are no bars.
    Empty = 1,
    /// The vendor gave less than the calendar has one expect; asked again later.
    Suspect = 2,
    /// Its bars may still change; asked again later.
    Volatile = 3,
}

/// Why an interval is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Reason {
    /// The vendor gave them.
    Fetched = 0,
    /// No session lies in it.
    Calendar = 1,
    /// It lies before the first day of trading.
    PreListing = 2,
    /// It lies behind the last day of trading.
    Delisted = 3,
    /// The vendor gave nothing.
    VendorEmpty = 4,
    /// The vendor gave too little.
    Short = 5,
    /// The user's own bars, taken in.
    Imported = 6,
    /// Made of shorter bars.
    Derived = 7,
}

impl State {
    /// The state of a number on disk.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        [Self::Data, Self::Empty, Self::Suspect, Self::Volatile]
            .into_iter()
            .find(|&state| state as u8 == number)
    }
}

impl Reason {
    /// The reason of a number on disk.
    #[must_use]
    pub fn of(number: u8) -> Option<Self> {
        [
            Self::Fetched,
            Self::Calendar,
            Self::PreListing,
            Self::Delisted,
            Self::VendorEmpty,
            Self::Short,
            Self::Imported,
            Self::Derived,
        ]
        .into_iter()
        .find(|&reason| reason as u8 == number)
    }
}

/// What is known of one interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Of which interval.
    pub interval: Interval,
    /// What is known.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// The segment that has its bars, if there are any.
    pub segment: Option<i64>,
    /// How often it was asked for again.
    pub attempt: u8,
    /// When it was fetched, ns UTC.
    pub fetched_at: i64,
    /// When it is to be asked for again, ns UTC; `NEVER` for what is final.
    pub recheck_after: i64,
}

impl Piece {
    /// Whether it answers a request that is made now.
    #[must_use]
    pub fn answers(&self, now: i64) -> bool {
        now < self.recheck_after
    }

    fn within(self, interval: Interval) -> Self {
        Self {
            interval: self.interval.and(interval),
            ..self
        }
    }

    /// Both as one, where they say the same of neighbouring intervals.
    fn joined(&self, next: &Self) -> Option<Self> {
        let whole = Self {
            interval: Interval::new(self.interval.first, next.interval.stop),
            fetched_at: self.fetched_at.min(next.fetched_at),
            ..*self
        };
        let same = Self {
            interval: whole.interval,
            fetched_at: whole.fetched_at,
            ..*next
        };
        // Only what is final may forget when it was fetched.
        let settled = self.fetched_at == next.fetched_at || self.recheck_after == NEVER;
        (self.interval.stop == next.interval.first && settled && whole == same).then_some(whole)
    }
}

/// What one change took out and put in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Pieces that are no longer there, by their first position.
    pub removed: Vec<i64>,
    /// Pieces that are new.
    pub added: Vec<Piece>,
}

/// What is known of a series: no position lies in two pieces.
#[derive(Clone, Debug, Default)]
pub struct Coverage(BTreeMap<i64, Piece>);

impl Coverage {
    /// Takes pieces as they are on disk; of those that overlap, the later ones count.
    #[must_use]
    pub fn of(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let mut coverage = Self::default();
        for piece in pieces {
            coverage.put(piece);
        }
        coverage
    }

    /// The pieces that meet an interval, whole.
    pub fn meeting(&self, interval: Interval) -> impl Iterator<Item = &Piece> {
        let before = self.0.range(..interval.first).next_back();
        let before = before.filter(move |(_, piece)| piece.interval.meets(interval));
        let inside = self.0.range(interval.first..interval.stop);
        before.into_iter().chain(inside).map(|(_, piece)| piece)
    }

    /// What is known of an interval, cut to it.
    #[must_use]
    pub fn pieces(&self, interval: Interval) -> Vec<Piece> {
        self.meeting(interval)
            .map(|piece| piece.within(interval))
            .collect()
    }

    /// What of an interval is not known, or is to be asked for again.
    #[must_use]
    pub fn missing(&self, interval: Interval, now: i64) -> Intervals {
        let known: Intervals = self
            .meeting(interval)
            .filter(|piece| piece.answers(now))
            .map(|piece| piece.interval)
            .collect();
        Intervals::from(interval).without(&known)
    }

    /// The widest interval around this one of which everything is known now, and until when.
    #[must_use]
    pub fn ready(&self, interval: Interval, now: i64) -> Option<(Interval, i64)> {
        let (_, begin) = self.0.range(..=interval.first).next_back()?;
        let mut around = Interval::new(interval.first, interval.first);
        let mut until = NEVER;
        let answers = |piece: &&Piece| piece.answers(now);
        let behind = self.0.range(begin.interval.first..).map(|(_, piece)| piece);
        for piece in behind.take_while(answers) {
            if piece.interval.first > around.stop || piece.interval.stop < around.stop {
                break;
            }
            around.stop = piece.interval.stop;
            until = until.min(piece.recheck_after);
        }
        let before = self.0.range(..=interval.first).rev();
        for piece in before.map(|(_, piece)| piece).take_while(answers) {
            if piece.interval.stop < around.first {
                break;
            }
            around.first = piece.interval.first.min(around.first);
            until = until.min(piece.recheck_after);
        }
        (around.stop >= interval.stop && around.first <= interval.first && !around.is_empty())
            .then_some((around, until))
    }

    /// Of which positions a segment has the bars.
    #[must_use]
    pub fn live(&self, segment: i64) -> Intervals {
        self.0
            .values()
            .filter(|piece| piece.segment == Some(segment))
            .map(|piece| piece.interval)
            .collect()
    }

    /// The piece that begins at a position.
    #[must_use]
    pub fn at(&self, first: i64) -> Option<&Piece> {
        self.0.get(&first)
    }

    /// Every piece, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Piece> {
        self.0.values()
    }

    /// Forgets what is known of an interval.
    pub fn cut(&mut self, interval: Interval) -> Delta {
        let mut delta = Delta::default();
        if interval.is_empty() {
            return delta;
        }
        let met: Vec<Piece> = self.meeting(interval).copied().collect();
        for piece in met {
            self.take(piece.interval.first, &mut delta);
            let rest = Intervals::from(piece.interval).without(&Intervals::from(interval));
            for &part in rest.as_slice() {
                self.add(piece.within(part), &mut delta);
            }
        }
        delta
    }

    /// Knows a piece from now on, whatever was known of its interval.
    pub fn put(&mut self, piece: Piece) -> Delta {
        let mut delta = self.cut(piece.interval);
        if piece.interval.is_empty() {
            return delta;
        }
        let mut piece = piece;
        let before = self.0.range(..piece.interval.first).next_back();
        if let Some(joined) = before.and_then(|(_, before)| before.joined(&piece)) {
            self.take(joined.interval.first, &mut delta);
            piece = joined;
        }
        let next = self.0.get(&piece.interval.stop);
        if let Some((next, joined)) = next.and_then(|next| Some((next, piece.joined(next)?))) {
            self.take(next.interval.first, &mut delta);
            piece = joined;
        }
        self.add(piece, &mut delta);
        delta
    }

    fn take(&mut self, first: i64, delta: &mut Delta) {
        self.0.remove(&first);
        let added = delta
            .added
            .iter()
            .position(|piece| piece.interval.first == first);
        match added {
            Some(place) => drop(delta.added.swap_remove(place)),
            None => delta.removed.push(first),
        }
    }

    fn add(&mut self, piece: Piece, delta: &mut Delta) {
        self.0.insert(piece.interval.first, piece);
        delta.added.push(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::{Coverage, Interval, Intervals, NEVER, Piece, Reason, State};
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// What is known of each position, one by one.
    type Model = BTreeMap<i64, (State, Option<i64>, i64, i64)>;

    fn pieces() -> impl Strategy<Value = Vec<Option<Piece>>> {
        let piece = (0..40_i64, 0..12_i64, 0..4_u8, 0..3_i64, 0..4_i64, 0..3_i64);
        let piece = piece.prop_map(|(first, length, state, segment, until, at)| Piece {
            interval: Interval::new(first, first + length),
            state: State::of(state).unwrap(),
            reason: Reason::Fetched,
            segment: Some(segment),
            attempt: 0,
            fetched_at: at,
            recheck_after: if until == 0 { NEVER } else { until },
        });
        vec(
            prop_oneof![4 => piece.prop_map(Some), 1 => Just(None)],
            0..12,
        )
    }

    fn grow(coverage: &mut Coverage, model: &mut Model, step: Option<Piece>, cut: Interval) {
        let before: BTreeMap<i64, Piece> = coverage.0.clone();
        let delta = if let Some(piece) = step {
            for at in piece.interval.first..piece.interval.stop {
                let known = (
                    piece.state,
                    piece.segment,
                    piece.recheck_after,
                    piece.fetched_at,
                );
                model.insert(at, known);
            }
            coverage.put(piece)
        } else {
            model.retain(|&at, _| at < cut.first || at >= cut.stop);
            coverage.cut(cut)
        };
        let mut table = before;
        for first in &delta.removed {
            assert!(table.remove(first).is_some());
        }
        for piece in &delta.added {
            assert!(table.insert(piece.interval.first, *piece).is_none());
        }
        assert_eq!(
            table, coverage.0,
            "a delta makes of the old table the new one"
        );
    }

    proptest! {
        #[test]
        fn coverage_knows_of_each_position_what_was_put_there_last(
            steps in pieces(), cut in (0..40_i64, 0..12_i64), asked in (0..40_i64, 0..20_i64),
            now in 0..4_i64,
        ) {
            let (mut coverage, mut model) = (Coverage::default(), Model::new());
            for step in steps {
                grow(&mut coverage, &mut model, step, Interval::new(cut.0, cut.0 + cut.1));
            }
            let seen: Vec<i64> = coverage.iter().flat_map(|p| p.interval.first..p.interval.stop).collect();
            prop_assert_eq!(&seen, &model.keys().copied().collect::<Vec<_>>());
            for piece in coverage.iter() {
                for at in piece.interval.first..piece.interval.stop {
                    let (state, segment, until, fetched) = model[&at];
                    prop_assert_eq!((piece.state, piece.segment, piece.recheck_after), (state, segment, until));
                    prop_assert!(piece.fetched_at <= fetched);
                }
            }
            let asked = Interval::new(asked.0, asked.0 + asked.1);
            let answers = |at: &i64| model.get(at).is_some_and(|known| now < known.2);
            let missing: Intervals = (asked.first..asked.stop)
                .filter(|at| !answers(at))
                .map(|at| Interval::new(at, at + 1))
                .collect();
            prop_assert_eq!(coverage.missing(asked, now), missing.clone());
            let whole = |one: Interval| (one.first..one.stop).all(|at| answers(&at));
            match coverage.ready(asked, now) {
                Some((around, until)) => {
                    prop_assert!(around.first <= asked.first && around.stop >= asked.stop);
                    prop_assert!(whole(around));
                    prop_assert!(!answers(&around.stop) && !answers(&(around.first - 1)));
                    let least = (around.first..around.stop).map(|at| model[&at].2).min();
                    prop_assert_eq!(Some(until), least);
                }
                None => prop_assert!(!missing.is_empty() || asked.is_empty()),
            }
        }
    }
}
