//! What the runs and the sweeps of a store need of it: folders, and payloads outside of the index.

use super::files::{RunFiles, SweepFiles};
use super::{Bytes, Found, Store, unpacked};
use crate::digest::Digest;
use crate::error::Result;
use crate::format::{HEADER, Head};

impl Store {
    /// The folder of the runs.
    ///
    /// # Errors
    /// It can't be made, or is not private.
    pub fn run_files(&self) -> Result<RunFiles> {
        RunFiles::prepare(&self.root)
    }

    /// The folder of the journal of sweeps.
    #[must_use]
    pub fn sweep_files(&self) -> SweepFiles {
        SweepFiles::of(&self.root)
    }

    /// What a payload outside of the index holds, all of it checked.
    ///
    /// # Errors
    /// `Corrupt`, `Forged` or `ForeignSecret` for what can't be believed.
    pub fn open_payload(&self, key: Digest, bytes: Bytes) -> Result<Found> {
        // What is checked is what is decoded, whoever writes to the file meanwhile.
        bytes.own(HEADER);
        bytes.own(Head::extent(bytes.slice()));
        let head = self.check(key, bytes.slice(), false)?;
        let (head, bytes) = unpacked(head, bytes)?;
        Ok(Found {
            head,
            bytes,
            sound: false,
            checked: None,
        })
    }
}
