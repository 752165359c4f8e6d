//! A payload's file on its way into the store: written under a temporary name, locked by its
//! writer, and renamed into place when whole.
#![allow(clippy::disallowed_methods)]

use super::held::Held;
use super::{ABANDONED, Nonce, Root, at, create, make_private, private};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::ALIGN;
use crate::store::trust::Stamp;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// A file that is being written. Its lock says that the writer lives; when this is dropped, the
/// file is gone, unless it was published and kept.
#[derive(Debug)]
pub struct DraftFile {
    file: Held,
    path: PathBuf,
    place: PathBuf,
    kept: bool,
}

/// A file that no living process writes, locked.
#[derive(Debug)]
struct Left {
    path: PathBuf,
    _lock: Held,
}

impl Left {
    fn remove(self) -> bool {
        fs::remove_file(&self.path).is_ok()
    }
}

/// What a killed writer, or a replaced entry, left of a payload.
#[derive(Debug)]
pub struct Abandoned(Vec<Left>);

impl Abandoned {
    /// Removes it; says whether it is gone.
    #[must_use]
    pub fn remove(self) -> bool {
        self.0.into_iter().all(Left::remove)
    }

    /// Whether there is nothing left of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Root {
    /// Makes the file of a payload, empty and under a temporary name.
    ///
    /// # Errors
    /// Disk full, no permission, no handles.
    pub fn draft(&self, key: Digest, nonce: Nonce) -> Result<DraftFile> {
        let place = self.payload(key, nonce);
        let path = self.tmp().join(place.file_name().unwrap_or_default());
        let made = Held::open(|| create(&path)).and_then(|file| {
            file.lock()?;
            Ok(file)
        });
        match made {
            Ok(file) => Ok(DraftFile {
                file,
                path,
                place,
                kept: false,
            }),
            Err(error) => Err(at(&place, "can't be written", error)),
        }
    }

    /// The file of a payload, if no living process writes it: nobody publishes it while this is
    /// held.
    #[must_use]
    pub fn abandoned(&self, key: Digest, nonce: Nonce) -> Option<Abandoned> {
        let place = self.payload(key, nonce);
        let draft = self.tmp().join(place.file_name().unwrap_or_default());
        // The temporary name first: a file only ever moves from that to the other.
        let mut left = Vec::new();
        for path in [draft, place] {
            match look_at(path) {
                At::Nothing => {}
                At::Unlocked(file) => left.push(file),
                At::Locked => return None,
            }
        }
        Some(Abandoned(left))
    }

    /// Removes what was left by processes that died.
    pub fn sweep_tmp(&self) {
        self.sweep_run_drafts();
        for entry in fs::read_dir(self.tmp()).into_iter().flatten().flatten() {
            let age = entry
                .metadata()
                .and_then(|found| found.modified().or_else(|_| found.accessed()))
                .map(|then| then.elapsed());
            // A clock that was set back, or a time chosen by the writer, is no reason to keep it.
            if !matches!(age, Ok(Ok(age)) if age < ABANDONED)
                && let At::Unlocked(left) = look_at(entry.path())
            {
                left.remove();
            }
        }
    }
}

impl DraftFile {
    /// Writes the payload's leaves at their places, and leaves room before them.
    ///
    /// # Errors
    /// Disk full.
    pub fn write_leaves<'a>(&self, leaves: impl Iterator<Item = (usize, &'a [u8])>) -> Result<()> {
        write_leaves(&self.file, leaves).map_err(|error| self.unwritten(error))
    }

    /// Writes what comes before the leaves, and with it the file is whole.
    ///
    /// # Errors
    /// Disk full.
    pub fn write_head(&self, head: &[u8], created_ns: i64) -> Result<()> {
        write_head(&self.file, head, created_ns).map_err(|error| self.unwritten(error))
    }

    /// Renames the file into place; it is removed all the same unless `keep` is called.
    ///
    /// # Errors
    /// The folder can't be written.
    pub fn publish(&mut self) -> Result<Stamp> {
        rename_into(&self.path, &self.place)
            .and_then(|()| {
                self.path.clone_from(&self.place);
                Stamp::of(&self.file)
            })
            .map_err(|error| self.unwritten(error))
    }

    fn unwritten(&self, error: io::Error) -> Error {
        at(&self.place, "can't be written", error)
    }

    /// The file stays.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for DraftFile {
    fn drop(&mut self) {
        if !self.kept && self.file.is_ours() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What is found at a path.
enum At {
    Nothing,
    Unlocked(Left),
    Locked,
}

fn look_at(path: PathBuf) -> At {
    match Held::open(|| private::options().open(&path)) {
        Ok(file) if file.try_lock().is_ok() => At::Unlocked(Left { path, _lock: file }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => At::Nothing,
        Ok(_) | Err(_) => At::Locked,
    }
}

fn write_leaves<'a>(
    mut file: &File,
    leaves: impl Iterator<Item = (usize, &'a [u8])>,
) -> io::Result<()> {
    const ZEROES: [u8; ALIGN] = [0; ALIGN];
    let mut at = None;
    for (start, bytes) in leaves {
        match at {
            None => file.seek(SeekFrom::Start(start as u64)).map(|_| ())?,
            Some(at) => file.write_all(&ZEROES[..start - at])?,
        }
        file.write_all(bytes)?;
        at = Some(start + bytes.len());
    }
    Ok(())
}

fn write_head(mut file: &File, head: &[u8], created_ns: i64) -> io::Result<()> {
    file.rewind()?;
    file.write_all(head)?;
    // A time of our own choosing: a later write within the same clock tick still changes it.
    let created = UNIX_EPOCH + Duration::from_nanos(created_ns.unsigned_abs());
    file.set_modified(created)
}

fn rename_into(draft: &Path, place: &Path) -> io::Result<()> {
    let folder = place.parent().unwrap_or(place);
    if folder.is_symlink() {
        return Err(io::Error::other("its folder is a symbolic link; remove it"));
    }
    match fs::rename(draft, place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_private(folder)?;
            fs::rename(draft, place)
        }
        renamed => renamed,
    }
}
