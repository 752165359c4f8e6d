//! Which runs of a strategy are the best, by each metric.

use super::record::{Metric, Record, Role};
use super::rows::{Found, State, checked, content_of, numbered};
use super::schema::{entered, number_of};
use crate::digest::Digest;
use rusqlite::{Connection, OptionalExtension, Result, params};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The best runs of a strategy.
#[derive(Debug, Default)]
pub struct Ranking {
    /// Best first.
    pub runs: Vec<Found>,
    /// How many runs have no finite number there.
    pub unranked: i64,
    /// Whether the runs that were ranked, also those behind the best, saw different data.
    pub differ: bool,
}

/// Where a metric of a run ranks: the numbers of its strategy, of the metric and of its role.
type Ladder = (i64, i64, u8);

/// The metrics of a run: of several of one name the last.
fn metrics(record: &Record) -> BTreeMap<&str, &Metric> {
    let metrics = record.metrics.iter();
    metrics
        .map(|(name, value)| (name.as_str(), value))
        .collect()
}

/// Enters the metrics of a run into the rankings.
pub fn rank(index: &Connection, record: &Record, run: i64, content: i64) -> Result<()> {
    let strategy = entered(index, &record.strategy)?;
    for (name, value) in metrics(record) {
        let ladder = (strategy, entered(index, name)?, record.role as u8);
        if let Some(value) = value.ranked() {
            let (strategy, name, role) = ladder;
            index
                .prepare_cached("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?, ?, ?)")?
                .execute(params![strategy, name, role, value, run, content])?;
        }
        count(index, ladder, content, value.ranked().is_some(), 1)?;
    }
    Ok(())
}

/// Takes the metrics of a run out of the rankings.
pub fn unrank(index: &Connection, record: &Record, run: i64, content: i64) -> Result<()> {
    let strategy = entered(index, &record.strategy)?;
    for (name, value) in metrics(record) {
        let ladder = (strategy, entered(index, name)?, record.role as u8);
        if let Some(value) = value.ranked() {
            let (strategy, name, role) = ladder;
            index
                .prepare_cached(
                    "DELETE FROM metrics
                     WHERE strategy = ? AND name = ? AND role = ? AND value = ? AND run = ?",
                )?
                .execute(params![strategy, name, role, value, run])?;
        }
        count(index, ladder, content, value.ranked().is_some(), -1)?;
    }
    Ok(())
}

/// Counts a run more on some data, or one less.
fn count(
    index: &Connection,
    (strategy, name, role): Ladder,
    content: i64,
    is_ranked: bool,
    more: i64,
) -> Result<()> {
    let (ranked, unranked) = if is_ranked { (more, 0) } else { (0, more) };
    let ladder = params![strategy, name, role, content, ranked, unranked];
    index
        .prepare_cached(
            "INSERT INTO rankings VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET ranked = ranked + ?5, unranked = unranked + ?6",
        )?
        .execute(ladder)
        .map(drop)
}

/// Ranks the trials of a strategy by a metric; all runs of it that are on some data where that is
/// told.
pub fn best(
    index: &Connection,
    (strategy, metric): (&str, &str),
    maximize: bool,
    most: usize,
    data: Option<Digest>,
) -> Result<Ranking> {
    let numbers = number_of(index, strategy)?.zip(number_of(index, metric)?);
    let content = data.map(|data| content_of(index, data)).transpose()?;
    let (Some((of, name)), None | Some(Some(_))) = (numbers, content) else {
        return Ok(Ranking::default());
    };
    let content = content.flatten();
    let roles: &[Role] = if content.is_none() {
        &[Role::Trial]
    } else {
        &[Role::Trial, Role::Test]
    };
    let mut ranking = Ranking::default();
    let mut ranked = Vec::new();
    for role in roles {
        let ladder = (of, name, *role as u8);
        let (contents, count, unranked) = counts(index, ladder, content)?;
        ranking.unranked += unranked;
        ranking.differ |= contents > 1;
        if count > 0 {
            ranked.extend(top(index, ladder, content, maximize, most)?);
        }
    }
    ranked.sort_by(|one, other| order(one, other, maximize));
    for (value, run) in ranked.into_iter().take(most) {
        let found = checked(numbered(index, run)?, |found| {
            found.record.strategy == strategy
                && found.state != State::Deleted
                && data.is_none_or(|data| found.record.data == data)
                && found.record.metric(metric).and_then(Metric::ranked) == Some(value)
        })?;
        ranking.runs.push(found);
    }
    Ok(ranking)
}

/// Best first, and of equals the one that was recorded first.
fn order((one, first): &(f64, i64), (other, second): &(f64, i64), maximize: bool) -> Ordering {
    let rising = one.total_cmp(other);
    let order = if maximize { rising.reverse() } else { rising };
    order.then(first.cmp(second))
}

/// On how many data sets runs are ranked (as far as that is more than one), how many runs are, and how
/// many are not.
fn counts(
    index: &Connection,
    (strategy, name, role): Ladder,
    content: Option<i64>,
) -> Result<(i64, i64, i64)> {
    index
        .prepare_cached(
            "SELECT coalesce(sum(ranked > 0), 0), coalesce(sum(ranked), 0), coalesce(sum(unranked), 0)
             FROM rankings
             WHERE strategy = ?1 AND name = ?2 AND role = ?3 AND (?4 IS NULL OR content = ?4)",
        )?
        .query_row(params![strategy, name, role, content], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
}

/// Value and number of the best runs, in no order; on some data, or on any. Of those that are equal
/// the first are taken: nobody sorts thousands of runs that made no trade.
fn top(
    index: &Connection,
    (strategy, name, role): Ladder,
    content: Option<i64>,
    maximize: bool,
    most: usize,
) -> Result<Vec<(f64, i64)>> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let (order, better) = if maximize {
        ("DESC", ">")
    } else {
        ("ASC", "<")
    };
    let which = content.map_or("?4 IS NULL", |_| "content = ?4");
    let ladder = format!("metrics WHERE strategy = ?1 AND name = ?2 AND role = ?3 AND {which}");
    let last: Option<f64> = index
        .prepare_cached(&format!(
            "SELECT value FROM {ladder} ORDER BY value {order}, run {order} LIMIT 1 OFFSET ?5"
        ))?
        .query_row(params![strategy, name, role, content, most - 1], |row| {
            row.get(0)
        })
        .optional()?;
    let Some(last) = last else {
        return pairs(
            index,
            &format!("{ladder} AND ?5 IS NULL"),
            params![strategy, name, role, content, None::<f64>],
        );
    };
    let values = params![strategy, name, role, content, last];
    let mut found = pairs(index, &format!("{ladder} AND value {better} ?5"), values)?;
    let equal = format!("{ladder} AND value = ?5 ORDER BY run LIMIT {most}");
    found.extend(pairs(index, &equal, values)?);
    Ok(found)
}

fn pairs(
    index: &Connection,
    which: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<(f64, i64)>> {
    let mut query = index.prepare(&format!("SELECT value, run FROM {which}"))?;
    query
        .query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}
