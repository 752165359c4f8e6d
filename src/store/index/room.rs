//! Room in the store: what is taken, what is reserved, and which entry goes first.
//!
//! Priorities are those of GreedyDual-Size-Frequency (Cherkasova, 1998): the inflation of when an
//! entry was last used, plus uses times seconds by byte. The entry of the lowest priority goes, and
//! the inflation rises to that.

use super::rows::{Entry, Payload, cost, first_id};
use super::{Failed, Index};
use crate::digest::Digest;
use crate::error::Result;
use crate::format::MOST_SECONDS;
use crate::store::files::Nonce;
use rusqlite::{Connection, OptionalExtension, params};

/// A file that may be there without an entry that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The key that it answers.
    pub key: Digest,
    /// Which of its files.
    pub nonce: Nonce,
}

/// How much room there is, and how it is made.
#[derive(Clone, Copy)]
pub struct Room<'a> {
    /// Bytes that the store may take.
    pub limit: u64,
    /// Whether an entry must not go, since somebody waits for it.
    pub is_awaited: &'a dyn Fn(Digest) -> bool,
    /// Removes a file.
    pub unlink: &'a dyn Fn(Digest, Nonce),
}

/// An entry that may go.
struct Victim {
    id: i64,
    key: Digest,
    nonce: Nonce,
    cost: u64,
    priority: f64,
}

impl Index {
    /// Takes room for a file that is about to be written, and makes it where there is none; false
    /// where it can't be made.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn reserve(&mut self, file: Pending, size: usize, room: Room<'_>) -> Result<bool> {
        self.change(|change| {
            let bytes = cost(size, false);
            if !make(change, bytes, room)? {
                return Ok(false);
            }
            note_pending(change, file.key, file.nonce, bytes)?;
            add(change, bytes.cast_signed())?;
            Ok(true)
        })
    }

    /// Files that may be there without an entry.
    ///
    /// # Errors
    /// The query fails.
    pub fn pending(&self) -> Result<Vec<Pending>> {
        self.ask(|index| {
            let mut query = index.prepare_cached("SELECT key, nonce FROM pending")?;
            let rows = query.query_map([], |row| {
                Ok(Pending {
                    key: Digest(row.get(0)?),
                    nonce: row.get(1)?,
                })
            })?;
            rows.collect()
        })
    }

    /// Gives back what was reserved for files that are gone.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn settle(&mut self, files: &[Pending]) -> Result<()> {
        self.change(|change| {
            files
                .iter()
                .try_for_each(|file| settle(change, file.nonce))
                .map_err(Failed::from)
        })
    }

    /// Lets entries go until so many bytes fit within the limit; says how many went.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn evict(&mut self, bytes: u64, room: Room<'_>) -> Result<usize> {
        self.change(|change| {
            let before = entries(change)?;
            make(change, bytes, room)?;
            Ok(before - entries(change)?)
        })
    }

    /// Lets entries of one function go until they take no more than the limit; says how many went.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn evict_of(&mut self, function: &str, room: Room<'_>) -> Result<usize> {
        self.change(|change| {
            let of = "SELECT id FROM functions WHERE name = ?";
            let Some(function) = change
                .query_one(of, [function], |row| row.get(0))
                .optional()?
            else {
                return Ok(0);
            };
            let taken = "SELECT coalesce(sum(cost), 0) FROM entries WHERE function = ?";
            let taken: i64 = change.query_one(taken, [function], |row| row.get(0))?;
            let excess = taken.unsigned_abs().saturating_sub(room.limit);
            let (_, gone) = let_go(change, excess, Some(function), room)?;
            Ok(gone)
        })
    }

    /// Spares the entries of a key from eviction, or no longer; says how many there are.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn pin(&mut self, key: Digest, pinned: bool) -> Result<usize> {
        self.change(|change| {
            let mut pin = change.prepare_cached(
                "UPDATE entries SET pinned = ?3 WHERE id BETWEEN ?1 AND ?1 + 15 AND key = ?2",
            )?;
            Ok(pin.execute(params![first_id(key), key.0, pinned])?)
        })
    }

    /// Bytes that are taken or reserved.
    ///
    /// # Errors
    /// The query fails.
    pub fn taken(&self) -> Result<u64> {
        self.ask(taken)
    }
}

/// Notes how often entries were used since the last note.
pub(super) fn note_uses(
    change: &Connection,
    uses: &[(Digest, u32)],
    now_ns: i64,
) -> rusqlite::Result<()> {
    let mut note = change.prepare_cached(
        "UPDATE entries SET uses = uses + ?2, used = max(used, ?3),
             priority = (SELECT inflation FROM store) + (uses + ?2) * min(seconds, ?5) / cost
         WHERE id BETWEEN ?1 AND ?1 + 15 AND key = ?4",
    )?;
    for (key, count) in uses {
        note.execute(params![first_id(*key), count, now_ns, key.0, MOST_SECONDS])?;
    }
    Ok(())
}

/// Takes the room of an entry, for which it may have been reserved.
pub(super) fn take(change: &Connection, entry: &Entry<'_>) -> rusqlite::Result<()> {
    if matches!(entry.place.payload, Payload::File(_)) {
        settle(change, entry.place.nonce)?;
    }
    add(change, entry.cost().cast_signed())
}

/// Gives back the room of an entry.
pub(super) fn give_back(change: &Connection, cost: i64) -> rusqlite::Result<()> {
    add(change, -cost)
}

pub(super) fn note_pending(
    change: &Connection,
    key: Digest,
    nonce: Nonce,
    bytes: u64,
) -> rusqlite::Result<()> {
    change
        .prepare_cached("INSERT OR REPLACE INTO pending VALUES (?, ?, ?)")?
        .execute(params![nonce, key.0, bytes.cast_signed()])?;
    Ok(())
}

pub(super) fn settle(change: &Connection, nonce: Nonce) -> rusqlite::Result<()> {
    let mut settle =
        change.prepare_cached("DELETE FROM pending WHERE nonce = ? RETURNING bytes")?;
    let bytes: Option<i64> = settle.query_one([nonce], |row| row.get(0)).optional()?;
    add(change, -bytes.unwrap_or(0))
}

/// Makes room for so many bytes; false where that can't be.
pub(super) fn make(change: &Connection, bytes: u64, room: Room<'_>) -> rusqlite::Result<bool> {
    // So that not every result has to make room for itself.
    let slack = room.limit / 256;
    let excess = (taken(change)? + bytes).saturating_sub(room.limit);
    if excess == 0 {
        return Ok(true);
    }
    if bytes > room.limit {
        return Ok(false);
    }
    let (freed, _) = let_go(change, excess + slack, None, room)?;
    Ok(freed >= excess)
}

/// Lets entries go, the least useful first; says how many bytes and entries went.
fn let_go(
    change: &Connection,
    excess: u64,
    function: Option<i64>,
    room: Room<'_>,
) -> rusqlite::Result<(u64, usize)> {
    let (mut freed, mut gone, mut spared) = (0, 0, 0);
    let mut inflation: f64 = 0.0;
    while freed < excess {
        let victims = victims(change, function, spared)?;
        if victims.is_empty() {
            break;
        }
        for victim in victims {
            if freed >= excess {
                break;
            }
            if (room.is_awaited)(victim.key) {
                spared += 1;
                continue;
            }
            (room.unlink)(victim.key, victim.nonce);
            super::remove(change, (victim.id, victim.cost.cast_signed()))?;
            freed += victim.cost;
            gone += 1;
            inflation = inflation.max(victim.priority);
        }
    }
    if function.is_none() {
        // However high a row is: beside a number without bounds all others would be the same.
        let raise = "UPDATE store SET inflation = max(inflation, min(?1, inflation + ?2))";
        let mut raise = change.prepare_cached(raise)?;
        raise.execute([inflation, MOST_SECONDS])?;
    }
    Ok((freed, gone))
}

fn victims(
    change: &Connection,
    function: Option<i64>,
    spared: usize,
) -> rusqlite::Result<Vec<Victim>> {
    let of = if function.is_some() {
        "function = ?1"
    } else {
        "?1 IS NULL"
    };
    let mut query = change.prepare_cached(&format!(
        "SELECT id, key, nonce, cost, priority FROM entries
         WHERE pinned = 0 AND {of} ORDER BY priority LIMIT 256 OFFSET ?2"
    ))?;
    let rows = query.query_map(params![function, spared.cast_signed() as i64], |row| {
        Ok(Victim {
            id: row.get(0)?,
            key: Digest(row.get(1)?),
            nonce: row.get(2)?,
            cost: row.get::<_, i64>(3)?.unsigned_abs(),
            priority: row.get(4)?,
        })
    })?;
    rows.collect()
}

fn taken(index: &Connection) -> rusqlite::Result<u64> {
    let mut query = index.prepare_cached("SELECT bytes FROM store")?;
    query
        .query_one([], |row| row.get::<_, i64>(0))
        .map(|bytes| u64::try_from(bytes).unwrap_or(0))
}

fn entries(index: &Connection) -> rusqlite::Result<usize> {
    let count: i64 = index.query_one("SELECT count(*) FROM entries", [], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

fn add(change: &Connection, bytes: i64) -> rusqlite::Result<()> {
    if bytes != 0 {
        let mut add = change.prepare_cached("UPDATE store SET bytes = bytes + ?")?;
        add.execute([bytes])?;
    }
    Ok(())
}
