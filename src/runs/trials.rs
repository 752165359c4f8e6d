//! What was tried in a family of backtests, kept so that its figures cost nothing to look at: counts,
//! sums of Sharpe ratios by the length of their periods, and sums of standardised returns by sessions.
//!
//! Of the runs of a trial, the one that was recorded first last counts; where it goes elsewhere, the
//! one before it does.

use super::axes;
use super::correlation::standardised;
use super::marked::{marked, unmarked};
use super::record::{OnAxis, Record, Role};
use super::rows::{Found, lies, numbered};
use super::schema::{entered, number_of};
use super::sums::Sums;
use crate::digest::Digest;
use crate::format::{Reader as Fields, Writer};
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

/// A family of backtests.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Its number.
    pub number: i64,
    /// The strategy's name.
    pub strategy: String,
    /// Which data set.
    pub dataset: String,
    /// What that is used for.
    pub purpose: String,
    /// How many trials it has.
    pub trials: i64,
    /// Moves on whenever a trial does.
    pub version: i64,
    /// What is remembered of its overfitting, and of which version.
    pub overfitting: Option<(Vec<u8>, i64)>,
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

const COLUMNS: &str = "number, body, overfitting";

/// A family by its names.
pub fn find(
    index: &Connection,
    (strategy, dataset, purpose): (&str, &str, &str),
) -> Result<Option<Family>> {
    let Some(number) = number_of(index, strategy)? else {
        return Ok(None);
    };
    let found = index
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM families WHERE strategy = ? AND dataset = ? AND purpose = ?"
        ))?
        .query_row(params![number, dataset, purpose], Family::of)
        .optional()?;
    Ok(found.filter(|found| found.strategy == strategy))
}

/// All families, or those of a strategy.
pub fn families(index: &Connection, strategy: Option<&str>) -> Result<Vec<Family>> {
    let number = match strategy {
        None => None,
        Some(strategy) => match number_of(index, strategy)? {
            None => return Ok(Vec::new()),
            known => known,
        },
    };
    let mut query = index.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM families WHERE ?1 IS NULL OR strategy = ?1 ORDER BY number"
    ))?;
    query.query_map([number], Family::of)?.collect()
}

/// The number of a family, which is entered where it is new.
pub fn entered_family(index: &Connection, names: (&str, &str, &str)) -> Result<i64> {
    let (strategy, dataset, purpose) = names;
    let number = entered(index, strategy)?;
    let known = index
        .prepare_cached(
            "SELECT number FROM families WHERE strategy = ? AND dataset = ? AND purpose = ?",
        )?
        .query_row(params![number, dataset, purpose], |row| row.get(0))
        .optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    let family = index
        .prepare_cached(
            "INSERT INTO families (strategy, dataset, purpose, body) VALUES (?, ?, ?, x'')",
        )?
        .insert(params![number, dataset, purpose])?;
    let new = Family {
        number: family,
        strategy: strategy.to_owned(),
        dataset: dataset.to_owned(),
        purpose: purpose.to_owned(),
        trials: 0,
        version: 0,
        overfitting: None,
    };
    new.write(index)?;
    Ok(family)
}

fn moved_on(index: &Connection, family: i64, trials: i64) -> Result<()> {
    let mut found = index
        .prepare_cached(&format!("SELECT {COLUMNS} FROM families WHERE number = ?"))?
        .query_row([family], Family::of)?;
    found.trials += trials;
    found.version += 1;
    found.write(index)
}

/// Remembers what was found of the overfitting of a version of a family.
pub fn remember(index: &Connection, family: i64, version: i64, found: &[u8]) -> Result<()> {
    index
        .prepare_cached("UPDATE families SET overfitting = ? WHERE number = ?")?
        .execute(params![
            marked(&[family], &[&version.to_le_bytes(), found].concat()),
            family
        ])
        .map(drop)
}

impl Family {
    fn of(row: &rusqlite::Row<'_>) -> Result<Self> {
        let number: i64 = row.get(0)?;
        let mut reader = Fields::new(unmarked(&[number], row.get_ref(1)?.as_blob()?)?);
        let remembered = row.get_ref(2)?.as_blob_or_null()?;
        let remembered = remembered
            .map(|bytes| unmarked(&[number], bytes))
            .transpose()?;
        let mut read = || {
            Ok(Self {
                number,
                strategy: reader.text()?.to_owned(),
                dataset: reader.text()?.to_owned(),
                purpose: reader.text()?.to_owned(),
                trials: reader.i64()?,
                version: reader.i64()?,
                overfitting: remembered
                    .and_then(|bytes| bytes.split_first_chunk())
                    .map(|(version, found)| (found.to_vec(), i64::from_le_bytes(*version))),
            })
        };
        read().map_err(lies)
    }

    fn write(&self, index: &Connection) -> Result<()> {
        let mut body = Writer::new();
        for text in [&self.strategy, &self.dataset, &self.purpose] {
            body.bytes(text.as_bytes());
        }
        body.i64(self.trials);
        body.i64(self.version);
        index
            .prepare_cached("UPDATE families SET body = ? WHERE number = ?")?
            .execute(params![marked(&[self.number], &body.finish()), self.number])
            .map(drop)
    }
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
