//! Smaller payloads: the tree and each leaf, behind its length before.

use crate::error::{Error, Kind, Result};

/// How a payload is made smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Fast.
    Lz4,
    /// Small.
    Zstd,
}

/// Bytes of the length before.
const LENGTH: usize = 8;

impl Compression {
    /// The bytes, made smaller.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn pack(self, bytes: &[u8]) -> Result<Vec<u8>> {
        let mut packed = (bytes.len() as u64).to_le_bytes().to_vec();
        match self {
            Self::Lz4 => packed.extend(lz4_flex::block::compress(bytes)),
            Self::Zstd => packed.extend(
                zstd::bulk::compress(bytes, zstd::DEFAULT_COMPRESSION_LEVEL)
                    .map_err(|error| Error::caused(Kind::Io, "can't be compressed", error))?,
            ),
        }
        Ok(packed)
    }

    /// How long the bytes were before.
    ///
    /// # Errors
    /// They say nothing, or something that can't be.
    pub fn length(self, packed: &[u8]) -> Result<usize> {
        /// No block of these can say more of its bytes.
        const MOST: [u64; 2] = [255, 1 << 17];
        let (length, rest) = packed.split_first_chunk().ok_or_else(damaged)?;
        let length = u64::from_le_bytes(*length);
        let most = MOST[self as usize].saturating_mul(rest.len() as u64 + 1);
        usize::try_from(length)
            .ok()
            .filter(|_| length <= most)
            .ok_or_else(damaged)
    }

    /// Puts the bytes as they were before into a place of their length.
    ///
    /// # Errors
    /// They are not what was packed.
    pub fn unpack(self, packed: &[u8], into: &mut [u8]) -> Result<()> {
        let packed = packed.get(LENGTH..).ok_or_else(damaged)?;
        let length = match self {
            Self::Lz4 => lz4_flex::block::decompress_into(packed, into).map_err(|_| damaged())?,
            Self::Zstd => zstd::bulk::decompress_to_buffer(packed, into).map_err(|_| damaged())?,
        };
        if length == into.len() {
            Ok(())
        } else {
            Err(damaged())
        }
    }
}

fn damaged() -> Error {
    Error::new(Kind::Corrupt, "it can't be decompressed")
}

#[cfg(test)]
mod tests {
    use super::Compression;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_packed_comes_back(bytes in prop::collection::vec(0..4_u8, 0..3000)) {
            for how in [Compression::Lz4, Compression::Zstd] {
                let packed = how.pack(&bytes).unwrap();
                let mut unpacked = vec![9; how.length(&packed).unwrap()];
                how.unpack(&packed, &mut unpacked).unwrap();
                prop_assert_eq!(&unpacked, &bytes);
            }
        }

        #[test]
        fn rubbish_is_an_error_or_something_of_its_length(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for how in [Compression::Lz4, Compression::Zstd] {
                if let Ok(length) = how.length(&bytes) {
                    let mut into = vec![0; length];
                    let _ = how.unpack(&bytes, &mut into);
                }
            }
        }
    }
}
