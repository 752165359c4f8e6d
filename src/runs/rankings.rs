//! Questions to the index of runs: which are the best, and which there are.

use super::record::Role;
use super::tables::{Found, State, number_of, numbered};
use crate::digest::Digest;
use rusqlite::{Connection, Result, params, params_from_iter, types::Value};

/// Which runs are asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    /// Of this strategy.
    pub strategy: Option<&'a str>,
    /// On this data.
    pub data: Option<Digest>,
    /// With these parameters.
    pub parameters: Option<Digest>,
    /// In one of these states; in any that is not deleted where there are none.
    pub states: &'a [State],
    /// Those that were recorded last.
    pub most: Option<usize>,
}

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

/// Ranks the trials of a strategy by a metric; those on some data alone where that is told.
pub(super) fn best(
    index: &Connection,
    (strategy, metric): (&str, &str),
    maximize: bool,
    most: usize,
    data: Option<Digest>,
) -> Result<Ranking> {
    let numbers = number_of(index, strategy)?.zip(number_of(index, metric)?);
    let Some((strategy, metric)) = numbers else {
        return Ok(Ranking::default());
    };
    let order = if maximize { "DESC" } else { "ASC" };
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let trial = Role::Trial as u8;
    let runs: Vec<i64> = match data {
        None => {
            let query = format!(
                "SELECT run FROM metrics WHERE strategy = ? AND name = ? AND role = ?
                 ORDER BY value {order}, run LIMIT ?"
            );
            column(index, &query, params![strategy, metric, trial, most])?
        }
        Some(data) => {
            let query = format!(
                "SELECT run FROM metrics INDEXED BY metrics_of_data
                 WHERE data = ? AND strategy = ? AND name = ? ORDER BY value {order}, run LIMIT ?"
            );
            column(index, &query, params![data.0, strategy, metric, most])?
        }
    };
    let unranked = index
        .prepare_cached("SELECT count(*) FROM unranked WHERE strategy = ? AND name = ?")?
        .query_row([strategy, metric], |row| row.get(0))?;
    let runs: Vec<Found> = runs
        .into_iter()
        .map(|number| numbered(index, number))
        .collect::<Result<_>>()?;
    let differ = data.is_none()
        && index
            .prepare_cached(
                "SELECT min(data) IS NOT max(data) FROM runs WHERE strategy = ? AND role = ?",
            )?
            .query_row(params![strategy, trial], |row| row.get(0))?;
    Ok(Ranking {
        runs,
        unranked,
        differ,
    })
}

/// The runs that are asked for, in the order in which they were recorded first.
pub(super) fn select(index: &Connection, wanted: &Wanted<'_>) -> Result<Vec<Found>> {
    let (filter, values) = filter(index, wanted)?;
    let columns = Found::COLUMNS;
    let most = wanted
        .most
        .map_or(-1, |most| i64::try_from(most).unwrap_or(-1));
    let query =
        format!("SELECT {columns} FROM runs WHERE {filter} ORDER BY number DESC LIMIT {most}");
    let mut query = index.prepare(&query)?;
    let rows = query.query_map(params_from_iter(values), Found::of)?;
    let mut found: Vec<Found> = rows.collect::<Result<_>>()?;
    found.reverse();
    Ok(found)
}

/// The ids of the runs that are asked for, in the order in which they were recorded first.
pub(super) fn ids(index: &Connection, wanted: &Wanted<'_>) -> Result<Vec<Digest>> {
    let (filter, values) = filter(index, wanted)?;
    let mut query = index.prepare(&format!(
        "SELECT run FROM runs WHERE {filter} ORDER BY number"
    ))?;
    let rows = query.query_map(params_from_iter(values), |row| row.get(0).map(Digest))?;
    rows.collect()
}

/// How many runs there are, and of which strategies.
pub(super) fn count(index: &Connection) -> Result<Vec<(String, i64)>> {
    let mut query = index.prepare_cached(
        "SELECT names.name, count(*) FROM runs JOIN names ON names.number = runs.strategy
         WHERE state < ? GROUP BY runs.strategy ORDER BY runs.strategy",
    )?;
    let rows = query.query_map([State::Deleted as i64], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    rows.collect()
}

fn filter(index: &Connection, wanted: &Wanted<'_>) -> Result<(String, Vec<Value>)> {
    let mut conditions = Vec::new();
    let mut values = Vec::new();
    if let Some(strategy) = wanted.strategy {
        conditions.push("strategy = ?".to_owned());
        values.push(Value::Integer(number_of(index, strategy)?.unwrap_or(-1)));
    }
    conditions.push("role IN (0, 1)".to_owned());
    for (name, digest) in [("data", wanted.data), ("parameters", wanted.parameters)] {
        if let Some(digest) = digest {
            conditions.push(format!("{name} = ?"));
            values.push(Value::Blob(digest.0.to_vec()));
        }
    }
    if wanted.states.is_empty() {
        conditions.push(format!("state < {}", State::Deleted as i64));
    } else {
        let states = wanted
            .states
            .iter()
            .map(|state| (*state as i64).to_string());
        let states: Vec<String> = states.collect();
        conditions.push(format!("state IN ({})", states.join(", ")));
    }
    Ok((conditions.join(" AND "), values))
}

fn column(index: &Connection, query: &str, values: impl rusqlite::Params) -> Result<Vec<i64>> {
    let mut query = index.prepare_cached(query)?;
    query.query_map(values, |row| row.get(0))?.collect()
}
