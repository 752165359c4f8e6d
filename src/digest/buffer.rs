//! Large buffers: cut into leaves of a fixed size, hashed on all cores, combined.
//!
//! The digest of a buffer is the digest of its bytes when they fit one leaf, and otherwise the
//! digest of its leaves' digests. Where the cuts lie depends on the length alone.

use super::Digest;
use std::num::NonZero;
use std::sync::OnceLock;
use std::thread;

/// Bytes of a leaf; every item width up to 64 divides it or is gathered at its own multiple.
const LEAF: usize = 64 * 1024;
/// Below this many bytes a second thread costs more than it brings.
const PARALLEL: usize = 1024 * 1024;

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

    fn items_per_leaf(&self) -> usize {
        (LEAF / self.item.max(1)).max(1)
    }

    fn leaves(&self) -> usize {
        if self.item == 0 {
            1
        } else {
            self.count.div_ceil(self.items_per_leaf()).max(1)
        }
    }

    /// The digest of one leaf, gathered into `scratch` where the items do not lie side by side.
    fn leaf(&self, number: usize, scratch: &mut Vec<u8>) -> Digest {
        let first = number * self.items_per_leaf();
        let items = self
            .items_per_leaf()
            .min(self.count - first.min(self.count));
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

/// The digest of contiguous bytes, as `digest_all` gives it.
#[must_use]
pub fn digest_bytes(bytes: &[u8]) -> Digest {
    // SAFETY: the view is gone when this function returns.
    let view = unsafe { Strided::contiguous(bytes) };
    digest_all(&[view])[0]
}

/// The digest of each view, on all cores where that pays.
///
/// Leaves are taken in the order of their number, all views side by side, so that the columns of
/// one row-major matrix are gathered while their cache lines are warm.
#[must_use]
pub fn digest_all(views: &[Strided]) -> Vec<Digest> {
    let mut jobs: Vec<(usize, usize)> = (0..views.len())
        .flat_map(|view| (0..views[view].leaves()).map(move |leaf| (leaf, view)))
        .collect();
    jobs.sort_unstable();
    let total: usize = views.iter().map(Strided::byte_length).sum();
    let threads = if total < PARALLEL {
        1
    } else {
        cores().min(jobs.len())
    };
    let leaves = run(views, &jobs, threads);
    combine(views, &jobs, &leaves)
}

fn run(views: &[Strided], jobs: &[(usize, usize)], threads: usize) -> Vec<Digest> {
    let work = |part: &[(usize, usize)]| -> Vec<Digest> {
        let mut scratch = Vec::new();
        part.iter()
            .map(|&(leaf, view)| views[view].leaf(leaf, &mut scratch))
            .collect()
    };
    if threads <= 1 {
        return work(jobs);
    }
    let share = jobs.len().div_ceil(threads);
    thread::scope(|scope| {
        let (mine, others) = jobs.split_at(share.min(jobs.len()));
        let running: Vec<_> = others
            .chunks(share)
            .map(|part| {
                (
                    part,
                    thread::Builder::new().spawn_scoped(scope, move || work(part)),
                )
            })
            .collect();
        let mut digests = work(mine);
        for (part, handle) in running {
            // A thread that could not start, or died, has its share done here.
            let done = handle.ok().and_then(|handle| handle.join().ok());
            digests.extend(done.unwrap_or_else(|| work(part)));
        }
        digests
    })
}

fn combine(views: &[Strided], jobs: &[(usize, usize)], leaves: &[Digest]) -> Vec<Digest> {
    let mut joined: Vec<Vec<u8>> = views
        .iter()
        .map(|view| Vec::with_capacity(view.leaves() * Digest::SIZE))
        .collect();
    for (&(_, view), leaf) in jobs.iter().zip(leaves) {
        joined[view].extend_from_slice(&leaf.0);
    }
    joined
        .iter()
        .map(
            |leaves| match <[u8; Digest::SIZE]>::try_from(leaves.as_slice()) {
                Ok(only) => Digest(only),
                Err(_) => Digest::of(leaves),
            },
        )
        .collect()
}

fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, NonZero::get))
}

#[cfg(test)]
mod tests {
    use super::{Digest, LEAF, Strided, combine, digest_all, digest_bytes, run};

    fn naive(bytes: &[u8]) -> Digest {
        if bytes.len() <= LEAF {
            return Digest::of(bytes);
        }
        let leaves: Vec<u8> = bytes
            .chunks(LEAF)
            .flat_map(|leaf| Digest::of(leaf).0)
            .collect();
        Digest::of(&leaves)
    }

    fn noise(length: usize) -> Vec<u8> {
        (0..length)
            .map(|place| (place * 31 + place / 251).to_le_bytes()[0])
            .collect()
    }

    #[test]
    fn equals_the_naive_model_at_every_edge() {
        for length in [0, 1, LEAF - 1, LEAF, LEAF + 1, 3 * LEAF + 5, 40 * LEAF] {
            let bytes = noise(length);
            assert_eq!(digest_bytes(&bytes), naive(&bytes), "{length} bytes");
        }
    }

    #[test]
    fn the_number_of_threads_does_not_show() {
        let bytes = noise(9 * LEAF + 17);
        // SAFETY: `bytes` outlives the view.
        let views = [unsafe { Strided::contiguous(&bytes) }];
        let jobs: Vec<_> = (0..views[0].leaves()).map(|leaf| (leaf, 0)).collect();
        for threads in 1..12 {
            let digests = combine(&views, &jobs, &run(&views, &jobs, threads));
            assert_eq!(digests, [naive(&bytes)], "{threads} threads");
        }
    }

    #[test]
    fn columns_of_a_matrix_equal_their_copies() {
        for width in [1, 2, 3, 4, 8, 12] {
            let (rows, columns) = (20_000, 5);
            let bytes = noise(rows * columns * width);
            let step = (columns * width).cast_signed();
            let views: Vec<_> = (0..columns)
                // SAFETY: the column lies within `bytes`.
                .map(|column| unsafe {
                    Strided::new(bytes.as_ptr().add(column * width), width, rows, step)
                })
                .collect();
            let copies: Vec<_> = (0..columns)
                .map(|column| {
                    let cells = bytes
                        .chunks(columns * width)
                        .flat_map(|row| row[column * width..(column + 1) * width].to_vec());
                    by_items(&cells.collect::<Vec<u8>>(), width)
                })
                .collect();
            assert_eq!(digest_all(&views), copies, "items of {width} bytes");
        }
    }

    /// Contiguous items of one width: cut at whole items.
    fn by_items(bytes: &[u8], width: usize) -> Digest {
        // SAFETY: `bytes` outlives the view.
        let view = unsafe {
            Strided::new(
                bytes.as_ptr(),
                width,
                bytes.len() / width,
                width.cast_signed(),
            )
        };
        digest_all(&[view])[0]
    }

    #[test]
    fn a_reversed_view_is_read_backwards() {
        let bytes = noise(1000);
        let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
        // SAFETY: the last byte, and then backwards to the first.
        let view = unsafe { Strided::new(bytes.as_ptr().add(999), 1, 1000, -1) };
        assert_eq!(digest_all(&[view]), [digest_bytes(&reversed)]);
    }

    #[test]
    fn one_bit_anywhere_changes_the_digest() {
        let mut bytes = noise(20 * LEAF);
        let before = digest_bytes(&bytes);
        for place in [0, LEAF - 1, LEAF, 7 * LEAF + 3, 20 * LEAF - 1] {
            bytes[place] ^= 1;
            assert_ne!(digest_bytes(&bytes), before, "byte {place}");
            bytes[place] ^= 1;
        }
    }
}
