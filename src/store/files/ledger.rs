//! The files of the ledger: itself, and its last copy.
#![allow(clippy::disallowed_methods)]

use super::{Root, open_private, private};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A copy of the ledger is made when the last one is older than this.
const DAILY: Duration = Duration::from_secs(24 * 3600);

impl Root {
    /// Where the ledger lies; its file is made private before anything is written to it.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        let path = self.folder("ledger.sqlite3");
        if path.is_symlink() {
            self.set_aside(&path);
        }
        // Where this fails, opening it says why.
        let _ = open_private(&path);
        path
    }

    fn ledger_copy(&self) -> PathBuf {
        self.folder("ledger-copy.sqlite3")
    }

    /// Where the next copy of the ledger is written, if it is time for one.
    #[must_use]
    pub fn ledger_copy_to_be(&self) -> Option<PathBuf> {
        let age = fs::metadata(self.ledger_copy())
            .and_then(|found| found.modified())
            .map(|then| then.elapsed());
        if !self.folder("ledger.sqlite3").exists() || matches!(age, Ok(Ok(age)) if age < DAILY) {
            return None;
        }
        let path = self.tmp().join(format!("ledger-{}", std::process::id()));
        private::options().create(true).open(&path).ok()?;
        Some(path)
    }

    /// Puts a copy into place, or throws it away.
    pub fn finish_ledger_copy(&self, path: &Path, is_whole: bool) {
        if !is_whole || fs::rename(path, self.ledger_copy()).is_err() {
            let _ = fs::remove_file(path);
        }
    }

    /// Sets a damaged ledger aside, and takes the last copy instead.
    pub fn restore_ledger(&self) {
        let path = self.folder("ledger.sqlite3");
        self.set_aside(&path);
        self.set_aside(&self.folder("ledger.sqlite3-journal"));
        let _ = fs::copy(self.ledger_copy(), &path);
    }
}
