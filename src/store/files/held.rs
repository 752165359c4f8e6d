//! Descriptors that carry a lock: a forked child closes them, without unlocking.
//!
//! A lock belongs to the open file, which a child shares with its parent. Did the child keep it
//! open, it would keep the lock of a parent that was killed.
#![allow(clippy::disallowed_methods)]

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::Deref;

/// An open file that does not survive a fork.
#[derive(Debug)]
pub struct Held {
    file: ManuallyDrop<File>,
    process: u32,
    place: Option<usize>,
}

impl Held {
    /// Opens a file so that a forked child closes it.
    ///
    /// # Errors
    /// It can't be opened, or this process holds very many of them.
    pub fn open(open: impl FnOnce() -> io::Result<File>) -> io::Result<Self> {
        let (file, place) = children::enter(open)?;
        Ok(Self {
            file: ManuallyDrop::new(file),
            process: std::process::id(),
            place,
        })
    }

    /// Whether this is the process that opened it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }
}

impl Deref for Held {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.is_ours() {
            // Closed when the process was forked; its number may be another file's by now.
            return;
        }
        // A child that is being forked right now may keep the descriptor, and must not the lock.
        let _ = self.file.unlock();
        children::leave(self.place);
        // SAFETY: dropped here and nowhere else.
        unsafe { ManuallyDrop::drop(&mut self.file) };
    }
}

#[cfg(unix)]
mod children {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;
    use std::sync::Once;
    use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};

    /// So many files can be held at once.
    const MOST: usize = 8192;
    const NONE: i32 = -1;

    static FILES: [AtomicI32; MOST] = [const { AtomicI32::new(NONE) }; MOST];
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    /// Held while a file is opened and entered, and across a fork.
    static BUSY: AtomicBool = AtomicBool::new(false);

    pub fn enter(open: impl FnOnce() -> io::Result<File>) -> io::Result<(File, Option<usize>)> {
        static REGISTERED: Once = Once::new();
        REGISTERED.call_once(|| {
            // SAFETY: the handlers use atomics and `close` only, as the child of a process with
            // threads must.
            unsafe { libc::pthread_atfork(Some(before), Some(after), Some(in_child)) };
        });
        before();
        let entered = open().and_then(|file| {
            let place = enter_open(&file);
            place.map(|place| (file, Some(place)))
        });
        after();
        entered
    }

    fn enter_open(file: &File) -> io::Result<usize> {
        let start = NEXT.fetch_add(1, Ordering::Relaxed);
        (0..MOST)
            .map(|step| start.wrapping_add(step) % MOST)
            .find(|&place| FILES[place].load(Ordering::Relaxed) == NONE)
            .inspect(|&place| FILES[place].store(file.as_raw_fd(), Ordering::Relaxed))
            .ok_or_else(|| io::Error::other("too many files are locked at once"))
    }

    pub fn leave(place: Option<usize>) {
        if let Some(place) = place {
            FILES[place].store(NONE, Ordering::Relaxed);
        }
    }

    extern "C" fn before() {
        while BUSY.swap(true, Ordering::Acquire) {
            std::thread::yield_now();
        }
    }

    extern "C" fn after() {
        BUSY.store(false, Ordering::Release);
    }

    extern "C" fn in_child() {
        for file in &FILES {
            let descriptor = file.swap(NONE, Ordering::Relaxed);
            if descriptor != NONE {
                // SAFETY: it was open in the parent, and the `Held` here never closes it.
                unsafe { libc::close(descriptor) };
            }
        }
        after();
    }
}

#[cfg(not(unix))]
mod children {
    use std::fs::File;
    use std::io;

    pub fn enter(open: impl FnOnce() -> io::Result<File>) -> io::Result<(File, Option<usize>)> {
        open().map(|file| (file, None))
    }

    pub fn leave(_: Option<usize>) {}
}
