//! The runs of a store: a log that only grows, an index that is made of it, and files of answers.
//!
//! Files of a run are there before its frame, and the frame before its row: a run is whole or absent.

use super::axes;
use super::cscv::{BLOCKS, Trials};
use super::event::{Event, Failure, Split};
use super::rankings::{self, Ranking, Wanted};
use super::record::{OnAxis, Record};
use super::returns::{EquityKind, Kept, common};
use super::statistics::Reason;
use super::tables::{self, Found, State};
use super::trials::{self, Family, Spread};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::store::{Bytes, Database, FileIdentity, Home, RunFiles, Schema};
use rusqlite::{Connection, OptionalExtension};
use std::path::PathBuf;

const SCHEMA: Schema = Schema {
    what: "index of runs",
    tables: tables::SCHEMA,
    version: 1,
    main_table: "runs",
};

/// The runs of a store; one connection a process.
#[derive(Debug)]
pub struct Runs {
    files: RunFiles,
    index: Database,
}

/// What a backtest returned.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A small payload, which its row holds.
    Small(Vec<u8>),
    /// Files of its folder.
    Files(Vec<(String, Vec<u8>)>),
}

/// The figures of a family.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The family.
    pub family: Family,
    /// Sharpe ratios of its trials.
    pub spreads: Vec<Spread>,
    /// The average correlation of the returns of its trials; `None` where no two can be compared.
    pub correlation: Option<f64>,
}

impl Runs {
    /// The runs in a folder; the index is opened when it is first needed.
    #[must_use]
    pub fn of(files: RunFiles) -> Self {
        Self {
            index: Database::of(Box::new(files.clone()), SCHEMA),
            files,
        }
    }

    /// The folder around them.
    #[must_use]
    pub fn files(&self) -> &RunFiles {
        &self.files
    }

    /// Records a run, or records it anew: then it keeps the time when it was computed first.
    ///
    /// # Errors
    /// It can't be written: then it is absent.
    pub fn record(
        &self,
        record: &Record,
        kept: Option<(Kept, EquityKind)>,
        answer: Answer,
    ) -> Result<()> {
        let answer = match answer {
            Answer::Small(payload) => {
                self.files.remove(record.run);
                Some(payload)
            }
            Answer::Files(files) => {
                self.files.put(record.run, &files)?;
                None
            }
        };
        self.index.change(|index| {
            let series = kept.as_ref().map(|kept| self.on_axis(index, kept));
            let series = series.transpose()?;
            let before = tables::find(index, record.run)?;
            let record = Record {
                at_ns: before.map_or(record.at_ns, |before| before.record.at_ns),
                ..record.clone()
            };
            let event = Event::Recorded {
                record,
                series,
                answer: answer.clone(),
            };
            self.happen(index, &event)
        })
    }

    /// Returns on an axis that the log knows.
    fn on_axis(
        &self,
        index: &Connection,
        (kept, kind): &(Kept, EquityKind),
    ) -> rusqlite::Result<OnAxis> {
        let axis = axes::digest(kept.width, &kept.bins);
        if axes::find(index, axis.0)?.is_none() {
            self.happen(index, &Event::Axis(axis, kept.width, kept.bins.clone()))?;
        }
        Ok(OnAxis {
            axis: axis.0,
            kind: *kind,
            returns: kept.returns.clone(),
        })
    }

    /// Gives a run another answer.
    ///
    /// # Errors
    /// It can't be written.
    pub fn replace(&self, found: &Found, answer: Answer) -> Result<()> {
        let kept = self.kept(found)?;
        self.record(&found.record, kept, answer)
    }

    /// Enters what is new, in the log and then in the index.
    ///
    /// # Errors
    /// It can't be written.
    fn enter(&self, event: &Event) -> Result<()> {
        self.index.change(|index| self.happen(index, event))
    }

    fn happen(&self, index: &Connection, event: &Event) -> rusqlite::Result<()> {
        let frame = event.frame();
        let place = self.files.append(&frame).map_err(outside)?;
        let series = |place| self.series_at(place);
        tables::apply(index, event, (place, frame.len()), &series)
    }

    /// The returns in the frame at a place of the log; `None` where it can't be read.
    fn series_at(&self, (place, length): (u64, usize)) -> Option<OnAxis> {
        let frame = self.files.log_part(place, length).ok()?;
        match Event::read(frame.slice()).ok()?.0 {
            Event::Recorded { series, .. } => series,
            _ => None,
        }
    }

    /// A run by its id, whatever its state.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn find(&self, run: Digest) -> Result<Option<Found>> {
        self.index.peek(|index| tables::find(index, run))
    }

    /// The bytes of a payload of a run, in its row or in its folder.
    ///
    /// # Errors
    /// They can't be read.
    pub fn answer(&self, found: &mut Found) -> Result<Option<Bytes>> {
        match found.answer.take() {
            Some(payload) => Ok(Some(Bytes::copy(&payload))),
            None => self.files.open(found.record.run, "answer"),
        }
    }

    /// Runs that are asked for, in the order in which they were recorded first.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn select(&self, wanted: &Wanted<'_>) -> Result<Vec<Found>> {
        self.index.ask(|index| rankings::select(index, wanted))
    }

    /// The ids of runs, in the order in which they were recorded first.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn ids(&self, wanted: &Wanted<'_>) -> Result<Vec<Digest>> {
        self.index.ask(|index| rankings::ids(index, wanted))
    }

    /// How many runs there are of each strategy.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn count(&self) -> Result<Vec<(String, i64)>> {
        self.index.ask(rankings::count)
    }

    /// The best runs of a strategy by a metric.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn best(
        &self,
        of: (&str, &str),
        maximize: bool,
        most: usize,
        data: Option<Digest>,
    ) -> Result<Ranking> {
        self.index
            .ask(|index| rankings::best(index, of, maximize, most, data))
    }

    /// Spares a run from pruning, or no longer.
    ///
    /// # Errors
    /// It can't be written.
    pub fn pin(&self, run: Digest, pinned: bool) -> Result<()> {
        self.enter(&Event::Pinned(run, pinned))
    }

    /// Leaves a run its metrics, and the payload of these.
    ///
    /// # Errors
    /// It can't be written.
    pub fn prune(&self, run: Digest, payload: Vec<u8>) -> Result<()> {
        self.enter(&Event::Pruned(run, Some(payload)))?;
        self.files.remove(run);
        Ok(())
    }

    /// Removes a run; the ledger keeps what was tried.
    ///
    /// # Errors
    /// It can't be written.
    pub fn delete(&self, run: Digest) -> Result<()> {
        self.enter(&Event::Deleted(run))?;
        self.files.remove(run);
        Ok(())
    }

    /// Notes that a backtest raised.
    ///
    /// # Errors
    /// It can't be written.
    pub fn fail(&self, failure: &Failure) -> Result<()> {
        self.enter(&Event::Failed(failure.clone()))
    }

    /// The backtests of a family that raised, and never returned since.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn failures(&self, family: i64) -> Result<Vec<(Digest, i64, String)>> {
        self.index.ask(|index| {
            let mut query = index.prepare_cached(
                "SELECT run, at, about FROM failures WHERE family = ? ORDER BY at",
            )?;
            let rows = query.query_map([family], |row| {
                Ok((Digest(row.get(0)?), row.get(1)?, row.get(2)?))
            })?;
            rows.collect()
        })
    }

    /// Notes what the digest of code stands for, unless that is known.
    ///
    /// # Errors
    /// It can't be written.
    pub fn note_code(&self, code: Digest, parts: &str) -> Result<()> {
        if self.code(code)?.is_some() {
            return Ok(());
        }
        self.enter(&Event::Code(code, parts.to_owned()))
    }

    /// What the digest of code stands for.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn code(&self, code: Digest) -> Result<Option<String>> {
        self.index.peek(|index| {
            index
                .prepare_cached("SELECT parts FROM codes WHERE code = ?")?
                .query_row([code.0], |row| row.get(0))
                .optional()
        })
    }

    /// All families, or those of a strategy.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn families(&self, strategy: Option<&str>) -> Result<Vec<Family>> {
        self.index.ask(|index| trials::families(index, strategy))
    }

    /// The figures of a family; `None` where nothing was tried in it.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn standing(&self, family: (&str, &str, &str)) -> Result<Option<Standing>> {
        self.index.ask(|index| {
            let Some(family) = trials::find(index, family)? else {
                return Ok(None);
            };
            let spreads = trials::spreads(index, family.number)?;
            Ok(Some(Standing {
                spreads,
                correlation: trials::correlation(index, family.number)?,
                family,
            }))
        })
    }

    /// The runs that count for the trials of a family.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn latest(&self, family: i64) -> Result<Vec<Found>> {
        self.index.ask(|index| {
            let mut query =
                index.prepare_cached("SELECT run FROM trials WHERE family = ? ORDER BY run")?;
            let numbers: Vec<i64> = query
                .query_map([family], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            numbers
                .into_iter()
                .map(|number| tables::numbered(index, number))
                .collect()
        })
    }

    /// The returns of a run by session.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn kept(&self, found: &Found) -> Result<Option<(Kept, EquityKind)>> {
        match self.series_at(found.place) {
            Some(series) => self.index.peek(|index| axes::kept(index, series.clone())),
            None => Ok(None),
        }
    }

    /// The returns of the trials of a family, joined on the bins that all of them have, for CSCV; or
    /// why there is nothing to look at.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn joined(&self, family: i64) -> Result<std::result::Result<Trials, Reason>> {
        let places = self.index.ask(|index| trials::places(index, family))?;
        let mut all = Vec::with_capacity(places.len());
        for series in places.into_iter().filter_map(|place| self.series_at(place)) {
            all.extend(self.index.peek(|index| axes::kept(index, series.clone()))?);
        }
        Ok(joined(all))
    }

    /// Remembers what was found of the overfitting of a version of a family.
    ///
    /// # Errors
    /// It can't be written.
    pub fn remember_overfitting(&self, family: i64, version: i64, found: &[u8]) -> Result<()> {
        self.index.change(|index| {
            index
                .prepare_cached(
                    "UPDATE families SET overfitting = ?, overfitting_of = ? WHERE number = ?",
                )?
                .execute(rusqlite::params![found, version, family])
                .map(drop)
        })
    }

    /// Notes a fold of a walk-forward split.
    ///
    /// # Errors
    /// It can't be written.
    pub fn note_split(&self, split: &Split) -> Result<()> {
        self.enter(&Event::Split(split.clone()))
    }

    /// The versions of a fold, or of all folds of a split, in order.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn splits(&self, split: &str, fold: Option<i64>) -> Result<Vec<Split>> {
        self.index.ask(|index| {
            let mut query = index.prepare_cached(
                "SELECT split, fold, version, train, test, at, about FROM splits
                 WHERE split = ?1 AND (?2 IS NULL OR fold = ?2) ORDER BY fold, version",
            )?;
            let rows = query.query_map(rusqlite::params![split, fold], |row| {
                Ok(Split {
                    split: row.get(0)?,
                    fold: row.get(1)?,
                    version: row.get(2)?,
                    data: [row.get(3)?, row.get(4)?],
                    at_ns: row.get(5)?,
                    about: row.get(6)?,
                })
            })?;
            rows.collect()
        })
    }

    /// Whether some data is that of a test fold, and of no fold to train with.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn is_test(&self, data: Digest) -> Result<bool> {
        self.index.peek(|index| {
            index
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM splits WHERE test = ?1)
                        AND NOT EXISTS (SELECT 1 FROM splits WHERE train = ?1)",
                )?
                .query_row([data.0], |row| row.get(0))
        })
    }

    /// Keeps rows that frames of splits are made of.
    ///
    /// # Errors
    /// They can't be written.
    pub fn put_frame(&self, digest: Digest, payload: &[u8], about: &str) -> Result<()> {
        self.files.put_frame(digest, payload)?;
        self.enter(&Event::Frame(digest, about.to_owned()))
    }

    /// The rows that frames of splits are made of, each with what is known of it.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn frames(&self) -> Result<Vec<(Digest, String)>> {
        self.index.ask(|index| {
            let mut query = index.prepare_cached("SELECT frame, about FROM frames")?;
            let rows = query.query_map([], |row| Ok((Digest(row.get(0)?), row.get(1)?)))?;
            rows.collect()
        })
    }

    /// Removes the files of runs that nobody knows; how many folders that were.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn collect(&self) -> Result<usize> {
        self.files.sweep();
        let mut removed = 0;
        for (run, is_old) in self.files.names() {
            let is_whole = |found: Found| found.state == State::Whole && found.answer.is_none();
            if is_old && !self.find(run)?.is_some_and(is_whole) {
                self.files.remove(run);
                removed += 1;
            }
        }
        Ok(removed)
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

    fn fill(&self, index: &Connection) -> rusqlite::Result<()> {
        let Some(log) = self.log().map_err(outside)? else {
            return Ok(());
        };
        let log = log.slice();
        let series = |(place, length): (u64, usize)| {
            let start = usize::try_from(place).ok()?;
            let frame = log.get(start..start + length)?;
            match Event::read(frame).ok()?.0 {
                Event::Recorded { series, .. } => series,
                _ => None,
            }
        };
        for (place, length, event) in Event::all(log) {
            tables::apply(index, &event, (place, length), &series)?;
        }
        Ok(())
    }
}

/// Trials whose returns do not vary have no Sharpe ratio, and are left out.
fn joined(all: Vec<(Kept, EquityKind)>) -> std::result::Result<Trials, Reason> {
    let width = all.iter().map(|(kept, _)| kept.width).max();
    let width = width.ok_or(Reason::NoReturns)?;
    let coarse: Vec<Kept> = all
        .into_iter()
        .map(|(kept, kind)| kept.coarser(width, kind))
        .collect::<std::result::Result<_, _>>()?;
    let bins = common(coarse.iter().map(|kept| kept.bins.as_slice()));
    let mut trials = Trials::new(bins.len(), BLOCKS)?;
    for kept in coarse {
        match trials.push(&kept.at(&bins)) {
            Ok(()) | Err(Reason::Constant) => {}
            Err(reason) => return Err(reason),
        }
    }
    Ok(trials)
}

/// An error of ours within a question to the index.
fn outside(error: Error) -> rusqlite::Error {
    match error.kind() {
        Kind::Corrupt => tables::lies(error),
        _ => rusqlite::Error::ToSqlConversionFailure(Box::new(error)),
    }
}
