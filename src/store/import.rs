//! Entries from a file of their own: whoever can write to it can have written any of them.

use super::dropped::Dropped;
use super::files::{ImportFile, Nonce};
use super::ledger::Ledger;
use super::{Bytes, Put, Store, is_damage, unpack};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::{Cover, Draft, Head, Meta, Seal, Source};
use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// So many of the payloads that one file has are kept for a look where they are refused.
const KEPT: u64 = 100;
/// Bytes of the longest name that a function may have.
const NAME: usize = 4096;

/// Knows what the core does not: what payloads hold, and whether the user wants to stop.
pub trait Judge: Sync {
    /// Asked often, before anything that takes a while.
    ///
    /// # Errors
    /// The user wants to stop.
    fn goes_on(&self) -> Result<()>;

    /// Whether a payload is wanted.
    ///
    /// # Errors
    /// The user wants to stop.
    fn wants(&self, head: &Head) -> Result<bool>;

    /// Decodes a payload that has no seal.
    ///
    /// # Errors
    /// `Corrupt` for one that holds what it may not, or nothing; others stop the import.
    fn decodes(&self, head: &Head, bytes: &Arc<Bytes>) -> Result<()>;
}

/// What became of the entries of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// They are in.
    pub stored: u64,
    /// The store has an entry of the key.
    pub present: u64,
    /// Sealed with another secret.
    pub foreign: u64,
    /// Damaged, altered, moved or forged.
    pub refused: u64,
    /// Dropped here after they were computed.
    pub outdated: u64,
    /// Larger than the store may be.
    pub too_large: u64,
    /// Not wanted.
    pub unwanted: u64,
    /// Sound, and not stored since nothing may be written.
    pub unwritten: u64,
    /// Bytes of those that are in.
    pub bytes: u64,
    /// Why the first of those that were refused was.
    pub reason: Option<String>,
}

enum Fate {
    Stored(usize),
    Present,
    Foreign,
    Outdated,
    TooLarge,
    Unwanted,
    Unwritten,
}

impl Store {
    /// Takes the entries of a file in: those that are authentic where they can run code, whole, and
    /// neither here already nor dropped here since they were computed.
    ///
    /// # Errors
    /// `Corrupt` for a file that is damaged or something else, of which nothing is taken; `Newer` for
    /// one that we do not know. The index or the disk fails, or the judge stops it: what is in by then
    /// stays.
    pub fn import(&self, path: &Path, writes: bool, judge: &dyn Judge) -> Result<Imported> {
        let file = ImportFile::open(path)?;
        let (cover, places) = file.cover(&|| judge.goes_on())?;
        let mut import = Import {
            store: self,
            judge,
            cover,
            writes,
            dropped: Dropped::default(),
            epochs: HashMap::new(),
            done: Imported::default(),
        };
        let (limit, entries) = (self.limit(), places.len());
        for (number, place) in places.into_iter().enumerate() {
            import.take(&file, place, limit).map_err(|error| {
                let shown = path.display();
                error.within(&format!(
                    "the import of `{shown}` stopped at entry {} of {entries}, and can be repeated",
                    number + 1
                ))
            })?;
        }
        Ok(import.done)
    }
}

struct Import<'a> {
    store: &'a Store,
    judge: &'a dyn Judge,
    cover: Cover,
    writes: bool,
    dropped: Dropped,
    /// The epoch of each function that was met, from before `dropped` was read.
    epochs: HashMap<String, u64>,
    done: Imported,
}

impl Import<'_> {
    fn take(&mut self, file: &ImportFile, place: Range<u64>, limit: u64) -> Result<()> {
        self.judge.goes_on()?;
        if place.end - place.start > limit {
            self.done.too_large += 1;
            return Ok(());
        }
        let bytes = Arc::new(file.read(place)?);
        let count = match self.fate(&bytes) {
            Ok(Fate::Stored(size)) => {
                self.done.bytes += size as u64;
                &mut self.done.stored
            }
            Ok(Fate::Present) => &mut self.done.present,
            Ok(Fate::Foreign) => &mut self.done.foreign,
            Ok(Fate::Outdated) => &mut self.done.outdated,
            Ok(Fate::TooLarge) => &mut self.done.too_large,
            Ok(Fate::Unwanted) => &mut self.done.unwanted,
            Ok(Fate::Unwritten) => &mut self.done.unwritten,
            Err(error) if is_damage(&error) || error.kind() == Kind::Newer => {
                self.refuse(bytes.slice(), error)?;
                &mut self.done.refused
            }
            Err(error) => return Err(error),
        };
        *count += 1;
        Ok(())
    }

    fn fate(&mut self, bytes: &Arc<Bytes>) -> Result<Fate> {
        let (head, meta) = match self.check(bytes.slice()) {
            Err(error) if error.kind() == Kind::ForeignSecret => return Ok(Fate::Foreign),
            checked => checked?,
        };
        if !self.judge.wants(&head)? {
            return Ok(Fate::Unwanted);
        }
        if !head.code_bearing {
            self.decode(&head, bytes)?;
        }
        // Before anything is asked that an invalidation changes.
        let epoch = self.store.epoch(&meta.function)?;
        if self.store.find(head.key, self.writes)?.is_some() {
            return Ok(Fate::Present);
        }
        if !self.writes {
            return Ok(Fate::Unwritten);
        }
        if self.is_dropped(&head, &meta, epoch)? {
            return Ok(Fate::Outdated);
        }
        match self.store.put_as(&draft(head, meta, bytes), epoch, false) {
            Ok(Put::Stored { size, .. }) => Ok(Fate::Stored(size)),
            Ok(Put::Outdated) => Ok(Fate::Outdated),
            // Somebody stored it since we asked.
            Ok(Put::There) => Ok(Fate::Present),
            Err(error) if error.kind() == Kind::TooLarge => Ok(Fate::TooLarge),
            Err(error) => Err(error),
        }
    }

    /// Checks a payload as one of the store that exported it, sealed with our secret.
    fn check(&self, payload: &[u8]) -> Result<(Head, Meta)> {
        let head = Head::read(payload)?;
        if head.length != payload.len() {
            return Err(corrupt("it is not all of a payload"));
        }
        let secret = self.store.secret.as_ref();
        let seal = secret.map(|secret| Seal {
            secret,
            store: &self.cover.store,
        });
        head.authenticate(payload, seal)?;
        head.verify_leaves(payload)?;
        let meta = head.meta(payload)?;
        let name = &meta.function;
        if name.is_empty() || name.len() > NAME || name.contains(char::is_control) {
            return Err(corrupt("it names no function"));
        }
        Ok((head, meta))
    }

    fn decode(&self, head: &Head, bytes: &Arc<Bytes>) -> Result<()> {
        let Some(how) = head.compression else {
            return self.judge.decodes(head, bytes);
        };
        let unpacked = unpack(head.clone(), bytes.slice(), how);
        let (head, bytes) = unpacked
            .map_err(|error| Error::caused(Kind::Corrupt, "it can't be unpacked", error))?;
        self.judge.decodes(&head, &Arc::new(bytes))
    }

    /// Whether an entry was dropped here; `epoch` was asked before.
    fn is_dropped(&mut self, head: &Head, meta: &Meta, epoch: u64) -> Result<bool> {
        if self.epochs.get(&meta.function) != Some(&epoch) {
            self.dropped = Ledger::of(&self.store.root).dropped()?;
            self.epochs.insert(meta.function.clone(), epoch);
        }
        Ok(self.dropped.has(head, meta))
    }

    /// Sets a payload aside that must not come in.
    fn refuse(&mut self, payload: &[u8], error: Error) -> Result<()> {
        let error = if self.writes && self.done.refused < KEPT {
            let key = payload.get(16..32).unwrap_or_default();
            let key = key.try_into().map_or(Digest::of(payload), Digest);
            let mut nonce = Nonce::default();
            getrandom::fill(&mut nonce)
                .map_err(|error| Error::caused(Kind::Io, "no random numbers to be had", error))?;
            let root = &self.store.root;
            let aside = root.quarantine_bytes(key, nonce, payload);
            error.within(&format!("set aside as `{}`", aside.display()))
        } else {
            error
        };
        self.done.reason.get_or_insert_with(|| error.to_string());
        Ok(())
    }
}

/// The same entry for a store of another id and epoch.
fn draft(head: Head, meta: Meta, bytes: &Bytes) -> Draft {
    let payload = bytes.slice();
    let leaves = head.leaves.iter().map(|leaf| {
        let leaf = &payload[leaf.range.clone()];
        // `put` is done with them before the bytes go.
        Source::Borrowed(leaf.as_ptr(), leaf.len())
    });
    Draft {
        key: head.key,
        created_ns: head.created_ns,
        seconds: head.seconds,
        meta,
        leaves: leaves.collect(),
        tree: payload[head.tree.clone()].to_vec(),
        code_bearing: head.code_bearing,
        compression: head.compression,
        pickled: head.pickled,
    }
}

fn corrupt(what: &str) -> Error {
    Error::new(Kind::Corrupt, what)
}
