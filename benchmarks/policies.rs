//! Replays a trace of look-ups against the memory tier, W-TinyLFU (moka) and LRU.
//!
//! Reads `key bytes` lines from standard input; the arguments are capacities in bytes. Writes
//! `policy capacity hits hit-bytes` lines, and the sums of the trace as `trace 0 look-ups bytes`.
#![allow(clippy::print_stdout)]

use afml_cache::digest::Digest;
use afml_cache::store::{MemoryTier, Weighed};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead};
use std::sync::Arc;

/// A value of so many bytes.
#[derive(Clone, Copy)]
struct Size(u64);

impl Weighed for Size {
    fn weight(&self) -> u64 {
        self.0
    }
}

/// What a policy is asked: is it held, and if not, hold it.
trait Policy {
    fn is_hit(&mut self, key: u64, bytes: u64) -> bool;
}

struct Ours(MemoryTier<Size>);

impl Policy for Ours {
    fn is_hit(&mut self, key: u64, bytes: u64) -> bool {
        let key = Digest::of(&key.to_le_bytes());
        let held = self.0.get(key).is_some();
        if !held {
            self.0.put(key, Arc::new(Size(bytes)));
        }
        held
    }
}

struct TinyLfu(moka::sync::Cache<u64, Size>);

impl TinyLfu {
    fn new(bytes: u64) -> Self {
        let weight = |_: &u64, size: &Size| u32::try_from(size.0).unwrap_or(u32::MAX);
        Self(
            moka::sync::Cache::builder()
                .max_capacity(bytes)
                .weigher(weight)
                .build(),
        )
    }
}

impl Policy for TinyLfu {
    fn is_hit(&mut self, key: u64, bytes: u64) -> bool {
        let held = self.0.get(&key).is_some();
        if !held {
            self.0.insert(key, Size(bytes));
        }
        // It works in batches; each look-up is to see the ones before it.
        self.0.run_pending_tasks();
        held
    }
}

#[derive(Default)]
struct Lru {
    capacity: u64,
    held: u64,
    now: u64,
    times: HashMap<u64, (u64, u64)>,
    order: BTreeMap<u64, u64>,
}

impl Policy for Lru {
    fn is_hit(&mut self, key: u64, bytes: u64) -> bool {
        self.now += 1;
        let before = self.times.get(&key).copied();
        if let Some((time, _)) = before {
            self.order.remove(&time);
        } else if bytes > self.capacity {
            return false;
        } else {
            self.held += bytes;
        }
        self.times.insert(key, (self.now, bytes));
        self.order.insert(self.now, key);
        while self.held > self.capacity
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.held -= self.times.remove(&oldest).map_or(0, |(_, bytes)| bytes);
        }
        before.is_some()
    }
}

fn replay(name: &str, capacity: u64, policy: &mut dyn Policy, trace: &[(u64, u64)]) {
    let (mut hits, mut bytes_hit) = (0_u64, 0_u64);
    for &(key, bytes) in trace {
        if policy.is_hit(key, bytes) {
            hits += 1;
            bytes_hit += bytes;
        }
    }
    println!("{name} {capacity} {hits} {bytes_hit}");
}

fn main() {
    let lines = io::stdin().lock().lines().map_while(Result::ok);
    let trace: Vec<(u64, u64)> = lines
        .filter_map(|line| {
            let (key, bytes) = line.split_once(' ')?;
            Some((key.parse().ok()?, bytes.parse().ok()?))
        })
        .collect();
    let bytes: u64 = trace.iter().map(|(_, bytes)| bytes).sum();
    println!("trace 0 {} {bytes}", trace.len());
    for capacity in std::env::args()
        .skip(1)
        .filter_map(|text| text.parse().ok())
    {
        replay(
            "afml_cache",
            capacity,
            &mut Ours(MemoryTier::new(capacity)),
            &trace,
        );
        replay("W-TinyLFU", capacity, &mut TinyLfu::new(capacity), &trace);
        let mut lru = Lru {
            capacity,
            ..Lru::default()
        };
        replay("LRU", capacity, &mut lru, &trace);
    }
}
