//! What an entry says of itself: the function, and each part of its key.

use super::codec::{Reader, Writer};
use crate::digest::Digest;
use crate::error::Result;

/// One part of a key, kept so that a miss can be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is, in the words `explain` prints.
    pub label: String,
    /// Its content.
    pub digest: Digest,
    /// A short text for values that fit one; else empty.
    pub text: String,
}

/// The description in a payload's head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// `module.qualname` of the function.
    pub function: String,
    /// The parts of the key, in order.
    pub parts: Vec<Part>,
    /// First and last instant that the call looked at, nanoseconds UTC.
    pub time_range: Option<(i64, i64)>,
}

impl Meta {
    /// The bytes that `decode` takes back.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.bytes(self.function.as_bytes());
        writer.u8(u8::from(self.time_range.is_some()));
        if let Some((first, last)) = self.time_range {
            writer.i64(first);
            writer.i64(last);
        }
        writer.u64(self.parts.len() as u64);
        for part in &self.parts {
            writer.bytes(part.label.as_bytes());
            writer.raw(&part.digest.0);
            writer.bytes(part.text.as_bytes());
        }
        writer.finish()
    }

    /// Reads a description.
    ///
    /// # Errors
    /// The bytes are not one.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let function = reader.text()?.to_owned();
        let time_range = match reader.u8()? {
            0 => None,
            _ => Some((reader.i64()?, reader.i64()?)),
        };
        let parts = (0..reader.count()?)
            .map(|_| read_part(&mut reader))
            .collect::<Result<_>>()?;
        Ok(Self {
            function,
            parts,
            time_range,
        })
    }
}

fn read_part(reader: &mut Reader<'_>) -> Result<Part> {
    Ok(Part {
        label: printable(reader.text()?),
        digest: reader.digest()?,
        text: printable(reader.text()?),
    })
}

/// Text for a terminal: it may come out of a file that somebody else wrote.
fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| {
            if letter.is_control() {
                '\u{fffd}'
            } else {
                letter
            }
        })
        .collect()
}
