//! Files on their way to a run.
#![allow(clippy::disallowed_methods)]

use super::segments::is_plain;
use super::{Root, at, create, private};
use crate::error::Result;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

/// What drafts of runs are called, before a number of their own.
pub(super) const DRAFT: &str = "run.";
/// Drafts that are older are nobody's: it may take long to write large trades.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// Files that a run is to get; what of them it did not get is gone when this is dropped.
#[derive(Debug)]
pub struct RunDraft {
    pub(super) folder: PathBuf,
    /// Whether any of them is to be on the medium.
    pub(super) lasts: bool,
}

impl RunDraft {
    pub(super) fn in_folder(folder: PathBuf) -> Result<Self> {
        private::create_dir(&folder).map_err(|error| at(&folder, "can't be made", error))?;
        Ok(Self {
            folder,
            lasts: false,
        })
    }

    /// Writes one of them; one that is to last is on the medium when this returns.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&mut self, name: &str, content: &[u8], lasts: bool) -> Result<()> {
        let path = self.folder.join(name);
        let written = if is_plain(name) {
            create(&path).and_then(|mut file| {
                file.write_all(content)?;
                if lasts { file.sync_all() } else { Ok(()) }
            })
        } else {
            Err(io::ErrorKind::InvalidInput.into())
        };
        self.lasts |= lasts;
        written.map_err(|error| at(&path, "can't be written", error))
    }

    /// Gives one of them another name.
    ///
    /// # Errors
    /// It can't be renamed.
    pub fn rename(&self, name: &str, other: &str) -> Result<()> {
        let path = self.folder.join(name);
        let renamed = fs::rename(&path, self.folder.join(other));
        renamed.map_err(|error| at(&path, "can't be renamed", error))
    }
}

impl Drop for RunDraft {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Root {
    /// Removes what processes that were killed have left of drafts of runs.
    pub(super) fn sweep_run_drafts(&self) {
        for entry in fs::read_dir(self.tmp()).into_iter().flatten().flatten() {
            let is_draft = entry.file_name().to_string_lossy().starts_with(DRAFT);
            let is_old = |found: fs::Metadata| {
                let age = found.modified().map(|then| then.elapsed());
                matches!(age, Ok(Ok(age)) if age > FORGOTTEN) && found.is_dir()
            };
            if is_draft && entry.metadata().is_ok_and(is_old) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}
