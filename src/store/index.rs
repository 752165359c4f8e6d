//! The index: which payload answers which key. `SQLite`, one connection a process.

use super::files::Nonce;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior,
    params,
};
use std::path::Path;
use std::time::Duration;

/// How long a write waits for another process's.
const PATIENCE: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
CREATE TABLE store (epoch INTEGER NOT NULL) STRICT;
INSERT INTO store VALUES (0);
CREATE TABLE functions (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE entries (
    key BLOB PRIMARY KEY,
    function INTEGER NOT NULL,
    created INTEGER NOT NULL,
    seconds REAL NOT NULL,
    size INTEGER NOT NULL,
    nonce BLOB,
    stamp BLOB,
    inline BLOB,
    first INTEGER,
    last INTEGER
) STRICT;
CREATE INDEX entries_of_function ON entries (function, created);
CREATE INDEX entries_of_time ON entries (last, first) WHERE last IS NOT NULL;
PRAGMA user_version = 1;
";

/// Where the payload of an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the row itself.
    Inline(Vec<u8>),
    /// In a file; with the stamp of its last full check.
    File(Nonce, Option<Vec<u8>>),
}

/// A row of the index.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The key that it answers.
    pub key: Digest,
    /// `module.qualname` of the function.
    pub function: &'a str,
    /// When it was computed, ns UTC.
    pub created_ns: i64,
    /// How long that took.
    pub seconds: f64,
    /// Bytes of the payload.
    pub size: usize,
    /// Where it is.
    pub place: &'a Place,
    /// First and last instant that the call looked at, ns UTC.
    pub time_range: Option<(i64, i64)>,
}

/// What the index says of an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// `module.qualname` of the function.
    pub function: String,
    /// The key that it answers.
    pub key: Digest,
    /// First and last instant that the call looked at, ns UTC.
    pub time_range: Option<(i64, i64)>,
    /// When it was computed, ns UTC.
    pub created_ns: i64,
    /// How long that took.
    pub seconds: f64,
    /// Bytes of the payload.
    pub size: i64,
    nonce: Option<Nonce>,
}

/// Which entries are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection<'a> {
    /// Only those of this function.
    pub function: Option<&'a str>,
    /// Only those whose time range overlaps this one, both ends included.
    pub time_range: Option<(i64, i64)>,
}

/// An open index.
#[derive(Debug)]
pub struct Index(Connection);

impl Index {
    /// Opens an index and makes its tables where it is new; says whether it was.
    ///
    /// # Errors
    /// `DamagedIndex` for a file that is no database, `Newer` for tables that we do not know.
    pub fn open(path: &Path) -> Result<(Self, bool)> {
        open(path)
            .map_err(|error| told(path, error))?
            .ok_or_else(|| {
                let path = path.display();
                Error::new(
                    Kind::Newer,
                    format!("the index `{path}` was made by a newer afml-cache; upgrade it"),
                )
            })
    }

    /// Where the payload of a key is.
    ///
    /// # Errors
    /// The query fails.
    pub fn find(&self, key: Digest) -> Result<Option<Place>> {
        self.ask(|index| {
            let mut query =
                index.prepare_cached("SELECT nonce, stamp, inline FROM entries WHERE key = ?")?;
            query.query_one([key.0], place).optional()
        })
    }

    /// Opens an index that can only be read.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        let open = |immutable: &str| {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            let connection =
                Connection::open_with_flags(format!("file:{}{immutable}", escaped(path)), flags)?;
            connection.query_one("SELECT count(*) FROM store", [], |_| Ok(()))?;
            Ok(Self(connection))
        };
        // Without a shared-memory file beside it, the log can't be read and the database alone is.
        open("")
            .or_else(|_| open("?immutable=1"))
            .map_err(|error| told(path, error))
    }

    /// The epoch of a function: it moves on when its entries are dropped.
    ///
    /// # Errors
    /// The query fails.
    pub fn epoch(&self, function: &str) -> Result<u64> {
        self.ask(|index| epoch(index, function))
    }

    /// Enters a payload; says which file it replaces, or that an invalidation came in between.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn enter(&mut self, entry: &Entry<'_>, since: u64) -> Result<Entered> {
        self.change(|change| {
            if epoch(change, entry.function)? != since {
                return Ok(Entered::Outdated);
            }
            let entered = earlier(change, entry.key)?;
            let function = function_id(change, entry.function)?;
            let (nonce, stamp, inline) = match entry.place {
                Place::Inline(bytes) => (None, None, Some(bytes)),
                Place::File(nonce, stamp) => (Some(nonce), stamp.as_ref(), None),
            };
            let mut insert = change.prepare_cached(
                "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?;
            let (created, seconds, size) = (
                entry.created_ns,
                entry.seconds,
                entry.size.cast_signed() as i64,
            );
            insert.execute(params![
                entry.key.0,
                function,
                created,
                seconds,
                size,
                nonce,
                stamp,
                inline,
                entry.time_range.map(|(first, _)| first),
                entry.time_range.map(|(_, last)| last)
            ])?;
            Ok(entered)
        })
    }

    /// Notes that a payload was checked in full.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn stamp(&mut self, key: Digest, nonce: Nonce, stamp: &[u8]) -> Result<()> {
        self.change(|change| {
            change.execute(
                "UPDATE entries SET stamp = ? WHERE key = ? AND nonce = ?",
                params![stamp, key.0, nonce],
            )
        })?;
        Ok(())
    }

    /// Drops a key whose row can't be read.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn drop_row(&mut self, key: Digest) -> Result<()> {
        self.change(|change| change.execute("DELETE FROM entries WHERE key = ?", [key.0]))?;
        Ok(())
    }

    /// Drops a key, if it is still answered by that payload.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn forget(&mut self, key: Digest, nonce: Option<Nonce>) -> Result<()> {
        self.change(|change| {
            change.execute(
                "DELETE FROM entries WHERE key = ? AND nonce IS ?",
                params![key.0, nonce],
            )
        })?;
        Ok(())
    }

    /// Drops the entries of one function, or of all; `unlink` is called for each file before the
    /// transaction commits, so that nothing dropped can come back.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn clear(
        &mut self,
        function: Option<&str>,
        unlink: impl Fn(Digest, Nonce),
    ) -> Result<usize> {
        self.change(|change| {
            let function = move_on(change, function)?;
            let mut files = change.prepare("SELECT key, nonce FROM entries WHERE nonce IS NOT NULL AND function = coalesce(?, function)")?;
            for file in files.query_map([function], |row| Ok((Digest(row.get(0)?), row.get(1)?)))? {
                let (key, nonce) = file?;
                unlink(key, nonce);
            }
            change.execute("DELETE FROM entries WHERE function = coalesce(?, function)", [function])
        })
    }

    /// The entries that are asked for.
    ///
    /// # Errors
    /// The query fails.
    pub fn list(&self, selection: Selection<'_>) -> Result<Vec<Listed>> {
        self.ask(|index| list(index, selection))
    }

    /// Drops the entries that are asked for, and moves the epochs on so that what is being computed
    /// is not stored; `unlink` is called as in `clear`.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn invalidate(
        &mut self,
        selection: Selection<'_>,
        unlink: impl Fn(Digest, Nonce),
    ) -> Result<Vec<Listed>> {
        self.change(|change| {
            move_on(change, selection.function)?;
            let dropped = list(change, selection)?;
            let mut delete = change.prepare_cached("DELETE FROM entries WHERE key = ?")?;
            for one in &dropped {
                if let Some(nonce) = one.nonce {
                    unlink(one.key, nonce);
                }
                delete.execute([one.key.0])?;
            }
            Ok(dropped)
        })
    }

    /// The latest entries of a function.
    ///
    /// # Errors
    /// The query fails.
    pub fn latest(&self, function: &str, most: usize) -> Result<Vec<(Digest, Place)>> {
        self.ask(|index| {
            let mut query = index.prepare_cached(
                "SELECT nonce, stamp, inline, key FROM entries
                 WHERE function = (SELECT id FROM functions WHERE name = ?) ORDER BY created DESC LIMIT ?",
            )?;
            let found = query.query_map(params![function, most.cast_signed() as i64], |row| {
                Ok((Digest(row.get(3)?), place(row)?))
            })?;
            found.collect()
        })
    }

    /// How many entries there are, and their bytes.
    ///
    /// # Errors
    /// The query fails.
    pub fn totals(&self) -> Result<(usize, u64)> {
        self.ask(|index| {
            index.query_one(
                "SELECT count(*), coalesce(sum(size), 0) FROM entries",
                [],
                |row| {
                    Ok((
                        usize::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
                        row.get::<_, i64>(1)?.unsigned_abs(),
                    ))
                },
            )
        })
    }

    fn ask<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        query(&self.0).map_err(|error| self.told(error))
    }

    fn change<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let done = (|| {
            let change = self
                .0
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&change)?;
            change.commit()?;
            Ok(done)
        })();
        done.map_err(|error| self.told(error))
    }

    fn told(&self, error: rusqlite::Error) -> Error {
        told(Path::new(self.0.path().unwrap_or("index")), error)
    }
}

/// What became of a row that was to be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It is in.
    New,
    /// It is in, for an earlier one, whose file can go.
    Replaced(Option<Nonce>),
    /// An invalidation came while the value was computed, and wins.
    Outdated,
}

fn open(path: &Path) -> rusqlite::Result<Option<(Index, bool)>> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let new = version == 0;
    if new {
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        change.execute_batch(SCHEMA)?;
        change.commit()?;
    }
    Ok((version <= 1).then_some((Index(connection), new)))
}

fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(match row.get(0)? {
        Some(nonce) => Place::File(nonce, row.get(1)?),
        None => Place::Inline(row.get(2)?),
    })
}

/// What a new entry of a key will replace; one that can't be read has no file.
fn earlier(index: &Connection, key: Digest) -> rusqlite::Result<Entered> {
    let mut query = index.prepare_cached("SELECT nonce FROM entries WHERE key = ?")?;
    let found = query.query_one([key.0], |row| {
        Ok(Entered::Replaced(row.get(0).unwrap_or(None)))
    });
    Ok(found.optional()?.unwrap_or(Entered::New))
}

fn escaped(path: &Path) -> String {
    path.display()
        .to_string()
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23")
}

fn epoch(index: &Connection, function: &str) -> rusqlite::Result<u64> {
    let mut query = index.prepare_cached(
        "SELECT epoch + coalesce((SELECT epoch FROM functions WHERE name = ?), 0) FROM store",
    )?;
    query
        .query_one([function], |row| row.get::<_, i64>(0))
        .map(i64::unsigned_abs)
}

/// Moves the epoch of a function on, or that of all; gives the function's number.
fn move_on(change: &Connection, function: Option<&str>) -> rusqlite::Result<Option<i64>> {
    let function = function.map(|name| function_id(change, name)).transpose()?;
    match function {
        Some(id) => change.execute("UPDATE functions SET epoch = epoch + 1 WHERE id = ?", [id])?,
        None => change.execute("UPDATE store SET epoch = epoch + 1", [])?,
    };
    Ok(function)
}

fn list(index: &Connection, selection: Selection<'_>) -> rusqlite::Result<Vec<Listed>> {
    const COLUMNS: &str = "SELECT name, key, first, last, created, seconds, size, nonce FROM entries JOIN functions ON functions.id = function";
    let (first, last) = selection.time_range.unzip();
    let condition = match selection.time_range {
        Some(_) => "last >= ?1 AND first <= ?2 AND name = coalesce(?3, name)",
        None => "?1 IS ?2 AND name = coalesce(?3, name)",
    };
    let mut query = index.prepare_cached(&format!("{COLUMNS} WHERE {condition}"))?;
    let rows = query.query_map(params![first, last, selection.function], |row| {
        let (first, last): (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
        Ok(Listed {
            function: row.get(0)?,
            key: Digest(row.get(1)?),
            time_range: first.zip(last),
            created_ns: row.get(4)?,
            seconds: row.get(5)?,
            size: row.get(6)?,
            nonce: row.get(7)?,
        })
    })?;
    rows.collect()
}

fn function_id(index: &Connection, name: &str) -> rusqlite::Result<i64> {
    let mut query = index.prepare_cached("SELECT id FROM functions WHERE name = ?")?;
    if let Some(id) = query.query_one([name], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    index
        .prepare_cached("INSERT INTO functions (name) VALUES (?)")?
        .execute([name])?;
    Ok(index.last_insert_rowid())
}

fn told(path: &Path, error: rusqlite::Error) -> Error {
    let shown = path.display();
    let (kind, what) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            Kind::Locked,
            format!(
                "the index `{shown}` is locked by another process for longer than {PATIENCE:?}"
            ),
        ),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => (
            Kind::DamagedIndex,
            format!("the index `{shown}` is damaged"),
        ),
        // A query that does not fit the tables means that these are not our tables.
        Some(ErrorCode::Unknown | ErrorCode::TypeMismatch | ErrorCode::ConstraintViolation) => (
            Kind::DamagedIndex,
            format!("the index `{shown}` does not hold what it should"),
        ),
        Some(_) => (Kind::Io, format!("the index `{shown}` can't be used")),
        None => (
            Kind::Corrupt,
            format!("the index `{shown}` holds a row that can't be read"),
        ),
    };
    Error::caused(kind, what, error)
}

impl Place {
    /// Which file, where it is one.
    #[must_use]
    pub fn nonce(&self) -> Option<Nonce> {
        match self {
            Self::Inline(_) => None,
            Self::File(nonce, _) => Some(*nonce),
        }
    }
}
