//! A payload describes itself: header, meta, tree, table of leaves, leaves.
//!
//! ```text
//! 0    magic "AFMLPAY1"          64   length of the tree
//! 8    version u32, flags u32    72   number of leaves
//! 16   key                       80   length of the file
//! 32   created, ns UTC           88   reserved, zero
//! 40   seconds it took, f64      96   check: XXH3-128 of 0..96, meta, tree, table
//! 48   epoch                     112  key id, 8 bytes
//! 56   length of the meta        120  seal, 32 bytes (zeroes where nothing can run code)
//! 152  meta, tree, table of (offset u64, length u64, digest), then each leaf at a multiple of 64
//! ```

use super::PAYLOAD_VERSION;
use super::codec::{Reader, Writer};
use super::compress::Compression;
use super::draft::Seal;
use super::mac::{KeyId, Mac};
use super::meta::Meta;
use super::seen::Seen;
use crate::digest::{Digest, digest_bytes};
use crate::error::{Error, Kind, Result};
use std::ops::Range;

pub(super) const MAGIC: [u8; 8] = *b"AFMLPAY1";
pub(super) const CODE_BEARING: u32 = 1;
pub(super) const PICKLED: u32 = 2;
pub(super) const LZ4: u32 = 4;
pub(super) const ZSTD: u32 = 8;
const META_AT: usize = 56;
const TREE_AT: usize = 64;
const LEAVES_AT: usize = 72;
pub(super) const CHECK_AT: usize = 96;
pub(super) const KEY_ID_AT: usize = CHECK_AT + Digest::SIZE;
pub(super) const MAC_AT: usize = KEY_ID_AT + size_of::<KeyId>();
/// Seconds that a computation may have taken: ten years. Who writes a payload says how long, and more
/// would spoil the order in which entries go.
pub const MOST_SECONDS: f64 = 10.0 * 366.0 * 86_400.0;
/// Bytes of the fixed header.
pub const HEADER: usize = MAC_AT + size_of::<Mac>();
pub(super) const LEAF_ROW: usize = 8 + 8 + Digest::SIZE;
/// Leaves begin at multiples of it.
pub const ALIGN: usize = 64;

/// Where a leaf lies in the payload, and its content.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// From the payload's first byte.
    pub range: Range<usize>,
    pub(super) digest: Digest,
}

impl Leaf {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u64(self.range.start as u64);
        writer.u64(self.range.len() as u64);
        writer.raw(&self.digest.0);
    }

    /// Reads a row of the table; the leaf must lie within `room`.
    fn read(reader: &mut Reader<'_>, room: Range<usize>) -> Result<Self> {
        let (start, length) = (reader.length()?, reader.length()?);
        let stop = start.checked_add(length).filter(|&stop| {
            start % ALIGN == 0 && (room.start..=stop).contains(&start) && stop <= room.end
        });
        let stop = stop.ok_or_else(|| corrupt("a leaf lies outside its place in the payload"))?;
        Ok(Self {
            range: start..stop,
            digest: reader.digest()?,
        })
    }
}

/// What stands before the leaves of a payload, checked.
#[derive(Clone, Debug)]
pub struct Head {
    /// The key that it answers.
    pub key: Digest,
    /// When it was computed, ns UTC.
    pub created_ns: i64,
    /// How long that took.
    pub seconds: f64,
    /// The invalidation epoch it was stored under.
    pub epoch: u64,
    /// Whether decoding the tree can run code.
    pub code_bearing: bool,
    /// How the tree and the leaves have been made smaller.
    pub compression: Option<Compression>,
    /// The secret that it was sealed with, if it says so.
    pub key_id: Option<KeyId>,
    /// Whether it holds a pickle.
    pub pickled: bool,
    /// Length of the whole payload.
    pub length: usize,
    /// Up to when the inputs have seen; a description that can't be read says nothing of it.
    pub seen: Seen,
    /// Where the description lies.
    meta: Range<usize>,
    /// Where the tree lies.
    pub tree: Range<usize>,
    /// The table of leaves.
    pub leaves: Vec<Leaf>,
}

impl Head {
    /// Reads and checks everything before the leaves.
    ///
    /// # Errors
    /// `Corrupt` for a failed check, `Newer` for a version that we do not know.
    pub fn read(payload: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(payload);
        if reader.array()? != MAGIC {
            return Err(corrupt("it does not begin like a payload"));
        }
        let version = reader.u32()?;
        if version != PAYLOAD_VERSION {
            return Err(Error::new(
                Kind::Newer,
                format!("payload version {version} is not known here"),
            ));
        }
        let flags = reader.u32()?;
        let (code_bearing, pickled) = (flags & CODE_BEARING != 0, flags & PICKLED != 0);
        let compression = match flags & !(CODE_BEARING | PICKLED) {
            0 => None,
            LZ4 => Some(Compression::Lz4),
            ZSTD => Some(Compression::Zstd),
            _ => return Err(corrupt("it has a flag that is not known here")),
        };
        let key = reader.digest()?;
        let (created_ns, seconds, epoch) = (reader.i64()?, reader.f64()?, reader.u64()?);
        let (meta, tree, leaves) = (reader.length()?, reader.length()?, reader.length()?);
        let length = reader.length()?;
        let table = (|| {
            let tree_at = HEADER.checked_add(meta)?;
            let table_at = tree_at.checked_add(tree)?;
            let end = table_at.checked_add(leaves.checked_mul(LEAF_ROW)?)?;
            (end <= payload.len()).then_some((tree_at, table_at, end))
        })();
        let (tree_at, table_at, end) =
            table.ok_or_else(|| corrupt("it is shorter than its header says"))?;
        if check(&payload[..end]).0 != payload[CHECK_AT..KEY_ID_AT] {
            return Err(corrupt(
                "its header, tree or table of leaves fails the check",
            ));
        }
        if !code_bearing && payload[KEY_ID_AT..HEADER].iter().any(|&byte| byte != 0) {
            return Err(corrupt("it has a seal and nothing that needs one"));
        }
        // NaN is in no range.
        if !(0.0..=MOST_SECONDS).contains(&seconds) {
            return Err(corrupt("it took a time that can't be"));
        }
        let leaves = read_table(&payload[table_at..end], end, length)?;
        let (meta, tree) = (HEADER..tree_at, tree_at..table_at);
        let mut key_id = KeyId::default();
        key_id.copy_from_slice(&payload[KEY_ID_AT..MAC_AT]);
        Ok(Self {
            key,
            created_ns,
            seconds,
            epoch,
            code_bearing,
            compression,
            key_id: code_bearing.then_some(key_id),
            pickled,
            length,
            seen: Meta::seen_in(&payload[meta.clone()]).unwrap_or_default(),
            meta,
            tree,
            leaves,
        })
    }

    /// The description.
    ///
    /// # Errors
    /// It can't be read.
    pub fn meta(&self, payload: &[u8]) -> Result<Meta> {
        Meta::decode(&payload[self.meta.clone()])
    }

    /// Bytes before the first leaf, as an unchecked header says.
    #[must_use]
    pub fn extent(payload: &[u8]) -> usize {
        let number = |at: usize| {
            let bytes = payload.get(at..)?.first_chunk()?;
            usize::try_from(u64::from_le_bytes(*bytes)).ok()
        };
        (|| {
            let table = number(LEAVES_AT)?.checked_mul(LEAF_ROW)?;
            let tree_and_meta = number(META_AT)?.checked_add(number(TREE_AT)?)?;
            HEADER.checked_add(tree_and_meta)?.checked_add(table)
        })()
        .unwrap_or(0)
    }

    /// Bytes before the first leaf.
    #[must_use]
    pub fn size(&self) -> usize {
        self.tree.end + self.leaves.len() * LEAF_ROW
    }

    /// Checks every leaf by its content.
    ///
    /// # Errors
    /// `Corrupt`, with the number of the first leaf that differs.
    pub fn verify_leaves(&self, payload: &[u8]) -> Result<()> {
        let starts = self.leaves.iter().map(|leaf| leaf.range.start);
        let ends = self.leaves.iter().map(|leaf| leaf.range.end);
        let mut between = std::iter::once(self.size()).chain(ends).zip(starts);
        let is_zero = |bytes: &[u8]| bytes.iter().all(|&byte| byte == 0);
        if between.any(|(end, start)| payload.get(end..start).is_none_or(|gap| !is_zero(gap))) {
            return Err(corrupt("there is something between its leaves"));
        }
        let wrong = self.leaves.iter().position(|leaf| {
            payload
                .get(leaf.range.clone())
                .is_none_or(|bytes| digest_bytes(bytes) != leaf.digest)
        });
        match wrong {
            None => Ok(()),
            Some(number) => Err(corrupt(&format!(
                "leaf {number} of {} fails its check",
                self.leaves.len()
            ))),
        }
    }

    /// Checks that a payload which can run code is one that we sealed, for this store.
    ///
    /// # Errors
    /// `ForeignSecret` when it was sealed with another secret, `Forged` when the seal is wrong.
    pub fn authenticate(&self, payload: &[u8], seal: Option<Seal<'_>>) -> Result<()> {
        if !self.code_bearing {
            return Ok(());
        }
        let id = &payload[KEY_ID_AT..MAC_AT];
        let Some(seal) = seal.filter(|seal| seal.secret.id() == *id) else {
            return Err(Error::new(
                Kind::ForeignSecret,
                "it holds a pickle or a class, sealed with another secret",
            ));
        };
        let mut mac = [0; size_of::<Mac>()];
        mac.copy_from_slice(&payload[MAC_AT..HEADER]);
        if seal
            .secret
            .is_sealed(&sealed_parts(&payload[..self.size()], seal.store), &mac)
        {
            Ok(())
        } else {
            Err(Error::new(
                Kind::Forged,
                "it holds a pickle or a class, and its seal is wrong: altered, moved or forged",
            ))
        }
    }
}

/// The table of leaves, which lie one behind the other: who writes into one reaches no other, nor
/// what stands before them.
fn read_table(table: &[u8], mut at: usize, length: usize) -> Result<Vec<Leaf>> {
    let mut reader = Reader::new(table);
    (0..table.len() / LEAF_ROW)
        .map(|_| {
            let leaf = Leaf::read(&mut reader, at..length)?;
            at = leaf.range.end;
            Ok(leaf)
        })
        .collect()
}

/// The check over everything before the leaves, the check itself and the seal left out.
pub(super) fn check(head: &[u8]) -> Digest {
    let mut encoder = crate::digest::Encoder::new();
    encoder.raw(&head[..CHECK_AT]);
    encoder.raw(&head[HEADER..]);
    encoder.finish()
}

/// What the seal covers: the store, the header (format version and key among it), meta, tree and
/// the table with the digest of every leaf.
pub(super) fn sealed_parts<'a>(head: &'a [u8], store: &'a [u8; 16]) -> [&'a [u8]; 3] {
    [store, &head[..CHECK_AT], &head[HEADER..]]
}

pub(super) fn corrupt(what: &str) -> Error {
    Error::new(Kind::Corrupt, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Part;
    use crate::format::{Draft, Secret, Source};
    use proptest::prelude::*;

    fn draft(leaves: Vec<Vec<u8>>, code_bearing: bool) -> Draft {
        let part = Part {
            label: "argument `x`".into(),
            digest: Digest::of(b"x"),
            text: "1".into(),
        };
        Draft {
            key: Digest::of(b"key"),
            created_ns: 5,
            seconds: 0.5,
            meta: Meta {
                function: "m.f".into(),
                parts: vec![part],
                time_range: Some((1, 2)),
                seen: Seen::of(Some(2)),
            },
            tree: b"tree".to_vec(),
            leaves: leaves.into_iter().map(Source::Owned).collect(),
            code_bearing,
            compression: None,
            pickled: false,
        }
    }

    fn whole(draft: &Draft, seal: Option<Seal<'_>>) -> Vec<u8> {
        draft.lay_out(3, seal).unwrap().whole()
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..5)) {
            let draft = draft(leaves.clone(), false);
            let payload = whole(&draft, None);
            let head = Head::read(&payload).unwrap();
            prop_assert_eq!(head.length, payload.len());
            prop_assert_eq!(Head::extent(&payload), head.size());
            prop_assert_eq!(head.seen, draft.meta.seen);
            prop_assert_eq!(head.meta(&payload).unwrap(), draft.meta);
            prop_assert_eq!(&payload[head.tree.clone()], b"tree");
            for (leaf, bytes) in head.leaves.iter().zip(&leaves) {
                prop_assert_eq!(&payload[leaf.range.clone()], &bytes[..]);
                prop_assert_eq!(leaf.range.start % ALIGN, 0);
            }
            head.verify_leaves(&payload).unwrap();
        }

        #[test]
        fn any_flipped_bit_is_noticed(place in any::<prop::sample::Index>(), bit in 0..8u8) {
            let draft = draft(vec![vec![1; 100], vec![2; 7]], false);
            let mut payload = whole(&draft, None);
            let place = place.index(payload.len());
            payload[place] ^= 1 << bit;
            let noticed = Head::read(&payload).is_err()
                || Head::read(&payload).unwrap().verify_leaves(&payload).is_err();
            prop_assert!(noticed, "byte {place}");
        }

        #[test]
        fn rubbish_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(Head::read(&bytes).is_err());
            let mut begun = whole(&draft(vec![], false), None);
            begun.truncate(HEADER.min(bytes.len()));
            begun.extend(bytes);
            prop_assert!(Head::read(&begun).is_err());
        }
    }

    #[test]
    fn leaves_that_share_bytes_are_refused() {
        let payload = whole(&draft(vec![vec![1; 100], vec![2; 7]], false), None);
        let head = Head::read(&payload).unwrap();
        let table = head.tree.end;
        for (row, start) in [(0, 0), (0, 64), (1, head.leaves[0].range.start)] {
            let mut forged = payload.clone();
            let at = table + row * LEAF_ROW;
            forged[at..at + 8].copy_from_slice(&(start as u64).to_le_bytes());
            let check = check(&forged[..head.size()]);
            forged[CHECK_AT..KEY_ID_AT].copy_from_slice(&check.0);
            assert_eq!(Head::read(&forged).unwrap_err().kind(), Kind::Corrupt);
        }
    }

    #[test]
    fn a_time_that_can_not_be_is_refused() {
        let never = [f64::NAN, f64::INFINITY, -1.0, 1.7e308, MOST_SECONDS + 1.0];
        for seconds in never {
            let payload = whole(
                &Draft {
                    seconds,
                    ..draft(vec![], false)
                },
                None,
            );
            assert_eq!(Head::read(&payload).unwrap_err().kind(), Kind::Corrupt);
        }
    }

    #[test]
    fn a_seal_is_bound_to_store_key_and_secret() {
        let (ours, theirs) = (
            Secret::new(&[1; 32]).unwrap(),
            Secret::new(&[2; 32]).unwrap(),
        );
        let (here, there) = ([1; 16], [2; 16]);
        let seal = Seal {
            secret: &ours,
            store: &here,
        };
        let payload = whole(&draft(vec![vec![9; 10]], true), Some(seal));
        let head = Head::read(&payload).unwrap();
        head.authenticate(&payload, Some(seal)).unwrap();
        let kind = |seal| head.authenticate(&payload, seal).unwrap_err().kind();
        assert_eq!(
            kind(Some(Seal {
                secret: &theirs,
                store: &here
            })),
            Kind::ForeignSecret
        );
        assert_eq!(
            kind(Some(Seal {
                secret: &ours,
                store: &there
            })),
            Kind::Forged
        );
        assert_eq!(kind(None), Kind::ForeignSecret);
        let mut altered = payload.clone();
        altered[HEADER] ^= 1;
        assert_eq!(
            head.authenticate(&altered, Some(seal)).unwrap_err().kind(),
            Kind::Forged
        );
    }

    #[test]
    fn code_without_a_secret_is_not_written() {
        assert_eq!(
            draft(vec![], true).lay_out(0, None).unwrap_err().kind(),
            Kind::Invalid
        );
    }
}
