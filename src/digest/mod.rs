//! Content digests: XXH3-128 over canonical bytes.
//!
//! The bytes that go in are ours (`encode`), fixed-width little-endian and length-prefixed, so that
//! a digest depends on content only: never on the process, the platform or the number of threads.

mod bits;
mod cells;
mod encode;
mod leaves;
mod pieces;
mod pool;
mod strided;
#[cfg(target_arch = "x86_64")]
mod wide;

pub use bits::Bits;
pub use cells::{BLOCK, Block, Text, digest_cells};
pub use encode::Encoder;
pub use leaves::{View, Write, digest_all, digest_bytes, digest_views, digest_while};
pub use pieces::Pieces;
pub use pool::cores;
pub use strided::Strided;

use std::fmt;
use xxhash_rust::xxh3::xxh3_128;

/// A 128-bit content digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; Digest::SIZE]);

impl Digest {
    /// Bytes of a digest.
    pub const SIZE: usize = 16;

    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(digest) = wide::xxh3_128(bytes) {
            return Self(digest.to_le_bytes());
        }
        Self(xxh3_128(bytes).to_le_bytes())
    }

    /// Reads 32 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 2 * Self::SIZE || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0; Self::SIZE];
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::Digest;

    #[test]
    fn hex_reads_back() {
        let digest = Digest::of(b"bars");
        assert_eq!(Digest::from_hex(&digest.to_string()), Some(digest));
        assert_eq!(Digest::from_hex("zz"), None);
    }
}
