//! A compressed payload as it was before.

use super::compress::Compression;
use super::payload::{ALIGN, Head, corrupt};
use crate::error::Result;

impl Head {
    /// Bytes that it takes once it is unpacked: the tree, and each leaf at its place.
    ///
    /// # Errors
    /// A length that can't be.
    pub fn unpacked_size(&self, payload: &[u8], how: Compression) -> Result<usize> {
        let packed = self.packed(payload)?;
        packed.iter().try_fold(0_usize, |size, packed| {
            size.checked_next_multiple_of(ALIGN)
                .and_then(|start| start.checked_add(how.length(packed).ok()?))
                .ok_or_else(|| corrupt("it can't be decompressed"))
        })
    }

    /// Unpacks the tree and the leaves into memory of `unpacked_size`; their places are those there.
    ///
    /// # Errors
    /// They are damaged.
    pub fn unpack(mut self, payload: &[u8], how: Compression, into: &mut [u8]) -> Result<Self> {
        let mut end: usize = 0;
        let mut places = Vec::new();
        for packed in self.packed(payload)? {
            let start = end.next_multiple_of(ALIGN);
            end = start + how.length(packed)?;
            let place = into.get_mut(start..end);
            how.unpack(packed, place.ok_or_else(|| corrupt("it is too long"))?)?;
            places.push(start..end);
        }
        let mut places = places.into_iter();
        self.tree = places.next().unwrap_or_default();
        for (leaf, place) in self.leaves.iter_mut().zip(places) {
            leaf.range = place;
        }
        self.compression = None;
        Ok(self)
    }

    /// The tree and the leaves, as they were packed.
    fn packed<'a>(&self, payload: &'a [u8]) -> Result<Vec<&'a [u8]>> {
        let leaves = self.leaves.iter().map(|leaf| leaf.range.clone());
        let parts = std::iter::once(self.tree.clone()).chain(leaves);
        parts
            .map(|part| payload.get(part))
            .collect::<Option<_>>()
            .ok_or_else(|| corrupt("a leaf lies outside the payload"))
    }
}
