//! What is done to a store now and then: checking it, letting go, noting what was used.

use super::index::{LOG, Pending, Selection};
use super::ledger::Ledger;
use super::{Bytes, Payload, Place, Store};
use crate::clock;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::Head;
use rustc_hash::FxHashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often uses are noted, and how many keys at most wait for it.
const NOTED: Duration = Duration::from_secs(1);
const WAITING: usize = 10_000;

/// Which keys were used since that was last noted in the index, and when that was.
#[derive(Debug, Default)]
pub struct Uses(Mutex<(FxHashMap<Digest, u32>, Option<Instant>)>);

/// An entry that fails its checks.
#[derive(Debug)]
pub struct Problem {
    /// The key that it should answer.
    pub key: Digest,
    /// Its function.
    pub function: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What a check of the whole store found.
#[derive(Debug, Default)]
pub struct Verified {
    /// Entries that were checked.
    pub checked: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Those that are wrong.
    pub problems: Vec<Problem>,
    /// How often the index had to be made anew.
    pub rebuilt: usize,
    /// Small results that are known to be lost with an index.
    pub lost: usize,
}

/// What is to be kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep<'a> {
    /// Only what was computed at or after this instant, ns UTC.
    pub since_ns: Option<i64>,
    /// No more than so many bytes in all.
    pub bytes: Option<u64>,
    /// No more than so many bytes of one function.
    pub of: Option<(&'a str, u64)>,
}

/// What was let go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Collected {
    /// Entries.
    pub entries: usize,
    /// Bytes that the store takes less.
    pub bytes: u64,
    /// Files that no entry named.
    pub files: usize,
}

impl Drop for Store {
    /// What is not noted yet would be lost with a store that a process opened for a while.
    fn drop(&mut self) {
        if self.process == std::process::id() {
            let _ = self.note(true);
        }
    }
}

impl Store {
    /// Counts uses of an entry: what is used often is kept longer.
    pub fn used(&self, key: Digest, times: u32) {
        // One that is not counted, since another thread counts, is no loss.
        if let Ok(mut uses) = self.uses.0.try_lock()
            && (uses.0.len() < WAITING || uses.0.contains_key(&key))
        {
            let uses = uses.0.entry(key).or_default();
            *uses = uses.saturating_add(times);
        }
    }

    /// Notes in the index what was used and counted, if the last time is a while ago or it is asked
    /// for; in a folder that can only be read, never.
    ///
    /// # Errors
    /// The index can't be changed; the uses are lost then, and the counts wait for the next time.
    pub fn note(&self, now: bool) -> Result<()> {
        let uses: Vec<_> = {
            let mut uses = self.uses.0.lock().unwrap_or_else(PoisonError::into_inner);
            let recent = uses.1.is_some_and(|then| clock::monotonic() - then < NOTED);
            if recent && !now {
                return Ok(());
            }
            uses.1 = Some(clock::monotonic());
            uses.0.drain().collect()
        };
        let mut counted = self.tallies.waiting();
        if uses.is_empty() && counted.is_empty() || self.root.is_read_only() {
            return Ok(());
        }
        self.change(|index| index.note(&uses, &counted, clock::wall_ns()))?;
        counted.clear();
        drop(counted);
        self.cut_log();
        Ok(())
    }

    /// Writes a long log into the database.
    fn cut_log(&self) {
        if self.session().log_size(&self.root) > LOG {
            // A reader may be in the way; the next one to come by tries again.
            let _ = self.change(|index| index.cut_log());
        }
    }

    /// Spares the entries of a key from eviction, or no longer; says how many there are.
    ///
    /// # Errors
    /// The index can't be changed.
    pub fn pin(&self, key: Digest, pinned: bool) -> Result<usize> {
        self.change(|index| index.pin(key, pinned))
    }

    /// Checks every entry by its whole content; `fix` sets aside what is wrong.
    ///
    /// # Errors
    /// The index can't be asked or changed.
    pub fn verify(&self, fix: bool) -> Result<Verified> {
        // Without a ledger nothing was ever lost.
        let (rebuilt, lost) = Ledger::of(&self.root).rebuilt().unwrap_or_default();
        let mut verified = Verified {
            rebuilt,
            lost,
            ..Verified::default()
        };
        for entry in self.list(Selection::default())? {
            let place = self.with_index(|index| index.find_nonce(entry.key, entry.nonce))?;
            // It may have gone since the list was made.
            let Some(place) = place else { continue };
            verified.checked += 1;
            verified.bytes += entry.size.unsigned_abs();
            let Err(error) = self.check_whole(entry.key, &place) else {
                continue;
            };
            let error = if fix {
                self.set_aside(entry.key, &place, error)
            } else {
                error
            };
            verified.problems.push(Problem {
                key: entry.key,
                function: entry.function,
                reason: error.to_string(),
            });
        }
        Ok(verified)
    }

    /// All of a payload, checked by its whole content; the seal of somebody else can't be.
    pub(super) fn check_whole(&self, key: Digest, place: &Place) -> Result<(Head, Bytes)> {
        let opened = match &place.payload {
            Payload::Inline(bytes) => Some(Bytes::copy(bytes)),
            Payload::File(_) => self.root.open(key, place.nonce)?.map(|(bytes, _)| bytes),
        };
        let bytes = opened.ok_or_else(|| Error::new(Kind::Corrupt, "its file is gone"))?;
        let head = Head::read(bytes.slice())?;
        if head.key_id != place.sealed {
            let what = "its seal is of another secret than when it was stored";
            return Err(Error::new(Kind::Corrupt, what));
        }
        match self.check(key, bytes.slice(), false) {
            Err(error) if error.kind() == Kind::ForeignSecret => {
                head.verify_leaves(bytes.slice())?;
            }
            checked => drop(checked?),
        }
        Ok((head, bytes))
    }

    /// Lets go of what is not to be kept, and of what processes that died have left.
    ///
    /// # Errors
    /// The index can't be changed.
    pub fn collect(&self, keep: Keep<'_>) -> Result<Collected> {
        self.note(true)?;
        let (entries, bytes) = self.totals()?;
        if let Some(before) = keep.since_ns {
            self.let_go_before(before)?;
        }
        if let Some((function, limit)) = keep.of {
            self.in_room(|index, room| {
                index.evict_of(function, super::index::Room { limit, ..room })
            })?;
        }
        self.in_room(|index, room| {
            let limit = keep.bytes.unwrap_or(room.limit).min(room.limit);
            index.evict(0, super::index::Room { limit, ..room })
        })?;
        let files = self.clear_away() + self.remove_strays()?;
        self.root.sweep_tmp();
        self.root.sweep_leases();
        self.root.empty_quarantine();
        Ledger::of(&self.root).back_up();
        let _ = self.change(|index| index.cut_log());
        let (left, bytes_left) = self.totals()?;
        Ok(Collected {
            entries: entries.saturating_sub(left),
            bytes: bytes.saturating_sub(bytes_left),
            files,
        })
    }

    fn let_go_before(&self, before_ns: i64) -> Result<()> {
        let selection = Selection {
            before_ns: Some(before_ns),
            pinned: Some(false),
            ..Selection::default()
        };
        let unlink = |key, nonce| self.root.remove(key, nonce);
        let some = || self.change(|index| index.drop_some(selection, u64::MAX, unlink));
        while !some()?.is_empty() {}
        Ok(())
    }

    /// Removes the files of killed writers and of replaced entries; says how many there were.
    pub(super) fn clear_away(&self) -> usize {
        let pending = self.with_index(|index| index.pending()).unwrap_or_default();
        let gone: Vec<Pending> = pending
            .into_iter()
            .filter(|&file| self.is_gone(file))
            .collect();
        if !gone.is_empty() {
            // They are tried again by whoever opens the store next.
            let _ = self.change(|index| index.settle(&gone));
        }
        gone.len()
    }

    /// Removes payload files that no entry names.
    fn remove_strays(&self) -> Result<usize> {
        let mut removed = 0;
        for (key, nonce) in self.root.payloads() {
            let named = self.with_index(|index| index.find_nonce(key, nonce))?;
            if named.is_none() && self.is_gone(Pending { key, nonce }) {
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Removes a file that is nobody's; false where it is an entry's, or still written.
    fn is_gone(&self, file: Pending) -> bool {
        let Some(abandoned) = self.root.abandoned(file.key, file.nonce) else {
            return false;
        };
        if abandoned.is_empty() {
            return true;
        }
        // Asked with the file locked: its writer may have entered it a moment ago.
        match self.with_index(|index| index.find_nonce(file.key, file.nonce)) {
            Ok(None) => abandoned.remove(),
            // It is an entry's, and no longer pending.
            Ok(Some(_)) | Err(_) => false,
        }
    }
}
