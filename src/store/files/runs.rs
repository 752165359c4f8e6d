//! The files of runs: the log of all that was ever recorded, its index, and a folder for each run that
//! has more than its row.
//!
//! ```text
//! v1/runs/log                         frames, one behind the other; only ever longer
//! v1/runs/runs.sqlite3                made of the log
//! v1/runs/<run id>/answer             what the backtest returned
//! v1/runs/<run id>/trades.parquet     the same for other tools, as are equity and positions
//! v1/runs/frames/<digest>             rows of walk-forward splits
//! ```
#![allow(clippy::disallowed_methods)]

use super::segments::{is_plain, is_something_else, make_inner, nonce, sync};
use super::{
    Held, Root, at, create, identity, is_abandoned, open_private, open_to_read, write_draft,
};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::store::database::FileIdentity;
use crate::store::mapped::Bytes;
use std::fs;
use std::io::{self, Write};
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

    fn log_path(&self) -> PathBuf {
        self.folder().join("log")
    }

    /// Puts bytes at the end of the log, on the medium when this returns, and says where they begin.
    /// One process at a time.
    ///
    /// # Errors
    /// They can't be written: then none of them count.
    pub fn append(&self, bytes: &[u8]) -> Result<u64> {
        let path = self.log_path();
        if is_something_else(&path) {
            self.0.set_aside(&path);
        }
        let appended = open_private(&path).and_then(|mut file| {
            let end = io::Seek::seek(&mut file, io::SeekFrom::End(0))?;
            let written = file.write_all(bytes).and_then(|()| file.sync_data());
            if written.is_err() {
                // What is there of them is passed over where the log is read.
                let _ = file.set_len(end);
            }
            written.map(|()| end)
        });
        appended.map_err(|error| at(&path, "can't be written", error))
    }

    /// A part of the log.
    ///
    /// # Errors
    /// `Corrupt` where the log is shorter; it can't be read.
    pub fn log_part(&self, from: u64, length: usize) -> Result<Bytes> {
        let path = self.log_path();
        let read = open_to_read(&path).and_then(|file| Bytes::read(&file, from, length));
        read.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound => {
                Error::new(Kind::Corrupt, format!("`{}` is shorter", path.display()))
            }
            _ => at(&path, "can't be read", error),
        })
    }

    /// All of the log; `None` where there is none.
    ///
    /// # Errors
    /// It can't be read.
    pub fn log(&self) -> Result<Option<Bytes>> {
        let path = self.log_path();
        match open_to_read(&path).and_then(|file| Bytes::load(&file, self.is_network())) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&path, "can't be read", error)),
        }
    }

    /// Gives a run these files in the place of those that it has: all of them, or none.
    ///
    /// # Errors
    /// They can't be written.
    pub fn put(&self, run: Digest, files: &[(String, Vec<u8>)]) -> Result<()> {
        let draft = self.0.tmp().join(format!("run.{:016x}", nonce()?));
        make_inner(&draft)?;
        let whole = files.iter().try_for_each(|(name, content)| {
            if is_plain(name) {
                return create(&draft.join(name)).and_then(|mut file| file.write_all(content));
            }
            Err(io::ErrorKind::InvalidInput.into())
        });
        let place = self.folder_of(run);
        let put = whole.and_then(|()| {
            self.remove(run);
            fs::rename(&draft, &place)
        });
        put.map_err(|error| {
            let _ = fs::remove_dir_all(&draft);
            at(&place, "can't take a run", error)
        })
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
        let gone = self.0.tmp().join(format!("run.{nonce:016x}"));
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

    /// Removes what processes that were killed have left of folders.
    pub fn sweep(&self) {
        for entry in fs::read_dir(self.0.tmp()).into_iter().flatten().flatten() {
            let is_ours = entry.file_name().to_string_lossy().starts_with("run.");
            if is_ours && entry.metadata().is_ok_and(|found| is_abandoned(&found)) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
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

    /// Removes rows.
    pub fn remove_frame(&self, digest: Digest) {
        let _ = fs::remove_file(self.frames().join(digest.to_string()));
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
