//! What a cached function has done in this process.

use crate::clock;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Counts of one function. They are read one by one, so a reader may see a call half counted.
#[derive(Debug, Default)]
pub struct Counters {
    pub memory_hits: AtomicU64,
    pub disk_hits: AtomicU64,
    pub misses: AtomicU64,
    pub waits: AtomicU64,
    pub bypasses: AtomicU64,
    pub errors: AtomicU64,
    pub stored_bytes: AtomicU64,
    pub expired: AtomicU64,
    pub spot_checks: AtomicU64,
    pub spot_differences: AtomicU64,
    computed_ns: AtomicU64,
    saved_ns: AtomicU64,
    keyed_ns: AtomicU64,
    keys: AtomicU64,
}

/// So many keys are all timed; of those that follow one in `SAMPLED`, which then stands for as many.
const TIMED: u64 = 64;
const SAMPLED: u64 = 16;

impl Counters {
    /// A result came from memory, or from disk, instead of being computed.
    pub fn hit(&self, in_memory: bool, seconds: f64) {
        let hits = if in_memory {
            &self.memory_hits
        } else {
            &self.disk_hits
        };
        hits.fetch_add(1, Relaxed);
        let saved = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        self.saved_ns.fetch_add(nanoseconds(saved), Relaxed);
    }

    /// A body ran for this long.
    pub fn computed(&self, taken: Duration) {
        self.misses.fetch_add(1, Relaxed);
        self.computed_ns.fetch_add(nanoseconds(taken), Relaxed);
    }

    /// Makes a key, and takes the time of it.
    pub fn keying<T>(&self, key: impl FnOnce() -> T) -> T {
        let place = self.keys.fetch_add(1, Relaxed);
        if place >= TIMED && !place.is_multiple_of(SAMPLED) {
            return key();
        }
        let start = clock::monotonic();
        let made = key();
        let weight = if place < TIMED { 1 } else { SAMPLED };
        let taken = nanoseconds(clock::monotonic() - start).saturating_mul(weight);
        self.keyed_ns.fetch_add(taken, Relaxed);
        made
    }

    /// One more of something.
    pub fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// Everything back to zero.
    pub fn reset(&self) {
        for counter in self.all() {
            counter.store(0, Relaxed);
        }
        self.keys.store(0, Relaxed);
    }

    fn all(&self) -> [&AtomicU64; 13] {
        [
            &self.memory_hits,
            &self.disk_hits,
            &self.misses,
            &self.waits,
            &self.bypasses,
            &self.errors,
            &self.stored_bytes,
            &self.expired,
            &self.spot_checks,
            &self.spot_differences,
            &self.computed_ns,
            &self.saved_ns,
            &self.keyed_ns,
        ]
    }

    /// As `afml_cache.CacheInfo`.
    pub fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let [
            memory,
            disk,
            misses,
            waits,
            bypasses,
            errors,
            bytes,
            expired,
            spot_checks,
            spot_differences,
            computed,
            saved,
            keyed,
        ] = self.all().map(|counter| counter.load(Relaxed));
        let counts = [
            memory + disk,
            memory,
            disk,
            misses,
            waits,
            bypasses,
            errors,
            bytes,
            expired,
            spot_checks,
            spot_differences,
        ];
        let seconds = [computed, saved, keyed].map(|ns| Duration::from_nanos(ns).as_secs_f64());
        py.import("afml_cache.info")?
            .getattr("CacheInfo")?
            .call_method1("of", (counts.to_vec(), seconds.to_vec()))
    }
}

/// A length of time that fits any counter.
pub fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
