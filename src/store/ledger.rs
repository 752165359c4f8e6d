//! What can't be computed again, apart from the index: it survives clearing, eviction and rebuilds.
//!
//! So far that is up to which epoch each function was cleared, so that a rebuilt index takes nothing
//! back in, and what was lost with indexes. Every change is on the medium before it counts.

use super::files::Root;
use crate::error::{Error, Kind, Result};
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS cleared (
    function TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rebuilt (
    generation INTEGER PRIMARY KEY,
    lost INTEGER NOT NULL
) STRICT;
PRAGMA user_version = 1;
";
/// What stands for all functions.
const ALL: &str = "";

/// The ledger of a store; opened for each use, since it is seldom needed.
#[derive(Clone, Copy, Debug)]
pub struct Ledger<'a>(&'a Root);

/// Up to which epoch each function was cleared.
#[derive(Debug, Default)]
pub struct Cleared(HashMap<String, u64>);

impl Cleared {
    /// What was stored before this epoch is gone for good.
    #[must_use]
    pub fn since(&self, function: &str) -> u64 {
        let of = |name| self.0.get(name).copied().unwrap_or(0);
        of(function).max(of(ALL))
    }
}

impl<'a> Ledger<'a> {
    /// The ledger of a store.
    #[must_use]
    pub fn of(root: &'a Root) -> Self {
        Self(root)
    }

    /// Notes that a function, or all, was cleared.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub fn note_cleared(self, function: Option<&str>, epoch: u64) -> Result<()> {
        self.with(|ledger| {
            ledger.execute(
                "INSERT OR REPLACE INTO cleared VALUES (?, ?)",
                params![function.unwrap_or(ALL), epoch.cast_signed()],
            )
        })?;
        Ok(())
    }

    /// Up to which epochs functions were cleared.
    ///
    /// # Errors
    /// There is no ledger, or it can't be read.
    pub fn cleared(self) -> Result<Cleared> {
        self.with(|ledger| {
            let mut query = ledger.prepare("SELECT function, epoch FROM cleared")?;
            let rows = query.query_map([], |row| {
                Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()))
            })?;
            rows.collect::<rusqlite::Result<_>>().map(Cleared)
        })
    }

    /// Notes that an index was made anew, and how many entries are known to be lost with the last.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub fn note_rebuilt(self, generation: u64, lost: usize) -> Result<()> {
        let row = params![generation.cast_signed(), lost.cast_signed() as i64];
        self.with(|ledger| ledger.execute("INSERT OR REPLACE INTO rebuilt VALUES (?, ?)", row))?;
        Ok(())
    }

    /// How often an index was made anew, and how many entries are known to be lost with those before.
    ///
    /// # Errors
    /// There is no ledger, or it can't be read.
    pub fn rebuilt(self) -> Result<(usize, usize)> {
        self.with(|ledger| {
            let counts = "SELECT count(*), coalesce(sum(lost), 0) FROM rebuilt";
            ledger.query_one(counts, [], |row| {
                let (times, lost): (i64, i64) = (row.get(0)?, row.get(1)?);
                let count = |number: i64| usize::try_from(number).unwrap_or(0);
                Ok((count(times), count(lost)))
            })
        })
    }

    fn with<T>(self, work: impl Fn(&Connection) -> rusqlite::Result<T>) -> Result<T> {
        let path = self.0.ledger();
        let opened = || open(&path).and_then(|ledger| work(&ledger));
        match opened() {
            Err(error) if is_damage(&error) => {
                self.0.restore_ledger();
                opened()
            }
            done => done,
        }
        .map_err(|error| {
            let shown = path.display();
            Error::caused(
                Kind::Io,
                format!("the ledger `{shown}` can't be used"),
                error,
            )
        })
    }

    /// Copies the ledger beside itself, where the last copy is a day old.
    pub fn back_up(self) {
        let (from, to) = (self.0.ledger(), self.0.ledger_copy_to_be());
        let Some(to) = to else { return };
        let copied = open(&from).and_then(|ledger| ledger.backup("main", &to, None::<fn(_)>));
        self.0.finish_ledger_copy(&to, copied.is_ok());
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let ledger = Connection::open(path)?;
    ledger.busy_timeout(Duration::from_secs(5))?;
    ledger.pragma_update(None, "synchronous", "full")?;
    ledger.execute_batch(SCHEMA)?;
    Ok(ledger)
}

fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, Unknown};
    matches!(
        error.sqlite_error_code(),
        Some(DatabaseCorrupt | NotADatabase | Unknown)
    )
}
