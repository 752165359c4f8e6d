//! The bytes of a payload in memory: mapped privately, or read into memory of our own.
//!
//! Both may be written by whoever holds them without reaching the file or anybody else.
#![allow(clippy::disallowed_methods)]

use memmap2::{MmapOptions, MmapRaw};
use std::cell::UnsafeCell;
use std::fs::{self, File};
use std::io;
use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// From this size on, mapping costs less than reading.
const MAP_FROM: u64 = 2 * 1024 * 1024;
/// How many mappings Linux lets a process have, where it does not say.
const USUAL_MAPPINGS: usize = 65_530;

/// Payloads that this process has mapped now; a forked child has its parent's too.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

/// No platform's pages are smaller.
const PAGE: usize = 4096;

/// A line of memory; leaves lie at multiples of its size.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

enum Memory {
    Mapped(#[allow(dead_code)] MmapRaw, Counted),
    Owned(Box<[UnsafeCell<Line>]>),
}

/// One of the mappings that a process may have.
struct Counted;

impl Counted {
    /// Counts one more, unless there are `most` already.
    fn one_more(most: usize) -> Option<Self> {
        let before = MAPPED.fetch_add(1, Ordering::Relaxed);
        let counted = Self;
        (before < most).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        MAPPED.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A quarter of the mappings that this process may have.
fn most_mappings() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();
    *MOST.get_or_init(|| {
        let told = fs::read_to_string("/proc/sys/vm/max_map_count").ok();
        let most = told.and_then(|told| told.trim().parse().ok());
        most.unwrap_or(USUAL_MAPPINGS) / 4
    })
}

/// Lines for so many bytes, of which only the last is set: to zero. Where there is no memory for them
/// it is an error, for what a file says of its length must not end the process.
fn uninit(length: usize) -> io::Result<Box<[MaybeUninit<UnsafeCell<Line>>]>> {
    let count = length.div_ceil(64);
    let mut lines: Vec<MaybeUninit<UnsafeCell<Line>>> = Vec::new();
    if lines.try_reserve_exact(count).is_err() {
        let what = format!("there is no memory for {length} bytes");
        return Err(io::Error::new(io::ErrorKind::OutOfMemory, what));
    }
    // SAFETY: there is room for so many, which need not be initialized.
    unsafe { lines.set_len(count) };
    if let Some(last) = lines.last_mut() {
        *last = MaybeUninit::new(UnsafeCell::new(Line([0; 64])));
    }
    Ok(lines.into_boxed_slice())
}

/// A payload's bytes, aligned to 64 and writable in place.
pub struct Bytes {
    memory: Memory,
    length: usize,
}

// SAFETY: the bytes are plain memory of this process; who writes through `pointer` takes care of
// ordering, as the owner of any NumPy buffer does.
unsafe impl Sync for Bytes {}
// SAFETY: as above.
unsafe impl Send for Bytes {}

impl Bytes {
    /// The content of an open file; on a network file system it is read whatever its size, for a
    /// page that can't be had later would end the process.
    ///
    /// # Errors
    /// It can't be mapped or read.
    pub fn load(file: &File, network: bool) -> io::Result<Self> {
        let from = if network { u64::MAX } else { MAP_FROM };
        Self::load_within(file, from, most_mappings())
    }

    fn load_within(file: &File, map_from: u64, most: usize) -> io::Result<Self> {
        let size = file.metadata()?.len();
        if size >= map_from
            && let Some(counted) = Counted::one_more(most)
        {
            return Self::map(file, counted);
        }
        Self::read(file, 0, usize::try_from(size).map_err(io::Error::other)?)
    }

    fn map(file: &File, counted: Counted) -> io::Result<Self> {
        // SAFETY: the mapping is private and payload files are never written in place; one that
        // somebody truncates all the same ends the process, which the caveats say.
        let mapped = unsafe { MmapOptions::new().map_copy(file)? };
        let length = mapped.len();
        Ok(Self {
            memory: Memory::Mapped(mapped.into(), counted),
            length,
        })
    }

    /// Makes the bytes up to `end` our own. Those of a mapping are the file's until they are written
    /// to: without this, what is decoded could be something else than what was checked before.
    pub fn own(&self, end: usize) {
        if !self.is_mapped() {
            return;
        }
        for at in (0..end.min(self.length)).step_by(PAGE) {
            // SAFETY: within the mapping, which nobody else has yet.
            unsafe {
                let byte = self.pointer().add(at);
                byte.write_volatile(byte.read_volatile());
            }
        }
    }

    /// A copy of some bytes.
    ///
    /// # Panics
    /// There is no memory for it.
    #[must_use]
    pub fn copy(bytes: &[u8]) -> Self {
        let lines = uninit(bytes.len());
        let mut lines = lines.unwrap_or_else(|error| panic!("{error}"));
        // SAFETY: the lines hold at least so many bytes; all but the last are filled in full, and
        // what the bytes leave of the last is zero.
        let lines = unsafe {
            let start = lines.as_mut_ptr().cast::<u8>();
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len());
            lines.assume_init()
        };
        Self {
            memory: Memory::Owned(lines),
            length: bytes.len(),
        }
    }

    /// A part of a file, read into memory of our own; not through zeroes, which would touch every
    /// page once more.
    ///
    /// # Errors
    /// It can't be read, or the file is shorter.
    #[cfg(unix)]
    pub fn read(file: &File, from: u64, length: usize) -> io::Result<Self> {
        let mut lines = uninit(length)?;
        // SAFETY: bytes that need not be initialized, `length` of them at least.
        let bytes = unsafe {
            std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast::<MaybeUninit<u8>>(), length)
        };
        let mut at = 0;
        while at < length {
            match rustix::io::pread(file, &mut bytes[at..], from + at as u64) {
                Ok(([], _)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok((read, _)) => at += read.len(),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self {
            // SAFETY: all bytes were read, and the rest of the last line is zero.
            memory: Memory::Owned(unsafe { lines.assume_init() }),
            length,
        })
    }

    /// A part of a file, read into memory of our own.
    ///
    /// # Errors
    /// It can't be read, or the file is shorter.
    #[cfg(not(unix))]
    pub fn read(mut file: &File, from: u64, length: usize) -> io::Result<Self> {
        use std::io::{Read, Seek, SeekFrom};
        let mut bytes = Self::empty(length).ok_or(io::ErrorKind::OutOfMemory)?;
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(bytes.slice_mut())?;
        Ok(bytes)
    }

    /// Zeroes to be written over; `None` where there is no memory for so many.
    #[must_use]
    pub fn empty(length: usize) -> Option<Self> {
        let count = length.div_ceil(64);
        let mut lines = Vec::new();
        lines.try_reserve_exact(count).ok()?;
        lines.resize_with(count, || UnsafeCell::new(Line([0; 64])));
        Some(Self {
            memory: Memory::Owned(lines.into_boxed_slice()),
            length,
        })
    }

    /// The bytes, before they are handed out.
    pub fn slice_mut(&mut self) -> &mut [u8] {
        // SAFETY: `&mut self` is the only way to these bytes before they are handed out.
        unsafe { std::slice::from_raw_parts_mut(self.pointer(), self.length) }
    }

    /// The bytes as they are now.
    #[must_use]
    pub fn slice(&self) -> &[u8] {
        // SAFETY: `pointer` covers `length` bytes for as long as `self` lives.
        unsafe { std::slice::from_raw_parts(self.pointer(), self.length) }
    }

    /// Where the bytes lie.
    #[must_use]
    pub fn pointer(&self) -> *mut u8 {
        match &self.memory {
            Memory::Mapped(mapped, _) => mapped.as_mut_ptr(),
            Memory::Owned(lines) => UnsafeCell::raw_get(lines.as_ptr()).cast(),
        }
    }

    /// Whether a page is read only when it is touched.
    #[must_use]
    pub fn is_mapped(&self) -> bool {
        matches!(self.memory, Memory::Mapped(..))
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bytes({}, mapped: {})", self.length, self.is_mapped())
    }
}

#[cfg(test)]
mod tests {
    use super::{Bytes, MAP_FROM, PAGE, most_mappings};
    use std::fs::File;
    use std::sync::{Mutex, PoisonError};

    /// They count the mappings of one process.
    static IN_TURN: Mutex<()> = Mutex::new(());

    fn file(bytes: &[u8]) -> File {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("payload");
        std::fs::write(&path, bytes).unwrap();
        File::open(path).unwrap()
    }

    #[test]
    fn a_hundred_thousand_payloads_are_held_at_once() {
        const HELD: usize = 100_000;
        let _turn = IN_TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let content = [7; 4096];
        let file = file(&content);
        let most = most_mappings();
        let held: Vec<_> = (0..HELD)
            .map(|_| Bytes::load_within(&file, 4096, most).unwrap())
            .collect();
        let mapped = held.iter().filter(|bytes| bytes.is_mapped()).count();
        assert!(mapped > 0 && mapped <= most, "{mapped} mapped");
        assert!(held.iter().all(|bytes| bytes.slice() == content));
        drop(held);
        assert!(Bytes::load_within(&file, 4096, 1).unwrap().is_mapped());
    }

    #[test]
    fn what_is_large_is_mapped_but_not_from_another_machine() {
        let _turn = IN_TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let content = vec![3; usize::try_from(MAP_FROM).unwrap()];
        let large = file(&content);
        assert!(Bytes::load(&large, false).unwrap().is_mapped());
        let read = Bytes::load(&large, true).unwrap();
        assert!(!read.is_mapped());
        assert_eq!(read.slice(), content);
        assert!(
            !Bytes::load(&file(&content[1..]), false)
                .unwrap()
                .is_mapped()
        );
    }

    #[test]
    fn a_copy_is_its_bytes_at_every_length() {
        for length in (0..200).chain([4096, 4097]) {
            let bytes: Vec<u8> = (0..length)
                .map(|byte: usize| byte.to_le_bytes()[0])
                .collect();
            let copy = Bytes::copy(&bytes);
            assert_eq!(copy.slice(), bytes);
            assert_eq!(copy.pointer().align_offset(64), 0);
        }
    }

    #[test]
    fn what_there_is_no_memory_for_is_an_error() {
        let file = file(b"short");
        for length in [isize::MAX as usize, usize::MAX, 1 << 60] {
            let error = Bytes::read(&file, 0, length).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::OutOfMemory, "{length}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn what_is_our_own_does_not_change_with_the_file() {
        use std::os::unix::fs::FileExt;

        let _turn = IN_TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let file = tempfile::tempfile().unwrap();
        let content = vec![1; usize::try_from(MAP_FROM).unwrap()];
        file.write_all_at(&content, 0).unwrap();
        let bytes = Bytes::load_within(&file, MAP_FROM, usize::MAX).unwrap();
        assert!(bytes.is_mapped());
        bytes.own(PAGE + 1);
        file.write_all_at(&[2; 3 * PAGE], 0).unwrap();
        assert!(bytes.slice()[..2 * PAGE].iter().all(|&byte| byte == 1));
    }
}
