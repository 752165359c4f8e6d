//! The journal of sweeps: `v1/sweeps.sqlite3`.
#![allow(clippy::disallowed_methods)]

use super::segments::is_something_else;
use super::{Root, identity, open_private};
use crate::error::Result;
use crate::store::database::{FileIdentity, Home};
use std::path::PathBuf;

/// Where the journal of a store lies.
#[derive(Clone, Debug)]
pub struct SweepFiles(Root);

impl SweepFiles {
    /// Those of a store.
    #[must_use]
    pub fn of(root: &Root) -> Self {
        Self(root.clone())
    }
}

impl Home for SweepFiles {
    fn path(&self) -> PathBuf {
        self.0.folder("sweeps.sqlite3")
    }

    fn prepare(&self) -> PathBuf {
        let path = self.path();
        if is_something_else(&path) {
            self.0.set_aside(&path);
        }
        // Where this fails, opening it says why.
        let _ = open_private(&path);
        path
    }

    fn identity(&self) -> FileIdentity {
        identity(&self.path())
    }

    fn replace(&self, damaged: FileIdentity) -> Result<()> {
        self.0.set_database_aside("sweeps", &self.path(), damaged)
    }

    fn is_network(&self) -> bool {
        self.0.is_network()
    }
}
