//! What failed a check: kept for a look, and never served.
#![allow(clippy::disallowed_methods)]

use super::{Nonce, Root, create};
use crate::digest::Digest;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What lies in quarantine is kept for so long, and up to so many bytes.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
const MOST: u64 = 256 << 20;

impl Root {
    /// Moves a payload that failed a check out of the way, and says where to.
    pub fn quarantine(&self, key: Digest, nonce: Nonce) -> PathBuf {
        self.set_aside(&self.payload(key, nonce))
    }

    /// Writes a payload of the index that failed a check to where it can be looked at.
    pub fn quarantine_bytes(&self, key: Digest, nonce: Nonce, bytes: &[u8]) -> PathBuf {
        let path = self.payload(key, nonce);
        let aside = self
            .folder("quarantine")
            .join(path.file_name().unwrap_or_default());
        // Where it can't be written, it is not kept.
        let _ = create(&aside).and_then(|mut file| file.write_all(bytes));
        self.empty_quarantine();
        aside
    }

    /// Moves an index out of the way, its write-ahead log with it.
    pub fn quarantine_index(&self, generation: u64) -> PathBuf {
        let index = self.index(generation);
        for suffix in ["-wal", "-shm"] {
            let mut beside = index.clone().into_os_string();
            beside.push(suffix);
            self.set_aside(Path::new(&beside));
        }
        self.set_aside(&index)
    }

    pub(super) fn set_aside(&self, path: &Path) -> PathBuf {
        let aside = self
            .folder("quarantine")
            .join(path.file_name().unwrap_or_default());
        if fs::rename(path, &aside).is_err() {
            let _ = fs::remove_file(path);
        }
        self.empty_quarantine();
        aside
    }

    /// Removes what has been in quarantine for long, and the oldest of what is too much.
    pub fn empty_quarantine(&self) {
        let entries = fs::read_dir(self.folder("quarantine"))
            .into_iter()
            .flatten()
            .flatten();
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .filter_map(|entry| {
                let found = entry.metadata().ok()?;
                Some((put_there(&found)?, found.len(), entry.path()))
            })
            .collect();
        files.sort_unstable_by(|left, right| right.cmp(left));
        let mut bytes = 0;
        for (since, size, path) in files {
            bytes += size;
            if bytes > MOST || since.elapsed().is_ok_and(|age| age > KEPT) {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// When a file was renamed: its own times are those of its writer.
#[cfg(unix)]
fn put_there(found: &fs::Metadata) -> Option<SystemTime> {
    use std::os::unix::fs::MetadataExt;
    let seconds = u64::try_from(found.ctime()).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(not(unix))]
fn put_there(found: &fs::Metadata) -> Option<SystemTime> {
    found.modified().ok()
}
