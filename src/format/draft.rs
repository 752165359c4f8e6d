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
use crate::digest::{Digest, Strided, digest_all};
use crate::error::{Error, Kind, Result};

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

impl Draft {
    /// Everything before the leaves, padded to where the first one starts.
    ///
    /// # Errors
    /// The draft can run code and there is no secret to seal it with.
    pub fn head(&self, epoch: u64, seal: Option<Seal<'_>>) -> Result<(Vec<u8>, Vec<Leaf>)> {
        let meta = self.meta.encode();
        let table_at = HEADER + meta.len() + self.tree.len();
        let leaves = self.lay_out(table_at + self.leaves.len() * LEAF_ROW);
        let mut writer = Writer::new();
        writer.raw(&MAGIC);
        writer.u32(PAYLOAD_VERSION);
        writer.u32(self.flags());
        writer.raw(&self.key.0);
        writer.i64(self.created_ns);
        writer.f64(self.seconds);
        for number in [
            epoch,
            meta.len() as u64,
            self.tree.len() as u64,
            leaves.len() as u64,
        ] {
            writer.u64(number);
        }
        let end = leaves.last().map_or(table_at, |leaf| leaf.range.end);
        writer.u64(end as u64);
        writer.u64(0);
        writer.raw(&[0; HEADER - CHECK_AT]);
        writer.raw(&meta);
        writer.raw(&self.tree);
        for leaf in &leaves {
            leaf.write(&mut writer);
        }
        let mut head = writer.finish();
        self.sign(&mut head, seal)?;
        if let Some(first) = leaves.first() {
            head.resize(first.range.start, 0);
        }
        Ok((head, leaves))
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

    fn sign(&self, head: &mut [u8], seal: Option<Seal<'_>>) -> Result<()> {
        let check = check(head);
        head[CHECK_AT..KEY_ID_AT].copy_from_slice(&check.0);
        if self.code_bearing {
            let seal = seal.ok_or_else(|| {
                Error::new(
                    Kind::Invalid,
                    "a result that can run code can't be stored without a secret to seal it",
                )
            })?;
            let mac = seal.secret.seal(&sealed_parts(head, seal.store));
            head[KEY_ID_AT..MAC_AT].copy_from_slice(&seal.secret.id());
            head[MAC_AT..HEADER].copy_from_slice(&mac);
        }
        Ok(())
    }

    fn lay_out(&self, mut at: usize) -> Vec<Leaf> {
        // SAFETY: the views are gone when this statement ends, and the sources live in `self`.
        let views: Vec<_> = self
            .leaves
            .iter()
            .map(|leaf| unsafe { Strided::contiguous(leaf.bytes()) })
            .collect();
        let digests = digest_all(&views);
        self.leaves
            .iter()
            .zip(digests)
            .map(|(source, digest)| {
                let start = at.next_multiple_of(ALIGN);
                at = start + source.bytes().len();
                Leaf {
                    range: start..at,
                    digest,
                }
            })
            .collect()
    }
}
