//! The catalog: which series there are, what is known of each, and in which segments its bars lie.
//!
//! Every change is on the medium before it counts, and after the files that it names. A catalog
//! that is damaged is set aside; what it held is read from the segments again.

use super::rows;
use crate::error::Result;
use crate::store::{Database, FileIdentity, Home, Schema, SeriesFiles};
use rusqlite::Connection;
use std::path::PathBuf;

const SCHEMA: Schema = Schema {
    what: "catalog",
    tables: rows::SCHEMA,
    version: 1,
    main_table: "series",
    is_made_of_others: false,
};

/// The catalog of a store; one connection a process.
#[derive(Debug)]
pub struct Catalog {
    files: SeriesFiles,
    database: Database,
}

impl Catalog {
    /// The catalog in a folder; opened when it is first needed.
    #[must_use]
    pub fn of(files: SeriesFiles) -> Self {
        Self {
            database: Database::of(Box::new(files.clone()), SCHEMA),
            files,
        }
    }

    /// The folder around it.
    #[must_use]
    pub fn files(&self) -> &SeriesFiles {
        &self.files
    }

    /// The keys of the series of a cache, as JSON.
    ///
    /// # Errors
    /// The catalog can't be asked.
    pub fn keys(&self, cache: &str) -> Result<Vec<String>> {
        self.ask(|catalog| rows::keys(catalog, cache))
    }

    /// Asks one question.
    pub(super) fn peek<T>(
        &self,
        query: impl FnMut(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.database.peek(query)
    }

    /// Asks, and sees one state of it; a damaged catalog is replaced by an empty one and asked then.
    pub(super) fn ask<T>(
        &self,
        query: impl FnMut(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.database.ask(query)
    }

    /// Changes the catalog in one transaction, which is on the medium when this returns. `work` may
    /// be called again, for another catalog.
    pub(super) fn change<T>(
        &self,
        work: impl FnMut(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.database.change(work)
    }
}

impl Home for SeriesFiles {
    fn path(&self) -> PathBuf {
        self.catalog_path()
    }

    fn prepare(&self) -> PathBuf {
        self.catalog()
    }

    fn identity(&self) -> FileIdentity {
        self.catalog_identity()
    }

    fn replace(&self, damaged: FileIdentity) -> Result<()> {
        self.set_catalog_aside(damaged)
    }

    fn is_network(&self) -> bool {
        Self::is_network(self)
    }
}
