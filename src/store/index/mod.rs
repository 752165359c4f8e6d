//! The index: which payload answers which key. `SQLite`, one connection a process.

mod counts;
mod enter;
mod room;
mod rows;
mod schema;

pub use enter::Entered;
pub use room::{Pending, Room};
pub use rows::{Entry, Listed, Payload, Place, Selection};
pub use schema::{LOG, Manner, escaped, generation_of};

use super::files::Nonce;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::KeyId;
use rows::{first_id, function_id, list, place, seal_bytes};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use schema::PATIENCE;
use std::path::Path;

/// An open index.
#[derive(Debug)]
pub struct Index(Connection);

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

/// Why a transaction was given up.
enum Failed {
    Query(rusqlite::Error),
    Ours(Error),
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Query(error)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl Index {
    /// Where the payload of a key is: one without a seal, or sealed with our secret.
    ///
    /// # Errors
    /// The query fails.
    pub fn find(&self, key: Digest, ours: Option<&KeyId>) -> Result<Option<Place>> {
        self.ask(|index| {
            let mut query = index.prepare_cached(
                "SELECT nonce, stamp, bytes, created, sealed FROM entries
                 WHERE id BETWEEN ?1 AND ?1 + 15 AND key = ?2 AND sealed IN (x'', ?3)",
            )?;
            query
                .query_one(params![first_id(key), key.0, seal_bytes(ours)], place)
                .optional()
        })
    }

    /// Where one payload of a key is, whoever sealed it.
    ///
    /// # Errors
    /// The query fails.
    pub fn find_nonce(&self, key: Digest, nonce: Nonce) -> Result<Option<Place>> {
        self.ask(|index| {
            let mut query = index.prepare_cached(
                "SELECT nonce, stamp, bytes, created, sealed FROM entries
                 WHERE id BETWEEN ?1 AND ?1 + 15 AND key = ?2 AND nonce = ?3",
            )?;
            query
                .query_one(params![first_id(key), key.0, nonce], place)
                .optional()
        })
    }

    /// The epoch of a function: it moves on when its entries are dropped.
    ///
    /// # Errors
    /// The query fails.
    pub fn epoch(&self, function: &str) -> Result<u64> {
        self.ask(|index| epoch(index, function))
    }

    /// Has the log written into the database and cut back.
    ///
    /// # Errors
    /// Somebody else reads or writes at this moment; the next one will do.
    pub fn cut_log(&self) -> Result<()> {
        self.ask(|index| index.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
    }

    /// Notes that a payload was checked in full.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn stamp(&mut self, key: Digest, nonce: Nonce, stamp: &[u8]) -> Result<()> {
        self.change(|change| {
            let mut note = change.prepare_cached(
                "UPDATE entries SET stamp = ?4
                 WHERE id BETWEEN ?1 AND ?1 + 15 AND key = ?2 AND nonce = ?3",
            )?;
            note.execute(params![first_id(key), key.0, nonce, stamp])?;
            Ok(())
        })
    }

    /// Drops the rows of a key that can't be read.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn drop_rows(&mut self, key: Digest) -> Result<()> {
        self.change(|change| {
            let mut query = change.prepare(
                "SELECT id, cost FROM entries WHERE id BETWEEN ?1 AND ?1 + 15 AND key = ?2",
            )?;
            let rows = query.query_map(params![first_id(key), key.0], |row| {
                Ok((row.get(0)?, row.get(1).unwrap_or_default()))
            })?;
            for row in rows.collect::<rusqlite::Result<Vec<_>>>()? {
                remove(change, row)?;
            }
            Ok(())
        })
    }

    /// Drops a key, if it is still answered by that payload.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn forget(&mut self, key: Digest, nonce: Nonce) -> Result<()> {
        self.change(|change| {
            let mut query = change.prepare_cached(
                "SELECT id, cost FROM entries
                 WHERE id BETWEEN ?1 AND ?1 + 15 AND key = ?2 AND nonce = ?3",
            )?;
            let asked = params![first_id(key), key.0, nonce];
            let found = query.query_one(asked, |row| Ok((row.get(0)?, row.get(1)?)));
            match found.optional()? {
                Some(row) => Ok(remove(change, row)?),
                None => Ok(()),
            }
        })
    }

    /// The entries that are asked for.
    ///
    /// # Errors
    /// The query fails.
    pub fn list(&self, selection: Selection<'_>) -> Result<Vec<Listed>> {
        self.ask(|index| list(index, selection, (u64::MAX, -1)))
    }

    /// Moves the epochs on, so that what is being computed is not stored. Gives the new epoch.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn move_on(&mut self, function: Option<&str>) -> Result<u64> {
        self.lasting(|change| {
            let epoch: i64 =
                change.query_one("SELECT epoch + 1 FROM store", [], |row| row.get(0))?;
            change.execute("UPDATE store SET epoch = ?", [epoch])?;
            match function {
                Some(name) => {
                    let id = function_id(change, name)?;
                    change.execute("UPDATE functions SET epoch = ? WHERE id = ?", [epoch, id])?
                }
                None => change.execute("UPDATE store SET floor = ?", [epoch])?,
            };
            Ok(epoch.unsigned_abs())
        })
    }

    /// Drops some of the entries that are asked for and were computed before an epoch, and says which;
    /// `unlink` is called for each file before the transaction commits, so that nothing dropped can
    /// come back.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn drop_some(
        &mut self,
        selection: Selection<'_>,
        before: u64,
        unlink: impl Fn(Digest, Nonce),
    ) -> Result<Vec<Listed>> {
        const SOME: i64 = 10_000;
        self.change(|change| {
            let dropped = list(change, selection, (before, SOME))?;
            for one in &dropped {
                unlink(one.key, one.nonce);
                let mut cost = change.prepare_cached("SELECT cost FROM entries WHERE id = ?")?;
                let cost = cost.query_one([one.id], |row| row.get(0))?;
                remove(change, (one.id, cost))?;
            }
            Ok(dropped)
        })
    }

    /// Makes all that was changed so far outlast a loss of power.
    ///
    /// # Errors
    /// The disk fails.
    pub fn sync(&mut self) -> Result<()> {
        // Only a commit that has written something syncs the log.
        self.lasting(|change| {
            change.execute("UPDATE store SET epoch = epoch", [])?;
            Ok(())
        })
    }

    /// The latest entries of a function.
    ///
    /// # Errors
    /// The query fails.
    pub fn latest(&self, function: &str, most: usize) -> Result<Vec<(Digest, Place)>> {
        self.ask(|index| {
            let mut query = index.prepare_cached(
                "SELECT nonce, stamp, bytes, created, sealed, key FROM entries
                 WHERE function = (SELECT id FROM functions WHERE name = ?) ORDER BY created DESC LIMIT ?",
            )?;
            let found = query.query_map(params![function, most.cast_signed() as i64], |row| {
                Ok((Digest(row.get(5)?), place(row)?))
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
            let totals = "SELECT count(*), coalesce(sum(size), 0) FROM entries";
            index.query_one(totals, [], |row| {
                let (entries, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
                Ok((usize::try_from(entries).unwrap_or(0), bytes.unsigned_abs()))
            })
        })
    }

    /// How many payloads have no file.
    ///
    /// # Errors
    /// The query fails.
    pub fn small_results(&self) -> Result<usize> {
        self.ask(|index| {
            let count = "SELECT count(*) FROM entries WHERE bytes IS NOT NULL";
            let count: i64 = index.query_one(count, [], |row| row.get(0))?;
            Ok(usize::try_from(count).unwrap_or(0))
        })
    }

    fn ask<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        query(&self.0).map_err(|error| self.told(error))
    }

    fn change<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> std::result::Result<T, Failed>,
    ) -> Result<T> {
        let done = (|| {
            let undo = Undo(&self.0);
            self.0.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
            let done = work(undo.0)?;
            self.0.prepare_cached("COMMIT")?.execute([])?;
            Ok(done)
        })();
        done.map_err(|failed| match failed {
            Failed::Query(error) => self.told(error),
            Failed::Ours(error) => error,
        })
    }

    /// A change that a loss of power does not undo.
    fn lasting<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> std::result::Result<T, Failed>,
    ) -> Result<T> {
        let synchronous = |index: &Self, how| {
            let set = index.0.pragma_update(None, "synchronous", how);
            set.map_err(|error| index.told(error))
        };
        synchronous(self, "full")?;
        let done = self.change(work);
        synchronous(self, "normal")?;
        done
    }

    fn told(&self, error: rusqlite::Error) -> Error {
        told(Path::new(self.0.path().unwrap_or("index")), error)
    }
}

fn epoch(index: &Connection, function: &str) -> rusqlite::Result<u64> {
    let mut query = index.prepare_cached(
        "SELECT max(floor, coalesce((SELECT epoch FROM functions WHERE name = ?), 0)) FROM store",
    )?;
    query
        .query_one([function], |row| row.get::<_, i64>(0))
        .map(i64::unsigned_abs)
}

/// Removes an entry, by its number and cost.
fn remove(change: &Connection, (id, cost): (i64, i64)) -> rusqlite::Result<()> {
    change
        .prepare_cached("DELETE FROM entries WHERE id = ?")?
        .execute([id])?;
    room::give_back(change, cost)
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
        Some(_) if is_cut_short(&error) => (
            Kind::DamagedIndex,
            format!("the index `{shown}` is shorter than it says"),
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

/// Whether a page was asked for that lies behind the end of a file: not the disk's failure.
fn is_cut_short(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_IOERR_SHORT_READ)
}
