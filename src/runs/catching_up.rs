//! An index that is behind the log is brought up; and a log that is shorter than the index says is
//! given back what the index still knows.

use super::book::series_of;
use super::event::{Event, Failure};
use super::families::families;
use super::frame::{Place, Step, Walk, frames};
use super::record::AnswerAt;
use super::rows::{Found, State};
use super::schema::{Progress, clear};
use super::tables::{apply, failures, splits, texts};
use crate::clock;
use crate::store::{LockedLog, outside};
use rusqlite::{Connection, Result};
use std::time::Duration;

/// How long others wait at most while an index is made anew, before it is their turn.
const TURN: Duration = Duration::from_millis(500);

/// Enters what the log has and the index has not; says whether that is all of it by now.
pub fn catch_up(index: &Connection, log: &LockedLog) -> Result<bool> {
    let mut progress = Progress::of(index)?;
    let is_shorter = log.length().map_err(outside)? < progress.applied;
    let has_more = is_shorter || log.has_more(progress.applied).map_err(outside)?;
    if progress.is_complete && !has_more {
        return Ok(true);
    }
    if is_shorter {
        restore(index, log)?;
        clear(index)?;
        progress = Progress::default();
    }
    let until = clock::monotonic() + TURN;
    let mut walk = Walk::of(log, progress.applied).map_err(outside)?;
    let mut is_known = progress.applied == 0;
    while let Some(step) = walk.step().map_err(outside)? {
        if !is_known && matches!(step, Step::Damage) {
            // It may be another log than the one that the index was made of.
            clear(index)?;
            progress = Progress::default();
            walk = Walk::of(log, 0).map_err(outside)?;
            is_known = true;
            continue;
        }
        is_known = true;
        match step {
            Step::Event(place, event) => apply(index, event, place, &|run| series_of(log, run))?,
            Step::Unknown | Step::Damage => progress.damaged += 1,
            Step::Torn(from) => {
                log.cut(from).map_err(outside)?;
                progress.applied = from;
                break;
            }
            Step::Room(from) => {
                progress.applied = from;
                break;
            }
        }
        progress.applied = walk.at();
        if clock::monotonic() > until {
            break;
        }
    }
    let is_over = walk.is_over();
    progress.is_complete |= is_over;
    progress.note(index)?;
    Ok(is_over)
}

/// Puts what the index knows and the log has lost at the end of the log.
fn restore(index: &Connection, log: &LockedLog) -> Result<()> {
    let end = Walk::of(log, 0).and_then(Walk::end).map_err(outside)?;
    let mut events = lost_runs(index, end)?;
    for (code, parts) in texts(index, "codes")? {
        events.push(Event::Code(code, parts));
    }
    for (frame, about) in texts(index, "frames")? {
        events.push(Event::Frame(frame, about));
    }
    for family in families(index, None)? {
        let failures: Vec<Failure> = failures(index, family.number)?;
        events.extend(failures.into_iter().map(Event::Failed));
    }
    events.extend(splits(index, None, None)?.into_iter().map(Event::Split));
    let (bytes, _) = frames(&events);
    log.append(end, &bytes).map_err(outside)
}

/// Runs whose frames lie behind the end of the log: their returns are gone, and their answers, but for
/// those in files.
fn lost_runs(index: &Connection, end: u64) -> Result<Vec<Event>> {
    let columns = Found::COLUMNS;
    let mut query = index.prepare(&format!("SELECT {columns} FROM runs ORDER BY number"))?;
    let mut events = Vec::new();
    let is_there = |(place, length): Place| place + length as u64 <= end;
    for found in query.query_map([], Found::of)? {
        let found = found?;
        let run = found.record.run;
        let answer = match found.answer {
            AnswerAt::Log(..) => AnswerAt::Nowhere,
            other => other,
        };
        if !is_there(found.place) {
            events.push(Event::Recorded {
                record: Box::new(found.record),
                series: None,
                answer,
            });
        }
        match found.state {
            State::Whole if is_there(found.place) || matches!(answer, AnswerAt::File(_)) => {}
            State::Pruned if matches!(found.answer, AnswerAt::Log(place, _) if place < end) => {}
            State::Whole | State::Pruned => events.push(Event::Pruned(run, answer)),
            State::Deleted => events.push(Event::Deleted(run)),
        }
        if found.pinned {
            events.push(Event::Pinned(run, true));
        }
    }
    Ok(events)
}
