//! A value on its way to disk: what the payload's head will say of it, and its leaves.

use super::PAYLOAD_VERSION;
use super::codec::Writer;
use super::compress::Compression;
use super::mac::Secret;
use super::meta::Meta;
use super::payload::{
    ALIGN, CHECK_AT, CODE_BEARING, HEADER, KEY_ID_AT, LEAF_ROW, LZ4, Leaf, MAC_AT, MAGIC, PICKLED,
    ZSTD, check, sealed_parts,
};
use crate::digest::{Digest, View, digest_while};
use crate::error::{Error, Kind, Result};
use std::ops::Range;

/// The bytes of a leaf that is about to be written.
#[derive(Debug)]
pub enum Source {
    /// Bytes that the draft owns.
    Owned(Vec<u8>),
    /// Bytes somewhere else, which outlive the draft.
    Borrowed(*const u8, usize),
}

// SAFETY: `Borrowed` is only read, and whoever makes one promises that the memory outlives the draft.
unsafe impl Send for Source {}
// SAFETY: as above.
unsafe impl Sync for Source {}

impl Source {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Borrowed(_, 0) => &[],
            // SAFETY: promised by whoever made it.
            Self::Borrowed(pointer, length) => unsafe {
                std::slice::from_raw_parts(*pointer, *length)
            },
        }
    }
}

/// A value on its way to disk.
#[derive(Debug)]
pub struct Draft {
    /// The key that it answers.
    pub key: Digest,
    /// When it was computed, ns UTC.
    pub created_ns: i64,
    /// How long that took.
    pub seconds: f64,
    /// What it says of itself.
    pub meta: Meta,
    /// The value's structure.
    pub tree: Vec<u8>,
    /// The value's large buffers.
    pub leaves: Vec<Source>,
    /// Whether decoding the tree can run code.
    pub code_bearing: bool,
    /// How the tree and the leaves have been made smaller.
    pub compression: Option<Compression>,
    /// Whether it holds a pickle.
    pub pickled: bool,
}

/// With what a code-bearing payload is sealed.
#[derive(Clone, Copy, Debug)]
pub struct Seal<'a> {
    /// The user's secret.
    pub secret: &'a Secret,
    /// The store that the payload belongs to.
    pub store: &'a [u8; 16],
}

/// A payload of which all is known but the digests of its leaves.
#[derive(Debug)]
pub struct Layout<'a> {
    draft: &'a Draft,
    seal: Option<Seal<'a>>,
    epoch: u64,
    meta: Vec<u8>,
    /// Where each leaf lies.
    places: Vec<Range<usize>>,
    size: usize,
}

impl Layout<'_> {
    /// Bytes of the payload.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// The leaves, each with the place where it begins.
    pub fn leaves(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let sources = self.draft.leaves.iter().map(Source::bytes);
        self.places.iter().map(|place| place.start).zip(sources)
    }

    /// Everything before the leaves, padded to where the first one starts. The digests of the
    /// leaves are made on other cores while this one does something else: writes them, say.
    pub fn head_while<R>(&self, first: impl FnOnce() -> R) -> (Vec<u8>, R) {
        let sources = self.draft.leaves.iter().map(Source::bytes);
        // SAFETY: the views are gone when this function returns, and the sources live in the draft.
        let views: Vec<_> = sources
            .map(|bytes| unsafe { View::contiguous(bytes) })
            .collect();
        let (digests, result) = digest_while(&views, first);
        (self.head(&digests), result)
    }

    /// All of it.
    #[must_use]
    pub fn whole(&self) -> Vec<u8> {
        let (mut payload, ()) = self.head_while(|| ());
        payload.reserve_exact(self.size - payload.len());
        for (start, bytes) in self.leaves() {
            payload.resize(start, 0);
            payload.extend_from_slice(bytes);
        }
        payload
    }

    fn head(&self, digests: &[Digest]) -> Vec<u8> {
        let draft = self.draft;
        let mut writer = Writer::new();
        writer.raw(&MAGIC);
        writer.u32(PAYLOAD_VERSION);
        writer.u32(draft.flags());
        writer.raw(&draft.key.0);
        writer.i64(draft.created_ns);
        writer.f64(draft.seconds);
        for number in [
            self.epoch,
            self.meta.len() as u64,
            draft.tree.len() as u64,
            self.places.len() as u64,
            self.size as u64,
            0,
        ] {
            writer.u64(number);
        }
        writer.raw(&[0; HEADER - CHECK_AT]);
        writer.raw(&self.meta);
        writer.raw(&draft.tree);
        for (range, &digest) in self.places.iter().cloned().zip(digests) {
            Leaf { range, digest }.write(&mut writer);
        }
        let mut head = writer.finish();
        let check = check(&head);
        head[CHECK_AT..KEY_ID_AT].copy_from_slice(&check.0);
        if let Some(seal) = self.seal {
            let mac = seal.secret.seal(&sealed_parts(&head, seal.store));
            head[KEY_ID_AT..MAC_AT].copy_from_slice(&seal.secret.id());
            head[MAC_AT..HEADER].copy_from_slice(&mac);
        }
        if let Some(first) = self.places.first() {
            head.resize(first.start, 0);
        }
        head
    }
}

impl Draft {
    /// Where everything will lie in the payload; what can run code is going to be sealed.
    ///
    /// # Errors
    /// The draft can run code and there is no secret to seal it with.
    pub fn lay_out<'a>(&'a self, epoch: u64, seal: Option<Seal<'a>>) -> Result<Layout<'a>> {
        let seal = seal.filter(|_| self.code_bearing);
        if self.code_bearing && seal.is_none() {
            return Err(Error::new(
                Kind::Invalid,
                "a result that can run code can't be stored without a secret to seal it",
            ));
        }
        let meta = self.meta.encode();
        let mut size = HEADER + meta.len() + self.tree.len() + self.leaves.len() * LEAF_ROW;
        let places = self.leaves.iter().map(|source| {
            let start = size.next_multiple_of(ALIGN);
            size = start + source.bytes().len();
            start..size
        });
        let places = places.collect();
        Ok(Layout {
            draft: self,
            seal,
            epoch,
            meta,
            places,
            size,
        })
    }

    fn flags(&self) -> u32 {
        let packed = match self.compression {
            None => 0,
            Some(Compression::Lz4) => LZ4,
            Some(Compression::Zstd) => ZSTD,
        };
        let code_bearing = if self.code_bearing { CODE_BEARING } else { 0 };
        packed | code_bearing | if self.pickled { PICKLED } else { 0 }
    }

    /// Makes the tree and the leaves smaller.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn pack(&mut self, how: Compression) -> Result<()> {
        self.tree = how.pack(&self.tree)?;
        for leaf in &mut self.leaves {
            *leaf = Source::Owned(how.pack(leaf.bytes())?);
        }
        self.compression = Some(how);
        Ok(())
    }
}
