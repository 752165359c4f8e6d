//! The catalog: which series there are, what is known of each, and in which segments its bars lie.
//!
//! Every change is on the medium before it counts, and after the files that it names. A catalog
//! that is damaged is set aside; what it held is read from the segments again.

use super::coverage::{Coverage, Delta, Piece, Reason, State};
use super::interval::Interval;
use super::series::Segment;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::Mac;
use crate::store::SeriesFiles;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    cache TEXT NOT NULL,
    key TEXT NOT NULL,
    folder TEXT NOT NULL,
    form TEXT,
    seal BLOB,
    revision INTEGER NOT NULL DEFAULT 0,
    adopted INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    series INTEGER NOT NULL,
    name TEXT NOT NULL,
    first INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    digest BLOB NOT NULL,
    created INTEGER NOT NULL,
    about TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS segments_of_series ON segments (series);
CREATE TABLE IF NOT EXISTS coverage (
    series INTEGER NOT NULL,
    first INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    state INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    segment INTEGER,
    attempt INTEGER NOT NULL,
    fetched INTEGER NOT NULL,
    recheck INTEGER NOT NULL,
    PRIMARY KEY (series, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead (
    series INTEGER NOT NULL,
    name TEXT NOT NULL,
    since INTEGER NOT NULL
) STRICT;
";
const VERSION: i64 = 1;
const PATIENCE: Duration = Duration::from_secs(20);

/// The catalog of a store; one connection a process.
#[derive(Debug)]
pub struct Catalog {
    files: SeriesFiles,
    connection: Mutex<Option<Connection>>,
}

/// A series as the catalog has it.
#[derive(Debug, Default)]
pub struct Stored {
    pub revision: i64,
    pub form: Option<(String, Option<Mac>)>,
    pub adopted: bool,
    pub coverage: Coverage,
    pub segments: BTreeMap<i64, Segment>,
}

/// A series that is entered in the catalog.
#[derive(Clone, Debug)]
pub struct Entered {
    pub id: i64,
    pub folder: String,
}

/// One of the series of a store.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Of which cache.
    pub cache: String,
    /// Its key, as JSON.
    pub key: String,
}

impl Catalog {
    /// The catalog in a folder; opened when it is first needed.
    #[must_use]
    pub fn of(files: SeriesFiles) -> Self {
        Self {
            files,
            connection: Mutex::default(),
        }
    }

    /// The folder around it.
    #[must_use]
    pub fn files(&self) -> &SeriesFiles {
        &self.files
    }

    /// The number and folder of a series, which is entered where it is not.
    pub(super) fn enter(&self, series: &super::series::Name, now: i64) -> Result<Entered> {
        let find = |catalog: &Connection| {
            let found = "SELECT id, folder FROM series WHERE digest = ?";
            let entered = |row: &Row<'_>| {
                Ok(Entered {
                    id: row.get(0)?,
                    folder: row.get(1)?,
                })
            };
            catalog
                .query_row(found, [series.digest.0], entered)
                .optional()
        };
        if let Some(entered) = self.ask(&find)? {
            return Ok(entered);
        }
        self.change(|change| {
            let enter = "INSERT OR IGNORE INTO series (digest, cache, key, folder, created)
                VALUES (?, ?, ?, ?, ?)";
            let folder = series.folder();
            let row = params![series.digest.0, series.cache, series.key, folder, now];
            change.execute(enter, row)?;
            Ok(())
        })?;
        self.ask(&find)?
            .ok_or_else(|| Error::new(Kind::Io, "the catalog of series forgets what it is told"))
    }

    /// The series of a cache.
    ///
    /// # Errors
    /// The catalog can't be asked.
    pub fn list(&self, cache: &str) -> Result<Vec<Listed>> {
        self.ask(&|catalog| {
            let mut query =
                catalog.prepare("SELECT cache, key FROM series WHERE cache = ? ORDER BY key")?;
            let rows = query.query_map([cache], |row| {
                Ok(Listed {
                    cache: row.get(0)?,
                    key: row.get(1)?,
                })
            })?;
            rows.collect()
        })
    }

    pub(super) fn revision(&self, series: i64) -> Result<Option<i64>> {
        self.ask(&|catalog| revision(catalog, series))
    }

    pub(super) fn load(&self, series: i64) -> Result<Stored> {
        self.ask(&|catalog| {
            let reading = catalog.unchecked_transaction()?;
            let stored = load(&reading, series)?;
            reading.commit()?;
            Ok(stored)
        })
    }

    /// Asks; a damaged catalog is replaced by an empty one and asked then.
    pub(super) fn ask<T>(&self, query: &dyn Fn(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.with(|catalog| query(catalog))
    }

    /// Changes the catalog in one transaction, which is on the medium when this returns.
    pub(super) fn change<T>(
        &self,
        mut work: impl FnMut(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.with(|catalog| {
            let undo = Undo(catalog);
            catalog.execute_batch("BEGIN IMMEDIATE")?;
            let done = work(undo.0)?;
            catalog.execute_batch("COMMIT")?;
            Ok(done)
        })
    }

    fn with<T>(&self, mut work: impl FnMut(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let mut held = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut tried = false;
        loop {
            let path = self.files.catalog();
            let opened = match held.take() {
                Some(open) => Ok(open),
                None => open(&path, !self.files.is_network()),
            };
            let done = opened.and_then(|catalog| {
                let done = work(&catalog);
                *held = Some(catalog);
                done
            });
            match done {
                Err(error) if is_damage(&error) && !tried => {
                    tried = true;
                    *held = None;
                    self.files.set_catalog_aside();
                }
                Ok(done) => return Ok(done),
                Err(error) => {
                    *held = None;
                    return Err(told(&path, error));
                }
            }
        }
    }
}

/// A transaction: what is not committed when this is dropped is undone.
struct Undo<'a>(&'a Connection);

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit() {
            // A database that can't even do this is closed with what it has not done.
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}

fn open(path: &Path, shared: bool) -> rusqlite::Result<Connection> {
    let catalog = Connection::open(path)?;
    catalog.busy_timeout(PATIENCE)?;
    let journal = if shared { "wal" } else { "delete" };
    catalog.pragma_update(None, "journal_mode", journal)?;
    catalog.pragma_update(None, "synchronous", "full")?;
    let version: i64 = catalog.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version < VERSION {
        catalog.execute_batch(SCHEMA)?;
        catalog.pragma_update(None, "user_version", VERSION)?;
    }
    Ok(catalog)
}

/// Whether the file is no database, or holds other tables than ours.
fn is_damage(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    let cut_short = error
        .sqlite_error()
        .is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHORT_READ);
    let damaged = matches!(
        code,
        Some(
            ErrorCode::NotADatabase
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::Unknown
                | ErrorCode::TypeMismatch
                | ErrorCode::ConstraintViolation
        )
    );
    // A row of other types than ours has no code.
    damaged || cut_short || matches!(error, rusqlite::Error::FromSqlConversionFailure(..))
}

fn told(path: &Path, error: rusqlite::Error) -> Error {
    let shown = path.display();
    let (kind, what) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            Kind::Locked,
            format!(
                "the catalog `{shown}` is locked by another process for longer than {PATIENCE:?}"
            ),
        ),
        Some(ErrorCode::DiskFull) => (
            Kind::Io,
            format!("the catalog `{shown}` can't be written (free some disk)"),
        ),
        _ => (Kind::Io, format!("the catalog `{shown}` can't be used")),
    };
    Error::caused(kind, what, error)
}

pub(super) fn revision(catalog: &Connection, series: i64) -> rusqlite::Result<Option<i64>> {
    catalog
        .prepare_cached("SELECT revision FROM series WHERE id = ?")?
        .query_row([series], |row| row.get(0))
        .optional()
}

pub(super) fn load(catalog: &Connection, series: i64) -> rusqlite::Result<Stored> {
    let head = "SELECT revision, form, seal, adopted FROM series WHERE id = ?";
    let head = catalog.query_row(head, [series], |row| {
        let seal: Option<Mac> = row.get(2)?;
        let form: Option<String> = row.get(1)?;
        Ok((row.get(0)?, form.map(|form| (form, seal)), row.get(3)?))
    });
    let Some((revision, form, adopted)) = head.optional()? else {
        return Ok(Stored::default());
    };
    let mut query = catalog.prepare_cached(
        "SELECT first, stop, state, reason, segment, attempt, fetched, recheck
         FROM coverage WHERE series = ? ORDER BY first",
    )?;
    let pieces = query.query_map([series], piece)?;
    let pieces: Vec<Piece> = pieces.collect::<rusqlite::Result<_>>()?;
    let mut query = catalog.prepare_cached(
        "SELECT id, name, first, stop, rows, bytes, digest, created, about
         FROM segments WHERE series = ?",
    )?;
    let segments = query.query_map([series], |row| {
        Ok((
            row.get(0)?,
            Segment {
                name: row.get(1)?,
                span: Interval::new(row.get(2)?, row.get(3)?),
                rows: row.get(4)?,
                bytes: row.get(5)?,
                digest: Digest(row.get(6)?),
                created: row.get(7)?,
                about: row.get(8)?,
            },
        ))
    })?;
    Ok(Stored {
        revision,
        form,
        adopted,
        coverage: Coverage::of(pieces),
        segments: segments.collect::<rusqlite::Result<_>>()?,
    })
}

fn piece(row: &Row<'_>) -> rusqlite::Result<Piece> {
    let unknown = |column, number: u8| {
        let what = format!("no state or reason has the number {number}");
        let kind = rusqlite::types::Type::Integer;
        rusqlite::Error::FromSqlConversionFailure(column, kind, what.into())
    };
    let (state, reason): (u8, u8) = (row.get(2)?, row.get(3)?);
    Ok(Piece {
        interval: Interval::new(row.get(0)?, row.get(1)?),
        state: State::of(state).ok_or_else(|| unknown(2, state))?,
        reason: Reason::of(reason).ok_or_else(|| unknown(3, reason))?,
        segment: row.get(4)?,
        attempt: row.get(5)?,
        fetched_at: row.get(6)?,
        recheck_after: row.get(7)?,
    })
}

/// Makes of the coverage on disk what it is in memory after a change.
pub(super) fn write(catalog: &Connection, series: i64, delta: &Delta) -> rusqlite::Result<()> {
    let mut delete =
        catalog.prepare_cached("DELETE FROM coverage WHERE series = ? AND first = ?")?;
    for first in &delta.removed {
        delete.execute([series, *first])?;
    }
    let mut insert =
        catalog.prepare_cached("INSERT INTO coverage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    for piece in &delta.added {
        insert.execute(params![
            series,
            piece.interval.first,
            piece.interval.stop,
            piece.state as u8,
            piece.reason as u8,
            piece.segment,
            piece.attempt,
            piece.fetched_at,
            piece.recheck_after,
        ])?;
    }
    Ok(())
}
