//! Entering a payload: the row, the one that it takes the place of, and its number.

use super::rows::{IDS, first_id, function_id, seal_bytes};
use super::{Entry, Failed, Index, Payload, Room, epoch, remove, room};
use crate::digest::Digest;
use crate::error::Result;
use crate::format::MOST_SECONDS;
use crate::store::files::Nonce;
use rusqlite::{Connection, params};

/// What became of a row that was to be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It is in.
    New,
    /// It is in, for an earlier one, whose file can go.
    Replaced(Option<Nonce>),
    /// An invalidation came while the value was computed, and wins.
    Outdated,
    /// There is no room for it.
    TooLarge,
    /// Only a new one was wanted, and its key has an answer.
    There,
}

impl Index {
    /// Enters a payload, in the given room or in room that was reserved; `publish` puts
    /// its file into place and gives its stamp, in the same transaction that makes sure that no
    /// invalidation came in between, nor another answer where `only_new` ones are wanted.
    ///
    /// # Errors
    /// The transaction fails, or `publish` does.
    pub fn enter(
        &mut self,
        entry: &Entry<'_>,
        only_new: bool,
        room: Option<Room<'_>>,
        publish: impl FnOnce() -> Result<Option<Vec<u8>>>,
    ) -> Result<Entered> {
        self.change(|change| enter(change, entry, only_new, room, publish))
    }

    /// Enters payloads that need no file, all in one transaction.
    ///
    /// # Errors
    /// The transaction fails; then none is in.
    pub fn enter_all(&mut self, entries: &[Entry<'_>], room: Room<'_>) -> Result<Vec<Entered>> {
        self.change(|change| {
            let enter = |entry| enter(change, entry, false, Some(room), || Ok(None));
            entries.iter().map(enter).collect()
        })
    }

    /// Enters payload files that were found, where no newer one is in for its key.
    ///
    /// # Errors
    /// The transaction fails.
    pub fn adopt(&mut self, entries: &[Entry<'_>]) -> Result<()> {
        self.change(|change| {
            for entry in entries {
                if is_older(change, entry)? {
                    room::note_pending(change, entry.key, entry.place.nonce, 0)?;
                    continue;
                }
                let (id, _) = make_way(change, entry)?;
                insert(change, id, entry, None)?;
                room::take(change, entry)?;
            }
            Ok(())
        })
    }
}

fn enter(
    change: &Connection,
    entry: &Entry<'_>,
    only_new: bool,
    room: Option<Room<'_>>,
    publish: impl FnOnce() -> Result<Option<Vec<u8>>>,
) -> std::result::Result<Entered, Failed> {
    if epoch(change, entry.function)? != entry.epoch {
        room::settle(change, entry.place.nonce)?;
        return Ok(Entered::Outdated);
    }
    if only_new
        && near(change, entry.key)?
            .iter()
            .any(|row| row.is_replaced_by(entry))
    {
        return Ok(Entered::There);
    }
    let (id, entered) = make_way(change, entry)?;
    if let Some(room) = room
        && !room::make(change, entry.cost(), room)?
    {
        return Ok(Entered::TooLarge);
    }
    let stamp = publish()?;
    insert(change, id, entry, stamp.as_deref())?;
    room::take(change, entry)?;
    Ok(entered)
}

/// Whether there is a newer one that answers the same.
fn is_older(index: &Connection, entry: &Entry<'_>) -> rusqlite::Result<bool> {
    let mut newer = index.prepare_cached(
        "SELECT 1 FROM entries WHERE id BETWEEN ?1 AND ?1 + 15 AND key = ?2 AND sealed = ?3
         AND created > ?4",
    )?;
    let sealed = seal_bytes(entry.place.sealed.as_ref());
    newer.exists(params![
        first_id(entry.key),
        entry.key.0,
        sealed,
        entry.place.created_ns
    ])
}

/// A row that has a number near to that of the key.
struct Near {
    id: i64,
    cost: i64,
    /// None where it can't be read: then it names no file that could be found.
    nonce: Option<Nonce>,
    inline: bool,
    created: i64,
    key: Option<Digest>,
    sealed: Vec<u8>,
}

impl Near {
    fn is_replaced_by(&self, entry: &Entry<'_>) -> bool {
        let ours = seal_bytes(entry.ours.as_ref());
        self.key == Some(entry.key) && (self.sealed.is_empty() || self.sealed == ours)
    }

    /// Removes it; its file is pending until it is gone.
    fn remove(&self, change: &Connection, key: Digest) -> rusqlite::Result<Option<Nonce>> {
        let file = self.nonce.filter(|_| !self.inline);
        remove(change, (self.id, self.cost))?;
        if let Some(nonce) = file {
            room::note_pending(change, self.key.unwrap_or(key), nonce, 0)?;
        }
        Ok(file)
    }
}

fn near(index: &Connection, key: Digest) -> rusqlite::Result<Vec<Near>> {
    let mut query = index.prepare_cached(
        "SELECT id, cost, nonce, bytes IS NOT NULL, created, key, sealed FROM entries
         WHERE id BETWEEN ?1 AND ?1 + 15",
    )?;
    let rows = query.query_map([first_id(key)], |row| {
        Ok(Near {
            id: row.get(0)?,
            cost: row.get(1).unwrap_or_default(),
            nonce: row.get(2).ok(),
            inline: row.get(3)?,
            created: row.get(4).unwrap_or_default(),
            key: row.get(5).ok().map(Digest),
            sealed: row.get(6).unwrap_or_default(),
        })
    })?;
    rows.collect()
}

/// Removes what the entry is in the place of, and finds it a number.
fn make_way(change: &Connection, entry: &Entry<'_>) -> rusqlite::Result<(i64, Entered)> {
    let mut entered = Entered::New;
    let mut others = Vec::new();
    for row in near(change, entry.key)? {
        if row.is_replaced_by(entry) {
            entered = Entered::Replaced(row.remove(change, entry.key)?);
        } else {
            others.push(row);
        }
    }
    let first = first_id(entry.key);
    let free = (first..first + IDS).find(|id| others.iter().all(|row| row.id != *id));
    let id = match (free, others.iter().min_by_key(|row| row.created)) {
        (None, Some(oldest)) => {
            oldest.remove(change, entry.key)?;
            oldest.id
        }
        (free, _) => free.unwrap_or(first),
    };
    Ok((id, entered))
}

fn insert(
    change: &Connection,
    id: i64,
    entry: &Entry<'_>,
    stamp: Option<&[u8]>,
) -> rusqlite::Result<()> {
    let function = function_id(change, entry.function)?;
    let mut insert = change.prepare_cached(
        "INSERT INTO entries (id, key, sealed, nonce, function, created, seconds, size, cost, stamp,
             first, last, bytes, used, priority, epoch)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?6,
             inflation + min(?7, ?15) / ?9, min(?14, epoch)
         FROM store",
    )?;
    let inline = match &entry.place.payload {
        Payload::Inline(bytes) => Some(bytes.as_slice()),
        Payload::File(_) => None,
    };
    insert.execute(params![
        id,
        entry.key.0,
        seal_bytes(entry.place.sealed.as_ref()),
        entry.place.nonce,
        function,
        entry.place.created_ns,
        entry.seconds,
        entry.size.cast_signed() as i64,
        entry.cost().cast_signed(),
        stamp,
        entry.time_range.map(|(first, _)| first),
        entry.time_range.map(|(_, last)| last),
        inline,
        // That of a payload that was found may be forged, and is not to outlast every drop.
        i64::try_from(entry.epoch).unwrap_or(i64::MAX),
        MOST_SECONDS
    ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Entered, IDS};
    use crate::digest::Digest;
    use crate::store::index::{Entry, Index, Manner, Payload, Place, Selection};

    const SINCE: u64 = 1 << 40;

    fn index(folder: &tempfile::TempDir) -> Index {
        let manner = Manner {
            shared: true,
            max_size: None,
        };
        Index::create(&folder.path().join("index"), 1, manner).unwrap()
    }

    /// Keys that differ in their last byte alone lie at the same place.
    fn key(last: u8) -> Digest {
        let mut key = [255; 16];
        key[15] = last;
        Digest(key)
    }

    fn enter(index: &mut Index, key: Digest, created_ns: i64, content: &[u8]) -> Entered {
        enter_as(index, key, created_ns, (content, false))
    }

    fn enter_as(
        index: &mut Index,
        key: Digest,
        created_ns: i64,
        (content, only_new): (&[u8], bool),
    ) -> Entered {
        let place = Place {
            nonce: created_ns.to_le_bytes(),
            created_ns,
            sealed: None,
            payload: Payload::Inline(content.to_vec()),
        };
        let entry = Entry {
            key,
            ours: None,
            function: "f",
            seconds: 1.0,
            size: content.len(),
            place: &place,
            time_range: None,
            epoch: SINCE,
        };
        index.enter(&entry, only_new, None, || Ok(None)).unwrap()
    }

    fn found(index: &Index, key: Digest) -> Option<Payload> {
        let place = index.find(key, None).unwrap();
        place.map(|place| place.payload)
    }

    #[test]
    fn keys_that_begin_alike_have_entries_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let mut index = index(&folder);
        for last in 0..16 {
            assert_eq!(
                enter(&mut index, key(last), last.into(), &[last]),
                Entered::New
            );
        }
        for last in 0..16 {
            assert_eq!(
                found(&index, key(last)),
                Some(Payload::Inline(vec![last])),
                "{last}"
            );
        }
        assert_eq!(found(&index, key(16)), None);
        let selection = Selection {
            key: Some(key(3)),
            ..Selection::default()
        };
        assert_eq!(index.list(selection).unwrap().len(), 1);
    }

    #[test]
    fn an_entry_is_replaced_by_one_of_its_own_key() {
        let folder = tempfile::tempdir().unwrap();
        let mut index = index(&folder);
        enter(&mut index, key(1), 1, b"one");
        enter(&mut index, key(2), 2, b"two");
        let replaced = Entered::Replaced(None);
        assert_eq!(enter(&mut index, key(1), 3, b"another"), replaced);
        assert_eq!(
            found(&index, key(1)),
            Some(Payload::Inline(b"another".into()))
        );
        assert_eq!(found(&index, key(2)), Some(Payload::Inline(b"two".into())));
        assert_eq!(index.totals().unwrap(), (2, 10));
    }

    #[test]
    fn an_answer_stays_where_only_a_new_one_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let mut index = index(&folder);
        let mut enter = |last, content: &[u8]| {
            let entered = enter_as(&mut index, key(last), last.into(), (content, true));
            (entered, found(&index, key(last)))
        };
        let held = Some(Payload::Inline(b"one".into()));
        assert_eq!(enter(1, b"one"), (Entered::New, held.clone()));
        assert_eq!(enter(1, b"another"), (Entered::There, held));
        assert_eq!(enter(2, b"two").0, Entered::New);
    }

    #[test]
    fn where_every_number_is_taken_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut index = index(&folder);
        let all = u8::try_from(IDS).unwrap();
        for last in 0..=all {
            let created = 100 - i64::from(last % 7);
            enter(&mut index, key(last), created, &[last]);
        }
        // The seventh is the first of the two that were computed at 94.
        let gone: Vec<_> = (0..=all)
            .filter(|last| found(&index, key(*last)).is_none())
            .collect();
        assert_eq!(gone, [6]);
        assert_eq!(index.totals().unwrap(), (16, 16));
    }
}
