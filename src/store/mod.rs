//! The store of entries: payload files, and the index that names them.
//!
//! Truth is a row and the payload it names, and both carry their own check. Whatever fails one is
//! set aside and counts as a miss; nothing here ever returns half a value.

mod changes;
mod database;
mod drop;
mod dropped;
mod export;
mod files;
mod flight;
mod import;
mod index;
mod ledger;
mod limit;
mod mapped;
mod memory;
mod put;
mod ram;
mod rebuild;
mod runs;
mod series;
mod session;
mod tally;
mod trust;
mod upkeep;
mod waits;

pub use changes::Mark;
pub use database::{Database, FileIdentity, Home, Schema, outside};
pub use export::Exported;
pub use files::{
    Cut, Grab, Lease, LockedLog, RunDraft, RunFiles, RunLog, Seen, SeriesFiles, SweepFiles, Watch,
    hex_bytes, hex_text, secret,
};
pub use flight::{Flight, Flights, Lead, Outcome, Ticket};
pub use import::{Imported, Judge};
pub use index::{Listed, Selection, escaped};
pub use mapped::Bytes;
pub use memory::{MemoryTier, Weighed};
pub use put::Put;
pub use ram::usual_memory;
pub use tally::{Count, Counts, Tally};
pub use trust::Checked;
pub use upkeep::{Collected, Keep, Problem, Verified};
pub use waits::{Holding, Wait};

use crate::clock;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::{Compression, HEADER, Head, KeyId, Meta, Seal, Secret};
use changes::Changes;
use files::{Root, StoreId};
use index::{Index, Payload, Place};
use session::Session;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use trust::Trust;

/// How long an index that was locked is left alone.
const REST: Duration = Duration::from_secs(30);

/// How a store is to be.
#[derive(Debug, Default)]
pub struct Options {
    /// What results are sealed with that need it.
    pub secret: Option<Secret>,
    /// Bytes that it may take; by default the smaller of 20 GiB and half of what is free.
    pub max_size: Option<u64>,
    /// Whether it is on a network file system; by default that is found out.
    pub network: Option<bool>,
}

/// A store of entries.
#[derive(Debug)]
pub struct Store {
    root: Root,
    id: StoreId,
    secret: Option<Secret>,
    session: Mutex<Session>,
    resting: Mutex<Option<Instant>>,
    changes: Changes,
    room: limit::Limit,
    uses: upkeep::Uses,
    tallies: Arc<tally::Tallies>,
    /// A forked child has its parent's store in memory, and leaves it alone.
    process: u32,
}

/// A payload that passed its checks.
#[derive(Debug)]
pub struct Found {
    /// What stands before its leaves.
    pub head: Head,
    /// All of it.
    pub bytes: Bytes,
    /// Whether it is known to decode to a sound value: nobody else can have written it.
    pub sound: bool,
    /// What is to be noted once it has decoded.
    pub checked: Option<Checked>,
}

impl Store {
    /// Opens the store in a folder, and makes it where it is missing.
    ///
    /// # Errors
    /// `Refused` for a folder that others may write, `Newer` for one made by a later version,
    /// `Io` and `Locked` where the disk or another process is in the way.
    pub fn open(path: &Path, options: Options) -> Result<Self> {
        let root = Root::prepare(path, options.network, options.max_size)?;
        let id = root.store_id()?;
        let session = Mutex::new(Session::open(&root)?);
        let changes = Changes::of(&root);
        let store = Self {
            root,
            id,
            secret: options.secret,
            session,
            resting: Mutex::default(),
            changes,
            room: limit::Limit::new(options.max_size),
            uses: upkeep::Uses::default(),
            tallies: Arc::default(),
            process: std::process::id(),
        };
        store.clear_away();
        Ok(store)
    }

    /// Whether results that need pickle can be stored and loaded.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.secret.is_some()
    }

    /// The payload that answers a key; where nothing may be written, what fails its checks stays.
    ///
    /// # Errors
    /// `Corrupt` or `Forged` for a payload that was set aside, `Locked` and `Io` where the index or
    /// the disk fails: each of them is a miss with a reason.
    pub fn get(&self, key: Digest, writes: bool) -> Result<Option<Found>> {
        /// How often a payload may be replaced between our finding and our opening it.
        const TRIES: usize = 3;
        for _ in 0..TRIES {
            let Some(place) = self.find(key, writes)? else {
                return Ok(None);
            };
            match self.load(key, &place, writes) {
                Err(error) if is_damage(&error) && writes => {
                    return Err(self.set_aside(key, &place, error));
                }
                Err(error) if error.kind() == Kind::ForeignSecret => return Ok(None),
                Ok(None) if writes => self.change(|index| index.forget(key, place.nonce))?,
                loaded => return loaded,
            }
        }
        Ok(None)
    }

    fn find(&self, key: Digest, writes: bool) -> Result<Option<Place>> {
        let found = self.with_index(|index| index.find(key, self.ours().as_ref()));
        if matches!(&found, Err(error) if error.kind() == Kind::Corrupt) && writes {
            self.change(|index| index.drop_rows(key))?;
        }
        found
    }

    /// When the answer to a key was computed, ns UTC, without loading it.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn created(&self, key: Digest) -> Result<Option<i64>> {
        let place = self.find(key, false)?;
        Ok(place.map(|place| place.created_ns))
    }

    /// When the answer to a key was computed, ns UTC, and what it says of itself.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn described(&self, key: Digest) -> Result<Option<(i64, Meta)>> {
        let place = self.find(key, false)?;
        let described = place.map(|place| (place.created_ns, self.meta(key, &place)));
        Ok(described.map(|(created_ns, meta)| (created_ns, meta.unwrap_or_default())))
    }

    fn load(&self, key: Digest, place: &Place, writes: bool) -> Result<Option<Found>> {
        let nonce = place.nonce;
        let (bytes, trust, record) = match &place.payload {
            Payload::Inline(bytes) => (Bytes::copy(bytes), Trust::Unchecked, None),
            Payload::File(recorded) => match self.root.open(key, nonce)? {
                None => return Ok(None),
                Some((bytes, stamp)) => {
                    let of = self.check_of(key, nonce);
                    let trust = stamp.trust(&of, recorded.as_deref());
                    let unknown = trust == Trust::Unchecked && writes;
                    let record = unknown.then(|| stamp.record(&of)).flatten();
                    (bytes, trust, record)
                }
            },
        };
        // What is checked is what is decoded, whoever writes to the file meanwhile.
        bytes.own(HEADER);
        bytes.own(Head::extent(bytes.slice()));
        let head = self.check(key, bytes.slice(), trust != Trust::Unchecked)?;
        // What is read anyway is looked at anyway.
        let sound = trust == Trust::Sound && bytes.is_mapped();
        let (head, bytes) = unpacked(head, bytes)?;
        Ok(Some(Found {
            head,
            bytes,
            sound,
            checked: record.map(|record| Checked { key, nonce, record }),
        }))
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

    /// Names our secret.
    fn ours(&self) -> Option<KeyId> {
        self.secret.as_ref().map(Secret::id)
    }

    fn set_aside(&self, key: Digest, place: &Place, error: Error) -> Error {
        let aside = match &place.payload {
            Payload::Inline(bytes) => self.root.quarantine_bytes(key, place.nonce, bytes),
            Payload::File(_) => self.root.quarantine(key, place.nonce),
        };
        let told = error.within(&format!(
            "the stored result {key} was set aside as `{}`",
            aside.display()
        ));
        // A row that stays names a payload that is gone, or fails the same check again.
        let _ = self.change(|index| index.forget(key, place.nonce));
        self.changes.count(key);
        told
    }

    /// Sets a payload aside that passed its checks and could not be decoded all the same.
    #[must_use]
    pub fn reject(&self, key: Digest, error: Error) -> Error {
        match self.with_index(|index| index.find(key, self.ours().as_ref())) {
            Ok(Some(place)) => self.set_aside(key, &place, error),
            _ => error,
        }
    }

    /// Names the lock of a key.
    #[must_use]
    pub fn lock_of(&self, key: Digest) -> PathBuf {
        self.root.lease_path(key)
    }

    /// Asks for the lock of a key, which whoever computes it holds; `None` where there can be none.
    #[must_use]
    pub fn grab(&self, key: Digest) -> Option<Grab> {
        self.root.grab(key).ok()
    }

    /// The epoch of a function; taken before computing, given back to `put`.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn epoch(&self, function: &str) -> Result<u64> {
        self.with_index(|index| index.epoch(function))
    }

    /// The entries that are asked for, in no order.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn list(&self, selection: Selection<'_>) -> Result<Vec<Listed>> {
        self.with_index(|index| index.list(selection))
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
        mark.with_row(match self.find(key, false) {
            Ok(Some(place)) => Some(Digest::of(&place.nonce)),
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
        match &place.payload {
            Payload::Inline(bytes) => read(bytes),
            Payload::File(_) => read(self.root.open(key, place.nonce).ok()??.0.slice()),
        }
    }

    /// How many entries there are, and their bytes.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn totals(&self) -> Result<(usize, u64)> {
        self.with_index(|index| index.totals())
    }

    /// Bytes that entries take on disk, with those that are being written.
    ///
    /// # Errors
    /// The index can't be asked.
    pub fn taken(&self) -> Result<u64> {
        self.with_index(|index| index.taken())
    }

    /// Asks the index; a damaged one is replaced and asked again.
    fn with_index<T>(&self, work: impl Fn(&mut Index) -> Result<T>) -> Result<T> {
        self.with_session(|session| session.index(&self.root).and_then(&work))
    }

    /// Changes the index; a damaged one is replaced and changed then.
    fn change<T>(&self, mut work: impl FnMut(&mut Index) -> Result<T>) -> Result<T> {
        self.with_session(|session| session.change(&self.root, &mut work))
    }

    fn with_session<T>(&self, mut work: impl FnMut(&mut Session) -> Result<T>) -> Result<T> {
        self.rested()?;
        let mut session = self.session();
        let mut done = work(&mut session);
        if matches!(&done, Err(error) if error.kind() == Kind::DamagedIndex) {
            session.replace(&self.root)?;
            done = work(&mut session);
        }
        if matches!(&done, Err(error) if error.kind() == Kind::Locked) {
            *self.resting.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(clock::monotonic() + REST);
        }
        done
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
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

fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), Kind::Corrupt | Kind::Forged)
}

/// A payload with its tree and leaves as they were before they were made smaller.
fn unpacked(head: Head, bytes: Bytes) -> Result<(Head, Bytes)> {
    match head.compression {
        None => Ok((head, bytes)),
        Some(how) => unpack(head, bytes.slice(), how),
    }
}

fn unpack(head: Head, packed: &[u8], how: Compression) -> Result<(Head, Bytes)> {
    let size = head.unpacked_size(packed, how)?;
    let mut unpacked = Bytes::empty(size).ok_or_else(|| {
        Error::new(
            Kind::Io,
            format!("there is no memory for a result of {size} bytes"),
        )
    })?;
    let head = head.unpack(packed, how, unpacked.slice_mut())?;
    Ok((head, unpacked))
}
