//! Families of backtests: one strategy, on one data set, for one purpose.

use super::marked::{marked, unmarked};
use super::rows::lies;
use super::schema::{entered, number_of};
use crate::format::{Reader, Writer};
use rusqlite::{Connection, OptionalExtension, Result, params};

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

/// The trials of a family are so many more, or others.
pub fn moved_on(index: &Connection, family: i64, trials: i64) -> Result<()> {
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
        let mut reader = Reader::new(unmarked(&[number], row.get_ref(1)?.as_blob()?)?);
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
