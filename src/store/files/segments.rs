//! The files of series: segments of bars, and the catalog of what they hold.
//!
//! ```text
//! v1/series/catalog.sqlite3
//! v1/series/<series>/<nonce>.parquet    never changed; a new one takes its place
//! ```
#![allow(clippy::disallowed_methods)]

use super::{Root, at, make_private, open_private, open_to_read, private, write_draft};
use crate::error::{Error, Kind, Result};
use crate::store::mapped::Bytes;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SUFFIX: &str = ".parquet";
/// A segment that nothing names is somebody's who is about to enter it, or nobody's after this long.
const ABANDONED: Duration = Duration::from_secs(60);

/// The folder of the series of a store.
#[derive(Clone, Debug)]
pub struct SeriesFiles(Root);

impl SeriesFiles {
    /// Makes the folder where it is missing.
    ///
    /// # Errors
    /// It can't be made, or is not private.
    pub fn prepare(root: &Root) -> Result<Self> {
        let files = Self(root.clone());
        make_inner(&files.folder())?;
        Ok(files)
    }

    fn folder(&self) -> PathBuf {
        self.0.folder("series")
    }

    fn folder_of(&self, series: &str) -> PathBuf {
        self.folder().join(series)
    }

    /// Whether machines share the folder.
    #[must_use]
    pub fn is_network(&self) -> bool {
        self.0.is_network()
    }

    /// Where the catalog lies; its file is private before anything is written to it.
    #[must_use]
    pub fn catalog(&self) -> PathBuf {
        let path = self.folder().join("catalog.sqlite3");
        if path.is_symlink() || path.is_dir() {
            self.0.set_aside(&path);
        }
        // Where this fails, opening it says why.
        let _ = open_private(&path);
        path
    }

    /// Sets a damaged catalog aside.
    pub fn set_catalog_aside(&self) {
        let path = self.folder().join("catalog.sqlite3");
        for suffix in ["-wal", "-shm", "-journal"] {
            let mut beside = path.clone().into_os_string();
            beside.push(suffix);
            let _ = fs::remove_file(Path::new(&beside));
        }
        self.0.set_aside(&path);
    }

    /// Writes a segment, whole and on the medium, and gives its name.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, series: &str, content: &[u8]) -> Result<String> {
        let folder = self.folder_of(series);
        make_inner(&folder)?;
        let written = write_draft(&self.0.tmp().join("segment"), content);
        let draft = written.map_err(|error| at(&folder, "can't take a segment", error))?;
        let name = format!("{:016x}{SUFFIX}", nonce()?);
        let renamed = fs::rename(&draft, folder.join(&name)).and_then(|()| sync(&folder));
        renamed.map_err(|error| {
            let _ = fs::remove_file(&draft);
            at(&folder, "can't take a segment", error)
        })?;
        Ok(name)
    }

    /// The bytes of a segment; `None` where it is gone.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read(&self, series: &str, name: &str) -> Result<Option<Bytes>> {
        let path = self.folder_of(series).join(name);
        let opened = open_to_read(&path).and_then(|file| Bytes::load(&file, self.is_network()));
        match opened {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&path, "can't be read", error)),
        }
    }

    /// Removes a segment; one that is gone already is no error.
    pub fn remove(&self, series: &str, name: &str) {
        let _ = fs::remove_file(self.folder_of(series).join(name));
    }

    /// Moves a segment that failed a check out of the way.
    pub fn set_aside(&self, series: &str, name: &str) {
        self.0.set_aside(&self.folder_of(series).join(name));
    }

    /// The segments of a series that are there, and whether each is old enough to be nobody's.
    #[must_use]
    pub fn names(&self, series: &str) -> Vec<(String, bool)> {
        let folder = self.folder_of(series);
        if folder.is_symlink() {
            return Vec::new();
        }
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| {
                let name = entry.file_name().to_str()?.to_owned();
                let age = entry.metadata().ok()?.modified().ok()?.elapsed();
                let abandoned = age.is_ok_and(|age| age > ABANDONED);
                name.ends_with(SUFFIX).then_some((name, abandoned))
            })
            .collect()
    }
}

fn nonce() -> Result<u64> {
    let mut own = [0; 8];
    getrandom::fill(&mut own).map_err(|error| {
        Error::caused(
            Kind::Io,
            "the system gives no random bytes",
            io::Error::other(error),
        )
    })?;
    Ok(u64::from_le_bytes(own))
}

fn make_inner(folder: &Path) -> Result<()> {
    if folder.is_file() {
        // The name is ours; whatever else stands there can only be damage.
        let _ = fs::remove_file(folder);
    }
    make_private(folder).map_err(|error| at(folder, "can't be made", error))?;
    private::check_inner(folder)
}

/// Has a rename outlast a loss of power.
#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}
