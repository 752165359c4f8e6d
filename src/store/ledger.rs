//! What can't be computed again, apart from the index: it survives clearing, eviction and rebuilds.
//!
//! So far that is up to which epoch each function was cleared, so that a rebuilt index takes nothing
//! back in, what was dropped when, so that no imported file brings it back, and what was lost with
//! indexes. Every change is on the medium before it counts.

use super::dropped::{Drop, Dropped};
use super::files::Root;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use rusqlite::{Connection, Row, params};
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
CREATE TABLE IF NOT EXISTS dropped (
    id INTEGER PRIMARY KEY,
    function TEXT NOT NULL,
    key BLOB,
    first INTEGER,
    last INTEGER,
    at INTEGER NOT NULL
) STRICT;
";
const VERSION: i64 = 2;
/// Which of the drops a new one takes the place of: the same, and all of a function that is cleared.
const COVERED: &str = "function = ?1 AND key IS ?2 AND first IS ?3 AND last IS ?4
    OR ?2 IS NULL AND ?3 IS NULL AND ?1 IN ('', function)";
/// More drops than this are not told apart by key and time range.
const MOST: i64 = 10_000;
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

    /// Notes what is dropped.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub fn note_dropped(self, drop: &Drop) -> Result<()> {
        let (first, last) = drop.time_range.unzip();
        let key = drop.key.map(|key| key.0);
        self.with(|ledger| {
            let change = ledger.unchecked_transaction()?;
            let latest =
                format!("SELECT max(?5, coalesce(max(at), ?5)) FROM dropped WHERE {COVERED}");
            let given = params![drop.function, key, first, last, drop.at_ns];
            let at: i64 = change.query_one(&latest, given, |row| row.get(0))?;
            let covered = format!("DELETE FROM dropped WHERE {COVERED}");
            change.execute(&covered, params![drop.function, key, first, last])?;
            change.execute(
                "INSERT INTO dropped (function, key, first, last, at) VALUES (?, ?, ?, ?, ?)",
                params![drop.function, key, first, last, at],
            )?;
            fold(&change)?;
            change.commit()
        })
    }

    /// What was dropped.
    ///
    /// # Errors
    /// There is no ledger, or it can't be read.
    pub fn dropped(self) -> Result<Dropped> {
        self.with(|ledger| {
            let mut query = ledger.prepare("SELECT function, key, first, last, at FROM dropped")?;
            query.query_map([], read_drop)?.collect()
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
    // Each setting of the version is a write.
    let version: i64 = ledger.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version < VERSION {
        ledger.execute_batch(SCHEMA)?;
        ledger.pragma_update(None, "user_version", VERSION)?;
    }
    Ok(ledger)
}

/// Where drops are too many, the older half of them counts for the whole of their functions: that
/// may leave out what could be taken, and takes nothing that was dropped.
fn fold(change: &Connection) -> rusqlite::Result<()> {
    let count: i64 = change.query_one("SELECT count(*) FROM dropped", [], |row| row.get(0))?;
    if count <= MOST {
        return Ok(());
    }
    let newest = "SELECT id FROM dropped ORDER BY id DESC LIMIT 1 OFFSET ?";
    let last: i64 = change.query_one(newest, [MOST / 2], |row| row.get(0))?;
    change.execute(
        "INSERT INTO dropped (function, at)
         SELECT function, max(at) FROM dropped WHERE id <= ? GROUP BY function",
        [last],
    )?;
    change.execute("DELETE FROM dropped WHERE id <= ?", [last])?;
    Ok(())
}

fn read_drop(row: &Row<'_>) -> rusqlite::Result<Drop> {
    let (first, last): (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
    Ok(Drop {
        function: row.get(0)?,
        key: row.get::<_, Option<_>>(1)?.map(Digest),
        time_range: first.zip(last),
        at_ns: row.get(4)?,
    })
}

fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, Unknown};
    matches!(
        error.sqlite_error_code(),
        Some(DatabaseCorrupt | NotADatabase | Unknown)
    )
}

#[cfg(test)]
mod tests {
    use super::{Digest, Drop, Ledger, MOST};
    use crate::format::Meta;
    use crate::store::files::Root;

    #[test]
    fn the_older_half_of_very_many_drops_counts_for_the_whole_function() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::prepare(&folder.path().join("store"), None, None).unwrap();
        let ledger = Ledger::of(&root);
        let many = "WITH RECURSIVE numbers (n) AS
                (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
            INSERT INTO dropped (function, key, at) SELECT 'm.f', randomblob(16), n FROM numbers";
        let entered = ledger.with(|ledger| ledger.execute(many, [MOST]));
        assert_eq!(i64::try_from(entered.unwrap()).unwrap(), MOST);
        let (key, other) = (Digest([1; 16]), Digest([2; 16]));
        let drop = Drop {
            function: "m.g".into(),
            key: Some(key),
            time_range: None,
            at_ns: 1,
        };
        ledger.note_dropped(&drop).unwrap();
        let dropped = ledger.dropped().unwrap();
        let latest = |key, function: &str| {
            let meta = Meta {
                function: function.into(),
                ..Meta::default()
            };
            dropped.latest(key, &meta)
        };
        assert_eq!(latest(other, "m.f"), Some(MOST / 2 + 1));
        assert_eq!((latest(key, "m.g"), latest(other, "m.g")), (Some(1), None));
        ledger
            .note_dropped(&Drop {
                key: None,
                at_ns: 9,
                ..drop
            })
            .unwrap();
        let count = "SELECT count(*) FROM dropped WHERE function = 'm.g'";
        let count = ledger.with(|ledger| ledger.query_one(count, [], |row| row.get::<_, i64>(0)));
        assert_eq!(count.unwrap(), 1);
    }
}
