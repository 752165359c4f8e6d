//! The log of runs: bytes that are added at its end, by whoever has it locked.
//!
//! Behind its end are zeroes, so that most of what is added only takes their place: the file system has
//! nothing to note of it, and nobody waits for what others have it note.
#![allow(clippy::disallowed_methods)]

use super::runs::RunFiles;
use super::segments::{is_something_else, sync};
use super::{Held, at, open_private, open_to_read};
use crate::clock;
use crate::error::{Error, Kind, Result};
use crate::store::mapped::Bytes;
use std::fs::{File, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(5);
/// How many zeroes there are behind the end at first, and at most; in between, an eighth of all.
const ROOM: (u64, u64) = (256 << 10, 4 << 20);
/// As many zeroes tell that nothing lies there.
const MARK: usize = 8;
/// How long whoever waits for the log leaves it alone: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(2));

/// The log, to be read while others write.
#[derive(Debug)]
pub struct RunLog {
    file: File,
    path: PathBuf,
}

/// The log, locked: nobody else writes to it, or to folders of runs, until this is dropped.
#[derive(Debug)]
pub struct LockedLog {
    log: RunLog,
    folder: PathBuf,
    _lock: Held,
}

impl RunFiles {
    fn log_path(&self) -> PathBuf {
        self.folder().join("log")
    }

    /// Whether something lies in the log from a place on; not where it can't be read.
    #[must_use]
    pub fn has_more(&self, place: u64) -> bool {
        let log = self.log().ok().flatten();
        log.is_some_and(|log| log.has_more(place).unwrap_or(false))
    }

    /// The log, to be read; `None` where there is none.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn log(&self) -> Result<Option<RunLog>> {
        let path = self.log_path();
        match open_to_read(&path) {
            Ok(file) => Ok(Some(RunLog { file, path })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&path, "can't be read", error)),
        }
    }

    /// The log, locked; it is made where it is missing.
    ///
    /// # Errors
    /// It can't be written, or somebody else has it for too long.
    pub fn lock_log(&self) -> Result<LockedLog> {
        let until = clock::monotonic() + PATIENCE;
        let mut pause = PAUSES.0;
        loop {
            if let Some(locked) = self.try_lock_log()? {
                return Ok(locked);
            }
            if clock::monotonic() > until {
                let path = self.log_path();
                let shown = path.display();
                let what =
                    format!("`{shown}` is locked by another process for longer than {PATIENCE:?}");
                return Err(Error::new(Kind::Locked, what));
            }
            clock::pause(pause);
            pause = (2 * pause).min(PAUSES.1);
        }
    }

    /// The same without a wait; `None` where somebody else has it.
    ///
    /// # Errors
    /// It can't be written.
    pub fn try_lock_log(&self) -> Result<Option<LockedLog>> {
        // The lock has a file of its own: where locks forbid to read, those who read need none.
        let lock = self.root().lock_file("log of runs")?;
        let path = self.log_path();
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(at(&path, "can't be locked", error)),
        }
        if is_something_else(&path) {
            self.root().set_aside(&path);
        }
        let folder = self.folder();
        let file = open_private(&path).map_err(|error| at(&path, "can't be written", error))?;
        Ok(Some(LockedLog {
            log: RunLog { file, path },
            folder,
            _lock: lock,
        }))
    }
}

impl RunLog {
    /// Whether something lies there from a place on.
    ///
    /// # Errors
    /// It can't be read.
    pub fn has_more(&self, place: u64) -> Result<bool> {
        let left = self.length()?.saturating_sub(place);
        let some = MARK.min(usize::try_from(left).unwrap_or(MARK));
        let found = self.read(place, some)?;
        Ok(found.slice().iter().any(|&byte| byte != 0))
    }

    /// Its length, with the zeroes behind its end.
    ///
    /// # Errors
    /// It can't be told.
    pub fn length(&self) -> Result<u64> {
        let found = self.file.metadata();
        found
            .map(|found| found.len())
            .map_err(|error| at(&self.path, "can't be read", error))
    }

    /// A part of it.
    ///
    /// # Errors
    /// `Corrupt` where the log is shorter; it can't be read.
    pub fn read(&self, from: u64, length: usize) -> Result<Bytes> {
        Bytes::read(&self.file, from, length).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                let shown = self.path.display();
                Error::new(Kind::Corrupt, format!("`{shown}` is shorter"))
            }
            _ => at(&self.path, "can't be read", error),
        })
    }
}

impl std::ops::Deref for LockedLog {
    type Target = RunLog;

    fn deref(&self) -> &RunLog {
        &self.log
    }
}

impl LockedLog {
    /// Puts bytes at the end, which lies there, on the medium when this returns.
    ///
    /// # Errors
    /// They can't be written: then none of them are there.
    pub fn append(&self, end: u64, bytes: &[u8]) -> Result<()> {
        let written = self.make_room(end + bytes.len() as u64).and_then(|()| {
            let mut file = &self.log.file;
            file.seek(SeekFrom::Start(end))?;
            file.write_all(bytes)?;
            file.sync_data()
        });
        written.map_err(|error| {
            // Whatever stays of them is passed over as what a killed process left.
            let _ = self.cut(end);
            at(&self.log.path, "can't be written", error)
        })
    }

    /// Has the file be as long as that, and longer.
    fn make_room(&self, needed: u64) -> io::Result<()> {
        static ZEROES: [u8; 64 << 10] = [0; 64 << 10];
        let mut file = &self.log.file;
        let length = file.seek(SeekFrom::End(0))?;
        if needed <= length {
            return Ok(());
        }
        let mut missing = needed - length + (needed / 8).clamp(ROOM.0, ROOM.1);
        while missing > 0 {
            let some = missing.min(ZEROES.len() as u64);
            file.write_all(&ZEROES[..usize::try_from(some).unwrap_or_default()])?;
            missing -= some;
        }
        if length == 0 {
            sync(&self.folder)?;
        }
        Ok(())
    }

    /// Takes back what lies behind a place.
    ///
    /// # Errors
    /// It can't be taken back.
    pub fn cut(&self, place: u64) -> Result<()> {
        let cut = self.log.file.set_len(place);
        cut.map_err(|error| at(&self.log.path, "can't be written", error))
    }

    /// Gives the disk back what a part of the log takes: it is zeroes then. Where that can't be had,
    /// the part stays.
    pub fn empty(&self, place: u64, length: u64) {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{FallocateFlags, fallocate};
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let _ = fallocate(&self.log.file, flags, place, length);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (place, length);
    }
}
