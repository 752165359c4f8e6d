//! Rows of the table of runs.

use super::frame::Place;
use super::marked::{marked, unmarked};
use super::record::{AnswerAt, Record};
use super::schema::number_of;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result as OurResult};
use crate::format::{Reader, Writer};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// All of it is there.
    Whole = 0,
    /// Its metrics are there.
    Pruned = 1,
    /// It is in the ledger alone.
    Deleted = 2,
}

/// A row of the table of runs.
#[derive(Clone, Debug)]
pub struct Found {
    /// The order in which runs were recorded first.
    pub number: i64,
    /// The number of its family.
    pub family: i64,
    /// Where it stands.
    pub state: State,
    /// Whether it is spared from pruning.
    pub pinned: bool,
    /// Where its frame lies in the log.
    pub place: Place,
    /// Where its answer is.
    pub answer: AnswerAt,
    /// What is known of it.
    pub record: Record,
}

impl Found {
    pub(super) const COLUMNS: &str = "number, family, state, pinned, place, length, body";

    pub(super) fn of(row: &Row<'_>) -> Result<Self> {
        let key = key(
            row.get(0)?,
            row.get(1)?,
            row.get(2)?,
            row.get(3)?,
            (row.get(4)?, row.get(5)?),
        );
        let body = row.get_ref(6)?.as_blob()?;
        Self::read(key, unmarked(&key, body)?).map_err(lies)
    }

    fn read([number, family, state, pinned, place, length]: Key, body: &[u8]) -> OurResult<Self> {
        let mut reader = Reader::new(body);
        Ok(Self {
            number,
            family,
            state: match state {
                0 => State::Whole,
                1 => State::Pruned,
                _ => State::Deleted,
            },
            pinned: pinned != 0,
            place: (
                place.cast_unsigned(),
                usize::try_from(length).unwrap_or_default(),
            ),
            answer: AnswerAt::read(&mut reader)?,
            record: Record::read(&mut reader)?,
        })
    }

    fn key(&self) -> Key {
        let (place, length) = self.place;
        key(
            self.number,
            self.family,
            self.state as i64,
            i64::from(self.pinned),
            (place.cast_signed(), length.cast_signed() as i64),
        )
    }

    /// Writes the row, in the place of the one of its number. What it is looked up by are the numbers
    /// of strategy and content.
    pub(super) fn write(&self, index: &Connection, strategy: i64, content: i64) -> Result<()> {
        let key = self.key();
        let [number, family, state, pinned, place, length] = key;
        let record = &self.record;
        index
            .prepare_cached(
                "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                number,
                record.run.0,
                strategy,
                content,
                record.parameters.0,
                family,
                record.role as u8,
                state,
                pinned,
                place,
                length,
                self.body(&key),
            ])
            .map(drop)
    }

    /// Writes what has changed of the row but for what it is looked up by.
    pub(super) fn update(&self, index: &Connection) -> Result<()> {
        let key = self.key();
        let [number, _, state, pinned, ..] = key;
        index
            .prepare_cached("UPDATE runs SET state = ?, pinned = ?, body = ? WHERE number = ?")?
            .execute(params![state, pinned, self.body(&key), number])
            .map(drop)
    }

    fn body(&self, key: &Key) -> Vec<u8> {
        let mut body = Writer::new();
        self.answer.write(&mut body);
        self.record.write(&mut body);
        marked(key, &body.finish())
    }
}

/// Number, family, state, pinned, place and length: what the mark of a row is bound to.
type Key = [i64; 6];

fn key(number: i64, family: i64, state: i64, pinned: i64, (place, length): (i64, i64)) -> Key {
    [number, family, state, pinned, place, length]
}

/// A run by its id, whatever its state.
pub fn find(index: &Connection, run: Digest) -> Result<Option<Found>> {
    let columns = Found::COLUMNS;
    let found = index
        .prepare_cached(&format!("SELECT {columns} FROM runs WHERE run = ?"))?
        .query_row([run.0], Found::of)
        .optional()?;
    found
        .map(|found| checked(found, |found| found.record.run == run))
        .transpose()
}

/// A run by its number.
pub fn numbered(index: &Connection, number: i64) -> Result<Found> {
    let columns = Found::COLUMNS;
    index
        .prepare_cached(&format!("SELECT {columns} FROM runs WHERE number = ?"))?
        .query_row([number], Found::of)
        .optional()?
        .ok_or_else(|| wrong("a row names a run that is not there"))
}

/// The number that the next new run gets.
pub fn next_number(index: &Connection) -> Result<i64> {
    index
        .prepare_cached("SELECT coalesce(max(number), 0) + 1 FROM runs")?
        .query_row([], |row| row.get(0))
}

/// A row that is what it was found as.
pub fn checked(found: Found, is_right: impl FnOnce(&Found) -> bool) -> Result<Found> {
    if is_right(&found) {
        Ok(found)
    } else {
        Err(wrong("a row is found as what it is not"))
    }
}

/// The number of some data; `None` where no run is on it.
pub fn content_of(index: &Connection, data: Digest) -> Result<Option<i64>> {
    index
        .prepare_cached("SELECT number FROM contents WHERE data = ?")?
        .query_row([data.0], |row| row.get(0))
        .optional()
}

/// The number of some data, which is entered where it is new.
pub fn entered_content(index: &Connection, data: Digest) -> Result<i64> {
    match content_of(index, data)? {
        Some(number) => Ok(number),
        None => index
            .prepare_cached("INSERT INTO contents (data) VALUES (?)")?
            .insert([data.0]),
    }
}

/// How many runs of each strategy there are that were not deleted.
pub fn count(index: &Connection) -> Result<Vec<(String, i64)>> {
    let mut query =
        index.prepare_cached("SELECT strategy, body FROM strategies ORDER BY strategy")?;
    let rows = query.query_map([], |row| {
        let body = row.get_ref(1)?.as_blob()?;
        counted(row.get(0)?, body)
    })?;
    rows.filter(|row| !matches!(row, Ok((_, 0)))).collect()
}

fn counted(strategy: i64, body: &[u8]) -> Result<(String, i64)> {
    let mut reader = Reader::new(unmarked(&[strategy], body)?);
    let mut read = || Ok((reader.text()?.to_owned(), reader.i64()?));
    read().map_err(lies)
}

/// Counts a run of a strategy more, or one less.
pub fn count_one(index: &Connection, name: &str, more: i64) -> Result<()> {
    let Some(strategy) = number_of(index, name)? else {
        return Ok(());
    };
    let before = index
        .prepare_cached("SELECT body FROM strategies WHERE strategy = ?")?
        .query_row([strategy], |row| {
            counted(strategy, row.get_ref(0)?.as_blob()?)
        })
        .optional()?;
    let mut body = Writer::new();
    body.bytes(name.as_bytes());
    body.i64(before.map_or(0, |(_, count)| count) + more);
    index
        .prepare_cached("INSERT OR REPLACE INTO strategies VALUES (?, ?)")?
        .execute(params![strategy, marked(&[strategy], &body.finish())])
        .map(drop)
}

/// What is wrong with a row.
pub fn wrong(what: &str) -> rusqlite::Error {
    lies(Error::new(Kind::Corrupt, what))
}

/// A row that says what nobody wrote.
pub fn lies(error: Error) -> rusqlite::Error {
    let kind = rusqlite::types::Type::Blob;
    rusqlite::Error::FromSqlConversionFailure(0, kind, Box::new(error))
}
