//! The store of entries: payload files, and the index that names them.
//!
//! Truth is a row and the payload it names, and both carry their own check. Whatever fails one is
//! set aside and counts as a miss; nothing here ever returns half a value.

mod changes;
mod files;
mod flight;
mod index;
mod mapped;
mod memory;
mod ram;
mod session;
mod trust;

pub use changes::Mark;
pub use files::{hex_bytes, secret};
pub use flight::{Flight, Flights, Follow, Lead, Outcome, Ticket};
pub use mapped::Bytes;
pub use memory::{MemoryTier, Weighed};
pub use ram::usual_memory;

use crate::clock;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::{Draft, Head, Leaf, Meta, Seal, Secret, Source};
use changes::Changes;
use files::{Nonce, Root, StoreId};
use index::{Entered, Entry, Index, Place};
pub use index::{Listed, Selection};
use session::Session;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Payloads up to this size live in the index row.
const INLINE: usize = 16 * 1024;
/// How long an index that was locked is left alone.
const REST: Duration = Duration::from_secs(30);

/// A store of entries.
#[derive(Debug)]
pub struct Store {
    root: Root,
    id: StoreId,
    secret: Option<Secret>,
    session: Mutex<Session>,
    resting: Mutex<Option<Instant>>,
    changes: Changes,
}

/// A payload that passed its checks.
#[derive(Debug)]
pub struct Found {
    /// What stands before its leaves.
    pub head: Head,
    /// All of it.
    pub bytes: Bytes,
}

/// What became of a payload that was to be stored.
#[derive(Debug)]
pub enum Put {
    /// It is in.
    Stored {
        /// Bytes of the payload.
        size: usize,
        /// All of it, where it is small: for the memory tier.
        inline: Option<Vec<u8>>,
    },
    /// An invalidation came while the value was computed.
    Outdated,
}

impl Store {
    /// Opens the store in a folder, and makes it where it is missing.
    ///
    /// # Errors
    /// `Refused` for a folder that others may write, `Newer` for one made by a later version,
    /// `Io` and `Locked` where the disk or another process is in the way.
    pub fn open(path: &Path, secret: Option<Secret>) -> Result<Self> {
        let root = Root::prepare(path)?;
        let id = root.store_id()?;
        let session = Mutex::new(Session::open(&root)?);
        let changes = Changes::of(&root);
        Ok(Self {
            root,
            id,
            secret,
            session,
            resting: Mutex::default(),
            changes,
        })
    }

    /// Whether results that need pickle can be stored and loaded.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.secret.is_some()
    }

    /// The payload that answers a key.
    ///
    /// # Errors
    /// `Corrupt` or `Forged` for a payload that was set aside, `Locked` and `Io` where the index or
    /// the disk fails: each of them is a miss with a reason.
    pub fn get(&self, key: Digest) -> Result<Option<Found>> {
        let Some(place) = self.find(key)? else {
            return Ok(None);
        };
        match self.load(key, &place) {
            Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Forged) => {
                Err(self.set_aside(key, &place, error))
            }
            Err(error) if error.kind() == Kind::ForeignSecret => Ok(None),
            loaded => loaded,
        }
    }

    fn find(&self, key: Digest) -> Result<Option<Place>> {
        let found = self.with_index(|index| index.find(key));
        if matches!(&found, Err(error) if error.kind() == Kind::Corrupt) {
            self.with_index(|index| index.drop_row(key))?;
        }
        found
    }

    /// Whether a key is answered, without loading the answer.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn contains(&self, key: Digest) -> Result<bool> {
        self.find(key).map(|place| place.is_some())
    }

    fn load(&self, key: Digest, place: &Place) -> Result<Option<Found>> {
        let (bytes, stamp, trusted) = match place {
            Place::Inline(bytes) => (Bytes::copy(bytes), None, false),
            Place::File(nonce, recorded) => match self.root.open(key, *nonce)? {
                None => return self.forget(key, *nonce),
                Some((bytes, stamp)) => {
                    let trusted = stamp.is(recorded.as_deref());
                    (bytes, Some((*nonce, stamp)), trusted)
                }
            },
        };
        let head = self.check(key, bytes.slice(), trusted)?;
        if let Some((nonce, stamp)) = stamp.filter(|_| !trusted) {
            // The next load checks again where this is not noted.
            let _ = stamp
                .bytes()
                .map(|stamp| self.with_index(|index| index.stamp(key, nonce, stamp)));
        }
        Ok(Some(Found { head, bytes }))
    }

    fn check(&self, key: Digest, payload: &[u8], trusted: bool) -> Result<Head> {
        let head = Head::read(payload)?;
        if head.key != key || head.length != payload.len() {
            return Err(Error::new(
                Kind::Corrupt,
                "it is not the payload of this key, or not all of it",
            ));
        }
        head.authenticate(payload, self.seal())?;
        if !trusted {
            head.verify_leaves(payload)?;
        }
        Ok(head)
    }

    fn seal(&self) -> Option<Seal<'_>> {
        self.secret.as_ref().map(|secret| Seal {
            secret,
            store: &self.id,
        })
    }

    fn forget(&self, key: Digest, nonce: Nonce) -> Result<Option<Found>> {
        self.with_index(|index| index.forget(key, Some(nonce)))?;
        Ok(None)
    }

    fn set_aside(&self, key: Digest, place: &Place, error: Error) -> Error {
        let nonce = match place {
            Place::Inline(_) => None,
            Place::File(nonce, _) => Some(*nonce),
        };
        let told = match nonce {
            None => error.within(&format!("the stored result {key} in the index was dropped")),
            Some(nonce) => {
                let aside = self.root.quarantine(key, nonce);
                error.within(&format!(
                    "the stored result `{}` was set aside in `quarantine`",
                    aside.display()
                ))
            }
        };
        // A row that stays names a payload that is gone, or fails the same check again.
        let _ = self.with_index(|index| index.forget(key, nonce));
        self.changes.count(key);
        told
    }

    /// Sets a payload aside that passed its checks and could not be decoded all the same.
    #[must_use]
    pub fn reject(&self, key: Digest, error: Error) -> Error {
        match self.with_index(|index| index.find(key)) {
            Ok(Some(place)) => self.set_aside(key, &place, error),
            _ => error,
        }
    }

    /// The epoch of a function; taken before computing, given back to `put`.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn epoch(&self, function: &str) -> Result<u64> {
        self.with_index(|index| index.epoch(function))
    }

    /// Stores a payload: the file first, the row second.
    ///
    /// # Errors
    /// Disk full, no permission, no secret for a result that needs one, index locked.
    pub fn put(&self, draft: &Draft, epoch: u64) -> Result<Put> {
        let (head, leaves) = draft.head(epoch, self.seal())?;
        let size = leaves.last().map_or(head.len(), |leaf| leaf.range.end);
        let parts = in_places(&head, &leaves, draft);
        let place = if size <= INLINE {
            Place::Inline(join(&parts, size))
        } else {
            self.write(draft, &parts)?
        };
        let entry = Entry {
            key: draft.key,
            function: &draft.meta.function,
            created_ns: draft.created_ns,
            seconds: draft.seconds,
            size,
            place: &place,
            time_range: draft.meta.time_range,
        };
        let entered = self.with_index(|index| index.enter(&entry, epoch));
        let unwanted = match &entered {
            Ok(Entered::New) => None,
            Ok(Entered::Replaced(replaced)) => *replaced,
            Ok(Entered::Outdated) | Err(_) => place.nonce(),
        };
        if let Some(nonce) = unwanted {
            self.root.remove(draft.key, nonce);
        }
        if matches!(entered, Ok(Entered::Replaced(_))) {
            self.changes.count(draft.key);
        }
        Ok(match (entered?, place) {
            (Entered::Outdated, _) => Put::Outdated,
            (_, Place::Inline(bytes)) => Put::Stored {
                size,
                inline: Some(bytes),
            },
            (_, Place::File(..)) => Put::Stored { size, inline: None },
        })
    }

    fn write(&self, draft: &Draft, parts: &[(usize, &[u8])]) -> Result<Place> {
        let mut nonce = Nonce::default();
        getrandom::fill(&mut nonce)
            .map_err(|error| Error::caused(Kind::Io, "no random numbers to be had", error))?;
        let stamp = self.root.write(draft.key, nonce, draft.created_ns, parts)?;
        Ok(Place::File(nonce, stamp.bytes().map(<[u8]>::to_vec)))
    }

    /// Drops the entries of one function, or of all; says how many.
    ///
    /// # Errors
    /// The index can't be changed.
    pub fn clear(&self, function: Option<&str>) -> Result<usize> {
        let cleared = self
            .with_index(|index| index.clear(function, |key, nonce| self.root.remove(key, nonce)));
        self.changes.count_all();
        cleared
    }

    /// The entries that are asked for, in no order.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn list(&self, selection: Selection<'_>) -> Result<Vec<Listed>> {
        self.with_index(|index| index.list(selection))
    }

    /// Drops the entries that are asked for; says which.
    ///
    /// # Errors
    /// The index can't be changed.
    pub fn invalidate(&self, selection: Selection<'_>) -> Result<Vec<Listed>> {
        let dropped = self.with_index(|index| {
            index.invalidate(selection, |key, nonce| self.root.remove(key, nonce))
        });
        self.changes.count_all();
        dropped
    }

    /// The bytes that `put` would store, for a result that stays in memory.
    ///
    /// # Errors
    /// There is no secret for a result that needs one.
    pub fn payload(&self, draft: &Draft, epoch: u64) -> Result<Vec<u8>> {
        let (head, leaves) = draft.head(epoch, self.seal())?;
        let size = leaves.last().map_or(head.len(), |leaf| leaf.range.end);
        Ok(join(&in_places(&head, &leaves, draft), size))
    }

    /// What was counted of changes to an entry, by whichever process: what memory holds from
    /// before a change must not be served after it.
    ///
    /// On network file systems the index is asked, since a mapping shows nothing of other machines.
    #[must_use]
    pub fn mark(&self, key: Digest) -> Mark {
        let mark = self.changes.mark(key);
        if !self.root.is_network() {
            return mark;
        }
        mark.with_row(match self.find(key) {
            Ok(Some(Place::File(nonce, _))) => Some(Digest::of(&nonce)),
            Ok(Some(Place::Inline(bytes))) => Some(Digest::of(&bytes)),
            Ok(None) | Err(_) => None,
        })
    }

    /// Whether other machines may change entries without a count that shows here.
    #[must_use]
    pub fn is_network(&self) -> bool {
        self.root.is_network()
    }

    /// How often entries were dropped that nobody listed.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.all()
    }

    /// What the latest entries of a function say of themselves, newest first.
    ///
    /// # Errors
    /// The index can't be asked; a payload that can't be read is left out.
    pub fn latest(&self, function: &str, most: usize) -> Result<Vec<Meta>> {
        let latest = self.with_index(|index| index.latest(function, most))?;
        Ok(latest
            .iter()
            .filter_map(|(key, place)| self.meta(*key, place))
            .collect())
    }

    fn meta(&self, key: Digest, place: &Place) -> Option<Meta> {
        let read = |payload: &[u8]| Head::read(payload).and_then(|head| head.meta(payload)).ok();
        match place {
            Place::Inline(bytes) => read(bytes),
            Place::File(nonce, _) => read(self.root.open(key, *nonce).ok()??.0.slice()),
        }
    }

    /// How many entries there are, and their bytes.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn totals(&self) -> Result<(usize, u64)> {
        self.with_index(|index| index.totals())
    }

    /// Runs one piece of work on the index; a damaged one is replaced and the work done again.
    fn with_index<T>(&self, work: impl Fn(&mut Index) -> Result<T>) -> Result<T> {
        self.rested()?;
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let mut done = session.index(&self.root).and_then(&work);
        if matches!(&done, Err(error) if error.kind() == Kind::DamagedIndex) {
            session.replace(&self.root)?;
            done = session.index(&self.root).and_then(&work);
        }
        if matches!(&done, Err(error) if error.kind() == Kind::Locked) {
            *self.resting.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(clock::monotonic() + REST);
        }
        done
    }

    /// An index that was locked is not waited for at every call.
    fn rested(&self) -> Result<()> {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        match *resting {
            Some(until) if clock::monotonic() < until => Err(Error::new(
                Kind::Locked,
                "the index was locked a moment ago and is left alone for a while",
            )),
            _ => {
                *resting = None;
                Ok(())
            }
        }
    }
}

/// The parts of a payload, each with the place where it begins.
fn in_places<'a>(head: &'a [u8], leaves: &[Leaf], draft: &'a Draft) -> Vec<(usize, &'a [u8])> {
    let places = leaves.iter().map(|leaf| leaf.range.start);
    let sources = draft.leaves.iter().map(Source::bytes);
    std::iter::once((0, head))
        .chain(places.zip(sources))
        .collect()
}

fn join(parts: &[(usize, &[u8])], size: usize) -> Vec<u8> {
    let mut joined = Vec::with_capacity(size);
    for (start, bytes) in parts {
        joined.resize(*start, 0);
        joined.extend_from_slice(bytes);
    }
    joined
}
