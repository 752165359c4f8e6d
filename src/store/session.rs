//! The open index: replaced when it is damaged, or when another process has replaced it.

use super::files::{self, Held, Root, Shared};
use super::index::Index;
use super::ledger::Ledger;
use super::rebuild;
use crate::error::{Error, Kind, Result};

/// An index, and what it was when it was opened.
#[derive(Debug)]
pub struct Session {
    index: Option<Index>,
    generation: u64,
    file: Option<(u64, u64)>,
    /// The lock that the users of this generation share; none where the store is only read.
    users: Option<Held>,
}

impl Session {
    /// Opens the index that `CURRENT` names; one that is damaged or gone is rebuilt.
    ///
    /// # Errors
    /// The index is newer than this library, locked, or the disk fails.
    pub fn open(root: &Root) -> Result<Self> {
        if root.is_read_only() {
            let generation = root.generation().unwrap_or(1);
            let index = Index::open_read_only(&root.index(generation))?;
            return Ok(Self::new(root, generation, index, None));
        }
        let _alone = root.lock("index")?;
        let Some(generation) = root.generation() else {
            return Self::make(root, 1);
        };
        match Self::open_generation(root, generation) {
            Ok(Some(session)) => Ok(session),
            Err(error) if error.kind() != Kind::DamagedIndex => Err(error),
            _ => Self::make(root, generation + 1),
        }
    }

    fn new(root: &Root, generation: u64, index: Index, users: Option<Held>) -> Self {
        Self {
            index: Some(index),
            generation,
            file: files::identity(&root.index(generation)),
            users,
        }
    }

    /// The index to read from, opened anew where it is another file than before.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn index(&mut self, root: &Root) -> Result<&mut Index> {
        if self.index.is_none() || !self.is_current(root) {
            *self = Self::open(root)?;
        }
        self.index.as_mut().ok_or_else(not_open)
    }

    /// Changes the index. Whoever replaces it waits for the change, and a change that comes later
    /// finds the one that replaced it.
    ///
    /// # Errors
    /// It can't be opened, or the work fails.
    pub fn change<T>(
        &mut self,
        root: &Root,
        mut work: impl FnMut(&mut Index) -> Result<T>,
    ) -> Result<T> {
        loop {
            if let (Some(index), Some(users)) = (&mut self.index, &self.users) {
                let _shared = Shared::with(users)?;
                let there = files::identity(&root.index(self.generation));
                if there.is_some() && there == self.file {
                    return work(index);
                }
            } else if let Some(index) = &mut self.index {
                return work(index);
            }
            *self = Self::open(root)?;
        }
    }

    /// Bytes of the log of changes that are not in the database yet.
    #[must_use]
    pub fn log_size(&self, root: &Root) -> u64 {
        root.log_size(self.generation)
    }

    fn is_current(&self, root: &Root) -> bool {
        let there = files::identity(&root.index(self.generation));
        there.is_some() && there == self.file
    }

    /// Makes the next generation, unless another process has done so already.
    ///
    /// # Errors
    /// It can't be made.
    pub fn replace(&mut self, root: &Root) -> Result<()> {
        let alone = root.lock("index")?;
        self.index = None;
        let current = root.generation().unwrap_or(self.generation);
        if current == self.generation {
            *self = Self::make(root, current + 1)?;
        } else {
            drop(alone);
            *self = Self::open(root)?;
        }
        Ok(())
    }

    /// Makes a generation from the payloads, and sets the one before aside.
    fn make(root: &Root, generation: u64) -> Result<Self> {
        let earlier = generation - 1;
        let lost = Self::small_results(root, earlier);
        let users = root.lock_file(&Root::users_of(earlier))?;
        root.quarantine_index(earlier);
        // Nobody begins to use it any more; what was begun is waited for.
        files::wait_for_users(&users)?;
        root.quarantine_index(generation);
        root.prepare_index(generation);
        let mut index = Index::create(&root.index(generation), generation, root.manner())?;
        rebuild::adopt(root, &mut index, generation)?;
        root.set_generation(generation)?;
        if earlier > 0 {
            // A ledger that can't be written loses a count, and nothing else.
            let _ = Ledger::of(root).note_rebuilt(generation, lost);
        }
        Self::with_users(root, generation, index)
    }

    /// How many results an index holds itself, as far as it can still be read.
    fn small_results(root: &Root, generation: u64) -> usize {
        let path = root.index(generation);
        let readable = files::identity(&path).and_then(|_| Index::open_read_only(&path).ok());
        readable
            .and_then(|index| index.small_results().ok())
            .unwrap_or(0)
    }

    /// `None` for an index that is not there, or was never finished.
    fn open_generation(root: &Root, generation: u64) -> Result<Option<Self>> {
        let path = root.index(generation);
        if files::identity(&path).is_none() {
            return Ok(None);
        }
        let index = Index::open(&path, root.manner())?;
        index
            .map(|index| Self::with_users(root, generation, index))
            .transpose()
    }

    fn with_users(root: &Root, generation: u64, index: Index) -> Result<Self> {
        let users = root.lock_file(&Root::users_of(generation))?;
        Ok(Self::new(root, generation, index, Some(users)))
    }
}

fn not_open() -> Error {
    Error::new(Kind::Io, "the index is not open")
}
