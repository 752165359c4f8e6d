//! The runs of a store: a log of all that happens to them, an index that is made of it, and files of
//! what they returned.
//!
//! What is in the log has happened. An event is on the medium there before the index has it, and the
//! files of a run are there before its event: a run is whole or absent. Whoever finds the log ahead of
//! the index (a process was killed, or the power was lost) brings it up first; whoever finds the index
//! gone or damaged makes it anew.

use super::axes::OnAxis;
use super::catching_up::catch_up;
use super::event::Event;
use super::frame::{Place, frames};
use super::rows::Found;
use super::schema::{Progress, SCHEMA};
use super::tables::apply;
use crate::error::{Error, Kind, Result};
use crate::store::{Database, FileIdentity, Home, LockedLog, RunFiles, RunLog, outside};
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// How often a question is asked again since the index was replaced under it.
const TRIES: usize = 4;

/// The runs of a store; one connection a process.
#[derive(Debug)]
pub struct Runs {
    pub(super) files: RunFiles,
    index: Database,
    /// One thread writes at a time; others need not poll for the log's lock.
    writing: Mutex<()>,
    /// Whether this process has seen the index as far as the log.
    is_caught_up: AtomicBool,
}

/// What was not entered, while the log is still locked: what was prepared for it can be undone.
pub(super) struct Refused {
    pub(super) error: Error,
    pub(super) log: Option<LockedLog>,
}

impl From<Error> for Box<Refused> {
    fn from(error: Error) -> Self {
        Self::new(Refused { error, log: None })
    }
}

impl From<Box<Refused>> for Error {
    fn from(refused: Box<Refused>) -> Self {
        refused.error
    }
}

impl Runs {
    /// The runs in a folder; the index is opened when it is first needed.
    #[must_use]
    pub fn of(files: RunFiles) -> Self {
        Self {
            index: Database::of(Box::new(files.clone()), SCHEMA),
            files,
            writing: Mutex::new(()),
            is_caught_up: AtomicBool::new(false),
        }
    }

    /// The folder around them.
    #[must_use]
    pub fn files(&self) -> &RunFiles {
        &self.files
    }

    /// Enters what happens, in the log and then in the index, and gives the log, still locked. `happens`
    /// says what that is, as the index is then; where it is nothing, nothing is written.
    pub(super) fn enter(
        &self,
        mut happens: impl FnMut(&Connection, &LockedLog) -> rusqlite::Result<Vec<Event>>,
    ) -> std::result::Result<LockedLog, Box<Refused>> {
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entered: Option<Place> = None;
        loop {
            let log = self.files.lock_log()?;
            let done = self.index.change(|index| {
                if !catch_up(index, &log)? {
                    return Ok(false);
                }
                if entered.is_none() {
                    let events = happens(index, &log)?;
                    entered = Some(append(index, &log, events)?);
                }
                Ok(true)
            });
            match done {
                Ok(true) => return Ok(log),
                // It is a long way: others may have a turn.
                Ok(false) => {}
                Err(error) => {
                    take_back(&log, entered);
                    let log = Some(log);
                    return Err(Box::new(Refused { error, log }));
                }
            }
        }
    }

    /// Asks the index, and sees one state of it, in which everything is that was entered before.
    pub(super) fn ask<T>(
        &self,
        mut query: impl FnMut(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let mut may_look = true;
        for _ in 0..TRIES {
            let (progress, found) = self.index.ask(|index| {
                let progress = Progress::of(index)?;
                let found = progress.is_complete.then(|| query(index)).transpose()?;
                Ok((progress, found))
            })?;
            let is_behind = may_look && self.files.has_more(progress.applied);
            let was_caught_up = self.is_caught_up.load(Ordering::Relaxed);
            match found.filter(|_| was_caught_up || !is_behind) {
                Some(found) if !is_behind => {
                    self.is_caught_up.store(true, Ordering::Relaxed);
                    return Ok(found);
                }
                // Of somebody who is writing it now, or who died: then nobody has the lock.
                Some(found) => {
                    let log = self.files.try_lock_log().ok().flatten();
                    if log.is_none_or(|log| self.bring_up(log).is_err()) {
                        return Ok(found);
                    }
                }
                None => match self.files.lock_log().and_then(|log| self.bring_up(log)) {
                    Err(error) if !progress.is_complete => return Err(error),
                    _ => {}
                },
            }
            self.is_caught_up.store(true, Ordering::Relaxed);
            may_look = !progress.is_complete;
        }
        let path = self.files.index_path();
        let what = format!(
            "the index of runs `{}` is replaced again and again",
            path.display()
        );
        Err(Error::new(Kind::Io, what))
    }

    /// Brings the index up to the end of the log.
    fn bring_up(&self, mut log: LockedLog) -> Result<()> {
        while !self.index.change(|index| catch_up(index, &log))? {
            // It is a long way: others may have a turn.
            drop(log);
            log = self.files.lock_log()?;
        }
        Ok(())
    }

    /// Changes what is in the index alone.
    pub(super) fn change(
        &self,
        work: impl FnMut(&Connection) -> rusqlite::Result<()>,
    ) -> Result<()> {
        self.index.change(work)
    }

    /// How many stretches of the log can't be read: what happened there is not known.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn damaged(&self) -> Result<u64> {
        self.ask(|index| Ok(Progress::of(index)?.damaged))
    }
}

/// Puts events at the end of the log, and into the index, which is up to there.
fn append(index: &Connection, log: &LockedLog, events: Vec<Event>) -> rusqlite::Result<Place> {
    let progress = Progress::of(index)?;
    let start = progress.applied;
    if events.is_empty() {
        return Ok((start, 0));
    }
    let (bytes, lengths) = frames(&events);
    log.append(start, &bytes).map_err(outside)?;
    let applied = (|| {
        let mut place = start;
        for (event, length) in events.into_iter().zip(lengths) {
            apply(index, event, (place, length), &|run| series_of(log, run))?;
            place += length as u64;
        }
        let applied = place;
        Progress {
            applied,
            ..progress
        }
        .note(index)
    })();
    if applied.is_err() {
        take_back(log, Some((start, bytes.len())));
    }
    applied.map(|()| (start, bytes.len()))
}

/// Takes the last that was appended out of the log again; where that fails, it has happened.
fn take_back(log: &LockedLog, entered: Option<Place>) {
    if let Some((start, length)) = entered
        && !log.has_more(start + length as u64).unwrap_or(true)
    {
        let _ = log.cut(start);
    }
}

/// The returns of a run by session; `None` where it has none, or they can't be read.
pub(super) fn series_of(log: &RunLog, run: &Found) -> Option<OnAxis> {
    let content = super::frame::content(log, run.place).ok()??;
    match Event::read(content.slice()).ok()? {
        Event::Recorded { record, series, .. } if record.run == run.record.run => series,
        _ => None,
    }
}

impl Home for RunFiles {
    fn path(&self) -> PathBuf {
        self.index_path()
    }

    fn prepare(&self) -> PathBuf {
        self.index()
    }

    fn identity(&self) -> FileIdentity {
        self.index_identity()
    }

    fn replace(&self, damaged: FileIdentity) -> Result<()> {
        self.set_index_aside(damaged)
    }

    fn is_network(&self) -> bool {
        Self::is_network(self)
    }
}
