//! A file of entries: a cover, and payloads one behind the other, each behind its length (`u64`).
//!
//! ```text
//! 0    magic "AFMLEXP1"          32   number of payloads
//! 8    version u64               40   length of the file
//! 16   id of the store           48   check: XXH3-128 of everything from 64 on, and then of 0..48
//! 64   payloads
//! ```

use super::EXCHANGE_VERSION;
use super::codec::{Reader, Writer};
use super::payload::corrupt;
use crate::digest::{Digest, Encoder};
use crate::error::{Error, Kind, Result};

const MAGIC: [u8; 8] = *b"AFMLEXP1";
const CHECK_AT: usize = 48;

/// What stands at the beginning of a file of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cover {
    /// The store that its payloads are sealed for.
    pub store: [u8; 16],
    /// How many payloads follow.
    pub entries: u64,
    /// Bytes of the whole file.
    pub length: u64,
    check: Digest,
}

impl Cover {
    /// Bytes of a cover.
    pub const SIZE: usize = CHECK_AT + Digest::SIZE;

    /// The cover of payloads that have been written; `content` was given all of them, lengths
    /// included.
    #[must_use]
    pub fn of(store: [u8; 16], entries: u64, length: u64, content: &mut Encoder) -> Self {
        let mut cover = Self {
            store,
            entries,
            length,
            check: Digest([0; Digest::SIZE]),
        };
        content.raw(&cover.encode()[..CHECK_AT]);
        cover.check = content.finish();
        cover
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.raw(&MAGIC);
        writer.u64(EXCHANGE_VERSION);
        writer.raw(&self.store);
        writer.u64(self.entries);
        writer.u64(self.length);
        writer.raw(&self.check.0);
        writer.finish()
    }

    /// Reads a cover, of which nothing is checked yet.
    ///
    /// # Errors
    /// `Corrupt` for something else, `Newer` for a version that we do not know.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if !Self::begins(bytes) {
            return Err(corrupt("it is no file of exported results"));
        }
        let mut reader = Reader::new(&bytes[MAGIC.len()..]);
        let version = reader.u64()?;
        if version != EXCHANGE_VERSION {
            let what = format!(
                "it was exported by a newer afml-cache (version {version} of such files, this one \
                 knows {EXCHANGE_VERSION}); upgrade afml-cache"
            );
            return Err(Error::new(Kind::Newer, what));
        }
        Ok(Self {
            store: reader.array()?,
            entries: reader.u64()?,
            length: reader.u64()?,
            check: reader.digest()?,
        })
    }

    /// Whether a file that begins like this is one of entries.
    #[must_use]
    pub fn begins(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC)
    }

    /// Whether this is the cover of what `content` was given.
    #[must_use]
    pub fn fits(&self, content: &mut Encoder) -> bool {
        Self::of(self.store, self.entries, self.length, content) == *self
    }
}

#[cfg(test)]
mod tests {
    use super::{Cover, Encoder, Kind};

    fn content(bytes: &[u8]) -> Encoder {
        let mut content = Encoder::new();
        content.raw(bytes);
        content
    }

    #[test]
    fn a_cover_fits_what_it_was_made_of_and_nothing_else() {
        let cover = Cover::of([7; 16], 2, 99, &mut content(b"payloads"));
        let bytes = cover.encode();
        assert_eq!(bytes.len(), Cover::SIZE);
        let read = Cover::decode(&bytes).unwrap();
        assert_eq!(read, cover);
        assert!(read.fits(&mut content(b"payloads")));
        assert!(!read.fits(&mut content(b"payloade")));
    }

    #[test]
    fn any_flipped_bit_of_a_cover_is_noticed() {
        let bytes = Cover::of([7; 16], 2, 99, &mut content(b"payloads")).encode();
        for place in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[place / 8] ^= 1 << (place % 8);
            let read = Cover::decode(&flipped);
            assert!(read.is_err() || !read.unwrap().fits(&mut content(b"payloads")));
        }
    }

    #[test]
    fn another_version_is_told_from_another_file() {
        let mut bytes = Cover::of([7; 16], 0, 64, &mut content(b"")).encode();
        bytes[8] = 2;
        assert_eq!(Cover::decode(&bytes).unwrap_err().kind(), Kind::Newer);
        assert_eq!(Cover::decode(b"AFMLEXP").unwrap_err().kind(), Kind::Corrupt);
        assert_eq!(
            Cover::decode(&bytes[..8]).unwrap_err().kind(),
            Kind::Corrupt
        );
    }
}
