//! What each event makes of the index.

use super::axes::{self, OnAxis};
use super::event::{Event, Failure, Split};
use super::frame::Place;
use super::marked::{marked, unmarked};
use super::rankings::{rank, unrank};
use super::record::{AnswerAt, Record};
use super::rows::{self, Found, State, content_of, count_one, entered_content, find, lies};
use super::schema::entered;
use super::{families, trials};
use crate::digest::Digest;
use crate::error::Result as OurResult;
use crate::format::{Reader, Writer};
use rusqlite::{Connection, OptionalExtension, Result, params};

/// Enters an event whose frame lies at a place of the log. `series` gives the returns of a run.
pub fn apply(
    index: &Connection,
    event: Event,
    place: Place,
    series: trials::Reader<'_>,
) -> Result<()> {
    match event {
        Event::Recorded {
            record,
            series: own,
            answer,
        } => record_run(index, *record, (own.as_ref(), answer), place, series),
        Event::Payload(_) => Ok(()),
        Event::Axis(digest, width, bins) => axes::enter(index, digest, width, &bins),
        Event::Code(digest, parts) => {
            let query = "INSERT OR REPLACE INTO codes VALUES (?, ?)";
            enter_text(index, query, digest, &parts)
        }
        Event::Frame(digest, about) => {
            let query = "INSERT OR REPLACE INTO frames VALUES (?, ?)";
            enter_text(index, query, digest, &about)
        }
        Event::Pinned(run, pinned) => change(index, run, |found| found.pinned = pinned),
        Event::Answered(run, answer) => change(index, run, |found| {
            found.state = State::Whole;
            found.answer = answer.seen_from(place.0);
        }),
        Event::Pruned(run, answer) => change(index, run, |found| {
            found.state = State::Pruned;
            found.answer = answer.seen_from(place.0);
        }),
        Event::Deleted(run) => delete(index, run),
        Event::Failed(failure) => fail(index, &failure),
        Event::Split(split) => enter_split(index, &split),
    }
}

fn record_run(
    index: &Connection,
    record: Record,
    (own, answer): (Option<&OnAxis>, AnswerAt),
    place: Place,
    series: trials::Reader<'_>,
) -> Result<()> {
    let before = find(index, record.run)?;
    // A run that is computed again keeps its time and its family: what was tried there was tried.
    let record = match &before {
        Some(Found { record: first, .. }) => Record {
            at_ns: first.at_ns,
            dataset: first.dataset.clone(),
            purpose: first.purpose.clone(),
            ..record
        },
        None => record,
    };
    let names = (&*record.strategy, &*record.dataset, &*record.purpose);
    let family = families::entered_family(index, names)?;
    if let Some(before) = &before {
        trials::leave(index, before, series)?;
        if before.state != State::Deleted {
            unrank_run(index, before)?;
        }
    }
    index
        .prepare_cached("DELETE FROM failures WHERE run = ?")?
        .execute([record.run.0])?;
    let number = before.as_ref().map(|before| Ok(before.number));
    let found = Found {
        number: number.unwrap_or_else(|| rows::next_number(index))?,
        family,
        state: State::Whole,
        pinned: before.as_ref().is_some_and(|before| before.pinned),
        place,
        answer: answer.seen_from(place.0),
        record,
    };
    let record = &found.record;
    let content = entered_content(index, record.data)?;
    found.write(index, entered(index, &record.strategy)?, content)?;
    rank(index, record, found.number, content)?;
    count_one(index, &record.strategy, 1)?;
    trials::enter(index, &found, own, series)
}

fn unrank_run(index: &Connection, found: &Found) -> Result<()> {
    let record = &found.record;
    let content = content_of(index, record.data)?.unwrap_or_default();
    unrank(index, record, found.number, content)?;
    count_one(index, &record.strategy, -1)
}

/// Changes a run that was not deleted.
fn change(index: &Connection, run: Digest, change: impl FnOnce(&mut Found)) -> Result<()> {
    let found = find(index, run)?.filter(|found| found.state != State::Deleted);
    found.map_or(Ok(()), |mut found| {
        change(&mut found);
        found.update(index)
    })
}

/// A run leaves the rankings; what was tried was tried.
fn delete(index: &Connection, run: Digest) -> Result<()> {
    let Some(mut found) = find(index, run)?.filter(|found| found.state != State::Deleted) else {
        return Ok(());
    };
    unrank_run(index, &found)?;
    found.state = State::Deleted;
    found.pinned = false;
    found.answer = AnswerAt::Nowhere;
    found.update(index)
}

fn enter_text(index: &Connection, query: &str, digest: Digest, text: &str) -> Result<()> {
    let mut body = Writer::new();
    body.raw(&digest.0);
    body.bytes(text.as_bytes());
    index
        .prepare_cached(query)?
        .execute(params![digest.0, marked(&[], &body.finish())])
        .map(drop)
}

/// The digest and the text of a row that `apply` has entered.
pub fn text_of(body: &[u8]) -> Result<(Digest, String)> {
    read_marked(&[], body, |reader| {
        Ok((reader.digest()?, reader.text()?.to_owned()))
    })
}

fn fail(index: &Connection, failure: &Failure) -> Result<()> {
    let names = (&*failure.strategy, &*failure.dataset, &*failure.purpose);
    let family = families::entered_family(index, names)?;
    let mut body = Writer::new();
    failure.write(&mut body);
    let key = [family, failure.at_ns];
    index
        .prepare_cached("INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?)")?
        .execute(params![
            failure.run,
            family,
            failure.at_ns,
            marked(&key, &body.finish())
        ])
        .map(drop)
}

/// The backtests of a family that raised, in order.
pub fn failures(index: &Connection, family: i64) -> Result<Vec<Failure>> {
    let mut query =
        index.prepare_cached("SELECT at, body FROM failures WHERE family = ? ORDER BY at, run")?;
    let rows = query.query_map([family], |row| {
        read_marked(
            &[family, row.get(0)?],
            row.get_ref(1)?.as_blob()?,
            Failure::read,
        )
    })?;
    rows.collect()
}

fn enter_split(index: &Connection, split: &Split) -> Result<()> {
    let [train, test] = split.data;
    let mut body = Writer::new();
    split.write(&mut body);
    let key = [split.fold, split.version];
    let body = marked(&key, &body.finish());
    index
        .prepare_cached("INSERT OR REPLACE INTO splits VALUES (?, ?, ?, ?, ?, ?)")?
        .execute(params![
            split.split,
            split.fold,
            split.version,
            train,
            test,
            body
        ])
        .map(drop)
}

/// The versions of folds in the order of these: of a fold, of a split, or all.
pub fn splits(index: &Connection, split: Option<&str>, fold: Option<i64>) -> Result<Vec<Split>> {
    let which = match (split, fold) {
        (Some(_), Some(_)) => "split = ?1 AND fold = ?2",
        (Some(_), None) => "split = ?1 AND ?2 IS NULL",
        (None, _) => "?1 IS NULL AND ?2 IS ?2",
    };
    let mut query = index.prepare_cached(&format!(
        "SELECT fold, version, body FROM splits WHERE {which} ORDER BY split, fold, version"
    ))?;
    let rows = query.query_map(params![split, fold], |row| {
        let key = [row.get(0)?, row.get(1)?];
        read_marked(&key, row.get_ref(2)?.as_blob()?, Split::read)
    })?;
    rows.collect()
}

/// Whether some data is that of a test fold, and of no fold to train with.
pub fn is_test(index: &Connection, data: Digest) -> Result<bool> {
    index
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM splits WHERE test = ?1)
                AND NOT EXISTS (SELECT 1 FROM splits WHERE train = ?1)",
        )?
        .query_row([data.0], |row| row.get(0))
}

/// What the digest of code stands for.
pub fn code(index: &Connection, code: Digest) -> Result<Option<String>> {
    let found = index
        .prepare_cached("SELECT body FROM codes WHERE code = ?")?
        .query_row([code.0], |row| text_of(row.get_ref(0)?.as_blob()?))
        .optional()?;
    Ok(found
        .filter(|(digest, _)| *digest == code)
        .map(|(_, text)| text))
}

/// Digests and texts of all rows of a table of such.
pub fn texts(index: &Connection, table: &str) -> Result<Vec<(Digest, String)>> {
    let mut query = index.prepare_cached(&format!("SELECT body FROM {table}"))?;
    let rows = query.query_map([], |row| text_of(row.get_ref(0)?.as_blob()?))?;
    rows.collect()
}

fn read_marked<T>(
    key: &[i64],
    body: &[u8],
    read: impl FnOnce(&mut Reader<'_>) -> OurResult<T>,
) -> Result<T> {
    read(&mut Reader::new(unmarked(key, body)?)).map_err(lies)
}
