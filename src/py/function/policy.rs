//! What is kept of a function's results, and for how long.

use crate::clock;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// The fields of `afml_cache.policy.Policy`, in their order.
#[derive(Clone, Copy, Debug, FromPyObject)]
pub struct Policy {
    /// Older results are computed again, ns.
    pub ttl_ns: Option<i64>,
    /// Calls that took less are not stored.
    pub min_seconds: f64,
    /// The largest payload that memory holds; 0 for none, `None` for any.
    pub memory_bytes: Option<usize>,
    /// How payloads are compressed.
    pub compress: Option<Compression>,
    /// The share of hits that are computed again and compared.
    pub spot_check: f64,
    /// Whether `key=` says what a call's arguments come to.
    pub has_key: bool,
}

/// A way to make payloads smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    Lz4,
    Zstd,
}

impl<'a, 'py> FromPyObject<'a, 'py> for Compression {
    type Error = PyErr;

    fn extract(name: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match name.extract::<&str>()? {
            "lz4" => Ok(Self::Lz4),
            _ => Ok(Self::Zstd),
        }
    }
}

impl Policy {
    /// Whether a result that was computed then may be used now; one of the future may not, since a
    /// clock has gone back.
    pub fn is_fresh(&self, made_ns: i64) -> bool {
        self.ttl_ns.is_none_or(|ttl| {
            let age = clock::wall_ns().saturating_sub(made_ns);
            (0..=ttl).contains(&age)
        })
    }

    /// Whether memory may hold a payload of this size.
    pub fn remembers(&self, size: usize) -> bool {
        self.memory_bytes
            .is_none_or(|most| size <= most && most > 0)
    }

    /// Whether this hit is one that is computed again.
    pub fn is_checked(&self) -> bool {
        #[allow(clippy::cast_precision_loss)]
        let drawn = || (draw() >> 11) as f64 / (1_u64 << 53) as f64;
        self.spot_check > 0.0 && drawn() < self.spot_check
    }
}

/// A number of a sequence of our own: the user's generators are left alone (splitmix64, Steele 2014).
fn draw() -> u64 {
    static STATE: AtomicU64 = AtomicU64::new(0);
    const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
    if STATE.load(Ordering::Relaxed) == 0 {
        let mut seed = [0; 8];
        // Without randomness every process checks the same calls.
        let _ = getrandom::fill(&mut seed);
        STATE.store(u64::from_le_bytes(seed) | 1, Ordering::Relaxed);
    }
    let mut mixed = STATE.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}
