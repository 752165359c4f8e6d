//! The tables of the index, and how it is opened.

use super::{Index, counts, told};
use crate::error::{Error, Kind, Result};
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};
use std::path::Path;
use std::time::Duration;

/// How long a write waits for another process's.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// The log is cut back to this size when all of it is in the database.
pub const LOG: u64 = 64 * 1024 * 1024;
/// Bytes of a page: a small result writes four, of which most stays as it was.
const PAGE: u64 = 2048;
/// Pages that are kept in memory, KiB: those above the leaves, for a million entries.
const KEPT: i64 = 8_192;
/// Where a generation's epochs begin: above those of every earlier one.
const EPOCHS: u32 = 40;

/// How an index is kept.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Whether processes of one machine use it: the log needs memory that they share.
    pub shared: bool,
    /// Bytes that the store may take, if that was chosen: in a small one the log is short.
    pub max_size: Option<u64>,
}

impl Manner {
    fn log_pages(self) -> i64 {
        const SHARE: u64 = 64;
        const USUAL: i64 = 8_192;
        const LEAST: i64 = 16;
        self.max_size
            .and_then(|bytes| i64::try_from(bytes / SHARE / PAGE).ok())
            .map_or(USUAL, |pages| pages.clamp(LEAST, USUAL))
    }
}

const SCHEMA: &str = "
CREATE TABLE store (
    epoch INTEGER NOT NULL,
    floor INTEGER NOT NULL,
    bytes INTEGER NOT NULL DEFAULT 0,
    inflation REAL NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE functions (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    sealed BLOB NOT NULL,
    nonce BLOB NOT NULL,
    function INTEGER NOT NULL,
    created INTEGER NOT NULL,
    seconds REAL NOT NULL,
    size INTEGER NOT NULL,
    cost INTEGER NOT NULL,
    stamp BLOB,
    first INTEGER,
    last INTEGER,
    uses INTEGER NOT NULL DEFAULT 1,
    used INTEGER NOT NULL,
    priority REAL NOT NULL,
    pinned INTEGER NOT NULL DEFAULT 0,
    epoch INTEGER NOT NULL,
    bytes BLOB
) STRICT;
CREATE TABLE pending (
    nonce BLOB PRIMARY KEY,
    key BLOB NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
CREATE INDEX entries_of_function ON entries (function, created);
CREATE INDEX entries_of_time ON entries (last, first) WHERE last IS NOT NULL;
CREATE INDEX entries_by_priority ON entries (priority) WHERE pinned = 0;
";
const VERSION: i64 = 2;

impl Index {
    /// Opens an index; `None` for one that was never finished, or is of an earlier version.
    ///
    /// # Errors
    /// `DamagedIndex` for a file that is no database, `Newer` for tables that we do not know.
    pub fn open(path: &Path, manner: Manner) -> Result<Option<Self>> {
        let opened = connect(path, manner).and_then(|connection| {
            let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
            Ok((connection, version))
        });
        match opened.map_err(|error| told(path, error))? {
            (_, ..VERSION) => Ok(None),
            (connection, VERSION) => Ok(Some(Self(connection))),
            _ => {
                let path = path.display();
                let what = "was made by a newer afml-cache; upgrade it";
                Err(Error::new(
                    Kind::Newer,
                    format!("the index `{path}` {what}"),
                ))
            }
        }
    }

    /// Makes an index, which counts as none until it is finished.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn create(path: &Path, generation: u64, manner: Manner) -> Result<Self> {
        let created = connect(path, manner).and_then(|mut connection| {
            let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            change.execute_batch(SCHEMA)?;
            change.execute_batch(&counts::schema())?;
            change.execute(
                "INSERT INTO store (epoch, floor) VALUES (?1, ?1)",
                params![first_epoch(generation)],
            )?;
            change.commit()?;
            Ok(Self(connection))
        });
        created.map_err(|error| told(path, error))
    }

    /// Has epochs begin above those of a generation, and the index count from here on.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn finish(&mut self, generation: u64) -> Result<()> {
        let epoch = first_epoch(generation);
        self.change(|change| {
            let begin = "UPDATE store SET epoch = max(epoch, ?1), floor = max(floor, ?1)";
            change.execute(begin, [epoch])?;
            Ok(change.pragma_update(None, "user_version", VERSION)?)
        })
    }

    /// Opens an index that can only be read.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn open_read_only(path: &Path) -> Result<Self> {
        let open = |immutable: &str| {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            let connection =
                Connection::open_with_flags(format!("file:{}{immutable}", escaped(path)), flags)?;
            connection.query_one("SELECT count(*) FROM store", [], |_| Ok(()))?;
            Ok(Self(connection))
        };
        // Without a shared-memory file beside it, the log can't be read and the database alone is.
        open("")
            .or_else(|_| open("?immutable=1"))
            .map_err(|error| told(path, error))
    }
}

fn connect(path: &Path, manner: Manner) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(48);
    connection.pragma_update(None, "page_size", PAGE.cast_signed())?;
    connection.pragma_update(None, "cache_size", -KEPT)?;
    connection.pragma_update(
        None,
        "journal_mode",
        if manner.shared { "wal" } else { "delete" },
    )?;
    connection.pragma_update(None, "journal_size_limit", LOG.cast_signed())?;
    connection.pragma_update(None, "wal_autocheckpoint", manner.log_pages())?;
    connection.pragma_update(None, "synchronous", "normal")?;
    // Views and triggers are nobody's but a forger's here.
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// Where the epochs of a generation begin.
pub(super) fn first_epoch(generation: u64) -> i64 {
    (generation << EPOCHS).cast_signed()
}

/// The generation that an epoch is of.
#[must_use]
pub fn generation_of(epoch: u64) -> u64 {
    epoch >> EPOCHS
}

/// A path as a part of a URI.
#[must_use]
pub fn escaped(path: &Path) -> String {
    path.display()
        .to_string()
        .replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23")
}
