//! Runs that are recorded, and what becomes of them.

use super::answers::{Answer, Files, forget, is_whole};
use super::axes::{self, OnAxis};
use super::book::Runs;
use super::event::{Event, Failure, Split};
use super::frame::length_of_payload;
use super::record::{AnswerAt, Record};
use super::returns::{EquityKind, Kept};
use super::rows::{Found, State, find};
use super::{families, tables};
use crate::digest::Digest;
use crate::error::Result;
use crate::store::outside;
use rusqlite::Connection;

impl Runs {
    /// Records a run, or records it anew: then it keeps the time when it was computed first.
    ///
    /// # Errors
    /// It can't be written: then it is as it was before.
    pub fn record(
        &self,
        record: &Record,
        kept: Option<(Kept, EquityKind)>,
        answer: &Answer,
    ) -> Result<()> {
        self.put(record.run, answer, |index, _, at| {
            let axis = kept.as_ref().map(|kept| on_axis(index, kept)).transpose()?;
            let (axis, series) = axis.unzip();
            let recorded = Event::Recorded {
                record: Box::new(record.clone()),
                series,
                answer: at,
            };
            Ok(axis.flatten().into_iter().chain([recorded]).collect())
        })
    }

    /// Gives a run another answer, if it is there.
    ///
    /// # Errors
    /// It can't be written: then it has the one that it had.
    pub fn replace(&self, run: Digest, answer: &Answer) -> Result<()> {
        self.put(run, answer, |_, before, at| {
            let is_there = before.is_some_and(|before| before.state != State::Deleted);
            let answered = is_there.then_some(Event::Answered(run, at));
            Ok(answered.into_iter().collect())
        })
    }

    /// Writes an answer, and enters what `happens` to the run that it is of, if anything does. The
    /// last of that says where the answer is.
    fn put(
        &self,
        run: Digest,
        answer: &Answer,
        mut happens: impl FnMut(&Connection, Option<&Found>, AnswerAt) -> rusqlite::Result<Vec<Event>>,
    ) -> Result<()> {
        let mut files = Files::of(self, answer)?;
        let mut before = None;
        let entered = self.enter(|index, _| {
            before = find(index, run)?;
            let at = files.place(answer, before.as_ref());
            let mut events = happens(index, before.as_ref(), at)?;
            if let Some(last) = events.len().checked_sub(1) {
                files.put(self, run, before.as_ref()).map_err(outside)?;
                if matches!(at, AnswerAt::Log(..)) {
                    events.insert(last, Event::Payload(answer.payload.clone()));
                }
            }
            Ok(events)
        });
        match entered {
            Ok(log) => {
                if before.is_some() || !files.is_put {
                    files.tidy(self, run);
                }
                forget(&log, before.as_ref());
                Ok(())
            }
            Err(refused) => {
                if files.is_put && refused.log.is_some() && !is_whole(before.as_ref()) {
                    self.files.remove(run);
                }
                Err(refused.error)
            }
        }
    }

    /// Enters what happens to a run that is there, and then removes its files.
    fn without_files(&self, run: Digest, events: &[Event]) -> Result<()> {
        let mut before = None;
        let log = self.enter(|index, _| {
            before = find(index, run)?.filter(|found| found.state != State::Deleted);
            Ok(before.as_ref().map_or(Vec::new(), |_| events.to_vec()))
        })?;
        if before.is_some() {
            self.files.remove(run);
            forget(&log, before.as_ref());
        }
        Ok(())
    }

    /// Spares a run from pruning, or no longer.
    ///
    /// # Errors
    /// It can't be written.
    pub fn pin(&self, run: Digest, pinned: bool) -> Result<()> {
        let entered = self.enter(|index, _| {
            let found = find(index, run)?.filter(|found| found.state != State::Deleted);
            let changes = found.is_some_and(|found| found.pinned != pinned);
            let event = changes.then_some(Event::Pinned(run, pinned));
            Ok(event.into_iter().collect())
        });
        Ok(entered.map(drop)?)
    }

    /// Leaves a run its metrics, and the payload of these.
    ///
    /// # Errors
    /// It can't be written.
    pub fn prune(&self, run: Digest, payload: Vec<u8>) -> Result<()> {
        let length = length_of_payload(payload.len()) as u64;
        let pruned = Event::Pruned(run, AnswerAt::Log(length, length));
        self.without_files(run, &[Event::Payload(payload), pruned])
    }

    /// Removes a run; the ledger keeps what was tried.
    ///
    /// # Errors
    /// It can't be written.
    pub fn delete(&self, run: Digest) -> Result<()> {
        self.without_files(run, &[Event::Deleted(run)])
    }

    /// Notes that a backtest raised.
    ///
    /// # Errors
    /// It can't be written.
    pub fn fail(&self, failure: &Failure) -> Result<()> {
        self.note(|_| Ok(Some(Event::Failed(failure.clone()))))
    }

    /// Notes what the digest of code stands for, unless that is known.
    ///
    /// # Errors
    /// It can't be written.
    pub fn note_code(&self, code: Digest, parts: &str) -> Result<()> {
        if self.code(code)?.is_some() {
            return Ok(());
        }
        self.note(|index| {
            let is_new = tables::code(index, code)?.is_none();
            Ok(is_new.then(|| Event::Code(code, parts.to_owned())))
        })
    }

    /// Notes a fold of a walk-forward split.
    ///
    /// # Errors
    /// It can't be written.
    pub fn note_split(&self, split: &Split) -> Result<()> {
        self.note(|_| Ok(Some(Event::Split(split.clone()))))
    }

    /// Keeps rows that frames of splits are made of.
    ///
    /// # Errors
    /// They can't be written.
    pub fn put_frame(&self, digest: Digest, payload: &[u8], about: &str) -> Result<()> {
        self.files.put_frame(digest, payload)?;
        self.note(|_| Ok(Some(Event::Frame(digest, about.to_owned()))))
    }

    fn note(
        &self,
        mut event: impl FnMut(&Connection) -> rusqlite::Result<Option<Event>>,
    ) -> Result<()> {
        let entered = self.enter(|index, _| Ok(event(index)?.into_iter().collect()));
        Ok(entered.map(drop)?)
    }

    /// Remembers what was found of the overfitting of a version of a family.
    ///
    /// # Errors
    /// It can't be written.
    pub fn remember_overfitting(&self, family: i64, version: i64, found: &[u8]) -> Result<()> {
        self.change(|index| families::remember(index, family, version, found))
    }

    /// Removes the files of runs that nobody knows; how many folders that were.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn collect(&self) -> Result<usize> {
        let mut removed = 0;
        for (run, is_old) in self.files.names() {
            if !is_old || is_whole(self.find(run)?.as_ref()) {
                continue;
            }
            // Somebody may record it just now.
            let _log = self.files.lock_log()?;
            if !is_whole(self.find(run)?.as_ref()) {
                self.files.remove(run);
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// Returns on their axis, and that axis where it is new.
fn on_axis(
    index: &Connection,
    (kept, kind): &(Kept, EquityKind),
) -> rusqlite::Result<(Option<Event>, OnAxis)> {
    let axis = axes::digest(kept.width, &kept.bins);
    let is_new = !axes::is_known(index, axis)?;
    let series = OnAxis {
        axis: axis.0,
        kind: *kind,
        returns: kept.returns.clone(),
    };
    let new = is_new.then(|| Event::Axis(axis, kept.width, kept.bins.clone()));
    Ok((new, series))
}
