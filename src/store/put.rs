//! Storing a payload: the file first, the row second, and room for both before either.

use super::Store;
use super::files::Nonce;
use super::index::{Entered, Entry, Payload, Pending, Place, Room};
use crate::error::{Error, Kind, Result};
use crate::format::{Draft, Layout};

/// Payloads up to this size live in the index row.
const INLINE: usize = 16 * 1024;
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
    /// It is somebody else's, and there is an answer.
    There,
}

/// A payload as it is to be stored.
struct Laid {
    size: usize,
    place: Place,
}

impl Store {
    /// Stores a payload: the file first, the row second.
    ///
    /// # Errors
    /// Disk full, no permission, no secret for a result that needs one, index locked; `TooLarge`
    /// for what is larger than the store may be.
    pub fn put(&self, draft: &Draft, epoch: u64) -> Result<Put> {
        self.put_as(draft, epoch, true)
    }

    /// Stores several payloads, those that live in the index in one transaction.
    #[must_use]
    pub fn put_all(&self, drafts: &[(Draft, u64)]) -> Vec<Result<Put>> {
        let mut small = self.small(drafts);
        let entered = match &small[..] {
            [] | [_] => Vec::new(),
            // Where that fails, each of them is told why by itself.
            _ => self.enter_all(drafts, &small).unwrap_or_default(),
        };
        small.truncate(entered.len());
        let mut small = small.into_iter().zip(entered).peekable();
        let mut put = |(number, (draft, epoch)): (usize, &(Draft, u64))| match small
            .next_if(|((at, _), _)| *at == number)
        {
            Some(((_, laid), entered)) => self.came_of(draft, laid, entered),
            None => self.put(draft, *epoch),
        };
        drafts.iter().enumerate().map(&mut put).collect()
    }

    /// The payloads that live in the index, each with its number.
    fn small(&self, drafts: &[(Draft, u64)]) -> Vec<(usize, Laid)> {
        let mut small = Vec::new();
        for (number, (draft, epoch)) in drafts.iter().enumerate() {
            if let Ok((_, laid)) = self.lay(draft, *epoch)
                && matches!(laid.place.payload, Payload::Inline(_))
            {
                small.push((number, laid));
            }
        }
        small
    }

    fn enter_all(&self, drafts: &[(Draft, u64)], small: &[(usize, Laid)]) -> Result<Vec<Entered>> {
        let mut entries = Vec::with_capacity(small.len());
        for (number, laid) in small {
            let (draft, epoch) = &drafts[*number];
            entries.push(self.entry(draft, *epoch, laid));
        }
        self.in_room(|index, room| index.enter_all(&entries, room))
    }

    /// The same for a payload that is ours, or of somebody else: the first hit checks that in
    /// full, and it takes no other's place.
    pub(super) fn put_as(&self, draft: &Draft, epoch: u64, is_ours: bool) -> Result<Put> {
        let (layout, laid) = self.lay(draft, epoch)?;
        let entry = self.entry(draft, epoch, &laid);
        let entered = match laid.place.payload {
            Payload::Inline(_) => self.put_inline(&entry, !is_ours),
            Payload::File(_) => self.put_file(&entry, &layout, is_ours),
        };
        self.came_of(draft, laid, entered?)
    }

    fn lay<'a>(&'a self, draft: &'a Draft, epoch: u64) -> Result<(Layout<'a>, Laid)> {
        let layout = draft.lay_out(epoch, self.seal())?;
        let size = layout.size();
        let mut nonce = Nonce::default();
        getrandom::fill(&mut nonce)
            .map_err(|error| Error::caused(Kind::Io, "no random numbers to be had", error))?;
        let payload = if size <= INLINE {
            Payload::Inline(layout.whole())
        } else {
            Payload::File(None)
        };
        let place = Place {
            nonce,
            created_ns: draft.created_ns,
            sealed: self.ours().filter(|_| draft.code_bearing),
            payload,
        };
        Ok((layout, Laid { size, place }))
    }

    fn entry<'a>(&self, draft: &'a Draft, epoch: u64, laid: &'a Laid) -> Entry<'a> {
        Entry {
            key: draft.key,
            ours: self.ours(),
            function: &draft.meta.function,
            seconds: draft.seconds,
            size: laid.size,
            place: &laid.place,
            time_range: draft.meta.time_range,
            epoch,
        }
    }

    /// What became of a payload whose row was to be entered.
    fn came_of(&self, draft: &Draft, laid: Laid, entered: Entered) -> Result<Put> {
        let Laid { size, place } = laid;
        if let Entered::Replaced(replaced) = entered {
            if let Some(nonce) = replaced {
                self.root.remove(draft.key, nonce);
            }
            self.changes.count(draft.key);
        }
        Ok(match (entered, place.payload) {
            (Entered::Outdated, _) => Put::Outdated,
            (Entered::There, _) => Put::There,
            (Entered::TooLarge, _) => return Err(too_large(size, self.limit())),
            (_, Payload::Inline(bytes)) => Put::Stored {
                size,
                inline: draft.compression.is_none().then_some(bytes),
            },
            (_, Payload::File(_)) => Put::Stored { size, inline: None },
        })
    }

    fn put_inline(&self, entry: &Entry<'_>, only_new: bool) -> Result<Entered> {
        self.in_room(|index, room| index.enter(entry, only_new, Some(room), || Ok(None)))
    }

    fn put_file(&self, entry: &Entry<'_>, layout: &Layout<'_>, is_ours: bool) -> Result<Entered> {
        let pending = Pending {
            key: entry.key,
            nonce: entry.place.nonce,
        };
        // It is locked from its beginning: a reservation whose file nobody has locked is a dead one.
        let mut file = self.root.draft(pending.key, pending.nonce)?;
        if !self.in_room(|index, room| index.reserve(pending, entry.size, room))? {
            return Ok(Entered::TooLarge);
        }
        let (head, written) = layout.head_while(|| file.write_leaves(layout.leaves()));
        let written = written.and_then(|()| file.write_head(&head, entry.place.created_ns));
        let entered = written.and_then(|()| {
            self.change(|index| {
                index.enter(entry, !is_ours, None, || {
                    let stamp = file.publish()?;
                    let record = || self.record_of_written(pending.key, pending.nonce, &stamp);
                    Ok(is_ours.then(record).flatten())
                })
            })
        });
        if matches!(entered, Ok(Entered::New | Entered::Replaced(_))) {
            file.keep();
        } else {
            drop(file);
            // Where the disk is full this fails too, and the next process gives it back.
            let _ = self.change(|index| index.settle(&[pending]));
        }
        entered
    }

    /// Changes the index, with a way to make room in it.
    pub(super) fn in_room<T>(
        &self,
        work: impl Fn(&mut super::Index, Room<'_>) -> Result<T>,
    ) -> Result<T> {
        let limit = self.limit();
        self.change(|index| {
            let room = Room {
                limit,
                is_awaited: &|key| self.root.is_leased(key),
                unlink: &|key, nonce| self.root.remove(key, nonce),
            };
            work(index, room)
        })
    }

    /// The bytes that `put` would store, for a result that stays in memory.
    ///
    /// # Errors
    /// There is no secret for a result that needs one.
    pub fn payload(&self, draft: &Draft, epoch: u64) -> Result<Vec<u8>> {
        Ok(draft.lay_out(epoch, self.seal())?.whole())
    }
}

fn too_large(size: usize, limit: u64) -> Error {
    Error::new(
        Kind::TooLarge,
        format!(
            "a result of {size} bytes does not fit into the {limit} bytes that the cache may take, \
             less what is pinned; raise max_size"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::{Draft, Put, Store};
    use crate::digest::Digest;
    use crate::format::{Compression, Meta, Seen, Source};
    use crate::store::Options;

    fn draft(size: usize, created_ns: i64) -> Draft {
        Draft {
            key: Digest::of(&size.to_le_bytes()),
            created_ns,
            seconds: 1.0,
            meta: Meta {
                function: "m.f".into(),
                ..Meta::default()
            },
            tree: vec![],
            leaves: vec![Source::Owned(vec![7; size])],
            code_bearing: false,
            compression: None,
            pickled: false,
        }
    }

    #[test]
    fn a_result_says_what_it_has_seen_wherever_and_however_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store"), Options::default()).unwrap();
        let epoch = store.epoch("m.f").unwrap();
        for size in [10, 100_000] {
            for pack in [None, Some(Compression::Zstd)] {
                let mut draft = draft(size, 1);
                draft.meta.seen = Seen::of(Some(7)).with(Seen::open_ended());
                if let Some(how) = pack {
                    draft.pack(how).unwrap();
                }
                store.put(&draft, epoch).unwrap();
                let found = store.get(draft.key, true).unwrap().unwrap();
                assert_eq!(found.head.seen, draft.meta.seen);
                let described = store.described(draft.key).unwrap();
                assert_eq!(described, Some((1, draft.meta)));
            }
        }
        assert_eq!(store.described(Digest::of(b"other")).unwrap(), None);
    }

    #[test]
    fn what_is_not_ours_takes_the_place_of_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store"), Options::default()).unwrap();
        let epoch = store.epoch("m.f").unwrap();
        for size in [10, 100_000] {
            let taken = || store.taken().unwrap();
            let (newer, imported) = (draft(size, 2), draft(size, 1));
            store.put(&newer, epoch).unwrap();
            let before = taken();
            let put = store.put_as(&imported, epoch, false).unwrap();
            assert!(matches!(put, Put::There), "{size} bytes: {put:?}");
            assert_eq!(store.created(newer.key).unwrap(), Some(2));
            assert_eq!(taken(), before);
            assert!(store.get(newer.key, true).unwrap().is_some());
        }
    }

    #[test]
    fn several_are_stored_as_each_would_be_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            max_size: Some(2_000_000),
            ..Options::default()
        };
        let store = Store::open(&folder.path().join("store"), options).unwrap();
        let epoch = store.epoch("m.f").unwrap();
        let drafts = [10, 100_000, 20, 5_000_000, 10, 30].map(|size| (draft(size, 1), epoch));
        let told: Vec<_> = store
            .put_all(&drafts)
            .into_iter()
            .map(|put| put.is_ok())
            .collect();
        assert_eq!(told, [true, true, true, false, true, true]);
        for (draft, _) in &drafts {
            let length = draft.leaves[0].bytes().len();
            let found = store.get(draft.key, true).unwrap();
            assert_eq!(found.is_some(), length < 1_000_000, "{length}");
        }
        store.clear(None).unwrap();
        let put = store.put_all(&drafts);
        let is_outdated = |put: &Result<Put, _>| matches!(put, Ok(Put::Outdated));
        assert_eq!(put.iter().filter(|put| is_outdated(put)).count(), 5);
    }
}
