//! Large buffers: cut into leaves of a fixed size, hashed on all cores, combined.
//!
//! The digest of a buffer is the digest of its bytes when they fit one leaf, and otherwise the
//! digest of its leaves' digests. Where the cuts lie depends on the length alone.

use super::Digest;
use super::pieces::Pieces;
use super::pool::{cores, together};
use super::strided::Strided;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Bytes of a leaf; every item width up to 64 divides it or is gathered at its own multiple.
pub(super) const LEAF: usize = 64 * 1024;
/// Below this many bytes a second thread costs more than it brings.
const PARALLEL: usize = 1024 * 1024;
/// Columns of a matrix that are gathered at once: their leaves stay in the second cache.
const TOGETHER: usize = 16;

/// Writes some of the bytes of a buffer behind those that are there.
pub type Write<'a> = dyn Fn(Range<usize>, &mut Vec<u8>) + Send + Sync + 'a;

/// Memory to be hashed as one buffer.
pub enum View<'a> {
    /// At a fixed distance.
    Strided(Strided),
    /// In pieces.
    Pieces(Pieces),
    /// So many bytes, written when they are hashed; leaves begin at multiples of 64 KiB.
    Written(usize, Box<Write<'a>>),
}

impl View<'_> {
    /// Contiguous bytes.
    ///
    /// # Safety
    /// `bytes` must outlive every use of the view.
    #[must_use]
    pub unsafe fn contiguous(bytes: &[u8]) -> Self {
        // SAFETY: passed on to the caller.
        Self::Strided(unsafe { Strided::contiguous(bytes) })
    }

    /// Bytes in pieces, hashed as if they lay side by side.
    ///
    /// # Safety
    /// The pieces must outlive every use of the view.
    #[must_use]
    pub unsafe fn pieces(pieces: &[&[u8]]) -> Self {
        // SAFETY: passed on to the caller.
        Self::Pieces(unsafe { Pieces::new(pieces) })
    }

    /// Bytes that there are together.
    #[must_use]
    pub fn byte_length(&self) -> usize {
        match self {
            Self::Strided(view) => view.byte_length(),
            Self::Pieces(view) => view.byte_length(),
            Self::Written(length, _) => *length,
        }
    }

    fn leaves(&self) -> usize {
        match self {
            Self::Strided(view) => view.leaves(),
            Self::Pieces(view) => view.leaves(),
            Self::Written(length, _) => length.div_ceil(LEAF).max(1),
        }
    }

    fn leaf(&self, number: usize, scratch: &mut Vec<u8>) -> Digest {
        match self {
            Self::Strided(view) => view.leaf(number, scratch),
            Self::Pieces(view) => view.leaf(number, scratch),
            Self::Written(length, write) => {
                scratch.clear();
                write(number * LEAF..(number * LEAF + LEAF).min(*length), scratch);
                Digest::of(scratch)
            }
        }
    }
}

/// The digest of contiguous bytes, as `digest_all` gives it.
#[must_use]
pub fn digest_bytes(bytes: &[u8]) -> Digest {
    // SAFETY: the view is gone when this function returns.
    let view = unsafe { View::contiguous(bytes) };
    digest_views(&[view])[0]
}

/// The digest of each view, on all cores where that pays.
#[must_use]
pub fn digest_all(views: &[Strided]) -> Vec<Digest> {
    digest_views(&views.iter().copied().map(View::Strided).collect::<Vec<_>>())
}

/// The digest of each view, on all cores where that pays.
#[must_use]
pub fn digest_views(views: &[View<'_>]) -> Vec<Digest> {
    digest_while(views, || ()).0
}

/// The same, while this thread does something else first: other cores begin with the digests.
#[must_use]
pub fn digest_while<R>(views: &[View<'_>], first: impl FnOnce() -> R) -> (Vec<Digest>, R) {
    let total: usize = views.iter().map(View::byte_length).sum();
    let threads = if total < PARALLEL { 1 } else { cores() };
    digest_with(views, threads, first)
}

fn digest_with<R>(
    views: &[View<'_>],
    threads: usize,
    first: impl FnOnce() -> R,
) -> (Vec<Digest>, R) {
    let plan = Plan::new(views);
    let mut slots = vec![[0; Digest::SIZE]; plan.slots];
    let (done, result) = run(&plan, threads.min(plan.jobs.len()), first);
    for (slot, digest) in done {
        slots[slot] = digest.0;
    }
    let mut digests = Vec::with_capacity(views.len());
    let mut first = 0;
    for view in views {
        let leaves = &slots[first..first + view.leaves()];
        first += leaves.len();
        digests.push(match leaves {
            [only] => Digest(*only),
            _ => Digest::of(leaves.as_flattened()),
        });
    }
    (digests, result)
}

/// Columns of one matrix, or one view by itself.
struct Group<'a> {
    /// The strided views of a matrix; empty for a view by itself.
    columns: Vec<Strided>,
    /// The view by itself, or the first column.
    view: &'a View<'a>,
    /// Where the leaves of each go.
    slots: Vec<usize>,
}

/// What there is to do: a job is a leaf of a group.
struct Plan<'a> {
    groups: Vec<Group<'a>>,
    /// Leaf and group, in the order of the leaves.
    jobs: Vec<(usize, usize)>,
    slots: usize,
}

impl<'a> Plan<'a> {
    fn new(views: &'a [View<'a>]) -> Self {
        let mut slots = 0;
        let mut groups: Vec<Group<'a>> = Vec::with_capacity(views.len());
        let mut grids = Vec::new();
        for view in views {
            let first = slots;
            slots += view.leaves();
            match view {
                View::Strided(strided) if strided.grid().is_some() => {
                    grids.push((strided.grid(), strided.address(), first, *strided, view));
                }
                _ => groups.push(Group {
                    columns: Vec::new(),
                    view,
                    slots: vec![first],
                }),
            }
        }
        grids.sort_unstable_by_key(|&(grid, address, first, ..)| (grid, address, first));
        for same in grids.chunk_by(|left, right| left.0 == right.0) {
            for columns in same.chunks(TOGETHER) {
                groups.push(Group {
                    columns: columns.iter().map(|column| column.3).collect(),
                    view: columns[0].4,
                    slots: columns.iter().map(|column| column.2).collect(),
                });
            }
        }
        let mut jobs: Vec<(usize, usize)> = (0..groups.len())
            .flat_map(|group| (0..groups[group].view.leaves()).map(move |leaf| (leaf, group)))
            .collect();
        jobs.sort_unstable();
        Self {
            groups,
            jobs,
            slots,
        }
    }

    /// Digests of the next jobs, until none is left.
    fn work(&self, next: &AtomicUsize) -> Vec<(usize, Digest)> {
        let (mut scratch, mut digests, mut done) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(&(leaf, group)) = self.jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let group = &self.groups[group];
            if group.columns.is_empty() {
                done.push((group.slots[0] + leaf, group.view.leaf(leaf, &mut scratch)));
            } else {
                Strided::leaf_of_each(&group.columns, leaf, &mut scratch, &mut digests);
                let slots = group.slots.iter().map(|slot| slot + leaf);
                done.extend(slots.zip(digests.drain(..)));
            }
        }
        done
    }
}

fn run<R>(plan: &Plan<'_>, threads: usize, first: impl FnOnce() -> R) -> (Vec<(usize, Digest)>, R) {
    let next = AtomicUsize::new(0);
    let helped = Mutex::new(Vec::new());
    let help = || {
        let done = plan.work(&next);
        let mut helped = helped.lock().unwrap_or_else(PoisonError::into_inner);
        helped.extend(done);
    };
    let (result, mut done) = together(threads.saturating_sub(1), &help, || {
        (first(), plan.work(&next))
    });
    done.append(&mut helped.into_inner().unwrap_or_else(PoisonError::into_inner));
    (done, result)
}

#[cfg(test)]
mod tests {
    use super::{Digest, LEAF, Strided, View, digest_all, digest_bytes, digest_with};
    use proptest::prelude::*;

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
        let views = [unsafe { View::contiguous(&bytes) }];
        for threads in 1..12 {
            assert_eq!(
                digest_with(&views, threads, || "done"),
                (vec![naive(&bytes)], "done"),
                "{threads} threads"
            );
        }
    }

    proptest! {
        #[test]
        fn pieces_equal_the_whole(cuts in prop::collection::vec(0..3 * LEAF, 0..9)) {
            let bytes = noise(3 * LEAF);
            let mut cuts = cuts;
            cuts.sort_unstable();
            let ends = cuts.iter().copied().chain([bytes.len()]);
            let starts = [0].into_iter().chain(cuts.iter().copied());
            let pieces: Vec<&[u8]> = starts.zip(ends).map(|(start, end)| &bytes[start..end]).collect();
            // SAFETY: `bytes` outlives the view.
            let view = unsafe { View::pieces(&pieces) };
            prop_assert_eq!(digest_with(&[view], 2, || ()).0, [naive(&bytes)]);
        }
    }

    #[test]
    fn columns_of_a_matrix_equal_their_copies() {
        for width in [1, 2, 3, 4, 8, 12] {
            let (rows, columns) = (20_000, 19);
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
