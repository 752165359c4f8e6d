//! What a cached function has done in this process.

use crate::clock;
use crate::store::{Count, Counts, Tally};
use pyo3::prelude::*;
use pyo3::sync::critical_section::with_critical_section;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Counts of one function.
#[derive(Debug)]
pub struct Counters {
    /// Those that its store takes.
    noted: Arc<Tally>,
    /// Those of modes in which nothing is written.
    aside: Tally,
    /// What they were when they were last set to zero.
    start: Mutex<Counts>,
    keys: AtomicU64,
}

/// So many keys are all timed; of those that follow one in `SAMPLED`, which then stands for as many.
const TIMED: u64 = 64;
const SAMPLED: u64 = 16;

/// A key that is being made, and for how many it stands.
pub struct Keying {
    start: Instant,
    weight: u64,
}

impl Keying {
    /// The key is made.
    #[cold]
    pub fn end(self, tally: &Tally) {
        let taken = nanoseconds(clock::monotonic() - self.start);
        tally.add(Count::Keyed, taken.saturating_mul(self.weight));
    }
}

impl Counters {
    /// Counts for a function, all zero.
    pub fn new(function: &str) -> Self {
        Self {
            noted: Arc::new(Tally::new(function)),
            aside: Tally::default(),
            start: Mutex::default(),
            keys: AtomicU64::new(0),
        }
    }

    /// What its store takes.
    pub fn noted(&self) -> &Arc<Tally> {
        &self.noted
    }

    /// Where a call is counted that may write, or may not.
    pub fn tally(&self, writes: bool) -> &Tally {
        if writes { &self.noted } else { &self.aside }
    }

    /// Begins a key; its time is taken where it is one of those that are timed.
    pub fn keying(&self) -> Option<Keying> {
        // Two threads may count as one: it only chooses what is timed.
        let place = self.keys.load(Relaxed);
        self.keys.store(place + 1, Relaxed);
        let weight = match place {
            ..TIMED => 1,
            _ if place.is_multiple_of(SAMPLED) => SAMPLED,
            _ => return None,
        };
        let start = clock::monotonic();
        Some(Keying { start, weight })
    }

    fn all(&self) -> Counts {
        let mut all = self.noted.counts();
        all.add(&self.aside.counts());
        all
    }

    /// Everything back to zero; what its store has not taken yet, it still takes.
    pub fn reset(&self) {
        let mut start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        *start = self.all();
        self.keys.store(0, Relaxed);
    }

    /// What was counted since it was last set to zero.
    pub fn counts(&self) -> Counts {
        let start = self.start.lock().unwrap_or_else(PoisonError::into_inner);
        self.all().since(&start)
    }
}

/// A result came from memory, or from disk, instead of being computed for so many nanoseconds;
/// counted here alone, and by one thread at a time, as in a `Slot`.
pub fn count_hit(function: &Bound<'_, PyAny>, tally: &Tally, in_memory: bool, saved: u64) {
    let hits = if in_memory {
        Count::MemoryHits
    } else {
        Count::DiskHits
    };
    with_critical_section(function, || {
        tally.add_alone(hits, 1);
        tally.add_alone(Count::Saved, saved);
    });
}

/// A body ran for this long.
pub fn count_computed(tally: &Tally, taken: Duration) {
    tally.count(Count::Misses);
    tally.spend(Count::Computed, taken);
}

/// Counts as `afml_cache.CacheInfo`.
pub fn info<'py>(py: Python<'py>, counts: &Counts) -> PyResult<Bound<'py, PyAny>> {
    let hits = counts
        .get(Count::MemoryHits)
        .saturating_add(counts.get(Count::DiskHits));
    let numbers = [
        Count::MemoryHits,
        Count::DiskHits,
        Count::Misses,
        Count::Waits,
        Count::Bypasses,
        Count::Errors,
        Count::StoredBytes,
        Count::Expired,
        Count::SpotChecks,
        Count::SpotDifferences,
    ];
    let numbers: Vec<_> = std::iter::once(hits)
        .chain(numbers.map(|count| counts.get(count)))
        .collect();
    let seconds = [Count::Computed, Count::Saved, Count::Keyed]
        .map(|count| Duration::from_nanos(counts.get(count)).as_secs_f64());
    py.import("afml_cache.info")?
        .getattr("CacheInfo")?
        .call_method1("of", (numbers, seconds.to_vec()))
}

/// A length of time that fits any counter.
pub fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
