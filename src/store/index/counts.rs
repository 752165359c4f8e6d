//! What cached functions did, in every process: counts by function.

use super::{Index, room};
use crate::digest::Digest;
use crate::error::Result;
use crate::store::tally::{COLUMNS, Counted, Counts};
use rusqlite::{Connection, params_from_iter, types::Value};

/// The most that one row counts to: two of them can be added.
const MOST: i64 = 1 << 61;

impl Index {
    /// Notes how often entries were used and what functions did since the last note.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn note(&mut self, uses: &[(Digest, u32)], counted: &Counted, now_ns: i64) -> Result<()> {
        self.change(|change| {
            room::note_uses(change, uses, now_ns)?;
            Ok(add(change, counted)?)
        })
    }

    /// What a function did, or all of them.
    ///
    /// # Errors
    /// The query fails.
    pub fn counted(&self, function: Option<&str>) -> Result<Counted> {
        self.ask(|index| {
            let columns = COLUMNS.join(", ");
            let mut query = index.prepare_cached(&format!(
                "SELECT function, {columns} FROM counters WHERE function = coalesce(?, function)"
            ))?;
            let rows = query.query_map([function], |row| {
                let mut counts = Counts::default();
                for (at, count) in counts.0.iter_mut().enumerate() {
                    *count = u64::try_from(row.get::<_, i64>(at + 1)?).unwrap_or(0);
                }
                Ok((row.get(0)?, counts))
            })?;
            rows.collect()
        })
    }

    /// Sets the counts of a function to zero, or those of all.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn forget_counts(&mut self, function: Option<&str>) -> Result<()> {
        self.change(|change| {
            let forget = "DELETE FROM counters WHERE function = coalesce(?, function)";
            change.execute(forget, [function])?;
            Ok(())
        })
    }
}

/// The table that holds them.
pub(super) fn schema() -> String {
    let columns = COLUMNS.map(|column| format!("{column} INTEGER NOT NULL"));
    format!(
        "CREATE TABLE counters (function TEXT PRIMARY KEY, {}) STRICT",
        columns.join(", ")
    )
}

fn add(change: &Connection, counted: &Counted) -> rusqlite::Result<()> {
    let added =
        COLUMNS.map(|column| format!("{column} = min({column} + excluded.{column}, {MOST})"));
    let mut add = change.prepare_cached(&format!(
        "INSERT INTO counters (function, {}) VALUES (?{}) ON CONFLICT (function) DO UPDATE SET {}",
        COLUMNS.join(", "),
        ", ?".repeat(COLUMNS.len()),
        added.join(", ")
    ))?;
    for (function, counts) in counted {
        let counts = counts.0.iter().map(|&count| {
            let count = i64::try_from(count).unwrap_or(MOST);
            Value::Integer(count.min(MOST))
        });
        let row = std::iter::once(Value::Text(function.clone())).chain(counts);
        add.execute(params_from_iter(row))?;
    }
    Ok(())
}
