//! Up to when the inputs of a result have seen, as a part of its description.

use super::meta::Part;
use crate::digest::Digest;

/// The label of the part that says so; it comes first, is told, and is no part of the key.
const LABEL: &str = "seen until";
/// Stands for an instant where there is none.
const NO_TIME: &str = "-";
/// Behind the instant of a result that depends on what "now" was.
const OPEN_ENDED: &str = " open-ended";

/// Stands for no instant.
const NEVER: i64 = i64::MIN;

/// What the inputs of a result have seen of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    until_ns: i64,
    /// Whether something was asked for up to "now": that of the clock, or of a simulation.
    pub open_ended: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Self::of(None)
    }
}

impl Seen {
    /// What has seen up to an instant, ns UTC, or holds no time.
    #[must_use]
    pub fn of(until: Option<i64>) -> Self {
        Self {
            until_ns: until.unwrap_or(NEVER),
            open_ended: false,
        }
    }

    /// What asked for everything up to "now".
    #[must_use]
    pub fn open_ended() -> Self {
        Self {
            until_ns: NEVER,
            open_ended: true,
        }
    }

    /// The last instant, ns UTC; none where the inputs hold no time.
    #[must_use]
    pub fn until(self) -> Option<i64> {
        Some(self.until_ns).filter(|&until| until != NEVER)
    }

    /// Whether there is nothing to be told.
    #[must_use]
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// What both have seen.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            until_ns: self.until_ns.max(other.until_ns),
            open_ended: self.open_ended || other.open_ended,
        }
    }

    /// The part that tells it.
    pub(super) fn part(self) -> Option<Part> {
        if self.is_nothing() {
            return None;
        }
        let mut text = self
            .until()
            .map_or_else(|| NO_TIME.to_owned(), |until| until.to_string());
        if self.open_ended {
            text.push_str(OPEN_ENDED);
        }
        Some(Part {
            label: LABEL.to_owned(),
            digest: Digest::of(text.as_bytes()),
            text,
        })
    }

    /// What a part tells, if it is this one.
    pub(super) fn read(label: &str, text: &str) -> Option<Self> {
        if label != LABEL {
            return None;
        }
        let instant = text.strip_suffix(OPEN_ENDED);
        let mut seen = Self::of(instant.unwrap_or(text).parse().ok());
        seen.open_ended = instant.is_some();
        Some(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::{LABEL, Seen};

    #[test]
    fn what_was_seen_comes_back_from_its_part() {
        for until in [None, Some(0), Some(-1), Some(i64::MIN + 1), Some(i64::MAX)] {
            for other in [Seen::default(), Seen::open_ended()] {
                let seen = Seen::of(until).with(other);
                assert_eq!(seen.until(), until);
                let read = seen
                    .part()
                    .map(|part| Seen::read(&part.label, &part.text).unwrap());
                assert_eq!(read.unwrap_or_default(), seen);
            }
        }
    }

    #[test]
    fn another_part_says_nothing_of_it_and_a_damaged_one_no_instant() {
        assert_eq!(Seen::read("argument `x`", "1"), None);
        for text in ["", "-", "soon", "1 2", "99999999999999999999"] {
            assert_eq!(Seen::read(LABEL, text), Some(Seen::default()), "{text}");
        }
    }

    #[test]
    fn two_have_seen_what_the_later_one_has() {
        let both = Seen::of(Some(2)).with(Seen::open_ended());
        let both = both.with(Seen::of(Some(1)));
        assert_eq!((both.until(), both.open_ended), (Some(2), true));
    }
}
