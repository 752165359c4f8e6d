//! The open index of this process: opened late, replaced when damaged, abandoned after a fork.

use super::files::{self, Root};
use super::index::{Entry, Index, Place};
use crate::error::{Kind, Result};
use crate::format::Head;

/// An index, and what it was when it was opened.
#[derive(Debug)]
pub struct Session {
    index: Option<Index>,
    generation: u64,
    file: Option<(u64, u64)>,
    process: u32,
}

impl Session {
    /// Opens the index that `CURRENT` names; a damaged one is set aside and rebuilt.
    ///
    /// # Errors
    /// The index is newer than this library, locked, or the disk fails.
    pub fn open(root: &Root) -> Result<Self> {
        let generation = root.generation().unwrap_or(1);
        if root.is_read_only() {
            let path = root.index(generation);
            let index = Some(Index::open_read_only(&path)?);
            let file = files::identity(&path);
            return Ok(Self {
                index,
                generation,
                file,
                process: std::process::id(),
            });
        }
        let _lock = root.lock("index")?;
        let generation = root.generation().unwrap_or(1);
        match Self::open_generation(root, generation) {
            Err(error) if error.kind() == Kind::DamagedIndex => {
                Self::next_generation(root, generation)
            }
            opened => opened,
        }
    }

    /// The index, opened anew where it is another file, or this another process, than before.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn index(&mut self, root: &Root) -> Result<&mut Index> {
        if self.process != std::process::id() {
            // A handle that came through a fork is never used nor closed: closing it would drop
            // the parent's locks.
            std::mem::forget(self.index.take());
        }
        let there = files::identity(&root.index(self.generation));
        if self.index.is_none() || there != self.file || there.is_none() {
            *self = Self::open(root)?;
        }
        self.index
            .as_mut()
            .ok_or_else(|| crate::error::Error::new(Kind::Io, "the index is not open"))
    }

    /// Makes the next generation, unless another process has done so already.
    ///
    /// # Errors
    /// It can't be made.
    pub fn replace(&mut self, root: &Root) -> Result<()> {
        let _lock = root.lock("index")?;
        self.index = None;
        let current = root.generation().unwrap_or(1);
        *self = if current == self.generation {
            Self::next_generation(root, current)?
        } else {
            Self::open_generation(root, current)?
        };
        Ok(())
    }

    fn next_generation(root: &Root, damaged: u64) -> Result<Self> {
        root.quarantine_index(damaged);
        let session = Self::open_generation(root, damaged + 1)?;
        root.set_generation(damaged + 1)?;
        Ok(session)
    }

    fn open_generation(root: &Root, generation: u64) -> Result<Self> {
        let path = root.index(generation);
        root.prepare_index(generation);
        let (mut index, new) = Index::open(&path)?;
        if new {
            adopt(root, &mut index)?;
            root.set_generation(generation)?;
        }
        let file = files::identity(&path);
        Ok(Self {
            index: Some(index),
            generation,
            file,
            process: std::process::id(),
        })
    }
}

/// Enters every payload that is there; of several for one key the newest stays.
fn adopt(root: &Root, index: &mut Index) -> Result<()> {
    let mut found: Vec<_> = root
        .payloads()
        .into_iter()
        .filter_map(|(key, nonce)| {
            let (bytes, _) = root.open(key, nonce).ok()??;
            let head = Head::read(bytes.slice())
                .ok()
                .filter(|head| head.key == key)?;
            let meta = head.meta(bytes.slice()).ok()?;
            Some((head.created_ns, nonce, head, meta))
        })
        .collect();
    found.sort_unstable_by_key(|(created, nonce, ..)| (*created, *nonce));
    for (created_ns, nonce, head, meta) in found {
        let place = Place::File(nonce, None);
        let entry = Entry {
            key: head.key,
            function: &meta.function,
            created_ns,
            seconds: head.seconds,
            size: head.length,
            place: &place,
            time_range: meta.time_range,
        };
        index.enter(&entry, 0)?;
    }
    Ok(())
}
