//! Cells that lie all over memory: taken down in blocks by one thread, hashed by others.

use super::pool::{cores, together};
use super::{Digest, Encoder};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Cells of a block: what it takes down stays in the second cache.
pub const BLOCK: usize = 4096;
/// From this many cells on, other threads hash.
const PARALLEL: usize = 4 * BLOCK;
/// Blocks that wait at most; the thread that takes down hashes one itself before it adds another.
const WAITING: usize = 8;
/// Text of a block that is copied together; more is hashed piece by piece.
const TOGETHER: usize = 1024 * 1024;

/// Bytes somewhere in memory.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    pointer: *const u8,
    length: u32,
}

/// A block of cells: a kind each, and the texts and numbers of those that have one.
#[derive(Debug, Default)]
pub struct Block {
    kinds: Vec<u8>,
    texts: Vec<Text>,
    numbers: Vec<u8>,
}

// SAFETY: texts are only read, and whoever adds one promises that it outlives the hashing.
unsafe impl Send for Block {}

impl Text {
    /// `length` bytes from `pointer` on.
    ///
    /// # Safety
    /// They must be readable until the block that takes the text was hashed.
    #[must_use]
    pub unsafe fn new(pointer: *const u8, length: u32) -> Self {
        Self { pointer, length }
    }

    fn len(self) -> usize {
        self.length as usize
    }
}

impl Block {
    /// A cell that its kind tells whole, or that is digested elsewhere.
    pub fn plain(&mut self, kind: u8) {
        self.kinds.push(kind);
    }

    /// A cell that is a number of 64 bits.
    pub fn number(&mut self, kind: u8, bits: u64) {
        self.kinds.push(kind);
        self.numbers.extend_from_slice(&bits.to_le_bytes());
    }

    /// Cells that are text, for as long as there are more; how many there were.
    pub fn texts(&mut self, kind: u8, texts: impl Iterator<Item = Text>) -> usize {
        let before = self.texts.len();
        self.texts.reserve(BLOCK);
        let room = self.texts.spare_capacity_mut();
        let mut added = 0;
        for (place, text) in room.iter_mut().zip(texts) {
            place.write(text);
            added += 1;
        }
        // SAFETY: so many were written.
        unsafe { self.texts.set_len(before + added) };
        self.kinds.resize(self.kinds.len() + added, kind);
        added
    }

    /// The number of cells.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Whether there is no cell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    fn clear(&mut self) {
        self.kinds.clear();
        self.texts.clear();
        self.numbers.clear();
    }

    /// The digest of the kinds, lengths, numbers and texts, one after the other.
    fn digest(&self, scratch: &mut Vec<u8>) -> Digest {
        scratch.clear();
        scratch.extend_from_slice(&self.kinds);
        let lengths = self.texts.iter().map(|text| text.length.to_le_bytes());
        lengths.for_each(|length| scratch.extend_from_slice(&length));
        scratch.extend_from_slice(&self.numbers);
        let bytes: usize = self.texts.iter().map(|text| text.len()).sum();
        if bytes > TOGETHER {
            let mut encoder = Encoder::new();
            encoder.raw(scratch);
            for text in &self.texts {
                // SAFETY: the promise of `Text`.
                encoder.raw(unsafe { std::slice::from_raw_parts(text.pointer, text.len()) });
            }
            return encoder.finish();
        }
        scratch.reserve(bytes);
        let start = scratch.len();
        // SAFETY: `reserve` made room for the texts, which have `bytes` bytes together.
        unsafe {
            let mut target = scratch.as_mut_ptr().add(start);
            for text in &self.texts {
                copy(text.pointer, target, text.len());
                target = target.add(text.len());
            }
            scratch.set_len(start + bytes);
        }
        Digest::of(scratch)
    }
}

/// Copies bytes; a call of `memcpy` would take longer than most words.
///
/// # Safety
/// `length` bytes must be readable and writable, and must not overlap.
#[inline]
unsafe fn copy(source: *const u8, target: *mut u8, length: usize) {
    /// Two words that cover the text, and may overlap.
    ///
    /// # Safety
    /// As `copy`, with `size_of::<T>() <= length`.
    #[inline]
    unsafe fn ends<T: Copy>(source: *const u8, target: *mut u8, length: usize) {
        let last = length - size_of::<T>();
        // SAFETY: the caller's promise.
        unsafe {
            let first = source.cast::<T>().read_unaligned();
            let second = source.add(last).cast::<T>().read_unaligned();
            target.cast::<T>().write_unaligned(first);
            target.add(last).cast::<T>().write_unaligned(second);
        }
    }
    // SAFETY: the caller's promise.
    unsafe {
        match length {
            0 => {}
            1 => target.write(source.read()),
            2..4 => ends::<u16>(source, target, length),
            4..8 => ends::<u32>(source, target, length),
            8..=16 => ends::<u64>(source, target, length),
            17..=32 => ends::<u128>(source, target, length),
            _ => target.copy_from_nonoverlapping(source, length),
        }
    }
}

/// The digest of `cells` cells, which `take_down` adds to block after block, on this thread.
pub fn digest_cells(cells: usize, take_down: impl FnMut(&mut Block)) -> Digest {
    let threads = if cells < PARALLEL { 1 } else { cores() };
    digest_with(cells.div_ceil(BLOCK), threads, take_down)
}

fn digest_with(blocks: usize, threads: usize, mut take_down: impl FnMut(&mut Block)) -> Digest {
    let mut digests = vec![[0; Digest::SIZE]; blocks];
    if threads <= 1 {
        let (mut block, mut scratch) = (Block::default(), Vec::new());
        for digest in &mut digests {
            block.clear();
            take_down(&mut block);
            *digest = block.digest(&mut scratch).0;
        }
    } else {
        let queue = Queue::default();
        let helped = Mutex::new(Vec::new());
        let help = || {
            let done = queue.work(true);
            let mut helped = helped.lock().unwrap_or_else(PoisonError::into_inner);
            helped.extend(done);
        };
        let mut done = together(threads - 1, &help, || {
            let closing = Closing(&queue);
            let mut done = queue.fill(blocks, &mut take_down);
            drop(closing);
            done.append(&mut queue.work(false));
            done
        });
        done.append(&mut helped.into_inner().unwrap_or_else(PoisonError::into_inner));
        for (place, digest) in done {
            digests[place] = digest.0;
        }
    }
    Digest::of(digests.as_flattened())
}

type Done = Vec<(usize, Digest)>;

/// Blocks on their way from the thread that takes down to those that hash.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    added: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(usize, Block)>,
    used: Vec<Block>,
    closed: bool,
}

/// Lets the hashing threads go, whatever happens to the one that takes down.
struct Closing<'a>(&'a Queue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.state().closed = true;
        self.0.added.notify_all();
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fill(&self, blocks: usize, take_down: &mut impl FnMut(&mut Block)) -> Done {
        let (mut scratch, mut done) = (Vec::new(), Vec::new());
        for place in 0..blocks {
            let mut block = self.state().used.pop().unwrap_or_default();
            block.clear();
            take_down(&mut block);
            let mut state = self.state();
            state.waiting.push_back((place, block));
            let mine = (state.waiting.len() > WAITING).then(|| state.waiting.pop_front());
            drop(state);
            self.added.notify_one();
            if let Some((place, block)) = mine.flatten() {
                done.push((place, block.digest(&mut scratch)));
                self.state().used.push(block);
            }
        }
        done
    }

    /// Hashes what waits; more to come is waited for.
    fn work(&self, wait: bool) -> Done {
        let (mut scratch, mut done) = (Vec::new(), Vec::new());
        loop {
            let mut state = self.state();
            while wait && state.waiting.is_empty() && !state.closed {
                state = self
                    .added
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            let Some((place, block)) = state.waiting.pop_front() else {
                return done;
            };
            drop(state);
            done.push((place, block.digest(&mut scratch)));
            self.state().used.push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, Block, Text, copy, digest_with};

    /// The word must outlive the hashing.
    fn text(word: &str) -> Text {
        // SAFETY: the caller's promise.
        unsafe { Text::new(word.as_ptr(), u32::try_from(word.len()).unwrap()) }
    }

    fn add(block: &mut Block, words: &[String], place: &mut usize) {
        while block.len() < BLOCK && *place < words.len() {
            let word = &words[*place];
            match *place % 5 {
                0 => block.plain(1),
                1 => block.number(2, *place as u64),
                _ => assert_eq!(block.texts(0, std::iter::once(text(word))), 1),
            }
            *place += 1;
        }
    }

    #[test]
    fn the_number_of_threads_does_not_show() {
        let words: Vec<String> = (0..50_000).map(|word| "w".repeat(word % 41)).collect();
        let digest = |threads| {
            let mut place = 0;
            digest_with(words.len().div_ceil(BLOCK), threads, |block| {
                add(block, &words, &mut place);
            })
        };
        for threads in 2..6 {
            assert_eq!(digest(threads), digest(1));
        }
    }

    #[test]
    fn long_texts_are_hashed_as_if_copied() {
        let mut together = Block::default();
        let mut apart = Block::default();
        let text = "x".repeat(super::TOGETHER);
        let digest = |block: &mut Block, pieces: &[&str]| {
            for piece in pieces {
                block.texts(0, std::iter::once(super::tests::text(piece)));
            }
            block.digest(&mut Vec::new())
        };
        assert_eq!(
            digest(&mut together, &[&text]),
            digest(&mut Block::default(), &[&text])
        );
        assert_ne!(
            digest(&mut apart, &[&text, "y"]),
            digest(&mut Block::default(), &[&text, "z"])
        );
    }

    #[test]
    fn every_length_is_copied() {
        let source: Vec<u8> = (0..100).collect();
        for length in 0..source.len() {
            let mut target = vec![0; length];
            // SAFETY: both have `length` bytes.
            unsafe { copy(source.as_ptr(), target.as_mut_ptr(), length) };
            assert_eq!(target, source[..length]);
        }
    }
}
