//! What the rows of the index hold.

use crate::digest::Digest;
use crate::format::KeyId;
use crate::store::files::Nonce;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Where the payload of an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Tells one payload of a key from another.
    pub nonce: Nonce,
    /// When it was computed, ns UTC.
    pub created_ns: i64,
    /// The secret that it was sealed with, where it has a seal.
    pub sealed: Option<KeyId>,
    /// The payload itself, or how to find it.
    pub payload: Payload,
}

/// A payload, as the index has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// In the index itself.
    Inline(Vec<u8>),
    /// In a file; with the stamp of its last full check.
    File(Option<Vec<u8>>),
}

/// An entry that is to be made.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The key that it answers.
    pub key: Digest,
    /// The secret of this store: what was sealed with another one is somebody else's, and stays.
    pub ours: Option<KeyId>,
    /// `module.qualname` of the function.
    pub function: &'a str,
    /// How long it took to compute.
    pub seconds: f64,
    /// Bytes of the payload.
    pub size: usize,
    /// Where it is.
    pub place: &'a Place,
    /// First and last instant that the call looked at, ns UTC.
    pub time_range: Option<(i64, i64)>,
    /// The epoch that it was computed under.
    pub epoch: u64,
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
    /// Whether nothing evicts it.
    pub pinned: bool,
    /// Tells its payload from others of the key.
    pub nonce: Nonce,
    pub(super) id: i64,
}

/// Which entries are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Selection<'a> {
    /// Only those of this function.
    pub function: Option<&'a str>,
    /// Only those whose time range overlaps this one, both ends included.
    pub time_range: Option<(i64, i64)>,
    /// Only those of this key.
    pub key: Option<Digest>,
    /// Only those that were computed before this instant, ns UTC.
    pub before_ns: Option<i64>,
    /// Only those that are pinned, or are not.
    pub pinned: Option<bool>,
}

impl Entry<'_> {
    /// Bytes that it takes on disk: a file in whole blocks, and its row.
    #[must_use]
    pub fn cost(&self) -> u64 {
        cost(self.size, matches!(self.place.payload, Payload::Inline(_)))
    }
}

/// Bytes that a payload takes on disk: in whole blocks where it is a file, and its row.
#[must_use]
pub fn cost(size: usize, inline: bool) -> u64 {
    const ROW: u64 = 512;
    const BLOCK: u64 = 4096;
    let size = size as u64;
    ROW + if inline {
        size
    } else {
        size.next_multiple_of(BLOCK)
    }
}

/// How many numbers a key has: an entry of its own, those of others that were sealed with their
/// secrets, and those of keys that begin alike.
pub const IDS: i64 = 16;

/// The first number that an entry of a key can have. Entries lie by their numbers, so that a look-up
/// reads one page of many.
#[must_use]
pub fn first_id(key: Digest) -> i64 {
    let [begin @ .., _, _, _, _, _, _, _, _] = key.0;
    i64::from_be_bytes(begin) & -IDS
}

/// The bytes of `sealed` in a row: none for a payload that has no seal.
#[must_use]
pub fn seal_bytes(sealed: Option<&KeyId>) -> &[u8] {
    sealed.map_or(&[], KeyId::as_slice)
}

/// Reads nonce, stamp, inline bytes, time of computation and secret.
pub fn place(row: &Row<'_>) -> rusqlite::Result<Place> {
    Ok(Place {
        nonce: row.get(0)?,
        created_ns: row.get(3)?,
        sealed: row.get_ref(4)?.as_blob()?.try_into().ok(),
        payload: match row.get(2)? {
            Some(bytes) => Payload::Inline(bytes),
            None => Payload::File(row.get(1)?),
        },
    })
}

/// The entries that are asked for: computed before an epoch, and no more than `most`.
pub fn list(
    index: &Connection,
    selection: Selection<'_>,
    (before_epoch, most): (u64, i64),
) -> rusqlite::Result<Vec<Listed>> {
    const COLUMNS: &str =
        "SELECT name, key, first, last, created, seconds, size, nonce, pinned, entries.id
        FROM entries JOIN functions ON functions.id = function";
    let (first, last) = selection.time_range.unzip();
    let timed = match selection.time_range {
        Some(_) => "last >= ?1 AND first <= ?2",
        None => "?1 IS ?2",
    };
    let key = match selection.key {
        Some(_) => "key = ?4 AND entries.id BETWEEN ?9 AND ?9 + 15",
        None => "?4 IS ?9",
    };
    let mut query = index.prepare_cached(&format!(
        "{COLUMNS} WHERE {timed} AND {key} AND name = coalesce(?3, name)
         AND created < coalesce(?5, created + 1) AND entries.epoch < ?6
         AND pinned = coalesce(?8, pinned) LIMIT ?7"
    ))?;
    let (key, near) = (selection.key.map(|key| key.0), selection.key.map(first_id));
    let (function, before) = (selection.function, selection.before_ns);
    let asked = params![
        first,
        last,
        function,
        key,
        before,
        i64::try_from(before_epoch).unwrap_or(i64::MAX),
        most,
        selection.pinned,
        near
    ];
    let rows = query.query_map(asked, listed)?;
    rows.collect()
}

fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let (first, last): (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
    Ok(Listed {
        function: row.get(0)?,
        key: Digest(row.get(1)?),
        time_range: first.zip(last),
        created_ns: row.get(4)?,
        seconds: row.get(5)?,
        size: row.get(6)?,
        nonce: row.get(7)?,
        pinned: row.get(8)?,
        id: row.get(9)?,
    })
}

/// The number of a function, which is given one where it has none.
pub fn function_id(index: &Connection, name: &str) -> rusqlite::Result<i64> {
    let mut query = index.prepare_cached("SELECT id FROM functions WHERE name = ?")?;
    if let Some(id) = query.query_one([name], |row| row.get(0)).optional()? {
        return Ok(id);
    }
    index
        .prepare_cached("INSERT INTO functions (name) VALUES (?)")?
        .execute([name])?;
    Ok(index.last_insert_rowid())
}
