//! The journal: notes by kind and name, each replaced by the next of its name.
//!
//! Nothing in it can't be found out again: an item that failed is tried once more, a file that nobody
//! recorded is made of results that are there. So a change need not be on the medium, and a damaged
//! journal is set aside for an empty one; a row that is not what was written is no row.

use crate::digest::Digest;
use crate::error::Result;
use crate::format::Writer;
use crate::store::{Database, Schema, SweepFiles};
use rusqlite::{CachedStatement, Connection, Row, params};

const SCHEMA: Schema = Schema {
    what: "journal of sweeps",
    tables: TABLES,
    version: 1,
    main_table: "notes",
    is_made_of_others: true,
};

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS notes (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    mark BLOB NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS notes_of_owner ON notes (kind, owner);
";

/// The journal of a store; one connection a process.
#[derive(Debug)]
pub struct Journal(Database);

/// What is known of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What its name is unique in: sweeps, failures, batches.
    pub kind: String,
    /// What it is of.
    pub name: String,
    /// What that belongs to.
    pub owner: String,
    /// When it was written, ns UTC.
    pub at_ns: i64,
    /// JSON.
    pub body: String,
}

impl Journal {
    /// The journal in a folder; opened when it is first needed.
    #[must_use]
    pub fn of(files: SweepFiles) -> Self {
        Self(Database::of(Box::new(files), SCHEMA))
    }

    /// Writes notes, all or none, each in the place of an earlier one.
    ///
    /// # Errors
    /// The journal can't be changed.
    pub fn put(&self, notes: &[Note]) -> Result<()> {
        self.0.change(|journal| {
            let mut put = journal.prepare_cached(
                "INSERT OR REPLACE INTO notes (kind, name, owner, at, body, mark)
                 VALUES (?, ?, ?, ?, ?, ?)",
            )?;
            for note in notes {
                let (kind, name, owner) = (&note.kind, &note.name, &note.owner);
                put.execute(params![
                    kind,
                    name,
                    owner,
                    note.at_ns,
                    note.body,
                    note.mark().0
                ])?;
            }
            Ok(())
        })
    }

    /// The notes of these names; those that there are.
    ///
    /// # Errors
    /// The journal can't be asked.
    pub fn get(&self, kind: &str, names: &[String]) -> Result<Vec<Note>> {
        self.0.ask(|journal| {
            let mut get = prepared(journal, "kind = ? AND name = ?")?;
            let mut found = Vec::new();
            for name in names {
                for note in get.query_map([kind, name], read)? {
                    found.extend(note?);
                }
            }
            Ok(found)
        })
    }

    /// The notes of a kind, of one owner or of all, the oldest first.
    ///
    /// # Errors
    /// The journal can't be asked.
    pub fn list(&self, kind: &str, owner: Option<&str>) -> Result<Vec<Note>> {
        self.0.ask(|journal| {
            let of = "kind = ?1 AND (?2 IS NULL OR owner = ?2) ORDER BY at, name";
            let mut list = prepared(journal, of)?;
            let notes = list.query_map(params![kind, owner], read)?;
            notes.filter_map(rusqlite::Result::transpose).collect()
        })
    }

    /// Removes the notes of these names.
    ///
    /// # Errors
    /// The journal can't be changed.
    pub fn remove(&self, kind: &str, names: &[String]) -> Result<()> {
        self.0.change(|journal| {
            let mut remove =
                journal.prepare_cached("DELETE FROM notes WHERE kind = ? AND name = ?")?;
            for name in names {
                remove.execute([kind, name])?;
            }
            Ok(())
        })
    }
}

impl Note {
    /// What says of a row that it is what was written.
    fn mark(&self) -> Digest {
        let mut writer = Writer::new();
        for text in [&self.kind, &self.name, &self.owner, &self.body] {
            writer.bytes(text.as_bytes());
        }
        writer.i64(self.at_ns);
        Digest::of(&writer.finish())
    }
}

fn prepared<'a>(journal: &'a Connection, of: &str) -> rusqlite::Result<CachedStatement<'a>> {
    let columns = "kind, name, owner, at, body, mark";
    journal.prepare_cached(&format!("SELECT {columns} FROM notes WHERE {of}"))
}

/// A note, if it is what was written.
fn read(row: &Row<'_>) -> rusqlite::Result<Option<Note>> {
    let note = Note {
        kind: row.get(0)?,
        name: row.get(1)?,
        owner: row.get(2)?,
        at_ns: row.get(3)?,
        body: row.get(4)?,
    };
    let mark: Vec<u8> = row.get(5)?;
    Ok((mark == note.mark().0).then_some(note))
}

#[cfg(test)]
mod tests {
    use super::{Journal, Note};
    use crate::store::{Options, Store};
    use rusqlite::Connection;
    use std::path::Path;

    fn journal(folder: &Path) -> Journal {
        let store = Store::open(&folder.join("store"), Options::default()).unwrap();
        Journal::of(store.sweep_files())
    }

    fn note(name: &str, owner: &str, at_ns: i64) -> Note {
        Note {
            kind: "failure".into(),
            name: name.into(),
            owner: owner.into(),
            at_ns,
            body: "{}".into(),
        }
    }

    #[test]
    fn the_last_note_of_a_name_counts() {
        let folder = tempfile::tempdir().unwrap();
        let journal = journal(folder.path());
        let (first, again, other) = (note("a", "s", 1), note("a", "t", 3), note("b", "s", 2));
        journal.put(&[first, other.clone()]).unwrap();
        journal.put(std::slice::from_ref(&again)).unwrap();
        let names = ["a".into(), "c".into()];
        assert_eq!(
            journal.get("failure", &names).unwrap(),
            std::slice::from_ref(&again)
        );
        assert_eq!(journal.get("batch", &names).unwrap(), []);
        let all = [other.clone(), again.clone()];
        assert_eq!(journal.list("failure", None).unwrap(), all);
        assert_eq!(journal.list("failure", Some("t")).unwrap(), [again]);
        journal.remove("failure", &names).unwrap();
        assert_eq!(journal.list("failure", None).unwrap(), [other]);
    }

    #[test]
    fn a_row_that_is_not_what_was_written_is_no_note() {
        let folder = tempfile::tempdir().unwrap();
        let journal = journal(folder.path());
        journal
            .put(&[note("a", "s", 1), note("b", "s", 2)])
            .unwrap();
        let path = folder.path().join("store/v1/sweeps.sqlite3");
        let other = Connection::open(path).unwrap();
        other
            .execute("UPDATE notes SET body = '[]' WHERE name = 'a'", [])
            .unwrap();
        assert_eq!(journal.list("failure", None).unwrap(), [note("b", "s", 2)]);
    }
}
