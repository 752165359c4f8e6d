//! What was tried in a family of backtests, kept so that its figures cost nothing to look at: counts,
//! sums of Sharpe ratios by the length of their periods, and sums of standardised returns by sessions.

use super::record::{Record, Role, Series};
use super::statistics::{Grid, standardised};
use super::tables::{self, Found};
use crate::digest::Digest;
use rusqlite::{Connection, OptionalExtension, Result, params};

/// Gives the returns of the run whose frame lies at a place of the log.
pub(super) type Reader<'a> = &'a dyn Fn((u64, usize)) -> Option<Series>;

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
#[derive(Clone, Debug)]
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
    More = 1,
    Less = -1,
}

impl Sign {
    fn of(self, value: f64) -> f64 {
        f64::from(self as i8) * value
    }
}

/// A run leaves the figures of its family, if it is the one that counts for its trial; says whether
/// it was. Where it goes over to another family, the trial goes with it.
pub(super) fn leave(
    index: &Connection,
    next: i64,
    run: &Found,
    series: Reader<'_>,
) -> Result<bool> {
    let family: i64 = index
        .prepare_cached("SELECT family FROM runs WHERE number = ?")?
        .query_row([run.number], |row| row.get(0))?;
    if run.record.role != Role::Trial
        || latest(index, family, run.record.trial)? != Some(run.number)
    {
        return Ok(false);
    }
    let own = series(run.place);
    count(index, family, (&run.record, own.as_ref()), Sign::Less)?;
    if family != next {
        index
            .prepare_cached("DELETE FROM trials WHERE family = ? AND trial = ?")?
            .execute(params![family, run.record.trial.0])?;
        moved_on(index, family, -1)?;
    }
    Ok(true)
}

/// A run enters the figures of its family; of several of one trial the one that is `latest` counts.
pub(super) fn enter(
    index: &Connection,
    family: i64,
    (number, record, own): (i64, &Record, Option<&Series>),
    is_latest: bool,
    series: Reader<'_>,
) -> Result<()> {
    let before = latest(index, family, record.trial)?;
    match before {
        Some(other) if other != number && !is_latest => return Ok(()),
        Some(other) if other != number => {
            let other = tables::numbered(index, other)?;
            let returns = series(other.place);
            count(index, family, (&other.record, returns.as_ref()), Sign::Less)?;
        }
        _ => {}
    }
    index
        .prepare_cached("INSERT OR REPLACE INTO trials VALUES (?, ?, ?)")?
        .execute(params![family, record.trial.0, number])?;
    count(index, family, (record, own), Sign::More)?;
    moved_on(index, family, i64::from(before.is_none()))
}

/// The run that counts for a trial.
fn latest(index: &Connection, family: i64, trial: Digest) -> Result<Option<i64>> {
    index
        .prepare_cached("SELECT run FROM trials WHERE family = ? AND trial = ?")?
        .query_row(params![family, trial.0], |row| row.get(0))
        .optional()
}

fn moved_on(index: &Connection, family: i64, trials: i64) -> Result<()> {
    index
        .prepare_cached(
            "UPDATE families SET trials = trials + ?, version = version + 1 WHERE number = ?",
        )?
        .execute(params![trials, family])
        .map(drop)
}

fn count(
    index: &Connection,
    family: i64,
    (record, series): (&Record, Option<&Series>),
    sign: Sign,
) -> Result<()> {
    if let Some(sharpe) = record.moments.and_then(|moments| moments.sharpe().ok()) {
        spread(index, family, record.step_ns, sharpe, sign)?;
    }
    let returns = series.and_then(|series| Some((series.axis, standardised(&series.returns)?)));
    match returns {
        Some((axis, standard)) => add(index, family, axis, &standard, sign),
        None => Ok(()),
    }
}

fn spread(index: &Connection, family: i64, step: i64, sharpe: f64, sign: Sign) -> Result<()> {
    index
        .prepare_cached("INSERT OR IGNORE INTO spreads VALUES (?, ?, 0, 0.0, 0.0)")?
        .execute(params![family, step])?;
    index
        .prepare_cached(
            "UPDATE spreads SET count = count + ?, total = total + ?, squares = squares + ?
             WHERE family = ? AND step = ?",
        )?
        .execute(params![
            sign as i8,
            sign.of(sharpe),
            sign.of(sharpe * sharpe),
            family,
            step
        ])
        .map(drop)
}

fn add(
    index: &Connection,
    family: i64,
    axis: [u8; Digest::SIZE],
    standard: &[f64],
    sign: Sign,
) -> Result<()> {
    let known = index
        .prepare_cached("SELECT number, count, total FROM grids WHERE family = ? AND axis = ?")?
        .query_row(params![family, axis], |row| {
            let total: Vec<u8> = row.get(2)?;
            Ok((
                Some(row.get::<_, i64>(0)?),
                row.get::<_, i64>(1)?,
                floats(&total),
            ))
        })
        .optional()?;
    let (number, count, mut total) = known.unwrap_or_default();
    total.resize(standard.len(), 0.0);
    for (sum, value) in total.iter_mut().zip(standard) {
        *sum += sign.of(*value);
    }
    let count: i64 = count + i64::from(sign as i8);
    if count <= 0 {
        return index
            .prepare_cached("DELETE FROM grids WHERE number = ?")?
            .execute([number])
            .map(drop);
    }
    let total: Vec<u8> = total.iter().flat_map(|sum| sum.to_le_bytes()).collect();
    index
        .prepare_cached("INSERT OR REPLACE INTO grids VALUES (?, ?, ?, ?, ?)")?
        .execute(params![number, family, axis, count, total])
        .map(drop)
}

/// A family by its names.
pub(super) fn find(
    index: &Connection,
    (strategy, dataset, purpose): (&str, &str, &str),
) -> Result<Option<Family>> {
    let families = families(index, Some(strategy))?;
    Ok(families
        .into_iter()
        .find(|one| one.dataset == dataset && one.purpose == purpose))
}

/// All families, or those of a strategy.
pub(super) fn families(index: &Connection, strategy: Option<&str>) -> Result<Vec<Family>> {
    let mut query = index.prepare_cached(
        "SELECT families.number, names.name, dataset, purpose, trials, version, overfitting,
                overfitting_of
         FROM families JOIN names ON names.number = families.strategy
         WHERE ?1 IS NULL OR names.name = ?1 ORDER BY families.number",
    )?;
    let rows = query.query_map([strategy], |row| {
        let remembered: Option<Vec<u8>> = row.get(6)?;
        let version: Option<i64> = row.get(7)?;
        Ok(Family {
            number: row.get(0)?,
            strategy: row.get(1)?,
            dataset: row.get(2)?,
            purpose: row.get(3)?,
            trials: row.get(4)?,
            version: row.get(5)?,
            overfitting: remembered.zip(version),
        })
    })?;
    rows.collect()
}

/// The Sharpe ratios of a family, by the length of their periods.
pub(super) fn spreads(index: &Connection, family: i64) -> Result<Vec<Spread>> {
    let mut query = index.prepare_cached(
        "SELECT step, count, total, squares FROM spreads WHERE family = ? AND count > 0",
    )?;
    let rows = query.query_map([family], |row| {
        Ok(Spread {
            step_ns: row.get(0)?,
            count: row.get(1)?,
            total: row.get(2)?,
            squares: row.get(3)?,
        })
    })?;
    rows.collect()
}

/// The sums of standardised returns of a family, of the axes that most trials share.
pub(super) fn grids(index: &Connection, family: i64, most: i64) -> Result<Vec<Grid>> {
    let mut query = index.prepare_cached(
        "SELECT count, total, sessions FROM grids JOIN axes ON axes.axis = grids.axis
         WHERE family = ? ORDER BY count DESC, grids.number LIMIT ?",
    )?;
    let rows = query.query_map([family, most], |row| {
        let (total, sessions): (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(2)?);
        Ok(Grid {
            count: row.get::<_, i64>(0)?.cast_unsigned(),
            total: floats(&total),
            sessions: numbers(&sessions),
        })
    })?;
    rows.collect()
}

/// Where the frames of the runs lie that count for the trials of a family.
pub(super) fn places(index: &Connection, family: i64) -> Result<Vec<(u64, usize)>> {
    let mut query = index.prepare_cached(
        "SELECT place, length FROM trials JOIN runs ON runs.number = trials.run
         WHERE trials.family = ? ORDER BY runs.number",
    )?;
    let rows = query.query_map([family], |row| {
        let (place, length): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok((
            place.cast_unsigned(),
            usize::try_from(length).unwrap_or_default(),
        ))
    })?;
    rows.collect()
}

/// The sessions of an axis.
pub(super) fn sessions(index: &Connection, axis: [u8; Digest::SIZE]) -> Result<Option<Vec<i64>>> {
    index
        .prepare_cached("SELECT sessions FROM axes WHERE axis = ?")?
        .query_row([axis], |row| Ok(numbers(&row.get::<_, Vec<u8>>(0)?)))
        .optional()
}

fn floats(bytes: &[u8]) -> Vec<f64> {
    let (chunks, _) = bytes.as_chunks();
    chunks.iter().map(|one| f64::from_le_bytes(*one)).collect()
}

fn numbers(bytes: &[u8]) -> Vec<i64> {
    let (chunks, _) = bytes.as_chunks();
    chunks.iter().map(|one| i64::from_le_bytes(*one)).collect()
}
