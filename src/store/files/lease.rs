//! The lock of a key: whoever holds it computes, in whichever process.
//!
//! ```text
//! 0   u8   how it ended: 0 not yet, 1 the result could not be stored
//! 1   8    token of the holder
//! 9   ...  the locks that the holder waits for, a line each
//! ```
//!
//! It is empty for as long as there is nothing to say.
#![allow(clippy::disallowed_methods)]

use super::held::Held;
use super::{Root, open_private, private, read_small};
use crate::digest::Digest;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const NOT_STORED: u8 = 1;
type Token = [u8; 8];
const WAITS_AT: usize = 1 + size_of::<Token>();

/// What came of asking for the lock of a key.
#[derive(Debug)]
pub enum Grab {
    /// It is ours.
    Mine(Lease),
    /// Another process has it.
    Theirs(Watch),
}

/// The lock of a key, held until it is dropped.
#[derive(Debug)]
pub struct Lease {
    file: Held,
    path: PathBuf,
    token: Token,
    waits: Mutex<Vec<PathBuf>>,
}

/// The lock of a key that another process holds.
#[derive(Debug)]
pub struct Watch {
    file: Held,
    /// Which lock.
    pub path: PathBuf,
}

/// What a look at another process's lock shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is still held.
    Busy,
    /// Its holder has a result and could not store it.
    NotStored,
    /// It is free: the holder is done, has failed, or was killed.
    Free,
}

impl Root {
    /// Asks for the lock of a key.
    ///
    /// # Errors
    /// Its file can't be made: no space, no permission, no handles.
    pub fn grab(&self, key: Digest) -> io::Result<Grab> {
        let path = self.lease_path(key);
        loop {
            let file = Held::open(|| open_private(&path))?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => return Ok(Grab::Theirs(Watch { file, path })),
                Err(TryLockError::Error(error)) => return Err(error),
                // A lock on a file that its last holder has removed is nobody's.
                Ok(()) if is_at(&file, &path) => return Lease::begin(file, path).map(Grab::Mine),
                Ok(()) => {}
            }
        }
    }

    /// Whether somebody computes a key, so that its entry is about to be used.
    #[must_use]
    pub fn is_leased(&self, key: Digest) -> bool {
        self.lease_path(key).exists()
    }

    /// Where the lock of a key lies.
    #[must_use]
    pub fn lease_path(&self, key: Digest) -> PathBuf {
        self.folder("locks").join(key.to_string())
    }

    /// Removes the locks of processes that were killed.
    pub fn sweep_leases(&self) {
        for entry in fs::read_dir(self.folder("locks"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            if name.to_str().and_then(Digest::from_hex).is_none() {
                continue;
            }
            let path = entry.path();
            let opened = Held::open(|| private::options().open(&path));
            if let Ok(file) = opened
                && file.try_lock().is_ok()
                && is_at(&file, &path)
            {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

impl Lease {
    fn begin(file: Held, path: PathBuf) -> io::Result<Self> {
        let mut token = Token::default();
        getrandom::fill(&mut token).map_err(io::Error::other)?;
        if file.metadata()?.len() > 0 {
            // Of a holder that was killed.
            file.set_len(0)?;
        }
        Ok(Self {
            file,
            path,
            token,
            waits: Mutex::default(),
        })
    }

    /// Says that there is a result which could not be stored, so that nobody waits for another try.
    pub fn tell_not_stored(&self) {
        if self.file.is_ours() {
            let _ = self.write(NOT_STORED, &[]);
        }
    }

    /// Says which lock the holder waits for.
    pub fn begin_wait(&self, path: &Path) {
        self.publish(|waits| waits.push(path.to_path_buf()));
    }

    /// Says that the holder no longer waits for a lock.
    pub fn end_wait(&self, path: &Path) {
        self.publish(|waits| {
            if let Some(place) = waits.iter().position(|other| other == path) {
                waits.swap_remove(place);
            }
        });
    }

    fn publish(&self, change: impl FnOnce(&mut Vec<PathBuf>)) {
        let mut waits = self.waits.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut waits);
        // Where it can't be written, others may wait in a circle, and see it when they look again.
        let _ = self.write(0, &waits);
    }

    fn write(&self, ended: u8, waits: &[PathBuf]) -> io::Result<()> {
        let mut content = vec![ended];
        content.extend_from_slice(&self.token);
        for wait in waits {
            content.extend_from_slice(wait.as_os_str().as_encoded_bytes());
            content.push(b'\n');
        }
        if self.file.is_ours() {
            return write_all(&self.file, &content);
        }
        // A forked child has its parent's descriptor no longer, and publishes for it all the same.
        let file = private::options().open(&self.path)?;
        match read_all(&file)?.get(1..WAITS_AT) {
            Some(token) if token != self.token => Ok(()),
            _ => write_all(&file, &content),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.file.is_ours() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Watch {
    /// Looks whether the lock is still held.
    #[must_use]
    pub fn look(&self) -> Seen {
        let ended = || {
            read_all(&self.file)
                .ok()
                .and_then(|content| content.first().copied())
        };
        if ended() == Some(NOT_STORED) {
            return Seen::NotStored;
        }
        match self.file.try_lock() {
            Ok(()) => {
                let ended = ended();
                let _ = self.file.unlock();
                if ended == Some(NOT_STORED) {
                    Seen::NotStored
                } else {
                    Seen::Free
                }
            }
            Err(_) => Seen::Busy,
        }
    }
}

/// The locks that the holder of a lock waits for.
#[must_use]
pub fn waits_of(path: &Path) -> Vec<PathBuf> {
    let content = read_small(path);
    let lines = content.unwrap_or_default();
    let lines = lines.get(WAITS_AT..).unwrap_or_default();
    lines
        .split(|&byte| byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok())
        .filter(|line| !line.is_empty())
        .map(PathBuf::from)
        .collect()
}

fn is_at(file: &File, path: &Path) -> bool {
    private::identity_of(file).is_some_and(|own| private::identity(path) == Some(own))
}

fn read_all(mut file: &File) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut content)?;
    Ok(content)
}

fn write_all(mut file: &File, content: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(content)?;
    file.set_len(content.len() as u64)
}
