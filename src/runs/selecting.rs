//! Which runs there are: of a strategy, on some data, with some parameters.

use super::record::{Record, Role};
use super::rows::{Found, State, checked, content_of};
use super::schema::number_of;
use crate::digest::Digest;
use rusqlite::{Connection, Result, params_from_iter, types::Value};

/// Which runs are asked for.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    /// Of this strategy.
    pub strategy: Option<&'a str>,
    /// On this data.
    pub data: Option<Digest>,
    /// With these parameters.
    pub parameters: Option<Digest>,
    /// That count as this.
    pub role: Option<Role>,
    /// In one of these states; in any that is not deleted where there are none.
    pub states: &'a [State],
    /// Those that were recorded last.
    pub most: Option<usize>,
}

impl Wanted<'_> {
    fn has(&self, record: &Record) -> bool {
        self.strategy.is_none_or(|name| record.strategy == name)
            && self.data.is_none_or(|data| record.data == data)
            && self.parameters.is_none_or(|own| record.parameters == own)
            && self.role.is_none_or(|role| record.role == role)
    }
}

/// The runs that are asked for, in the order in which they were recorded first.
pub fn select(index: &Connection, wanted: &Wanted<'_>) -> Result<Vec<Found>> {
    let states = match wanted.states {
        [] => &[State::Whole, State::Pruned],
        states => states,
    };
    // Left to itself, the database looks at all runs from the last one on. Those of a strategy are
    // in order in each state alone.
    let (by, at_once) = match (wanted.data, wanted.strategy) {
        (Some(_), _) => ("INDEXED BY runs_of_content", states.len()),
        (None, Some(_)) => ("INDEXED BY runs_by_state", 1),
        (None, None) => ("", states.len()),
    };
    let mut found = Vec::new();
    for states in states.chunks(at_once) {
        let wanted = Wanted {
            states,
            ..wanted.clone()
        };
        found.extend(selected(index, &wanted, by)?);
    }
    found.sort_unstable_by_key(|found| found.number);
    let least = wanted
        .most
        .map_or(0, |most| found.len().saturating_sub(most));
    Ok(found.split_off(least))
}

fn selected(index: &Connection, wanted: &Wanted<'_>, by: &str) -> Result<Vec<Found>> {
    let columns = Found::COLUMNS;
    let Some((filter, values)) = filter(index, wanted)? else {
        return Ok(Vec::new());
    };
    let most = wanted
        .most
        .map_or(-1, |most| i64::try_from(most).unwrap_or(-1));
    let query =
        format!("SELECT {columns} FROM runs {by} WHERE {filter} ORDER BY number DESC LIMIT {most}");
    let mut query = index.prepare(&query)?;
    let rows = query.query_map(params_from_iter(values), Found::of)?;
    rows.map(|row| checked(row?, |found| wanted.has(&found.record)))
        .collect()
}

/// The ids of all runs, in the order in which they were recorded first.
pub fn ids(index: &Connection) -> Result<Vec<Digest>> {
    let mut query = index.prepare_cached("SELECT run FROM runs WHERE state < ? ORDER BY number")?;
    let rows = query.query_map([State::Deleted as u8], |row| row.get(0).map(Digest))?;
    rows.collect()
}

/// A condition on rows; `None` where it names what no run has.
fn filter(index: &Connection, wanted: &Wanted<'_>) -> Result<Option<(String, Vec<Value>)>> {
    let mut conditions = vec![];
    let mut values = Vec::new();
    if let Some(data) = wanted.data {
        let Some(content) = content_of(index, data)? else {
            return Ok(None);
        };
        conditions.push("content = ?".to_owned());
        values.push(Value::Integer(content));
    }
    if let Some(strategy) = wanted.strategy {
        let Some(strategy) = number_of(index, strategy)? else {
            return Ok(None);
        };
        conditions.push("strategy = ?".to_owned());
        values.push(Value::Integer(strategy));
    }
    if let Some(parameters) = wanted.parameters {
        conditions.push("parameters = ?".to_owned());
        values.push(Value::Blob(parameters.0.to_vec()));
    }
    if let Some(role) = wanted.role {
        conditions.push(format!("role = {}", role as u8));
    }
    let states = wanted.states.iter();
    let states: Vec<String> = states.map(|state| (*state as u8).to_string()).collect();
    conditions.push(format!("state IN ({})", states.join(", ")));
    Ok(Some((conditions.join(" AND "), values)))
}
