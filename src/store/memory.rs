//! The memory tier: what was used of late, bounded in bytes.

use crate::digest::Digest;
use crate::process::PerProcess;
use quick_cache::unsync::Cache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};
use rustc_hash::FxBuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A value that knows what it weighs.
pub trait Weighed {
    /// Bytes that it keeps alive.
    fn weight(&self) -> u64;
}

/// What an entry takes beside its value: its key, its place in the tables, the value's own counts.
const OVERHEAD: u64 = 160;
/// A guess at the weight of a usual entry; it sizes the tier's tables and no more.
const USUAL: u64 = 16 * 1024;
/// The share of the bytes for what was used more than once; measured on a recorded trace.
const HOT: f64 = 0.8;

#[derive(Clone)]
struct ByWeight;

impl<V: Weighed> Weighter<Digest, Arc<V>> for ByWeight {
    fn weight(&self, _: &Digest, value: &Arc<V>) -> u64 {
        OVERHEAD + value.weight()
    }
}

/// Lets go of values when no lock is held: what a value runs when it goes may come back here.
#[derive(Clone)]
struct Later;

impl<V> Lifecycle<Digest, Arc<V>> for Later {
    type RequestState = Vec<Arc<V>>;

    fn on_evict(&self, state: &mut Self::RequestState, _: Digest, value: Arc<V>) {
        state.push(value);
    }
}

type Values<V> = Cache<Digest, Arc<V>, ByWeight, FxBuildHasher, Later>;

/// Keys to values, the least useful let go when the bytes run out.
pub struct MemoryTier<V: Weighed + Send + Sync + 'static> {
    bytes: u64,
    /// A forked child begins with nothing.
    values: PerProcess<Mutex<Values<V>>>,
}

impl<V: Weighed + Send + Sync + 'static> MemoryTier<V> {
    /// A tier of at most so many bytes; one of none holds nothing.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        Self {
            bytes,
            values: PerProcess::new(move || Mutex::new(values(bytes))),
        }
    }

    fn values(&self) -> MutexGuard<'_, Values<V>> {
        self.values
            .get()
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What is read of a value, if it is still held; under a lock, so that reading must not wait for
    /// anybody, nor come back to the tier.
    pub fn read<R>(&self, key: Digest, read: impl FnOnce(&Arc<V>) -> R) -> Option<R> {
        self.values().get(&key).map(read)
    }

    /// The value, if it is still held.
    #[must_use]
    pub fn get(&self, key: Digest) -> Option<Arc<V>> {
        self.read(key, Arc::clone)
    }

    /// Holds a value for as long as there is room.
    pub fn put(&self, key: Digest, value: Arc<V>) {
        if self.bytes > 0 {
            let mut gone = Vec::new();
            self.values().insert_with_lifecycle(key, value, &mut gone);
        }
    }

    /// Lets go of one value.
    pub fn remove(&self, key: Digest) {
        let gone = self.values().remove(&key);
        drop(gone);
    }

    /// Lets go of everything.
    pub fn clear(&self) {
        let gone: Vec<_> = self.values().drain().collect();
        drop(gone);
    }

    /// Bytes that are held now.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.values().weight()
    }
}

/// Under one lock: the interpreter's keeps threads apart anyway, and in a share of the bytes fewer large
/// values would fit.
fn values<V: Weighed>(bytes: u64) -> Values<V> {
    let entries = usize::try_from(bytes / USUAL)
        .unwrap_or(usize::MAX)
        .clamp(64, 1 << 20);
    let options = OptionsBuilder::new()
        .estimated_items_capacity(entries)
        .weight_capacity(bytes)
        .hot_allocation(HOT)
        .build();
    match options {
        Ok(options) => Cache::with_options(options, ByWeight, FxBuildHasher, Later),
        Err(_) => Cache::with(entries, bytes, ByWeight, FxBuildHasher, Later),
    }
}

#[cfg(test)]
mod tests {
    use super::{MemoryTier, OVERHEAD, Weighed};
    use crate::digest::Digest;
    use std::sync::Arc;

    impl Weighed for Vec<u8> {
        fn weight(&self) -> u64 {
            self.len() as u64
        }
    }

    fn key(number: u32) -> Digest {
        Digest::of(&number.to_le_bytes())
    }

    #[test]
    fn the_bound_holds() {
        let each = 100 + OVERHEAD;
        let tier = MemoryTier::new(100 * each);
        for number in 0..1000 {
            tier.put(key(number), Arc::new(vec![0_u8; 100]));
            assert!(tier.weight() <= 100 * each);
        }
        let held = (0..1000)
            .filter(|&number| tier.get(key(number)).is_some())
            .count();
        assert!((90..=100).contains(&held), "{held} held");
        tier.clear();
        assert!((0..1000).all(|number| tier.get(key(number)).is_none()));
        assert_eq!(tier.weight(), 0);
    }

    #[test]
    fn a_tier_of_no_bytes_holds_nothing() {
        let tier = MemoryTier::new(0);
        tier.put(key(1), Arc::new(Vec::new()));
        assert!(tier.get(key(1)).is_none());
        tier.remove(key(1));
        tier.clear();
    }

    #[test]
    fn a_large_value_is_held_where_it_fits() {
        let tier = MemoryTier::new(1_000_000);
        tier.put(key(1), Arc::new(vec![0_u8; 700_000]));
        assert!(tier.get(key(1)).is_some());
        tier.put(key(2), Arc::new(vec![0_u8; 1_100_000]));
        assert!(tier.get(key(2)).is_none(), "larger than the tier");
        assert!(tier.get(key(1)).is_some(), "and nothing went for it");
    }

    #[test]
    fn a_value_that_comes_back_to_the_tier_as_it_goes_finds_no_lock() {
        struct Returns(Arc<MemoryTier<Vec<u8>>>, u32);
        impl Weighed for Returns {
            fn weight(&self) -> u64 {
                100
            }
        }
        impl Drop for Returns {
            fn drop(&mut self) {
                self.0.put(key(self.1), Arc::new(Vec::new()));
            }
        }
        let other = Arc::new(MemoryTier::new(1 << 20));
        let tier = MemoryTier::new(10 * (100 + OVERHEAD));
        for number in 0..20 {
            tier.put(key(number), Arc::new(Returns(other.clone(), number)));
        }
        tier.clear();
        assert!((0..20).all(|number| other.get(key(number)).is_some()));
    }
}
