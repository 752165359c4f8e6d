//! What the series of a store need of it: their folder, counts of changes, and its seal.

use super::files::SeriesFiles;
use super::{Mark, Store};
use crate::digest::Digest;
use crate::error::Result;
use crate::format::Mac;

impl Store {
    /// The folder of the series.
    ///
    /// # Errors
    /// It can't be made, or is not private.
    pub fn series_files(&self) -> Result<SeriesFiles> {
        SeriesFiles::prepare(&self.root)
    }

    /// What was counted of changes to a series, by whichever process; `None` on network file
    /// systems, where a mapping shows nothing of other machines.
    #[must_use]
    pub fn series_mark(&self, series: Digest) -> Option<Mark> {
        (!self.root.is_network()).then(|| self.changes.mark(series))
    }

    /// Counts a change to a series.
    pub fn count_series(&self, series: Digest) {
        self.changes.count(series);
    }

    /// The seal over a text of a series; `None` without a secret.
    #[must_use]
    pub fn seal_text(&self, series: Digest, text: &str) -> Option<Mac> {
        let parts = self.sealed_parts(&series, text);
        self.secret.as_ref().map(|secret| secret.seal(&parts))
    }

    /// Whether a text of a series has our seal.
    #[must_use]
    pub fn is_sealed_text(&self, series: Digest, text: &str, mac: &Mac) -> bool {
        let parts = self.sealed_parts(&series, text);
        let secret = self.secret.as_ref();
        secret.is_some_and(|secret| secret.is_sealed(&parts, mac))
    }

    /// The seal over a text that lies outside of the store; `None` without a secret. It holds in
    /// every store of its user, since such files move.
    #[must_use]
    pub fn seal_note(&self, text: &str) -> Option<Mac> {
        self.secret.as_ref().map(|secret| secret.seal(&note(text)))
    }

    /// Whether a text that lies outside of the store has our seal.
    #[must_use]
    pub fn is_sealed_note(&self, text: &str, mac: &Mac) -> bool {
        let secret = self.secret.as_ref();
        secret.is_some_and(|secret| secret.is_sealed(&note(text), mac))
    }

    fn sealed_parts<'a>(&'a self, series: &'a Digest, text: &'a str) -> [&'a [u8]; 4] {
        [
            b"afml-cache 2026 form of a series",
            &self.id,
            &series.0,
            text.as_bytes(),
        ]
    }
}

fn note(text: &str) -> [&[u8]; 2] {
    [b"afml-cache 2026 note", text.as_bytes()]
}
