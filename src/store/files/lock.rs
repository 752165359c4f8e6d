//! Locks on the index: one to open or replace it, one that its users share.
#![allow(clippy::disallowed_methods)]

use super::held::Held;
use super::{Root, at, open_private};
use crate::clock;
use crate::error::{Error, Kind, Result};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

/// How long a lock is waited for, and how often it is tried.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

impl Root {
    /// Takes the lock under which an index is opened or replaced; it falls with the returned file.
    ///
    /// # Errors
    /// The lock file can't be opened, or another process holds it for too long.
    pub fn lock(&self, name: &str) -> Result<Held> {
        let file = self.lock_file(name)?;
        wait(&self.folder("locks").join(name), || file.try_lock())?;
        Ok(file)
    }

    /// Opens the file of a lock without taking it.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn lock_file(&self, name: &str) -> Result<Held> {
        let path = self.folder("locks").join(name);
        Held::open(|| open_private(&path)).map_err(|error| at(&path, "can't be opened", error))
    }

    /// The name of the lock that the users of a generation of the index share.
    #[must_use]
    pub fn users_of(generation: u64) -> String {
        format!("users-{generation}")
    }
}

/// Shares a lock with others until it is dropped.
#[derive(Debug)]
pub struct Shared<'a>(&'a File);

impl<'a> Shared<'a> {
    /// Waits for whoever has the lock alone.
    ///
    /// # Errors
    /// It is held for too long.
    pub fn with(file: &'a File) -> Result<Self> {
        wait(Path::new("users"), || file.try_lock_shared())?;
        Ok(Self(file))
    }
}

impl Drop for Shared<'_> {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

fn wait(path: &Path, attempt: impl Fn() -> std::result::Result<(), TryLockError>) -> Result<()> {
    let until = clock::monotonic() + PATIENCE;
    loop {
        match attempt() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if clock::monotonic() < until => clock::pause(PAUSE),
            Err(TryLockError::WouldBlock) => {
                let shown = path.display();
                return Err(Error::new(
                    Kind::Locked,
                    format!("`{shown}` is locked by another process for longer than {PATIENCE:?}"),
                ));
            }
            Err(TryLockError::Error(error)) => return Err(at(path, "can't be locked", error)),
        }
    }
}

/// Waits until nobody uses an index any more whose lock this is.
///
/// # Errors
/// Somebody uses it for too long.
pub fn wait_for_users(users: &File) -> Result<()> {
    wait(Path::new("users"), || users.try_lock())?;
    users
        .unlock()
        .map_err(|error| at(Path::new("users"), "can't be unlocked", error))
}
