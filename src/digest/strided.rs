//! Items of one width at a fixed distance in memory.

use super::Digest;
use super::leaves::LEAF;

/// Bytes of a matrix whose columns are gathered side by side: they stay in the innermost cache.
const WARM: usize = 16 * 1024;

/// Items of one width at a fixed distance in memory.
#[derive(Clone, Copy, Debug)]
pub struct Strided {
    pointer: *const u8,
    item: usize,
    count: usize,
    stride: isize,
}

// SAFETY: a view is only read, and whoever makes one promises that the memory outlives it.
unsafe impl Send for Strided {}
// SAFETY: as above.
unsafe impl Sync for Strided {}

impl Strided {
    /// `count` items of `item` bytes, `stride` bytes apart.
    ///
    /// # Safety
    /// The items must be readable for as long as the view is used.
    #[must_use]
    pub unsafe fn new(pointer: *const u8, item: usize, count: usize, stride: isize) -> Self {
        Self {
            pointer,
            item,
            count,
            stride,
        }
    }

    /// A view of contiguous bytes; it must not outlive them.
    ///
    /// # Safety
    /// `bytes` must outlive every use of the view.
    #[must_use]
    pub unsafe fn contiguous(bytes: &[u8]) -> Self {
        Self {
            pointer: bytes.as_ptr(),
            item: 1,
            count: bytes.len(),
            stride: 1,
        }
    }

    /// Bytes that the items have together.
    #[must_use]
    pub fn byte_length(&self) -> usize {
        self.item * self.count
    }

    fn is_contiguous(&self) -> bool {
        usize::try_from(self.stride) == Ok(self.item) || self.count <= 1
    }

    pub(super) fn items_per_leaf(&self) -> usize {
        (LEAF / self.item.max(1)).max(1)
    }

    /// How many leaves the items are cut into.
    pub(super) fn leaves(&self) -> usize {
        if self.item == 0 {
            1
        } else {
            self.count.div_ceil(self.items_per_leaf()).max(1)
        }
    }

    /// What columns of one matrix have in common; `None` where the items lie side by side.
    pub(super) fn grid(&self) -> Option<(isize, usize, usize)> {
        let gaps = !self.is_contiguous() && matches!(self.item, 4 | 8);
        gaps.then_some((self.stride, self.item, self.count))
    }

    /// Where the first item lies.
    pub(super) fn address(&self) -> usize {
        self.pointer.addr()
    }

    /// The digest of one leaf, gathered into `scratch` where the items do not lie side by side.
    pub(super) fn leaf(&self, number: usize, scratch: &mut Vec<u8>) -> Digest {
        let (first, items) = self.within(number);
        if items * self.item == 0 {
            return Digest::of(&[]);
        }
        // SAFETY: `first + items <= count`, so every address read lies within the view.
        unsafe {
            let start = self.pointer.offset(self.stride * first.cast_signed());
            if self.is_contiguous() {
                return Digest::of(std::slice::from_raw_parts(start, items * self.item));
            }
            self.gather(start, items, scratch);
        }
        Digest::of(scratch)
    }

    /// The first item of a leaf, and how many it has.
    fn within(&self, number: usize) -> (usize, usize) {
        let first = (number * self.items_per_leaf()).min(self.count);
        (first, self.items_per_leaf().min(self.count - first))
    }

    /// Appends one leaf of each column of one grid to `digests`; every line of memory is read once.
    pub(super) fn leaf_of_each(
        columns: &[Self],
        number: usize,
        scratch: &mut Vec<u8>,
        digests: &mut Vec<Digest>,
    ) {
        let Some(&like) = columns.first() else { return };
        let (first, items) = like.within(number);
        let width = items * like.item;
        scratch.resize(width * columns.len(), 0);
        let block = (WARM / like.stride.unsigned_abs().max(1)).max(8);
        for done in (0..items).step_by(block) {
            let rows = block.min(items - done);
            for (column, part) in columns.iter().zip(scratch.chunks_exact_mut(width)) {
                let part = &mut part[done * like.item..(done + rows) * like.item];
                // SAFETY: `first + items <= count`, so every address read lies within the view.
                unsafe { column.gather_into(first + done, part) };
            }
        }
        let leaves = scratch.chunks_exact(width.max(1));
        digests.extend(leaves.map(Digest::of));
    }

    /// # Safety
    /// The items from `first` on that fit `part` must lie within the view.
    unsafe fn gather_into(&self, first: usize, part: &mut [u8]) {
        let mut place = self
            .pointer
            .wrapping_offset(self.stride * first.cast_signed());
        // SAFETY: each read is of one item of the view.
        unsafe {
            if self.item == 8 {
                for item in part.as_chunks_mut::<8>().0 {
                    *item = place.cast::<[u8; 8]>().read();
                    place = place.wrapping_offset(self.stride);
                }
            } else {
                for item in part.as_chunks_mut::<4>().0 {
                    *item = place.cast::<[u8; 4]>().read();
                    place = place.wrapping_offset(self.stride);
                }
            }
        }
    }

    /// # Safety
    /// `items` items from `start` on must lie within the view.
    unsafe fn gather(&self, start: *const u8, items: usize, scratch: &mut Vec<u8>) {
        // SAFETY: passed on to the caller; `gather_words` reads `size_of::<T>() == item` bytes each.
        unsafe {
            match self.item {
                8 => gather_words::<u64>(start, self.stride, items, scratch),
                4 => gather_words::<u32>(start, self.stride, items, scratch),
                2 => gather_words::<u16>(start, self.stride, items, scratch),
                1 => gather_words::<u8>(start, self.stride, items, scratch),
                _ => gather_any(start, self.stride, items, self.item, scratch),
            }
        }
    }
}

/// # Safety
/// `items` values of `T` must be readable from `start` on, `stride` bytes apart; alignment is free.
unsafe fn gather_words<T: Copy>(start: *const u8, stride: isize, items: usize, out: &mut Vec<u8>) {
    let length = items * size_of::<T>();
    out.clear();
    out.reserve(length);
    let target = out.as_mut_ptr().cast::<T>();
    for place in 0..items {
        // SAFETY: `reserve` made room for `items` values; the source is the caller's promise.
        unsafe {
            let value = start
                .offset(stride * place.cast_signed())
                .cast::<T>()
                .read_unaligned();
            target.add(place).write_unaligned(value);
        }
    }
    // SAFETY: the loop wrote these bytes.
    unsafe { out.set_len(length) };
}

/// # Safety
/// As `gather_words`, for items of `width` bytes.
unsafe fn gather_any(
    start: *const u8,
    stride: isize,
    items: usize,
    width: usize,
    out: &mut Vec<u8>,
) {
    out.clear();
    for place in 0..items {
        // SAFETY: the caller's promise.
        let item = unsafe {
            std::slice::from_raw_parts(start.offset(stride * place.cast_signed()), width)
        };
        out.extend_from_slice(item);
    }
}
