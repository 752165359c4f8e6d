//! The index of the log: which runs there are, how their metrics rank, and what was tried.
//!
//! All of it is made of the log's events, in order, so that a damaged index is made anew.

use super::event::{Event, Failure, Split};
use super::record::{OnAxis, Record, Role};
use super::{axes, trials};
use crate::digest::Digest;
use rusqlite::{Connection, OptionalExtension, Result, Row, params};

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS names (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY,
    run BLOB NOT NULL UNIQUE,
    strategy INTEGER NOT NULL,
    family INTEGER NOT NULL,
    trial BLOB NOT NULL,
    parameters BLOB NOT NULL,
    data BLOB NOT NULL,
    role INTEGER NOT NULL,
    state INTEGER NOT NULL,
    pinned INTEGER NOT NULL,
    place INTEGER NOT NULL,
    length INTEGER NOT NULL,
    body BLOB NOT NULL,
    answer BLOB
) STRICT;
CREATE INDEX IF NOT EXISTS runs_of_data ON runs (strategy, role, data, parameters);
CREATE INDEX IF NOT EXISTS runs_by_state ON runs (strategy, state);
CREATE TABLE IF NOT EXISTS metrics (
    strategy INTEGER NOT NULL,
    name INTEGER NOT NULL,
    role INTEGER NOT NULL,
    value REAL NOT NULL,
    run INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (strategy, name, role, value, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS metrics_of_data ON metrics (data, strategy, name, role, value);
CREATE TABLE IF NOT EXISTS unranked (
    strategy INTEGER NOT NULL,
    name INTEGER NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (strategy, name, run)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS families (
    number INTEGER PRIMARY KEY,
    strategy INTEGER NOT NULL,
    dataset TEXT NOT NULL,
    purpose TEXT NOT NULL,
    trials INTEGER NOT NULL,
    version INTEGER NOT NULL,
    overfitting BLOB,
    overfitting_of INTEGER,
    UNIQUE (strategy, dataset, purpose)
) STRICT;
CREATE TABLE IF NOT EXISTS trials (
    family INTEGER NOT NULL,
    trial BLOB NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (family, trial)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spreads (
    family INTEGER NOT NULL,
    step INTEGER NOT NULL,
    count INTEGER NOT NULL,
    total REAL NOT NULL,
    squares REAL NOT NULL,
    PRIMARY KEY (family, step)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS correlations (
    family INTEGER NOT NULL,
    width INTEGER NOT NULL,
    bins BLOB NOT NULL,
    sums BLOB NOT NULL,
    trials BLOB NOT NULL,
    PRIMARY KEY (family, width)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS axes (
    axis BLOB PRIMARY KEY,
    width INTEGER NOT NULL,
    bins BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS codes (
    code BLOB PRIMARY KEY,
    parts TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (
    run BLOB PRIMARY KEY,
    family INTEGER NOT NULL,
    at INTEGER NOT NULL,
    about TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS splits (
    split TEXT NOT NULL,
    fold INTEGER NOT NULL,
    version INTEGER NOT NULL,
    train BLOB NOT NULL,
    test BLOB NOT NULL,
    at INTEGER NOT NULL,
    about TEXT NOT NULL,
    PRIMARY KEY (split, fold, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS splits_by_train ON splits (train);
CREATE INDEX IF NOT EXISTS splits_by_test ON splits (test);
CREATE TABLE IF NOT EXISTS frames (
    frame BLOB PRIMARY KEY,
    about TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum State {
    /// All of it is there.
    Whole = 0,
    /// Its metrics are there.
    Pruned = 1,
    /// It is in the ledger alone.
    Deleted = 2,
}

impl State {
    fn of(number: i64) -> Self {
        match number {
            0 => Self::Whole,
            1 => Self::Pruned,
            _ => Self::Deleted,
        }
    }
}

/// A row of the table of runs.
#[derive(Clone, Debug)]
pub struct Found {
    /// The order in which runs were recorded first.
    pub number: i64,
    /// Where it stands.
    pub state: State,
    /// Whether it is spared from pruning.
    pub pinned: bool,
    /// Where its frame begins in the log, and how long that is.
    pub place: (u64, usize),
    /// What is known of it.
    pub record: Record,
    /// The payload of its answer, where that is small.
    pub answer: Option<Vec<u8>>,
}

impl Found {
    pub(super) const COLUMNS: &str = "number, state, pinned, place, length, body, answer";

    pub(super) fn of(row: &Row<'_>) -> Result<Self> {
        let body = row.get_ref(5)?.as_blob()?;
        Ok(Self {
            number: row.get(0)?,
            state: State::of(row.get(1)?),
            pinned: row.get(2)?,
            place: (
                row.get::<_, i64>(3)?.cast_unsigned(),
                row.get::<_, i64>(4)?.unsigned_abs() as usize,
            ),
            record: Record::of_body(body).map_err(lies)?,
            answer: row.get(6)?,
        })
    }
}

/// A run by its id, whatever its state.
pub(super) fn find(index: &Connection, run: Digest) -> Result<Option<Found>> {
    let columns = Found::COLUMNS;
    index
        .prepare_cached(&format!("SELECT {columns} FROM runs WHERE run = ?"))?
        .query_row([run.0], Found::of)
        .optional()
}

/// A run by its number.
pub(super) fn numbered(index: &Connection, number: i64) -> Result<Found> {
    let columns = Found::COLUMNS;
    index
        .prepare_cached(&format!("SELECT {columns} FROM runs WHERE number = ?"))?
        .query_row([number], Found::of)
}

/// The number of a name that was entered; `None` for one that never was.
pub(super) fn number_of(index: &Connection, name: &str) -> Result<Option<i64>> {
    index
        .prepare_cached("SELECT number FROM names WHERE name = ?")?
        .query_row([name], |row| row.get(0))
        .optional()
}

fn entered(index: &Connection, name: &str) -> Result<i64> {
    if let Some(number) = number_of(index, name)? {
        return Ok(number);
    }
    index
        .prepare_cached("INSERT INTO names (name) VALUES (?)")?
        .insert([name])
}

/// Enters an event whose frame lies at a place of the log. `series` gives the returns of a frame.
pub(super) fn apply(
    index: &Connection,
    event: &Event,
    place: (u64, usize),
    series: trials::Reader<'_>,
) -> Result<()> {
    match event {
        Event::Recorded {
            record,
            series: own,
            answer,
        } => record_run(
            index,
            record,
            (own.as_ref(), answer.as_deref()),
            place,
            series,
        ),
        Event::Axis(digest, width, bins) => axes::enter(index, *digest, *width, bins),
        Event::Code(digest, parts) => index
            .prepare_cached("INSERT OR REPLACE INTO codes VALUES (?, ?)")?
            .execute(params![digest.0, parts])
            .map(drop),
        Event::Pinned(run, pinned) => index
            .prepare_cached("UPDATE runs SET pinned = ? WHERE run = ?")?
            .execute(params![pinned, run.0])
            .map(drop),
        Event::Pruned(run, answer) => index
            .prepare_cached("UPDATE runs SET state = ?, answer = ? WHERE run = ? AND state < ?")?
            .execute(params![
                State::Pruned as i64,
                answer,
                run.0,
                State::Deleted as i64
            ])
            .map(drop),
        Event::Deleted(run) => delete(index, *run),
        Event::Failed(failure) => fail(index, failure),
        Event::Split(split) => enter_split(index, split),
        Event::Frame(digest, about) => index
            .prepare_cached("INSERT OR REPLACE INTO frames VALUES (?, ?)")?
            .execute(params![digest.0, about])
            .map(drop),
    }
}

fn record_run(
    index: &Connection,
    record: &Record,
    (own, answer): (Option<&OnAxis>, Option<&[u8]>),
    place: (u64, usize),
    series: trials::Reader<'_>,
) -> Result<()> {
    let family = family(index, &record.strategy, &record.dataset, &record.purpose)?;
    let strategy = entered(index, &record.strategy)?;
    let before = find(index, record.run)?;
    if let Some(before) = &before {
        trials::leave(index, family, before, series)?;
        unrank(index, before)?;
    }
    index
        .prepare_cached("DELETE FROM failures WHERE run = ?")?
        .execute([record.run.0])?;
    let (at, length) = place;
    let row = params![
        before.as_ref().map(|before| before.number),
        record.run.0,
        strategy,
        family,
        record.trial.0,
        record.parameters.0,
        record.data.0,
        record.role as u8,
        State::Whole as i64,
        before.as_ref().is_some_and(|before| before.pinned),
        at.cast_signed(),
        length.cast_signed() as i64,
        record.body(),
        answer,
    ];
    let number = index
        .prepare_cached(
            "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .insert(row)?;
    rank(index, record, (strategy, number))?;
    if record.role == Role::Trial {
        let latest = before.is_none();
        trials::enter(index, family, (number, record, own), latest, series)?;
    }
    Ok(())
}

fn rank(index: &Connection, record: &Record, (strategy, run): (i64, i64)) -> Result<()> {
    for (name, value) in &record.metrics {
        let name = entered(index, name)?;
        if let Some(value) = value.ranked() {
            index
                .prepare_cached("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?, ?, ?)")?
                .execute(params![
                    strategy,
                    name,
                    record.role as u8,
                    value,
                    run,
                    record.data.0
                ])?;
        } else {
            index
                .prepare_cached("INSERT OR REPLACE INTO unranked VALUES (?, ?, ?)")?
                .execute(params![strategy, name, run])?;
        }
    }
    Ok(())
}

fn unrank(index: &Connection, run: &Found) -> Result<()> {
    let record = &run.record;
    let strategy = entered(index, &record.strategy)?;
    for (name, value) in &record.metrics {
        let name = entered(index, name)?;
        if let Some(value) = value.ranked() {
            index
                .prepare_cached(
                    "DELETE FROM metrics
                     WHERE strategy = ? AND name = ? AND role = ? AND value = ? AND run = ?",
                )?
                .execute(params![
                    strategy,
                    name,
                    record.role as u8,
                    value,
                    run.number
                ])?;
        } else {
            index
                .prepare_cached("DELETE FROM unranked WHERE strategy = ? AND name = ? AND run = ?")?
                .execute(params![strategy, name, run.number])?;
        }
    }
    Ok(())
}

/// A run leaves the rankings; what was tried was tried.
fn delete(index: &Connection, run: Digest) -> Result<()> {
    let Some(found) = find(index, run)? else {
        return Ok(());
    };
    unrank(index, &found)?;
    index
        .prepare_cached("UPDATE runs SET state = ?, answer = NULL WHERE run = ?")?
        .execute(params![State::Deleted as i64, run.0])
        .map(drop)
}

fn fail(index: &Connection, failure: &Failure) -> Result<()> {
    let family = family(index, &failure.strategy, &failure.dataset, &failure.purpose)?;
    index
        .prepare_cached("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?)")?
        .execute(params![failure.run, family, failure.at_ns, failure.about])
        .map(drop)
}

fn enter_split(index: &Connection, split: &Split) -> Result<()> {
    let [train, test] = split.data;
    index
        .prepare_cached("INSERT OR REPLACE INTO splits VALUES (?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            split.split,
            split.fold,
            split.version,
            train,
            test,
            split.at_ns,
            split.about
        ])
        .map(drop)
}

/// The number of a family, which is entered where it is new.
fn family(index: &Connection, strategy: &str, dataset: &str, purpose: &str) -> Result<i64> {
    let strategy = entered(index, strategy)?;
    let known = index
        .prepare_cached(
            "SELECT number FROM families WHERE strategy = ? AND dataset = ? AND purpose = ?",
        )?
        .query_row(params![strategy, dataset, purpose], |row| row.get(0))
        .optional()?;
    match known {
        Some(number) => Ok(number),
        None => index
            .prepare_cached(
                "INSERT INTO families (strategy, dataset, purpose, trials, version)
                 VALUES (?, ?, ?, 0, 0)",
            )?
            .insert(params![strategy, dataset, purpose]),
    }
}

/// A row that says what nobody wrote.
pub(super) fn lies(error: crate::error::Error) -> rusqlite::Error {
    let kind = rusqlite::types::Type::Blob;
    rusqlite::Error::FromSqlConversionFailure(0, kind, Box::new(error))
}
