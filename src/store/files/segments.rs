//! The files of series: segments of bars, and the catalog of what they hold.
//!
//! ```text
//! v1/series/catalog.sqlite3
//! v1/series/<series>/<nonce>-<digest>.parquet   never changed; a new one takes its place
//! v1/series/<series>/<nonce>.cut                what segments that are older have no longer
//! ```
#![allow(clippy::disallowed_methods)]

use super::write_draft;
use super::{Root, at, identity, is_abandoned, make_private, open_private, open_to_read, private};
use crate::digest::{Digest, digest_bytes};
use crate::error::{Error, Kind, Result};
use crate::store::mapped::Bytes;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

const SUFFIX: &str = ".parquet";
const CUT: &str = ".cut";

/// The folder of the series of a store.
#[derive(Clone, Debug)]
pub struct SeriesFiles(Root);

/// Positions of which the segments that were written before it tell nothing any longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// When, ns UTC.
    pub at: i64,
    /// First positions, and those behind the last.
    pub spans: Vec<(i64, i64)>,
}

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

    /// Where the catalog lies.
    #[must_use]
    pub fn catalog_path(&self) -> PathBuf {
        self.folder().join("catalog.sqlite3")
    }

    /// Where the catalog lies; its file is private before anything is written to it.
    #[must_use]
    pub fn catalog(&self) -> PathBuf {
        let path = self.catalog_path();
        if is_something_else(&path) {
            self.0.set_aside(&path);
        }
        // Where these fail, opening it says why.
        let _ = make_inner(&self.folder());
        let _ = open_private(&path);
        path
    }

    /// Tells the file of the catalog from others of its name.
    #[must_use]
    pub fn catalog_identity(&self) -> Option<(u64, u64)> {
        identity(&self.catalog_path())
    }

    /// Sets a damaged catalog aside, unless another process has done so already.
    ///
    /// # Errors
    /// It can't be moved.
    pub fn set_catalog_aside(&self, damaged: Option<(u64, u64)>) -> Result<()> {
        self.0
            .set_database_aside("series", &self.catalog_path(), damaged)
    }

    /// Writes a segment, whole and on the medium, and gives its name.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, series: &str, content: &[u8], digest: Digest) -> Result<String> {
        let name = format!("{:016x}-{digest}{SUFFIX}", nonce()?);
        self.put(series, &name, content)?;
        Ok(name)
    }

    fn put(&self, series: &str, name: &str, content: &[u8]) -> Result<()> {
        let folder = self.folder_of(series);
        if make_inner(&folder)? {
            let synced = sync(&self.folder());
            synced.map_err(|error| at(&folder, "can't be kept", error))?;
        }
        let written = write_draft(&self.0.tmp().join("segment"), content);
        let draft = written.map_err(|error| at(&folder, "can't take a segment", error))?;
        let renamed = fs::rename(&draft, folder.join(name)).and_then(|()| sync(&folder));
        renamed.map_err(|error| {
            let _ = fs::remove_file(&draft);
            at(&folder, "can't take a segment", error)
        })
    }

    /// The bytes of a segment.
    ///
    /// # Errors
    /// `Corrupt` for one that is gone, or no file; it can't be read.
    pub fn read(&self, series: &str, name: &str) -> Result<Bytes> {
        let path = self.folder_of(series).join(name);
        let gone = |what: &str| {
            let what = format!("the segment `{name}` {what}");
            Err(Error::new(Kind::Corrupt, what))
        };
        if !is_plain(series) || digest_of(name).is_none() {
            return gone("has a name that is none of ours");
        }
        if self.folder_of(series).is_symlink() {
            return gone("lies in a folder that leads elsewhere");
        }
        if is_something_else(&path) {
            return gone("is no file");
        }
        let opened = open_to_read(&path).and_then(|file| Bytes::load(&file, self.is_network()));
        match opened {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => gone("is gone"),
            Err(error) => Err(at(&path, "can't be read", error)),
        }
    }

    /// The bytes of a segment that no catalog names, checked.
    ///
    /// # Errors
    /// As for `read`; `Corrupt` too for one that is not what was written.
    pub fn read_stray(&self, series: &str, name: &str) -> Result<(Bytes, Digest)> {
        let bytes = self.read(series, name)?;
        let digest = digest_bytes(bytes.slice());
        if digest_of(name) == Some(digest) {
            return Ok((bytes, digest));
        }
        let what = format!("the segment `{name}` is not what was written");
        Err(Error::new(Kind::Corrupt, what))
    }

    /// Whether a segment is there.
    #[must_use]
    pub fn has(&self, series: &str, name: &str) -> bool {
        identity(&self.folder_of(series).join(name)).is_some()
    }

    /// Removes a segment; one that is gone already is no error.
    pub fn remove(&self, series: &str, name: &str) {
        if is_plain(series) && digest_of(name).is_some() {
            let _ = fs::remove_file(self.folder_of(series).join(name));
        }
    }

    /// Moves a segment that failed a check out of the way.
    pub fn set_aside(&self, series: &str, name: &str) {
        let folder = self.folder_of(series);
        if is_plain(series) && digest_of(name).is_some() && !folder.is_symlink() {
            self.0.set_aside(&folder.join(name));
        }
    }

    /// The segments of a series that are there, and whether each is old enough to be nobody's.
    #[must_use]
    pub fn names(&self, series: &str) -> Vec<(String, bool)> {
        let entries = self.entries(series).into_iter();
        entries
            .filter(|(name, _)| digest_of(name).is_some())
            .map(|(name, found)| {
                // Of somebody who is about to enter it, or nobody's.
                (name, is_abandoned(&found))
            })
            .collect()
    }

    fn entries(&self, series: &str) -> Vec<(String, fs::Metadata)> {
        let folder = self.folder_of(series);
        if !is_plain(series) || folder.is_symlink() {
            return Vec::new();
        }
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| Some((entry.file_name().to_str()?.into(), entry.metadata().ok()?)))
            .collect()
    }

    /// Writes down what older segments have no longer, and gives the name of that; it is on the
    /// medium when this returns.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write_cut(&self, series: &str, cut: &Cut) -> Result<String> {
        let name = format!("{:016x}{CUT}", nonce()?);
        let spans = cut.spans.iter();
        let spans = spans.map(|(first, stop)| format!("{first} {stop}"));
        let lines: Vec<_> = std::iter::once(cut.at.to_string()).chain(spans).collect();
        let content = lines.join("\n") + "\n";
        let check = Digest::of(content.as_bytes());
        self.put(series, &name, format!("{content}{check}\n").as_bytes())?;
        Ok(name)
    }

    /// What was written down of a series, by name. One that can't be read may say anything, and so
    /// stands for all positions and all times.
    #[must_use]
    pub fn cuts(&self, series: &str) -> Vec<(String, Cut)> {
        let folder = self.folder_of(series);
        let entries = self.entries(series).into_iter();
        entries
            .filter(|(name, _)| name.ends_with(CUT))
            .map(|(name, found)| {
                let path = Some(folder.join(&name)).filter(|_| found.is_file());
                let read = path.and_then(|path| fs::read(path).ok());
                let cut = read.and_then(|content| Cut::read(&content));
                (name, cut.unwrap_or_else(Cut::of_all))
            })
            .collect()
    }

    /// Removes a cut that no segment needs.
    pub fn remove_cut(&self, series: &str, name: &str) {
        if is_plain(series) && is_plain(name) && name.ends_with(CUT) {
            let _ = fs::remove_file(self.folder_of(series).join(name));
        }
    }
}

impl Cut {
    fn read(content: &[u8]) -> Option<Self> {
        let content = std::str::from_utf8(content).ok()?.strip_suffix('\n')?;
        let (lines, check) = content.rsplit_once('\n')?;
        if Digest::from_hex(check)? != Digest::of(format!("{lines}\n").as_bytes()) {
            return None;
        }
        let mut lines = lines.lines();
        let at = lines.next()?.parse().ok()?;
        let span = |line: &str| {
            let (first, stop) = line.split_once(' ')?;
            Some((first.parse().ok()?, stop.parse().ok()?))
        };
        let spans = lines.map(span).collect::<Option<_>>()?;
        Some(Self { at, spans })
    }

    fn of_all() -> Self {
        Self {
            at: i64::MAX,
            spans: vec![(i64::MIN, i64::MAX)],
        }
    }
}

/// The digest that the name of a segment says its bytes have; `None` for a name that is none of ours.
fn digest_of(name: &str) -> Option<Digest> {
    let (nonce, digest) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let is_nonce = nonce.len() == 16 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit());
    Digest::from_hex(digest).filter(|_| is_nonce)
}

/// Whether a name leads to nowhere but an entry of a folder.
pub(super) fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain)
}

pub(super) fn is_something_else(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| !found.is_file())
}

pub(super) fn nonce() -> Result<u64> {
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

/// Says whether the folder had to be made.
pub(super) fn make_inner(folder: &Path) -> Result<bool> {
    if fs::symlink_metadata(folder).is_ok_and(|found| found.is_file()) {
        // The name is ours; whatever else stands there can only be damage.
        let _ = fs::remove_file(folder);
    }
    let made = make_private(folder).map_err(|error| at(folder, "can't be made", error))?;
    private::check_inner(folder)?;
    Ok(made)
}

/// Has a rename outlast a loss of power.
#[cfg(unix)]
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
pub(super) fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}
