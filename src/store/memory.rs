//! The memory tier: what was used of late, bounded in bytes.

use crate::digest::Digest;
use quick_cache::{Weighter, sync::Cache};

/// A value that knows what it weighs.
pub trait Weighed: Clone {
    /// Bytes that it keeps alive.
    fn weight(&self) -> u64;
}

#[derive(Clone)]
struct ByWeight;

impl<V: Weighed> Weighter<Digest, V> for ByWeight {
    fn weight(&self, _: &Digest, value: &V) -> u64 {
        value.weight()
    }
}

/// Keys to values, the least useful let go when the bytes run out.
pub struct MemoryTier<V: Weighed> {
    cache: Cache<Digest, V, ByWeight>,
}

/// A guess at the weight of a usual entry; it sizes the tier's tables and no more.
const USUAL: u64 = 1024;

impl<V: Weighed> MemoryTier<V> {
    /// A tier of at most so many bytes.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let entries = usize::try_from(bytes / USUAL)
            .unwrap_or(usize::MAX)
            .clamp(64, 1 << 20);
        Self {
            cache: Cache::with_weighter(entries, bytes, ByWeight),
        }
    }

    /// The value, if it is still held.
    #[must_use]
    pub fn get(&self, key: Digest) -> Option<V> {
        self.cache.get(&key)
    }

    /// Holds a value for as long as there is room.
    pub fn put(&self, key: Digest, value: V) {
        self.cache.insert(key, value);
    }

    /// Lets go of one value.
    pub fn remove(&self, key: Digest) {
        self.cache.remove(&key);
    }

    /// Lets go of everything.
    pub fn clear(&self) {
        self.cache.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{MemoryTier, Weighed};
    use crate::digest::Digest;

    impl Weighed for Vec<u8> {
        fn weight(&self) -> u64 {
            self.len() as u64
        }
    }

    #[test]
    fn the_bound_holds() {
        let tier = MemoryTier::new(10_000);
        let key = |number: u32| Digest::of(&number.to_le_bytes());
        for number in 0..1000 {
            tier.put(key(number), vec![0; 100]);
        }
        let held = (0..1000)
            .filter(|&number| tier.get(key(number)).is_some())
            .count();
        assert!((1..=100).contains(&held), "{held} held");
        tier.clear();
        assert!((0..1000).all(|number| tier.get(key(number)).is_none()));
    }
}
