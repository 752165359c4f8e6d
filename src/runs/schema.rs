//! The tables of the index of runs, and up to where in the log it is made.
//!
//! All of it is made of the log's events, in order, so that a damaged index is made anew. Columns are
//! for looking things up; whatever is told is read from marked bytes.

use super::marked::{marked, unmarked};
use crate::format::{Reader, Writer};
use crate::store::Schema;
use rusqlite::{Connection, OptionalExtension, Result};

pub const SCHEMA: Schema = Schema {
    what: "index of runs",
    tables: TABLES,
    version: 1,
    main_table: "runs",
    is_made_of_others: true,
};

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS progress (
    only INTEGER PRIMARY KEY CHECK (only = 0),
    body BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS names (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS contents (
    number INTEGER PRIMARY KEY,
    data BLOB NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY,
    run BLOB NOT NULL UNIQUE,
    strategy INTEGER NOT NULL,
    content INTEGER NOT NULL,
    parameters BLOB NOT NULL,
    family INTEGER NOT NULL,
    role INTEGER NOT NULL,
    state INTEGER NOT NULL,
    pinned INTEGER NOT NULL,
    place INTEGER NOT NULL,
    length INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS runs_of_content ON runs (content, strategy, parameters);
CREATE INDEX IF NOT EXISTS runs_by_state ON runs (strategy, state);
CREATE TABLE IF NOT EXISTS strategies (
    strategy INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS metrics (
    strategy INTEGER NOT NULL,
    name INTEGER NOT NULL,
    role INTEGER NOT NULL,
    value REAL NOT NULL,
    run INTEGER NOT NULL,
    content INTEGER NOT NULL,
    PRIMARY KEY (strategy, name, role, value, run)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rankings (
    strategy INTEGER NOT NULL,
    name INTEGER NOT NULL,
    role INTEGER NOT NULL,
    content INTEGER NOT NULL,
    ranked INTEGER NOT NULL,
    unranked INTEGER NOT NULL,
    PRIMARY KEY (strategy, name, role, content)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS families (
    number INTEGER PRIMARY KEY,
    strategy INTEGER NOT NULL,
    dataset TEXT NOT NULL,
    purpose TEXT NOT NULL,
    body BLOB NOT NULL,
    overfitting BLOB,
    UNIQUE (strategy, dataset, purpose)
) STRICT;
CREATE TABLE IF NOT EXISTS trials (
    family INTEGER NOT NULL,
    trial BLOB NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (family, trial, run)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spreads (
    family INTEGER NOT NULL,
    step INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (family, step)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS correlations (
    family INTEGER NOT NULL,
    width INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (family, width)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS axes (
    axis BLOB PRIMARY KEY,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS codes (
    code BLOB PRIMARY KEY,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (
    run BLOB PRIMARY KEY,
    family INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS failures_of_family ON failures (family, at);
CREATE TABLE IF NOT EXISTS splits (
    split TEXT NOT NULL,
    fold INTEGER NOT NULL,
    version INTEGER NOT NULL,
    train BLOB NOT NULL,
    test BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (split, fold, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS splits_by_train ON splits (train);
CREATE INDEX IF NOT EXISTS splits_by_test ON splits (test);
CREATE TABLE IF NOT EXISTS frames (
    frame BLOB PRIMARY KEY,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
";

/// How far the index is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// All frames of the log that lie before this are in it.
    pub applied: u64,
    /// Whether it has ever come to the end of the log: before that, what it lacks may be there.
    pub is_complete: bool,
    /// Stretches of the log that can't be read.
    pub damaged: u64,
}

impl Progress {
    /// As it is written down; a new index is nowhere.
    pub fn of(index: &Connection) -> Result<Self> {
        let body: Option<Vec<u8>> = index
            .prepare_cached("SELECT body FROM progress")?
            .query_row([], |row| row.get(0))
            .optional()?;
        let Some(body) = body else {
            return Ok(Self::default());
        };
        let mut reader = Reader::new(unmarked(&[], &body)?);
        let mut read = || {
            Ok(Self {
                applied: reader.u64()?,
                is_complete: reader.u8()? != 0,
                damaged: reader.u64()?,
            })
        };
        read().map_err(super::rows::lies)
    }

    /// Writes it down.
    pub fn note(self, index: &Connection) -> Result<()> {
        let mut writer = Writer::new();
        writer.u64(self.applied);
        writer.u8(u8::from(self.is_complete));
        writer.u64(self.damaged);
        index
            .prepare_cached("INSERT OR REPLACE INTO progress VALUES (0, ?)")?
            .execute([marked(&[], &writer.finish())])
            .map(drop)
    }
}

/// Takes everything out of the index, so that it is made anew.
pub fn clear(index: &Connection) -> Result<()> {
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table'";
    let tables: Vec<String> = index
        .prepare(names)?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_>>()?;
    for table in tables {
        index.execute(&format!("DELETE FROM {table}"), [])?;
    }
    Ok(())
}

/// The number of a name that was entered; `None` for one that never was.
pub fn number_of(index: &Connection, name: &str) -> Result<Option<i64>> {
    index
        .prepare_cached("SELECT number FROM names WHERE name = ?")?
        .query_row([name], |row| row.get(0))
        .optional()
}

/// The number of a name, which is entered where it is new.
pub fn entered(index: &Connection, name: &str) -> Result<i64> {
    match number_of(index, name)? {
        Some(number) => Ok(number),
        None => index
            .prepare_cached("INSERT INTO names (name) VALUES (?)")?
            .insert([name]),
    }
}
