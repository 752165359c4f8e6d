//! The bytes of a payload in memory: mapped privately, or read into memory of our own.
//!
//! Both may be written by whoever holds them without reaching the file or anybody else.
#![allow(clippy::disallowed_methods)]

use memmap2::{MmapOptions, MmapRaw};
use std::cell::UnsafeCell;
use std::fs::File;
use std::io::{self, Read};

/// From this size on, mapping costs less than reading.
const MAP_FROM: u64 = 2 * 1024 * 1024;

/// No platform's pages are smaller.
const PAGE: usize = 4096;

/// A line of memory; leaves lie at multiples of its size.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

enum Memory {
    Mapped(MmapRaw),
    Owned(Box<[UnsafeCell<Line>]>),
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
    /// The content of an open file.
    ///
    /// # Errors
    /// It can't be mapped or read.
    pub fn load(file: &File) -> io::Result<Self> {
        let size = file.metadata()?.len();
        if size < MAP_FROM {
            return Self::read(file, usize::try_from(size).map_err(io::Error::other)?);
        }
        // SAFETY: the mapping is private and payload files are never written in place; one that
        // somebody truncates all the same ends the process, which the caveats say.
        let mapped = unsafe { MmapOptions::new().map_copy(file)? };
        let length = mapped.len();
        Ok(Self {
            memory: Memory::Mapped(mapped.into()),
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
    #[must_use]
    pub fn copy(bytes: &[u8]) -> Self {
        let mut copy = Self::zeroed(bytes.len());
        copy.slice_mut().copy_from_slice(bytes);
        copy
    }

    fn read(mut file: &File, length: usize) -> io::Result<Self> {
        let mut bytes = Self::zeroed(length);
        file.read_exact(bytes.slice_mut())?;
        Ok(bytes)
    }

    fn zeroed(length: usize) -> Self {
        let lines = (0..length.div_ceil(64))
            .map(|_| UnsafeCell::new(Line([0; 64])))
            .collect();
        Self {
            memory: Memory::Owned(lines),
            length,
        }
    }

    fn slice_mut(&mut self) -> &mut [u8] {
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
            Memory::Mapped(mapped) => mapped.as_mut_ptr(),
            Memory::Owned(lines) => UnsafeCell::raw_get(lines.as_ptr()).cast(),
        }
    }

    /// Whether a page is read only when it is touched.
    #[must_use]
    pub fn is_mapped(&self) -> bool {
        matches!(self.memory, Memory::Mapped(_))
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bytes({}, mapped: {})", self.length, self.is_mapped())
    }
}

#[cfg(test)]
mod tests {
    use super::{Bytes, MAP_FROM, PAGE};
    use std::os::unix::fs::FileExt;

    #[test]
    #[cfg(unix)]
    fn what_is_our_own_does_not_change_with_the_file() {
        let file = tempfile::tempfile().unwrap();
        let content = vec![1; usize::try_from(MAP_FROM).unwrap()];
        file.write_all_at(&content, 0).unwrap();
        let bytes = Bytes::load(&file).unwrap();
        assert!(bytes.is_mapped());
        bytes.own(PAGE + 1);
        file.write_all_at(&[2; 3 * PAGE], 0).unwrap();
        assert!(bytes.slice()[..2 * PAGE].iter().all(|&byte| byte == 1));
    }
}
