//! What cached functions did: counted in memory, and added to the index in batches.
//!
//! Counts only ever rise, and each store remembers how far it has taken them: so nothing is added
//! twice, and nothing is lost where a function vanishes or comes to use another store.

use super::Store;
use crate::error::Result;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// How many things are counted.
const COUNTS: usize = 13;

/// What is counted; times are in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Results that memory had.
    MemoryHits,
    /// Results that the disk had.
    DiskHits,
    /// Bodies that ran.
    Misses,
    /// Calls that waited for another's computation.
    Waits,
    /// Calls that ran without the cache.
    Bypasses,
    /// What failed.
    Errors,
    /// Bytes of results that were stored.
    StoredBytes,
    /// Results that were too old.
    Expired,
    /// Hits that were computed again.
    SpotChecks,
    /// Those that differed.
    SpotDifferences,
    /// How long bodies ran.
    Computed,
    /// How long the bodies of hits had run.
    Saved,
    /// How long it took to make keys.
    Keyed,
}

/// The columns of the index that hold them.
pub const COLUMNS: [&str; COUNTS] = [
    "memory_hits",
    "disk_hits",
    "misses",
    "waits",
    "bypasses",
    "errors",
    "stored_bytes",
    "expired",
    "spot_checks",
    "spot_differences",
    "computed",
    "saved",
    "keyed",
];

/// Counts of one function, in the order of `Count`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts(pub [u64; COUNTS]);

/// Counts by the name of the function.
pub type Counted = FxHashMap<String, Counts>;

impl Counts {
    /// One of them.
    #[must_use]
    pub fn get(&self, count: Count) -> u64 {
        self.0[count as usize]
    }

    /// What was counted since others of them.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self(std::array::from_fn(|at| {
            self.0[at].wrapping_sub(earlier.0[at])
        }))
    }

    /// Adds others.
    pub fn add(&mut self, more: &Self) {
        for (count, more) in self.0.iter_mut().zip(more.0) {
            *count = count.saturating_add(more);
        }
    }

    /// Seconds that a body takes in the mean; `None` where none has run.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn mean_seconds(&self) -> Option<f64> {
        let ran = self.get(Count::Misses);
        let taken = Duration::from_nanos(self.get(Count::Computed)).as_secs_f64();
        (ran > 0).then(|| taken / ran as f64)
    }
}

/// What one function did in this process. Its counts are read one by one, so a reader may see a
/// call half counted.
#[derive(Debug, Default)]
pub struct Tally {
    function: String,
    counts: [AtomicU64; COUNTS],
    /// Up to where a store has taken them.
    taken: Mutex<Counts>,
    /// The store that takes them, and its number: asked for at each call.
    store: Mutex<Weak<Tallies>>,
    number: AtomicU64,
}

impl Tally {
    /// Counts for a function, all zero.
    #[must_use]
    pub fn new(function: &str) -> Self {
        Self {
            function: function.to_owned(),
            ..Self::default()
        }
    }

    /// One more of something.
    pub fn count(&self, count: Count) {
        self.add(count, 1);
    }

    /// Some more of something.
    pub fn add(&self, count: Count, more: u64) {
        self.counts[count as usize].fetch_add(more, Relaxed);
    }

    /// As `add`, where nobody else counts the same meanwhile: without the atomic step, which
    /// takes some 10 ns.
    pub fn add_alone(&self, count: Count, more: u64) {
        let counted = &self.counts[count as usize];
        counted.store(counted.load(Relaxed).wrapping_add(more), Relaxed);
    }

    /// Some more time for something.
    pub fn spend(&self, count: Count, time: Duration) {
        self.add(count, nanoseconds(time));
    }

    /// All of them.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts(std::array::from_fn(|at| self.counts[at].load(Relaxed)))
    }

    /// What was counted since this was last asked.
    fn take(&self) -> Counts {
        let mut taken = locked(&self.taken);
        let counts = self.counts();
        let more = counts.since(&taken);
        *taken = counts;
        more
    }
}

/// The functions whose counts a store takes, and those that are not in its index yet.
#[derive(Debug)]
pub struct Tallies {
    number: u64,
    waiting: Mutex<Counted>,
    /// Asked for while `waiting` is locked, and not the other way around.
    of: Mutex<Vec<Arc<Tally>>>,
}

impl Default for Tallies {
    fn default() -> Self {
        /// No number is given twice, as an address may be.
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        Self {
            number: NUMBERS.fetch_add(1, Relaxed),
            waiting: Mutex::default(),
            of: Mutex::default(),
        }
    }
}

impl Tallies {
    /// What is not in the index yet; locked, so that it is not added meanwhile.
    pub fn waiting(&self) -> MutexGuard<'_, Counted> {
        let mut waiting = locked(&self.waiting);
        locked(&self.of).retain(|tally| {
            wait(&mut waiting, tally);
            // Nobody else counts in it any more: its function is gone.
            Arc::strong_count(tally) > 1
        });
        waiting
    }

    #[cold]
    fn enlist(self: &Arc<Self>, tally: &Arc<Tally>) {
        /// From so many functions on, it is looked for those that are gone.
        const MANY: usize = 256;
        let mut store = locked(&tally.store);
        let earlier = store.upgrade();
        if earlier.as_ref().is_some_and(|own| Arc::ptr_eq(own, self)) {
            return;
        }
        if let Some(earlier) = earlier {
            let mut waiting = locked(&earlier.waiting);
            wait(&mut waiting, tally);
            locked(&earlier.of).retain(|one| !Arc::ptr_eq(one, tally));
        }
        *store = Arc::downgrade(self);
        tally.number.store(self.number, Relaxed);
        let mut of = locked(&self.of);
        of.push(tally.clone());
        let many = of.len().is_multiple_of(MANY);
        drop(of);
        if many {
            drop(self.waiting());
        }
    }
}

impl Store {
    /// Has this store take what a function counts from here on.
    pub fn takes(&self, tally: &Arc<Tally>) {
        if tally.number.load(Relaxed) != self.tallies.number {
            self.tallies.enlist(tally);
        }
    }

    /// What a function did, or all of them, in every process: what the index has, and what this
    /// store and others that are open have not added to it, where they are of the same folder.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn counted(
        &self,
        open: &[Arc<Self>],
        function: Option<&str>,
    ) -> Result<BTreeMap<String, Counts>> {
        let others = open.iter().filter(|store| store.id == self.id);
        let mut tallies: Vec<_> = others.map(|store| &store.tallies).collect();
        tallies.push(&self.tallies);
        // One order for all who lock several.
        tallies.sort_by_key(|tallies| tallies.number);
        tallies.dedup_by_key(|tallies| tallies.number);
        let waiting: Vec<_> = tallies.iter().map(|tallies| tallies.waiting()).collect();
        let mut all: BTreeMap<_, _> = self
            .with_index(|index| index.counted(function))?
            .into_iter()
            .collect();
        for (name, counts) in waiting.iter().flat_map(|counted| counted.iter()) {
            if function.is_none_or(|function| function == name) {
                all.entry(name.clone()).or_default().add(counts);
            }
        }
        Ok(all)
    }

    /// Seconds that a function takes in the mean, by what every process counted; `None` where it
    /// never ran, or the index can't be asked.
    #[must_use]
    pub fn mean_seconds(&self, function: &str) -> Option<f64> {
        let counted = self.counted(&[], Some(function)).ok()?;
        counted.get(function)?.mean_seconds()
    }

    /// Sets the counts of a function to zero, or those of all; what other processes have not added
    /// yet is still to come.
    pub(super) fn forget_counts(&self, function: Option<&str>) {
        let mut waiting = self.tallies.waiting();
        match function {
            Some(function) => drop(waiting.remove(function)),
            None => waiting.clear(),
        }
        // Counts are worth no failure of what was asked for.
        let _ = self.change(|index| index.forget_counts(function));
    }
}

/// Adds what a function did to what waits.
fn wait(waiting: &mut Counted, tally: &Tally) {
    let more = tally.take();
    if more == Counts::default() {
        return;
    }
    if let Some(counts) = waiting.get_mut(&tally.function) {
        counts.add(&more);
    } else {
        waiting.insert(tally.function.clone(), more);
    }
}

/// What takes centuries is no time that was measured.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(0)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
