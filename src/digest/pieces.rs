//! Bytes that lie in several places, hashed as if they lay side by side.

use super::Digest;
use super::leaves::LEAF;

/// Bytes in pieces.
#[derive(Debug)]
pub struct Pieces {
    places: Vec<(*const u8, usize)>,
    /// Where each piece begins.
    starts: Vec<usize>,
    length: usize,
}

// SAFETY: a view is only read, and whoever makes one promises that the memory outlives it.
unsafe impl Send for Pieces {}
// SAFETY: as above.
unsafe impl Sync for Pieces {}

impl Pieces {
    /// # Safety
    /// The pieces must outlive every use of the view.
    pub(super) unsafe fn new(pieces: &[&[u8]]) -> Self {
        let mut length = 0;
        let starts = pieces.iter().map(|piece| {
            length += piece.len();
            length - piece.len()
        });
        let starts = starts.collect();
        let places = pieces.iter().map(|piece| (piece.as_ptr(), piece.len()));
        Self {
            places: places.collect(),
            starts,
            length,
        }
    }

    pub(super) fn byte_length(&self) -> usize {
        self.length
    }

    pub(super) fn leaves(&self) -> usize {
        self.length.div_ceil(LEAF).max(1)
    }

    /// The digest of one leaf, put together in `scratch` where it lies in several pieces.
    pub(super) fn leaf(&self, number: usize, scratch: &mut Vec<u8>) -> Digest {
        let (start, end) = (number * LEAF, self.length.min((number + 1) * LEAF));
        let first = self.starts.partition_point(|&begin| begin <= start);
        scratch.clear();
        for place in first.saturating_sub(1)..self.places.len() {
            let (pointer, length) = self.places[place];
            let begin = self.starts[place];
            if begin >= end {
                break;
            }
            let (from, to) = (start.max(begin), end.min(begin + length));
            // SAFETY: `begin <= from <= to <= begin + length`.
            let part = unsafe { std::slice::from_raw_parts(pointer.add(from - begin), to - from) };
            if part.len() == end - start {
                return Digest::of(part);
            }
            scratch.extend_from_slice(part);
        }
        Digest::of(scratch)
    }
}
