//! The catalog: which series there are, what is known of each, and in which segments its bars lie.
//!
//! Every change is on the medium before it counts, and after the files that it names. A catalog
//! that is damaged is set aside; what it held is read from the segments again.

use super::rows;
use crate::clock;
use crate::error::{Error, Kind, Result};
use crate::store::SeriesFiles;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const VERSION: i64 = 1;
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a catalog that was locked is left alone.
const REST: Duration = Duration::from_secs(30);
/// How often a catalog may be replaced while it is being changed.
const TRIES: usize = 4;

/// The catalog of a store; one connection a process.
#[derive(Debug)]
pub struct Catalog {
    files: SeriesFiles,
    open: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    open: Option<Open>,
    /// When it was found locked: by a question, by a change.
    locked: [Option<Instant>; 2],
}

/// What is done to a catalog.
#[derive(Clone, Copy)]
enum Act {
    Ask,
    Change,
}

/// A connection, and the file that it is to.
#[derive(Debug)]
struct Open {
    connection: Connection,
    file: Option<(u64, u64)>,
}

enum Trouble {
    Sql(rusqlite::Error),
    Ours(Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl Catalog {
    /// The catalog in a folder; opened when it is first needed.
    #[must_use]
    pub fn of(files: SeriesFiles) -> Self {
        Self {
            files,
            open: Mutex::default(),
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
        self.with(Act::Ask, query)
    }

    /// Asks, and sees one state of it; a damaged catalog is replaced by an empty one and asked then.
    pub(super) fn ask<T>(
        &self,
        mut query: impl FnMut(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.with(Act::Ask, |catalog| {
            let undo = Undo(catalog);
            catalog.execute_batch("BEGIN")?;
            query(undo.0)
        })
    }

    /// Changes the catalog in one transaction, which is on the medium when this returns. `work` may
    /// be called again, for another catalog.
    pub(super) fn change<T>(
        &self,
        mut work: impl FnMut(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let mut tries = 0;
        loop {
            let done = self.with(Act::Change, |catalog| {
                let undo = Undo(catalog);
                catalog.execute_batch("BEGIN IMMEDIATE")?;
                let done = work(undo.0)?;
                catalog.execute_batch("COMMIT")?;
                Ok(done)
            });
            tries += 1;
            match done {
                // Whoever replaced it may not have seen the change.
                Ok(_) if !self.is_current() && tries < TRIES => {}
                done => return done,
            }
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error for a while after it was found locked: each try costs patience.
    fn leave_alone(&self, held: &mut Held, act: Act) -> Result<()> {
        let locked = &mut held.locked[act as usize];
        if locked.is_some_and(|since| since.elapsed() < REST) {
            let shown = self.files.catalog_path();
            let shown = shown.display();
            let what = format!("the catalog `{shown}` was locked by another process a moment ago");
            return Err(Error::new(Kind::Locked, what));
        }
        *locked = None;
        Ok(())
    }

    fn is_current(&self) -> bool {
        let held = self.held();
        held.open
            .as_ref()
            .is_some_and(|open| self.is_current_file(open))
    }

    /// Whether the file that is open is the one that lies there.
    fn is_current_file(&self, open: &Open) -> bool {
        open.file.is_some() && open.file == self.files.catalog_identity()
    }

    fn with<T>(
        &self,
        act: Act,
        mut work: impl FnMut(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let mut held = self.held();
        self.leave_alone(&mut held, act)?;
        let mut replaced = false;
        loop {
            let known = held.open.take().filter(|open| self.is_current_file(open));
            let file = known.as_ref().map(|open| open.file);
            let opened = known.map_or_else(|| self.opened(), Ok);
            let mut only_read = false;
            let done = opened.and_then(|open| {
                only_read = open.connection.is_readonly("main").unwrap_or(true);
                let done = work(&open.connection);
                if !done.as_ref().is_err_and(is_fatal) {
                    held.open = Some(open);
                }
                Ok(done?)
            });
            match done {
                Ok(done) => return Ok(done),
                Err(Trouble::Sql(error)) if is_damage(&error) && !replaced && !only_read => {
                    replaced = true;
                    let file = file.unwrap_or_else(|| self.files.catalog_identity());
                    self.files.set_catalog_aside(file)?;
                }
                Err(Trouble::Sql(error)) => {
                    if is_locked(&error) {
                        held.locked[act as usize] = Some(clock::monotonic());
                    }
                    return Err(told(&self.files.catalog_path(), error));
                }
                Err(Trouble::Ours(error)) => return Err(error),
            }
        }
    }

    fn opened(&self) -> std::result::Result<Open, Trouble> {
        let path = self.files.catalog();
        let connection = match connect(&path, !self.files.is_network()) {
            Err(error) if !is_damage(&error) && !is_locked(&error) => {
                read_only(&path).map_err(|_| error)?
            }
            connected => connected?,
        };
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version > VERSION {
            let shown = path.display();
            let what = format!("the catalog `{shown}` was made by a newer afml-cache; upgrade it");
            return Err(Trouble::Ours(Error::new(Kind::Newer, what)));
        }
        if version < VERSION && !connection.is_readonly("main")? {
            let undo = Undo(&connection);
            connection.execute_batch("BEGIN IMMEDIATE")?;
            connection.execute_batch(rows::SCHEMA)?;
            connection.pragma_update(None, "user_version", VERSION)?;
            connection.execute_batch("COMMIT")?;
            drop(undo);
        }
        let file = self.files.catalog_identity();
        Ok(Open { connection, file })
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

fn connect(path: &Path, shared: bool) -> rusqlite::Result<Connection> {
    let catalog = Connection::open(path)?;
    catalog.busy_timeout(PATIENCE)?;
    let journal = if shared { "wal" } else { "delete" };
    // Of several processes that make it at once, all but one are refused without a wait.
    patiently(|| catalog.pragma_update(None, "journal_mode", journal))?;
    catalog.pragma_update(None, "synchronous", "full")?;
    // Views and triggers are nobody's but a forger's here.
    catalog.pragma_update(None, "trusted_schema", false)?;
    // Reads something: a folder without permissions shows here.
    catalog.pragma_query_value(None, "schema_version", |row| row.get::<_, i64>(0))?;
    Ok(catalog)
}

fn patiently(work: impl Fn() -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    const PAUSE: Duration = Duration::from_millis(2);
    let until = clock::monotonic() + PATIENCE;
    loop {
        match work() {
            Err(error) if is_locked(&error) && clock::monotonic() < until => clock::pause(PAUSE),
            done => return done,
        }
    }
}

/// Without a shared-memory file beside it, the log can't be read and the database alone is.
fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    let open = |immutable: &str| {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let uri = format!("file:{}{immutable}", crate::store::escaped(path));
        let catalog = Connection::open_with_flags(uri, flags)?;
        catalog.pragma_update(None, "trusted_schema", false)?;
        catalog.query_one("SELECT count(*) FROM series", [], |_| Ok(()))?;
        Ok(catalog)
    };
    open("").or_else(|_| open("?immutable=1"))
}

/// Whether somebody is in the way, or seems to be: where SQLite can't write what it shares with
/// other processes, it waits for ten seconds for whoever does.
fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
        )
    )
}

/// Whether the connection is of no use after an error.
fn is_fatal(error: &rusqlite::Error) -> bool {
    !is_locked(error) && error.sqlite_error_code() != Some(ErrorCode::DiskFull)
}

/// Whether the file is no database, or holds other tables or rows than ours.
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
    // A row of other types than ours, or with a wrong mark, has no code.
    let lies = matches!(
        error,
        rusqlite::Error::SqlInputError { .. }
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..)
    );
    damaged || cut_short || lies
}

fn told(path: &Path, error: rusqlite::Error) -> Error {
    let shown = path.display();
    let (kind, what) = match error.sqlite_error_code() {
        _ if is_locked(&error) => (
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
