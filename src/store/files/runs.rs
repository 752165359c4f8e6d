//! The files of runs: the log of all that was ever recorded, its index, and a folder for each run that
//! has more than its row.
//!
//! ```text
//! v1/runs/log                         frames, one behind the other
//! v1/runs/runs.sqlite3                made of the log
//! v1/runs/<run id>/answer             what the backtest returned, where that is large
//! v1/runs/<run id>/answer-again       the same of a run that was recorded again
//! v1/runs/<run id>/trades.parquet     the same for other tools, as are equity and positions
//! v1/runs/frames/<digest>             rows of walk-forward splits
//! ```
//!
//! What other tools read is a copy: it is written whole, and not waited for until it is on the medium.
#![allow(clippy::disallowed_methods)]

use super::run_draft::{DRAFT, RunDraft};
use super::segments::{is_plain, is_something_else, make_inner, nonce, sync};
use super::{Held, Root, at, identity, is_abandoned, open_private, open_to_read, write_draft};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::store::database::FileIdentity;
use crate::store::mapped::Bytes;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of the runs of a store.
#[derive(Clone, Debug)]
pub struct RunFiles(Root);

impl RunFiles {
    /// Makes the folder where it is missing.
    ///
    /// # Errors
    /// It can't be made, or is not private.
    pub fn prepare(root: &Root) -> Result<Self> {
        let files = Self(root.clone());
        make_inner(&files.folder())?;
        make_inner(&files.frames())?;
        Ok(files)
    }

    /// Where the runs lie.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        self.0.folder("runs")
    }

    /// Where the files of a run lie.
    #[must_use]
    pub fn folder_of(&self, run: Digest) -> PathBuf {
        self.folder().join(run.to_string())
    }

    pub(super) fn root(&self) -> &Root {
        &self.0
    }

    fn frames(&self) -> PathBuf {
        self.folder().join("frames")
    }

    /// Whether machines share the folder.
    #[must_use]
    pub fn is_network(&self) -> bool {
        self.0.is_network()
    }

    /// Where the index of the log lies.
    #[must_use]
    pub fn index_path(&self) -> PathBuf {
        self.folder().join("runs.sqlite3")
    }

    /// The same; its file is private before anything is written to it.
    #[must_use]
    pub fn index(&self) -> PathBuf {
        let path = self.index_path();
        if is_something_else(&path) {
            self.0.set_aside(&path);
        }
        // Where these fail, opening it says why.
        let _ = make_inner(&self.folder());
        let _ = open_private(&path);
        path
    }

    /// Tells the file of the index from others of its name.
    #[must_use]
    pub fn index_identity(&self) -> FileIdentity {
        identity(&self.index_path())
    }

    /// Sets a damaged index aside, unless another process has done so already.
    ///
    /// # Errors
    /// It can't be moved.
    pub fn set_index_aside(&self, damaged: FileIdentity) -> Result<()> {
        self.0
            .set_database_aside("runs", &self.index_path(), damaged)
    }

    /// A folder for files that a run is to get, where nobody looks for them.
    ///
    /// # Errors
    /// It can't be made.
    pub fn draft(&self) -> Result<RunDraft> {
        RunDraft::in_folder(self.0.tmp().join(format!("{DRAFT}{:016x}", nonce()?)))
    }

    /// Gives a run the files of a draft; in the place of all that it has, or of those of their names.
    ///
    /// # Errors
    /// They can't be moved.
    pub fn put(&self, run: Digest, draft: &RunDraft, beside: bool) -> Result<()> {
        let place = self.folder_of(run);
        let put = if beside && is_folder(&place) {
            let files = fs::read_dir(&draft.folder).into_iter().flatten().flatten();
            let mut files = files.map(|file| (file.path(), place.join(file.file_name())));
            files.try_for_each(|(from, to)| fs::rename(from, to))
        } else {
            self.remove(run);
            fs::rename(&draft.folder, &place)
        };
        let lasts = || sync(&place).and_then(|()| sync(&self.folder()));
        put.and_then(|()| if draft.lasts { lasts() } else { Ok(()) })
            .map_err(|error| at(&place, "can't take a run", error))
    }

    /// Leaves a run these of its files.
    pub fn keep(&self, run: Digest, names: &[&str]) {
        let folder = self.folder_of(run);
        if !is_folder(&folder) {
            return;
        }
        for file in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if !names.iter().any(|name| file.file_name() == *name) {
                let _ = fs::remove_file(file.path());
            }
        }
    }

    /// A file of a run; `None` where there is none.
    ///
    /// # Errors
    /// It can't be read.
    pub fn open(&self, run: Digest, name: &str) -> Result<Option<Bytes>> {
        let folder = self.folder_of(run);
        if folder.is_symlink() || !is_plain(name) {
            return Ok(None);
        }
        self.load(&folder.join(name))
    }

    fn load(&self, path: &Path) -> Result<Option<Bytes>> {
        match open_to_read(path).and_then(|file| Bytes::load(&file, self.is_network())) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(at(path, "can't be read", error)),
        }
    }

    /// Removes the files of a run.
    pub fn remove(&self, run: Digest) {
        let place = self.folder_of(run);
        let Ok(nonce) = nonce() else { return };
        // Out of the way in one step, so that nobody finds half of them.
        let gone = self.0.tmp().join(format!("{DRAFT}{nonce:016x}"));
        if fs::rename(&place, &gone).is_ok() {
            let _ = if gone.is_symlink() || gone.is_file() {
                fs::remove_file(&gone)
            } else {
                fs::remove_dir_all(&gone)
            };
        }
    }

    /// The runs that have a folder, and whether each is old enough to be nobody's.
    #[must_use]
    pub fn names(&self) -> Vec<(Digest, bool)> {
        let entries = fs::read_dir(self.folder()).into_iter().flatten().flatten();
        let named = entries.filter_map(|entry| {
            let run = Digest::from_hex(entry.file_name().to_str()?)?;
            Some((run, is_abandoned(&entry.metadata().ok()?)))
        });
        named.collect()
    }

    /// Keeps rows under their digest.
    ///
    /// # Errors
    /// They can't be written.
    pub fn put_frame(&self, digest: Digest, content: &[u8]) -> Result<()> {
        let path = self.frames().join(digest.to_string());
        let draft = write_draft(&self.0.tmp().join("frame"), content);
        let kept = draft.and_then(|draft| {
            fs::rename(&draft, &path)
                .and_then(|()| sync(&self.frames()))
                .inspect_err(|_| {
                    let _ = fs::remove_file(&draft);
                })
        });
        kept.map_err(|error| at(&path, "can't be written", error))
    }

    /// The rows of a digest; `None` where there are none.
    ///
    /// # Errors
    /// They can't be read.
    pub fn open_frame(&self, digest: Digest) -> Result<Option<Bytes>> {
        self.load(&self.frames().join(digest.to_string()))
    }

    /// Bytes of all of it.
    #[must_use]
    pub fn size(&self) -> u64 {
        size_of(&self.folder())
    }
}

impl Root {
    /// Sets a damaged database aside, unless another process has done so already.
    pub(super) fn set_database_aside(
        &self,
        lock: &str,
        path: &Path,
        damaged: FileIdentity,
    ) -> Result<()> {
        let _alone: Held = self.lock(lock)?;
        if identity(path) != damaged {
            return Ok(());
        }
        for suffix in ["-wal", "-shm", "-journal"] {
            let mut beside = path.to_path_buf().into_os_string();
            beside.push(suffix);
            let _ = fs::remove_file(Path::new(&beside));
        }
        self.set_aside(path);
        if path.exists() {
            let shown = path.display();
            let what = format!("the database `{shown}` is damaged, and can't be set aside");
            return Err(Error::new(Kind::Io, what));
        }
        Ok(())
    }
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

fn is_missing(error: &io::Error) -> bool {
    // A file in the place of a folder, or a folder in that of a file, is nothing of ours either.
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidData
    )
}

fn size_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => size_of(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    sizes.sum()
}
