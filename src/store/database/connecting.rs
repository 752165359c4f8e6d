//! How a database is opened.

use super::failures::is_locked;
use crate::clock;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// How long somebody who has it locked is waited for.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// More than are prepared for any one database: preparing one takes longer than most questions.
const STATEMENTS: usize = 96;
/// Pages of its log after which they are moved into the database, where that costs the only wait.
const PAGES: i64 = 4000;

/// To read and to write; `shared` says whether processes of one machine share it, `lasts` whether a
/// change is on the medium when it counts.
pub fn connect(path: &Path, shared: bool, lasts: bool) -> rusqlite::Result<Connection> {
    let database = Connection::open(path)?;
    database.busy_timeout(PATIENCE)?;
    database.set_prepared_statement_cache_capacity(STATEMENTS);
    let journal = if shared { "wal" } else { "delete" };
    // Of several processes that make it at once, all but one are refused without a wait.
    patiently(|| database.pragma_update(None, "journal_mode", journal))?;
    if lasts {
        database.pragma_update(None, "synchronous", "full")?;
    } else {
        database.pragma_update(None, "synchronous", "normal")?;
        // Each time that the log is moved into the database, the two are waited for.
        database.pragma_update(None, "wal_autocheckpoint", PAGES)?;
    }
    // Views and triggers are nobody's but a forger's here.
    database.pragma_update(None, "trusted_schema", false)?;
    // Reads something: a folder without permissions shows here.
    database.pragma_query_value(None, "schema_version", |row| row.get::<_, i64>(0))?;
    Ok(database)
}

fn patiently(work: impl Fn() -> rusqlite::Result<()>) -> rusqlite::Result<()> {
    const PAUSE: Duration = Duration::from_millis(2);
    let until = clock::monotonic() + PATIENCE;
    loop {
        match work() {
            Err(error) if is_locked(&error) && clock::monotonic() < until => clock::pause(PAUSE),
            done => return done,
        }
    }
}

/// Without a shared-memory file beside it, the log can't be read and the database alone is.
pub fn read_only(path: &Path, table: &str) -> rusqlite::Result<Connection> {
    let open = |immutable: &str| {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let uri = format!("file:{}{immutable}", crate::store::escaped(path));
        let database = Connection::open_with_flags(uri, flags)?;
        database.pragma_update(None, "trusted_schema", false)?;
        let looked = format!("SELECT count(*) FROM {table}");
        database.query_one(&looked, [], |_| Ok(()))?;
        Ok(database)
    };
    open("").or_else(|_| open("?immutable=1"))
}
