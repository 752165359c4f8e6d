//! An SQLite database apart from the index of entries: one connection a process, changes that are on the
//! medium when they count, and another database in the place of one that is damaged.

mod connecting;
mod failures;

use self::connecting::{connect, read_only};
use self::failures::{is_damage, is_fatal, is_locked, may_be_ours, told};
use crate::clock;
use crate::error::{Error, Kind, Result};
use rusqlite::Connection;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a database that was locked is left alone.
const REST: Duration = Duration::from_secs(30);
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
                    return Err(told(self.schema.what, &self.home.path(), error));
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
