//! An SQLite database apart from the index of entries: one connection a process, changes that are on the
//! medium when they count, and another database in the place of one that is damaged.

use crate::clock;
use crate::error::{Error, Kind, Result};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(5);
/// How long a database that was locked is left alone.
const REST: Duration = Duration::from_secs(30);
/// More than are prepared for any one database: preparing one takes longer than most questions.
const STATEMENTS: usize = 96;
/// Pages of its log after which they are moved into the database, where that costs the only wait.
const PAGES: i64 = 4000;
/// How often a database may be replaced while it is being changed.
const TRIES: usize = 4;

/// Tells one file from another at the same path.
pub type FileIdentity = Option<(u64, u64)>;

/// Where a database lies.
pub trait Home: Debug + Send + Sync {
    /// Its path.
    fn path(&self) -> PathBuf;
    /// Its path; its file is private before anything is written to it.
    fn prepare(&self) -> PathBuf;
    /// Tells the file that lies there from others.
    fn identity(&self) -> FileIdentity;
    /// Puts another in the place of a damaged one, unless another process has done so already.
    ///
    /// # Errors
    /// It can't be moved.
    fn replace(&self, damaged: FileIdentity) -> Result<()>;
    /// Whether machines share the folder.
    fn is_network(&self) -> bool;
}

/// What a database holds.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// What it is called in messages.
    pub what: &'static str,
    /// Creates its tables where they are missing.
    pub tables: &'static str,
    /// Which version of them this is.
    pub version: i64,
    /// A table that each of them has.
    pub main_table: &'static str,
    /// Whether all of it can be made again of other files, which are on the medium before it: then a
    /// change need not be, and a loss of power may take the last ones back.
    pub is_made_of_others: bool,
}

/// A database, opened when it is first needed.
#[derive(Debug)]
pub struct Database {
    home: Box<dyn Home>,
    schema: Schema,
    open: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    open: Option<Open>,
    /// When it was found locked: by a question, by a change.
    locked: [Option<Instant>; 2],
}

/// What is done to a database.
#[derive(Clone, Copy)]
enum Act {
    Ask,
    Change,
}

/// A connection, and the file that it is to.
#[derive(Debug)]
struct Open {
    connection: Connection,
    file: FileIdentity,
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

impl Database {
    /// The database that lies there.
    #[must_use]
    pub fn of(home: Box<dyn Home>, schema: Schema) -> Self {
        Self {
            home,
            schema,
            open: Mutex::default(),
        }
    }

    /// Asks one question.
    ///
    /// # Errors
    /// It can't be asked.
    pub fn peek<T>(&self, query: impl FnMut(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.with(Act::Ask, query)
    }

    /// Asks, and sees one state of it; a damaged one is replaced and asked then.
    ///
    /// # Errors
    /// It can't be asked.
    pub fn ask<T>(&self, mut query: impl FnMut(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        self.with(Act::Ask, |database| {
            let undo = Undo(database);
            database.execute_batch("BEGIN")?;
            query(undo.0)
        })
    }

    /// Changes it in one transaction, which is on the medium when this returns. `work` may be called
    /// again, for another database.
    ///
    /// # Errors
    /// It can't be changed.
    pub fn change<T>(&self, mut work: impl FnMut(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let mut tries = 0;
        loop {
            let done = self.with(Act::Change, |database| {
                let undo = Undo(database);
                database.execute_batch("BEGIN IMMEDIATE")?;
                let done = work(undo.0)?;
                database.execute_batch("COMMIT")?;
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

    fn held(&self) -> MutexGuard<'_, Held> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error for a while after it was found locked: each try costs patience.
    fn leave_alone(&self, held: &mut Held, act: Act) -> Result<()> {
        let locked = &mut held.locked[act as usize];
        if locked.is_some_and(|since| since.elapsed() < REST) {
            let (what, shown) = (self.schema.what, self.home.path());
            let shown = shown.display();
            let what = format!("the {what} `{shown}` was locked by another process a moment ago");
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
        open.file.is_some() && open.file == self.home.identity()
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
            let (mut only_read, mut is_ours) = (false, false);
            let done = opened.and_then(|open| {
                only_read = open.connection.is_readonly("main").unwrap_or(true);
                let done = work(&open.connection);
                if let Err(error) = &done {
                    is_ours = may_be_ours(error) && self.is_sound(&open.connection);
                }
                if is_ours || !done.as_ref().is_err_and(is_fatal) {
                    held.open = Some(open);
                }
                Ok(done?)
            });
            let may_replace = !(replaced || only_read || is_ours);
            match done {
                Ok(done) => return Ok(done),
                Err(Trouble::Sql(error)) if may_replace && is_damage(&error) => {
                    replaced = true;
                    let file = file.unwrap_or_else(|| self.home.identity());
                    self.home.replace(file)?;
                }
                Err(Trouble::Sql(error)) => {
                    if is_locked(&error) {
                        held.locked[act as usize] = Some(clock::monotonic());
                    }
                    return Err(self.told(error));
                }
                Err(Trouble::Ours(error)) => return Err(error),
            }
        }
    }

    fn opened(&self) -> std::result::Result<Open, Trouble> {
        let path = self.home.prepare();
        let schema = &self.schema;
        let lasts = !schema.is_made_of_others || self.home.is_network();
        let connection = match connect(&path, !self.home.is_network(), lasts) {
            Err(error) if !is_damage(&error) && !is_locked(&error) => {
                read_only(&path, schema.main_table).map_err(|_| error)?
            }
            connected => connected?,
        };
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version > schema.version {
            let (what, shown) = (schema.what, path.display());
            let what = format!("the {what} `{shown}` was made by a newer afml-cache; upgrade it");
            return Err(Trouble::Ours(Error::new(Kind::Newer, what)));
        }
        if version < schema.version && !connection.is_readonly("main")? {
            let undo = Undo(&connection);
            connection.execute_batch("BEGIN IMMEDIATE")?;
            connection.execute_batch(schema.tables)?;
            connection.pragma_update(None, "user_version", schema.version)?;
            connection.execute_batch("COMMIT")?;
            drop(undo);
        }
        let file = self.home.identity();
        Ok(Open { connection, file })
    }

    /// Whether the tables are ours, and what is in them agrees.
    fn is_sound(&self, database: &Connection) -> bool {
        let check = || {
            let own = Connection::open_in_memory()?;
            own.execute_batch(self.schema.tables)?;
            let agrees: String =
                database.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
            Ok::<_, rusqlite::Error>(agrees == "ok" && tables_of(&own)? == tables_of(database)?)
        };
        check().unwrap_or(false)
    }

    fn told(&self, error: rusqlite::Error) -> Error {
        let error = match error {
            rusqlite::Error::ToSqlConversionFailure(inner) => match inner.downcast::<Error>() {
                Ok(own) => return *own,
                Err(inner) => rusqlite::Error::ToSqlConversionFailure(inner),
            },
            error => error,
        };
        let (what, path) = (self.schema.what, self.home.path());
        let shown = path.display();
        let (kind, what) = match error.sqlite_error_code() {
            _ if is_locked(&error) => (
                Kind::Locked,
                format!(
                    "the {what} `{shown}` is locked by another process for longer than {PATIENCE:?}"
                ),
            ),
            Some(ErrorCode::DiskFull) => (
                Kind::Io,
                format!("the {what} `{shown}` can't be written (free some disk)"),
            ),
            _ => (Kind::Io, format!("the {what} `{shown}` can't be used")),
        };
        Error::caused(kind, what, error)
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

fn connect(path: &Path, shared: bool, lasts: bool) -> rusqlite::Result<Connection> {
    let database = Connection::open(path)?;
    database.busy_timeout(PATIENCE)?;
    database.set_prepared_statement_cache_capacity(STATEMENTS);
    let journal = if shared { "wal" } else { "delete" };
    // Of several processes that make it at once, all but one are refused without a wait.
    patiently(|| database.pragma_update(None, "journal_mode", journal))?;
    if lasts {
        database.pragma_update(None, "synchronous", "full")?;
    } else {
        database.pragma_update(None, "synchronous", "normal")?;
        // Each time that the log is moved into the database, the two are waited for.
        database.pragma_update(None, "wal_autocheckpoint", PAGES)?;
    }
    // Views and triggers are nobody's but a forger's here.
    database.pragma_update(None, "trusted_schema", false)?;
    // Reads something: a folder without permissions shows here.
    database.pragma_query_value(None, "schema_version", |row| row.get::<_, i64>(0))?;
    Ok(database)
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
fn read_only(path: &Path, table: &str) -> rusqlite::Result<Connection> {
    let open = |immutable: &str| {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let uri = format!("file:{}{immutable}", crate::store::escaped(path));
        let database = Connection::open_with_flags(uri, flags)?;
        database.pragma_update(None, "trusted_schema", false)?;
        let looked = format!("SELECT count(*) FROM {table}");
        database.query_one(&looked, [], |_| Ok(()))?;
        Ok(database)
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

/// What is not the database's, within a question to it or a change of it.
#[must_use]
pub fn outside(error: Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

/// The tables and indexes of a database.
fn tables_of(database: &Connection) -> rusqlite::Result<Vec<String>> {
    let tables = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name";
    let mut query = database.prepare(tables)?;
    query.query_map([], |row| row.get(0))?.collect()
}

/// Whether the connection is of no use after an error.
fn is_fatal(error: &rusqlite::Error) -> bool {
    let is_outside = matches!(error, rusqlite::Error::ToSqlConversionFailure(_));
    !is_outside && !is_locked(error) && error.sqlite_error_code() != Some(ErrorCode::DiskFull)
}

/// Whether an error may be that of a statement of ours, and no damage.
fn may_be_ours(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::Unknown | ErrorCode::ConstraintViolation)
    )
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
