//! The canonical writer: everything that is digested passes through here.

use super::Digest;
use xxhash_rust::xxh3::Xxh3;

/// Past this many bytes the buffer is handed to the streaming hash.
const FLUSH: usize = 16 * 1024;

/// Collects canonical bytes and digests them.
///
/// Short inputs are hashed in one go from the buffer; XXH3 gives the same digest either way.
pub struct Encoder {
    buffer: Vec<u8>,
    stream: Option<Box<Xxh3>>,
}

/// What a few small arguments take: they are written without growing the buffer.
const USUAL: usize = 192;

impl Default for Encoder {
    fn default() -> Self {
        Self {
            buffer: Vec::with_capacity(USUAL),
            stream: None,
        }
    }
}

impl Encoder {
    /// An empty writer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One byte, as a type tag.
    #[inline]
    pub fn tag(&mut self, tag: u8) {
        self.buffer.push(tag);
    }

    /// A count or length.
    #[inline]
    pub fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    /// A signed number.
    #[inline]
    pub fn i64(&mut self, value: i64) {
        self.raw(&value.to_le_bytes());
    }

    /// A float, bit for bit.
    #[inline]
    pub fn f64(&mut self, value: f64) {
        self.raw(&value.to_bits().to_le_bytes());
    }

    /// Bytes behind their length.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        self.raw(bytes);
    }

    /// A digest of fixed width.
    #[inline]
    pub fn digest(&mut self, digest: Digest) {
        self.raw(&digest.0);
    }

    /// Bytes with no length before them: for what has a fixed width.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() > FLUSH {
            self.flush();
        }
        if bytes.len() > FLUSH {
            self.stream
                .get_or_insert_with(Default::default)
                .update(bytes);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The digest of everything written; the writer is empty afterwards.
    pub fn finish(&mut self) -> Digest {
        let digest = match self.stream.take() {
            None => Digest::of(&self.buffer),
            Some(mut stream) => {
                stream.update(&self.buffer);
                Digest(stream.digest128().to_le_bytes())
            }
        };
        self.buffer.clear();
        digest
    }

    fn flush(&mut self) {
        if !self.buffer.is_empty() {
            self.stream
                .get_or_insert_with(Default::default)
                .update(&self.buffer);
            self.buffer.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Digest, Encoder};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_do_not_show(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9000), 0..9)) {
            let mut encoder = Encoder::new();
            for piece in &pieces {
                encoder.raw(piece);
            }
            prop_assert_eq!(encoder.finish(), Digest::of(&pieces.concat()));
        }
    }

    #[test]
    fn lengths_keep_neighbours_apart() {
        let (mut one, mut two) = (Encoder::new(), Encoder::new());
        one.bytes(b"ab");
        one.bytes(b"c");
        two.bytes(b"a");
        two.bytes(b"bc");
        assert_ne!(one.finish(), two.finish());
    }
}
