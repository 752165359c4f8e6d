//! What was tried in a family of backtests, kept so that its figures cost nothing to look at: counts,
//! sums of Sharpe ratios by the length of their periods, and sums of standardised returns by sessions.

use super::axes;
use super::correlation::standardised;
use super::record::{OnAxis, Record, Role};
use super::tables::{self, Found};
use crate::digest::Digest;
use rusqlite::{Connection, OptionalExtension, Result, params};

/// Gives the returns of the run whose frame lies at a place of the log.
pub(super) type Reader<'a> = &'a dyn Fn((u64, usize)) -> Option<OnAxis>;

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
    (number, record, own): (i64, &Record, Option<&OnAxis>),
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
    (record, series): (&Record, Option<&OnAxis>),
    sign: Sign,
) -> Result<()> {
    if let Some(sharpe) = record.moments.and_then(|moments| moments.sharpe().ok()) {
        spread(index, family, record.step_ns, sharpe, sign)?;
    }
    match series {
        Some(series) => correlate(index, family, series, sign),
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

/// The average correlation of the returns of a family's trials; where these are kept in bins of
/// several widths, in those that most of them have. `None` where no two can be compared.
pub(super) fn correlation(index: &Connection, family: i64) -> Result<Option<f64>> {
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
