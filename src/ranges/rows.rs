//! The tables of the catalog. Each row carries a mark over what it says: SQLite notices no byte that
//! changed within a row, and a row that lies would have bars answered that nobody gave.

use super::coverage::{Coverage, Delta, Piece, Reason, State};
use super::interval::Interval;
use super::series::{Name, Segment};
use crate::digest::Digest;
use crate::format::Mac;
use rusqlite::types::Type;
use rusqlite::{Connection, Error, OptionalExtension, Result, Row, params};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    cache TEXT NOT NULL,
    key TEXT NOT NULL,
    folder TEXT NOT NULL,
    form TEXT,
    seal BLOB,
    revision INTEGER NOT NULL,
    adopted INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    mark INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS segments (
    id INTEGER PRIMARY KEY,
    series INTEGER NOT NULL,
    name TEXT NOT NULL,
    first INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    digest BLOB NOT NULL,
    created INTEGER NOT NULL,
    about TEXT NOT NULL,
    mark INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS segments_of_series ON segments (series);
CREATE TABLE IF NOT EXISTS coverage (
    series INTEGER NOT NULL,
    first INTEGER NOT NULL,
    stop INTEGER NOT NULL,
    state INTEGER NOT NULL,
    reason INTEGER NOT NULL,
    segment INTEGER,
    attempt INTEGER NOT NULL,
    fetched INTEGER NOT NULL,
    recheck INTEGER NOT NULL,
    mark INTEGER NOT NULL,
    PRIMARY KEY (series, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead (
    series INTEGER NOT NULL,
    name TEXT NOT NULL,
    since INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS cuts (
    series INTEGER NOT NULL,
    name TEXT NOT NULL
) STRICT;
";

/// A series as the catalog has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored {
    /// Its number; `None` for a series that the catalog does not know.
    pub id: Option<i64>,
    pub folder: String,
    /// Begins at the time of entry, so that no other catalog has the same.
    pub revision: i64,
    pub created: i64,
    pub form: Option<(String, Option<Mac>)>,
    pub adopted: bool,
    pub coverage: Coverage,
    pub segments: BTreeMap<i64, Segment>,
}

/// A row of the table of series, whose mark is right.
struct Head {
    id: i64,
    digest: [u8; Digest::SIZE],
    cache: String,
    key: String,
    folder: String,
    form: Option<String>,
    seal: Option<Mac>,
    created: i64,
}

impl Head {
    const COLUMNS: &str = "id, digest, cache, key, folder, form, seal, created, mark";

    fn of(row: &Row<'_>) -> Result<Self> {
        let head = Self {
            id: row.get(0)?,
            digest: row.get(1)?,
            cache: row.get(2)?,
            key: row.get(3)?,
            folder: row.get(4)?,
            form: row.get(5)?,
            seal: row.get(6)?,
            created: row.get(7)?,
        };
        check(row.get(8)?, head.mark(), 8)?;
        Ok(head)
    }

    fn mark(&self) -> i64 {
        let mut mark = Marked::new("series");
        mark.numbers(&[self.id, self.created]);
        mark.bytes(&self.digest);
        for text in [&self.cache, &self.key, &self.folder] {
            mark.bytes(text.as_bytes());
        }
        mark.optional(self.form.as_ref().map(String::as_bytes));
        mark.optional(self.seal.as_ref().map(<[u8; 32]>::as_slice));
        mark.done()
    }
}

/// The keys of the series of a cache.
pub(super) fn keys(catalog: &Connection, cache: &str) -> Result<Vec<String>> {
    let columns = Head::COLUMNS;
    let mut query = catalog.prepare(&format!(
        "SELECT {columns} FROM series WHERE cache = ? ORDER BY key"
    ))?;
    let rows = query.query_map([cache], |row| Ok(Head::of(row)?.key))?;
    rows.collect()
}

/// The revision of a series; `None` where the catalog does not know it.
pub(super) fn revision(catalog: &Connection, series: Digest) -> Result<Option<i64>> {
    catalog
        .prepare_cached("SELECT revision FROM series WHERE digest = ?")?
        .query_row([series.0], |row| row.get(0))
        .optional()
}

/// Enters a series that the catalog does not know.
pub(super) fn enter(catalog: &Connection, name: &Name, folder: &str, now: i64) -> Result<()> {
    let next = "SELECT coalesce(max(id), 0) + 1 FROM series";
    let head = Head {
        id: catalog.query_one(next, [], |row| row.get(0))?,
        digest: name.digest.0,
        cache: name.cache.clone(),
        key: name.key.clone(),
        folder: folder.to_owned(),
        form: None,
        seal: None,
        created: now,
    };
    let enter = "INSERT INTO series (id, digest, cache, key, folder, revision, created, mark)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    let row = params![
        head.id,
        head.digest,
        head.cache,
        head.key,
        head.folder,
        now,
        now,
        head.mark()
    ];
    catalog.execute(enter, row).map(drop)
}

/// What the catalog has of a series.
pub(super) fn load(catalog: &Connection, series: Digest) -> Result<Stored> {
    let columns = Head::COLUMNS;
    let query = format!("SELECT {columns}, revision, adopted FROM series WHERE digest = ?");
    let found = catalog
        .prepare_cached(&query)?
        .query_row([series.0], |row| {
            Ok((Head::of(row)?, row.get(9)?, row.get(10)?))
        });
    let Some((head, revision, adopted)) = found.optional()? else {
        return Ok(Stored::default());
    };
    let segments = segments(catalog, head.id)?;
    let pieces = pieces(catalog, head.id)?;
    let lone = |piece: &&Piece| piece.segment.is_some_and(|id| !segments.contains_key(&id));
    if let Some(piece) = pieces.iter().find(lone) {
        let what = format!("no segment has the number {:?}", piece.segment);
        return Err(lie(0, what));
    }
    Ok(Stored {
        id: Some(head.id),
        folder: head.folder,
        revision,
        created: head.created,
        form: head.form.map(|form| (form, head.seal)),
        adopted,
        coverage: Coverage::of(pieces),
        segments,
    })
}

fn pieces(catalog: &Connection, series: i64) -> Result<Vec<Piece>> {
    let mut query = catalog.prepare_cached(
        "SELECT first, stop, state, reason, segment, attempt, fetched, recheck, mark
         FROM coverage WHERE series = ? ORDER BY first",
    )?;
    let rows = query.query_map([series], |row| piece(series, row))?;
    rows.collect()
}

fn piece(series: i64, row: &Row<'_>) -> Result<Piece> {
    let (state, reason): (u8, u8) = (row.get(2)?, row.get(3)?);
    let unknown = |column, number: u8| {
        lie(
            column,
            format!("no state or reason has the number {number}"),
        )
    };
    let piece = Piece {
        interval: Interval::new(row.get(0)?, row.get(1)?),
        state: State::of(state).ok_or_else(|| unknown(2, state))?,
        reason: Reason::of(reason).ok_or_else(|| unknown(3, reason))?,
        segment: row.get(4)?,
        attempt: row.get(5)?,
        fetched_at: row.get(6)?,
        recheck_after: row.get(7)?,
    };
    check(row.get(8)?, mark_of_piece(series, &piece), 8)?;
    Ok(piece)
}

fn mark_of_piece(series: i64, piece: &Piece) -> i64 {
    let mut mark = Marked::new("coverage");
    mark.numbers(&[
        series,
        piece.interval.first,
        piece.interval.stop,
        i64::from(piece.state as u8),
        i64::from(piece.reason as u8),
        i64::from(piece.segment.is_some()),
        piece.segment.unwrap_or_default(),
        i64::from(piece.attempt),
        piece.fetched_at,
        piece.recheck_after,
    ]);
    mark.done()
}

fn segments(catalog: &Connection, series: i64) -> Result<BTreeMap<i64, Segment>> {
    let mut query = catalog.prepare_cached(
        "SELECT id, name, first, stop, rows, bytes, digest, created, about, mark
         FROM segments WHERE series = ?",
    )?;
    let rows = query.query_map([series], |row| {
        let (id, segment) = (
            row.get(0)?,
            Segment {
                name: row.get(1)?,
                span: Interval::new(row.get(2)?, row.get(3)?),
                rows: row.get(4)?,
                bytes: row.get(5)?,
                digest: Digest(row.get(6)?),
                created: row.get(7)?,
                about: row.get(8)?,
            },
        );
        check(row.get(9)?, mark_of_segment(series, id, &segment), 9)?;
        Ok((id, segment))
    })?;
    rows.collect()
}

fn mark_of_segment(series: i64, id: i64, segment: &Segment) -> i64 {
    let mut mark = Marked::new("segments");
    mark.numbers(&[
        series,
        id,
        segment.span.first,
        segment.span.stop,
        segment.rows,
        segment.bytes,
        segment.created,
    ]);
    mark.bytes(segment.name.as_bytes());
    mark.bytes(&segment.digest.0);
    mark.bytes(segment.about.as_bytes());
    mark.done()
}

/// Makes of the coverage on disk what it is in memory after a change.
pub(super) fn write(catalog: &Connection, series: i64, delta: &Delta) -> Result<()> {
    let mut delete =
        catalog.prepare_cached("DELETE FROM coverage WHERE series = ? AND first = ?")?;
    for first in &delta.removed {
        delete.execute([series, *first])?;
    }
    let mut insert =
        catalog.prepare_cached("INSERT INTO coverage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
    for piece in &delta.added {
        insert.execute(params![
            series,
            piece.interval.first,
            piece.interval.stop,
            piece.state as u8,
            piece.reason as u8,
            piece.segment,
            piece.attempt,
            piece.fetched_at,
            piece.recheck_after,
            mark_of_piece(series, piece),
        ])?;
    }
    Ok(())
}

/// Enters a segment, and gives its number, which no other ever had.
pub(super) fn insert(catalog: &Connection, series: i64, segment: &Segment) -> Result<i64> {
    let highest = "SELECT coalesce(max(id), 0) FROM segments";
    let highest: i64 = catalog
        .prepare_cached(highest)?
        .query_row([], |row| row.get(0))?;
    let id = segment.created.max(highest.saturating_add(1));
    catalog
        .prepare_cached("INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?
        .execute(params![
            id,
            series,
            segment.name,
            segment.span.first,
            segment.span.stop,
            segment.rows,
            segment.bytes,
            segment.digest.0,
            segment.created,
            segment.about,
            mark_of_segment(series, id, segment),
        ])?;
    Ok(id)
}

/// A segment counts no longer; its file is removed later.
pub(super) fn bury(catalog: &Connection, series: i64, id: i64, name: &str, now: i64) -> Result<()> {
    catalog
        .prepare_cached("INSERT INTO dead VALUES (?, ?, ?)")?
        .execute(params![series, name, now])?;
    catalog
        .prepare_cached("DELETE FROM segments WHERE id = ?")?
        .execute([id])
        .map(drop)
}

/// The files of segments that count no longer: since before a time, and since it.
pub(super) fn dead(
    catalog: &Connection,
    series: i64,
    before: i64,
) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
    let mut query = catalog.prepare("SELECT name, since FROM dead WHERE series = ?")?;
    let rows = query.query_map([series], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (mut old, mut fresh) = (BTreeSet::new(), BTreeSet::new());
    for row in rows {
        let (name, since): (String, i64) = row?;
        if since <= before {
            old.insert(name)
        } else {
            fresh.insert(name)
        };
    }
    Ok((old, fresh))
}

/// Forgets the files of segments that are removed.
pub(super) fn forget_dead(catalog: &Connection, series: i64, before: i64) -> Result<()> {
    let forget = "DELETE FROM dead WHERE series = ? AND since <= ?";
    catalog.execute(forget, [series, before]).map(drop)
}

/// Counts the file of a cut in: one that no catalog names is of a change that never was.
pub(super) fn note_cut(catalog: &Connection, series: i64, name: &str) -> Result<()> {
    let note = "INSERT INTO cuts VALUES (?, ?)";
    catalog.execute(note, params![series, name]).map(drop)
}

/// The files of cuts.
pub(super) fn cuts(catalog: &Connection, series: i64) -> Result<BTreeSet<String>> {
    let mut query = catalog.prepare("SELECT name FROM cuts WHERE series = ?")?;
    let rows = query.query_map([series], |row| row.get(0))?;
    rows.collect()
}

/// Forgets the file of a cut.
pub(super) fn forget_cut(catalog: &Connection, series: i64, name: &str) -> Result<()> {
    let forget = "DELETE FROM cuts WHERE series = ? AND name = ?";
    catalog.execute(forget, params![series, name]).map(drop)
}

/// Sets how the values of a series look.
pub(super) fn set_form(
    catalog: &Connection,
    name: &Name,
    form: &str,
    seal: Option<&Mac>,
) -> Result<()> {
    let columns = Head::COLUMNS;
    let query = format!("SELECT {columns} FROM series WHERE digest = ?");
    let mut head = catalog.query_row(&query, [name.digest.0], Head::of)?;
    head.form = Some(form.to_owned());
    head.seal = seal.copied();
    let set = "UPDATE series SET form = ?, seal = ?, mark = ? WHERE id = ?";
    catalog
        .execute(set, params![head.form, head.seal, head.mark(), head.id])
        .map(drop)
}

/// Moves a series on to its next revision.
pub(super) fn move_on(catalog: &Connection, series: i64, adopted: bool) -> Result<()> {
    let moved = "UPDATE series SET revision = revision + 1, adopted = ? WHERE id = ?";
    catalog
        .prepare_cached(moved)?
        .execute(params![adopted, series])
        .map(drop)
}

fn check(found: i64, right: i64, column: usize) -> Result<()> {
    if found == right {
        Ok(())
    } else {
        Err(lie(
            column,
            "a row of the catalog is not what was written".into(),
        ))
    }
}

fn lie(column: usize, what: String) -> Error {
    Error::FromSqlConversionFailure(column, Type::Integer, what.into())
}

/// What the mark of a row is made over.
struct Marked(Vec<u8>);

impl Marked {
    fn new(table: &str) -> Self {
        let mut marked = Self(Vec::new());
        marked.bytes(table.as_bytes());
        marked
    }

    fn numbers(&mut self, numbers: &[i64]) {
        for number in numbers {
            self.0.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0
            .extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn optional(&mut self, bytes: Option<&[u8]>) {
        self.0.push(u8::from(bytes.is_some()));
        self.bytes(bytes.unwrap_or_default());
    }

    fn done(self) -> i64 {
        let mut own = [0; 8];
        own.copy_from_slice(&Digest::of(&self.0).0[..8]);
        i64::from_le_bytes(own)
    }
}
