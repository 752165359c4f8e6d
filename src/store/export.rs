//! Entries to a file of their own.

use super::files::ExportFile;
use super::import::Judge;
use super::index::{Listed, Selection};
use super::{Bytes, Store};
use crate::digest::Encoder;
use crate::error::Result;
use crate::format::{Cover, Head};
use std::path::Path;

/// What an export came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Entries that are in the file.
    pub entries: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// Entries that fail their checks, and are left out.
    pub damaged: u64,
    /// Entries that are not wanted.
    pub unwanted: u64,
}

impl Store {
    /// Writes the entries that are asked for to a file, one after the other, each checked in full.
    /// Nothing is changed in the store.
    ///
    /// # Errors
    /// `Refused` where something else than an earlier export stands in the file's place; the index
    /// can't be asked, the file can't be written, or the judge stops it. An earlier file stays then.
    pub fn export(
        &self,
        path: &Path,
        selection: Selection<'_>,
        judge: &dyn Judge,
    ) -> Result<Exported> {
        let mut export = Export {
            file: ExportFile::begin(path)?,
            content: Encoder::new(),
            done: Exported {
                bytes: Cover::SIZE as u64,
                ..Exported::default()
            },
        };
        for entry in self.list(selection)? {
            judge.goes_on()?;
            let Some((head, bytes)) = self.whole(&entry, &mut export.done)? else {
                continue;
            };
            if judge.wants(&head)? {
                export.append(bytes.slice())?;
            } else {
                export.done.unwanted += 1;
            }
        }
        export.finish(self.id)
    }

    /// The payload of an entry; none where it is gone, or fails its checks.
    fn whole(&self, entry: &Listed, done: &mut Exported) -> Result<Option<(Head, Bytes)>> {
        let find = || self.with_index(|index| index.find_nonce(entry.key, entry.nonce));
        let Some(place) = find()? else {
            return Ok(None);
        };
        let whole = self.check_whole(entry.key, &place).ok();
        // It may have been replaced or let go while we read it.
        if whole.is_none() && find()?.is_some() {
            done.damaged += 1;
        }
        Ok(whole)
    }
}

struct Export {
    file: ExportFile,
    content: Encoder,
    done: Exported,
}

impl Export {
    fn append(&mut self, payload: &[u8]) -> Result<()> {
        let length = (payload.len() as u64).to_le_bytes();
        for bytes in [&length[..], payload] {
            self.content.raw(bytes);
            self.file.append(bytes)?;
            self.done.bytes += bytes.len() as u64;
        }
        self.done.entries += 1;
        Ok(())
    }

    fn finish(mut self, store: [u8; 16]) -> Result<Exported> {
        let (entries, length) = (self.done.entries, self.done.bytes);
        let cover = Cover::of(store, entries, length, &mut self.content);
        self.file.finish(&cover)?;
        Ok(self.done)
    }
}
