//! The index: which payload answers which key. `SQLite`, one connection a process.

mod counts;
mod room;
mod rows;
mod schema;

pub use room::{Pending, Room};
pub use rows::{Entry, Listed, Payload, Place, Selection};
pub use schema::{LOG, Manner, generation_of};

use super::files::Nonce;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::KeyId;
use rows::{function_id, list, place, seal_bytes};
use rusqlite::{
    Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params,
};
use schema::PATIENCE;
use std::path::Path;

/// An open index.
#[derive(Debug)]
pub struct Index(Connection);

/// What became of a row that was to be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It is in.
    New,
    /// It is in, for an earlier one, whose file can go.
    Replaced(Option<Nonce>),
    /// An invalidation came while the value was computed, and wins.
    Outdated,
    /// There is no room for it.
    TooLarge,
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
                "SELECT nonce, stamp, (SELECT bytes FROM payloads WHERE entry = id), created, sealed FROM entries
                 WHERE key = ? AND sealed IN (x'', ?)",
            )?;
            query
                .query_one(params![key.0, seal_bytes(ours)], place)
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
                "SELECT nonce, stamp, (SELECT bytes FROM payloads WHERE entry = id), created, sealed FROM entries
                 WHERE key = ? AND nonce = ?",
            )?;
            query.query_one(params![key.0, nonce], place).optional()
        })
    }

    /// The epoch of a function: it moves on when its entries are dropped.
    ///
    /// # Errors
    /// The query fails.
    pub fn epoch(&self, function: &str) -> Result<u64> {
        self.ask(|index| epoch(index, function))
    }

    /// Enters a payload, in the given room or in room that was reserved; `publish` puts
    /// its file into place and gives its stamp, in the same transaction that makes sure that no
    /// invalidation came in between.
    ///
    /// # Errors
    /// The transaction fails, or `publish` does.
    pub fn enter(
        &mut self,
        entry: &Entry<'_>,
        since: u64,
        room: Option<Room<'_>>,
        publish: impl FnOnce() -> Result<Option<Vec<u8>>>,
    ) -> Result<Entered> {
        self.change(|change| {
            if epoch(change, entry.function)? != since {
                room::settle(change, entry.place.nonce)?;
                return Ok(Entered::Outdated);
            }
            let entered = replace(change, entry)?;
            if let Some(room) = room
                && !room::make(change, entry.cost(), room)?
            {
                return Ok(Entered::TooLarge);
            }
            let stamp = publish()?;
            insert(change, entry, stamp)?;
            room::take(change, entry)?;
            Ok(entered)
        })
    }

    /// Enters payload files that were found, where no newer one is in for its key.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn adopt(&mut self, entries: &[Entry<'_>]) -> Result<()> {
        self.change(|change| {
            for entry in entries {
                let mut newer = change.prepare_cached(
                    "SELECT 1 FROM entries WHERE key = ? AND sealed = ? AND created > ?",
                )?;
                let sealed = seal_bytes(entry.place.sealed.as_ref());
                if newer.exists(params![entry.key.0, sealed, entry.place.created_ns])? {
                    room::note_pending(change, entry.key, entry.place.nonce, 0)?;
                    continue;
                }
                replace(change, entry)?;
                insert(change, entry, None)?;
                room::take(change, entry)?;
            }
            Ok(())
        })
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
            let mut note = change
                .prepare_cached("UPDATE entries SET stamp = ? WHERE key = ? AND nonce = ?")?;
            note.execute(params![stamp, key.0, nonce])?;
            Ok(())
        })
    }

    /// Drops the rows of a key that can't be read.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn drop_rows(&mut self, key: Digest) -> Result<()> {
        self.change(|change| {
            let mut query = change.prepare("SELECT id, cost FROM entries WHERE key = ?")?;
            let rows = query.query_map([key.0], |row| {
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
            let mut query = change
                .prepare_cached("SELECT id, cost FROM entries WHERE key = ? AND nonce = ?")?;
            let found =
                query.query_one(params![key.0, nonce], |row| Ok((row.get(0)?, row.get(1)?)));
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
        self.ask(|index| list(index, selection, (i64::MAX, -1)))
    }

    /// Moves the epochs on, so that what is being computed is not stored. Gives the new epoch, and
    /// the highest number of an entry that is there.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn move_on(&mut self, function: Option<&str>) -> Result<(u64, i64)> {
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
            let newest = "SELECT coalesce(max(id), 0) FROM entries";
            let newest = change.query_one(newest, [], |row| row.get(0))?;
            Ok((epoch.unsigned_abs(), newest))
        })
    }

    /// Drops some of the entries that are asked for, and says which; `unlink` is called for each
    /// file before the transaction commits, so that nothing dropped can come back.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn drop_some(
        &mut self,
        selection: Selection<'_>,
        newest: i64,
        unlink: impl Fn(Digest, Nonce),
    ) -> Result<Vec<Listed>> {
        const SOME: i64 = 2_000;
        self.lasting(|change| {
            let dropped = list(change, selection, (newest, SOME))?;
            for one in &dropped {
                unlink(one.key, one.nonce);
                let mut cost = change.prepare_cached("SELECT cost FROM entries WHERE id = ?")?;
                let cost = cost.query_one([one.id], |row| row.get(0))?;
                remove(change, (one.id, cost))?;
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
                "SELECT nonce, stamp, (SELECT bytes FROM payloads WHERE entry = id), created, sealed, key FROM entries
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

    fn ask<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        query(&self.0).map_err(|error| self.told(error))
    }

    fn change<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> std::result::Result<T, Failed>,
    ) -> Result<T> {
        let done = (|| {
            let change = self
                .0
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&change)?;
            change.commit()?;
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
        work: impl FnOnce(&Transaction<'_>) -> std::result::Result<T, Failed>,
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

/// Removes the entry that a new one is for; its file is pending until it is gone.
fn replace(change: &Connection, entry: &Entry<'_>) -> rusqlite::Result<Entered> {
    let mut query = change.prepare_cached(
        "SELECT id, cost, nonce, EXISTS (SELECT 1 FROM payloads WHERE entry = id) FROM entries
         WHERE key = ? AND sealed IN (x'', ?)",
    )?;
    let ours = seal_bytes(entry.ours.as_ref());
    let mut earlier = query.query(params![entry.key.0, ours])?;
    let mut entered = Entered::New;
    while let Some(row) = earlier.next()? {
        // A row that can't be read names no file that could be found.
        let nonce: Option<Nonce> = row.get(2).ok();
        let inline: bool = row.get(3)?;
        let file = nonce.filter(|_| !inline);
        remove(change, (row.get(0)?, row.get(1).unwrap_or_default()))?;
        if let Some(nonce) = file {
            room::note_pending(change, entry.key, nonce, 0)?;
        }
        entered = Entered::Replaced(file);
    }
    Ok(entered)
}

fn insert(change: &Connection, entry: &Entry<'_>, stamp: Option<Vec<u8>>) -> rusqlite::Result<()> {
    let function = function_id(change, entry.function)?;
    let mut insert = change.prepare_cached(
        "INSERT INTO entries (key, sealed, nonce, function, created, seconds, size, cost, stamp,
             first, last, used, priority)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?5, inflation + ?6 / ?8 FROM store",
    )?;
    insert.execute(params![
        entry.key.0,
        seal_bytes(entry.place.sealed.as_ref()),
        entry.place.nonce,
        function,
        entry.place.created_ns,
        entry.seconds,
        entry.size.cast_signed() as i64,
        entry.cost().cast_signed(),
        stamp,
        entry.time_range.map(|(first, _)| first),
        entry.time_range.map(|(_, last)| last)
    ])?;
    if let Payload::Inline(bytes) = &entry.place.payload {
        let id = change.last_insert_rowid();
        change
            .prepare_cached("INSERT OR REPLACE INTO payloads VALUES (?, ?)")?
            .execute(params![id, bytes])?;
    }
    Ok(())
}

/// Removes an entry, by its number and cost.
fn remove(change: &Connection, (id, cost): (i64, i64)) -> rusqlite::Result<()> {
    for statement in [
        "DELETE FROM entries WHERE id = ?",
        "DELETE FROM payloads WHERE entry = ?",
    ] {
        change.prepare_cached(statement)?.execute([id])?;
    }
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
