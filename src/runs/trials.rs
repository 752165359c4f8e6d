//! What was tried in a family of backtests, kept so that its figures cost nothing to look at: counts,
//! sums of Sharpe ratios by the length of their periods, and sums of standardised returns by sessions.
//!
//! Of the runs of a trial, the one that was recorded first last counts; where it goes elsewhere, the
//! one before it does.

use super::axes::{self, OnAxis};
use super::correlation::standardised;
use super::families::moved_on;
use super::marked::{marked, unmarked};
use super::record::{Record, Role};
use super::rows::{Found, numbered};
use super::sums::Sums;
use crate::digest::Digest;
use rusqlite::{Connection, OptionalExtension, Result, params};

/// Gives the returns of a run.
pub type Reader<'a> = &'a dyn Fn(&Found) -> Option<OnAxis>;

/// Sharpe ratios of one frequency.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// Nanoseconds from return to return.
    pub step_ns: i64,
    /// How many trials.
    pub count: i64,
    /// Sum of their Sharpe ratios, by period.
    pub total: f64,
    /// Sum of the squares of these.
    pub squares: f64,
}

/// One more or one less.
#[derive(Clone, Copy, PartialEq)]
enum Sign {
    More,
    Less,
}

/// A run leaves the figures of its family.
pub fn leave(index: &Connection, run: &Found, series: Reader<'_>) -> Result<()> {
    if run.record.role != Role::Trial {
        return Ok(());
    }
    let (family, trial) = (run.family, run.record.trial);
    let counted = latest(index, family, trial)?;
    index
        .prepare_cached("DELETE FROM trials WHERE family = ? AND trial = ? AND run = ?")?
        .execute(params![family, trial.0, run.number])?;
    if counted != Some(run.number) {
        return Ok(());
    }
    count(
        index,
        family,
        (&run.record, series(run).as_ref()),
        Sign::Less,
    )?;
    let next = latest(index, family, trial)?;
    if let Some(next) = next {
        let next = numbered(index, next)?;
        count(
            index,
            family,
            (&next.record, series(&next).as_ref()),
            Sign::More,
        )?;
    }
    moved_on(index, family, if next.is_none() { -1 } else { 0 })
}

/// A run enters the figures of its family.
pub fn enter(
    index: &Connection,
    run: &Found,
    own: Option<&OnAxis>,
    series: Reader<'_>,
) -> Result<()> {
    if run.record.role != Role::Trial {
        return Ok(());
    }
    let (family, trial) = (run.family, run.record.trial);
    let counted = latest(index, family, trial)?;
    index
        .prepare_cached("INSERT OR REPLACE INTO trials VALUES (?, ?, ?)")?
        .execute(params![family, trial.0, run.number])?;
    if counted.is_some_and(|counted| counted > run.number) {
        return Ok(());
    }
    if let Some(counted) = counted {
        let other = numbered(index, counted)?;
        count(
            index,
            family,
            (&other.record, series(&other).as_ref()),
            Sign::Less,
        )?;
    }
    count(index, family, (&run.record, own), Sign::More)?;
    moved_on(index, family, i64::from(counted.is_none()))
}

/// The run that counts for a trial.
fn latest(index: &Connection, family: i64, trial: Digest) -> Result<Option<i64>> {
    index
        .prepare_cached("SELECT max(run) FROM trials WHERE family = ? AND trial = ?")?
        .query_row(params![family, trial.0], |row| row.get(0))
}

/// The runs that count for the trials of a family, in the order in which they were recorded first.
pub fn all_latest(index: &Connection, family: i64) -> Result<Vec<Found>> {
    let mut query =
        index.prepare_cached("SELECT max(run) FROM trials WHERE family = ? GROUP BY trial")?;
    let numbers = query.query_map([family], |row| row.get(0))?;
    let mut numbers: Vec<i64> = numbers.collect::<Result<_>>()?;
    numbers.sort_unstable();
    let found = numbers.into_iter().map(|number| numbered(index, number));
    found.collect()
}

fn count(
    index: &Connection,
    family: i64,
    (record, series): (&Record, Option<&OnAxis>),
    sign: Sign,
) -> Result<()> {
    if let Some(sharpe) = record.moments.and_then(|moments| moments.sharpe().ok()) {
        spread(index, (family, record.step_ns), sharpe, sign)?;
    }
    match series {
        Some(series) => correlate(index, family, series, sign),
        None => Ok(()),
    }
}

fn spread(index: &Connection, key: (i64, i64), sharpe: f64, sign: Sign) -> Result<()> {
    let (family, step) = key;
    let known = index
        .prepare_cached("SELECT body FROM spreads WHERE family = ? AND step = ?")?
        .query_row([family, step], |row| {
            Sums::read(unmarked(&[family, step], row.get_ref(0)?.as_blob()?)?)
        })
        .optional()?;
    let mut sums = known.unwrap_or_default();
    sums.add(sharpe, if sign == Sign::More { 1 } else { -1 });
    index
        .prepare_cached("INSERT OR REPLACE INTO spreads VALUES (?, ?, ?)")?
        .execute(params![
            family,
            step,
            marked(&[family, step], &sums.bytes())
        ])
        .map(drop)
}

fn correlate(index: &Connection, family: i64, series: &OnAxis, sign: Sign) -> Result<()> {
    let Some((width, bins)) = axes::find(index, series.axis)? else {
        return Ok(());
    };
    let Some(scores) = standardised(&series.returns).filter(|some| some.len() == bins.len()) else {
        return Ok(());
    };
    let mut known = axes::correlations(index, family, width)?.unwrap_or_default();
    if sign == Sign::More {
        known.add(&bins, &scores);
    } else {
        let place = |bin: &i64| known.bins.binary_search(bin).ok();
        let is_in = |bin: &i64| place(bin).is_some_and(|place| known.trials[place] > 0);
        if !bins.iter().all(is_in) {
            return Ok(());
        }
        known.remove(&bins, &scores);
    }
    axes::set_correlations(index, (family, width), &known)
}

/// The Sharpe ratios of a family, by the length of their periods.
pub fn spreads(index: &Connection, family: i64) -> Result<Vec<Spread>> {
    let mut query =
        index.prepare_cached("SELECT step, body FROM spreads WHERE family = ? ORDER BY step")?;
    let rows = query.query_map([family], |row| {
        let step = row.get(0)?;
        let sums = Sums::read(unmarked(&[family, step], row.get_ref(1)?.as_blob()?)?)?;
        Ok(Spread {
            step_ns: step,
            count: sums.count(),
            total: sums.total(),
            squares: sums.squares(),
        })
    })?;
    rows.filter(|row| !matches!(row, Ok(row) if row.count == 0))
        .collect()
}

/// The average correlation of the returns of a family's trials; where these are kept in bins of
/// several widths, in those that most of them have. `None` where no two can be compared.
pub fn correlation(index: &Connection, family: i64) -> Result<Option<f64>> {
    let mut most = None;
    for width in axes::widths(index, family)? {
        let known = axes::correlations(index, family, width)?.unwrap_or_default();
        let trials = known.trials.iter().copied().max();
        if most.as_ref().is_none_or(|(before, _)| trials > *before) {
            most = Some((trials, known.mean()));
        }
    }
    Ok(most.and_then(|(_, mean)| mean))
}
