//! What was dropped, and when: an entry that comes from elsewhere must not bring it back.
//!
//! Epochs say that within a store; they mean nothing to the entries of another one, whose times do.

use super::index::Selection;
use super::ledger::Ledger;
use super::{Head, Meta, Store};
use crate::clock;
use crate::digest::Digest;
use crate::error::Result;
use std::collections::HashMap;

/// What was dropped at one time: all of a function or of every one, a key of it, or what looked at a
/// time range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drop {
    /// Of which function; empty for all.
    pub function: String,
    /// Only this key.
    pub key: Option<Digest>,
    /// Only what looked at this time range.
    pub time_range: Option<(i64, i64)>,
    /// When, ns UTC.
    pub at_ns: i64,
}

/// All that was dropped.
#[derive(Debug, Default)]
pub struct Dropped {
    keys: HashMap<Digest, i64>,
    functions: HashMap<String, Vec<Drop>>,
}

impl FromIterator<Drop> for Dropped {
    fn from_iter<T: IntoIterator<Item = Drop>>(drops: T) -> Self {
        let mut dropped = Self::default();
        for drop in drops {
            if let Some(key) = drop.key {
                let latest = dropped.keys.entry(key).or_insert(drop.at_ns);
                *latest = drop.at_ns.max(*latest);
            } else {
                let of = dropped.functions.entry(drop.function.clone());
                of.or_default().push(drop);
            }
        }
        dropped
    }
}

impl Dropped {
    /// When an entry was last dropped, had it been there.
    #[must_use]
    pub fn latest(&self, key: Digest, meta: &Meta) -> Option<i64> {
        let of = |function: &str| self.functions.get(function).into_iter().flatten();
        let drops = of(&meta.function).chain(of(""));
        let met = drops.filter(|drop| match (drop.time_range, meta.time_range) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some((first, last)), Some((from, to))) => to >= first && from <= last,
        });
        let times = met.map(|drop| drop.at_ns);
        times.chain(self.keys.get(&key).copied()).max()
    }

    /// Whether an entry was dropped after its computation began. One from the future has a clock
    /// that can't be compared with ours: it is older than whatever was dropped.
    #[must_use]
    pub fn has(&self, head: &Head, meta: &Meta) -> bool {
        #[allow(clippy::cast_possible_truncation)] // saturates
        let took = (head.seconds * 1e9) as i64;
        let began = head.created_ns.saturating_sub(took);
        let future = head.created_ns > clock::wall_ns();
        let latest = self.latest(head.key, meta);
        latest.is_some_and(|at| future || began <= at)
    }
}

impl Store {
    /// Notes that entries are dropped now.
    pub(super) fn note_dropped(&self, selection: Selection<'_>) -> Result<()> {
        Ledger::of(&self.root).note_dropped(&Drop {
            function: selection.function.unwrap_or_default().to_owned(),
            key: selection.key,
            time_range: selection.time_range,
            at_ns: clock::wall_ns(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Digest, Drop, Dropped, Meta};

    fn drop(function: &str, key: Option<u8>, time_range: Option<(i64, i64)>, at_ns: i64) -> Drop {
        Drop {
            function: function.into(),
            key: key.map(|byte| Digest([byte; 16])),
            time_range,
            at_ns,
        }
    }

    fn latest(drops: &[Drop], key: u8, function: &str, range: Option<(i64, i64)>) -> Option<i64> {
        let meta = Meta {
            function: function.into(),
            time_range: range,
            ..Meta::default()
        };
        let dropped: Dropped = drops.iter().cloned().collect();
        dropped.latest(Digest([key; 16]), &meta)
    }

    #[test]
    fn the_last_drop_of_function_key_or_range_counts() {
        let drops = [
            drop("m.f", None, None, 1),
            drop("m.f", Some(7), None, 5),
            drop("", None, Some((10, 20)), 3),
            drop("m.g", None, Some((0, 100)), 9),
        ];
        assert_eq!(latest(&drops, 1, "m.f", None), Some(1));
        assert_eq!(latest(&drops, 7, "m.f", None), Some(5));
        assert_eq!(latest(&drops, 1, "m.f", Some((20, 30))), Some(3));
        assert_eq!(latest(&drops, 1, "m.f", Some((21, 30))), Some(1));
        assert_eq!(latest(&drops, 1, "m.g", None), None);
        assert_eq!(latest(&drops, 1, "m.g", Some((50, 60))), Some(9));
        assert_eq!(latest(&drops, 1, "m.h", Some((50, 60))), None);
    }
}
