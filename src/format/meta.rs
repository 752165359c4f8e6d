//! What an entry says of itself: the function, and each part of its key.

use super::codec::{Reader, Writer};
use super::seen::Seen;
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
    /// Up to when its inputs have seen.
    pub seen: Seen,
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
        let seen = self.seen.part();
        let parts = || seen.iter().chain(&self.parts);
        writer.u64(parts().count() as u64);
        for part in parts() {
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
        let time_range = read_range(&mut reader)?;
        let mut parts = (0..reader.count()?)
            .map(|_| read_part(&mut reader))
            .collect::<Result<Vec<_>>>()?;
        let first = parts.first();
        let seen = first.and_then(|part| Seen::read(&part.label, &part.text));
        if seen.is_some() {
            parts.remove(0);
        }
        Ok(Self {
            function,
            parts,
            time_range,
            seen: seen.unwrap_or_default(),
        })
    }

    /// Up to when the inputs have seen, without reading all of a description.
    ///
    /// # Errors
    /// The bytes are not one.
    pub fn seen_in(bytes: &[u8]) -> Result<Seen> {
        let mut reader = Reader::new(bytes);
        reader.text()?;
        read_range(&mut reader)?;
        if reader.count()? == 0 {
            return Ok(Seen::default());
        }
        let label = reader.text()?;
        reader.digest()?;
        Ok(Seen::read(label, reader.text()?).unwrap_or_default())
    }
}

fn read_range(reader: &mut Reader<'_>) -> Result<Option<(i64, i64)>> {
    Ok(match reader.u8()? {
        0 => None,
        _ => Some((reader.i64()?, reader.i64()?)),
    })
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

#[cfg(test)]
mod tests {
    use super::{Meta, Part, Seen};
    use crate::digest::Digest;

    fn described(seen: Seen, labels: &[&str]) -> Meta {
        let parts = labels.iter().map(|label| Part {
            label: (*label).to_owned(),
            digest: Digest::of(label.as_bytes()),
            text: "1".to_owned(),
        });
        Meta {
            function: "m.f".into(),
            parts: parts.collect(),
            time_range: Some((1, 2)),
            seen,
        }
    }

    #[test]
    fn a_description_comes_back_and_what_was_seen_is_none_of_its_parts() {
        let open = Seen::of(Some(7)).with(Seen::open_ended());
        for seen in [Seen::default(), Seen::of(Some(-3)), open] {
            for labels in [&[][..], &["argument `x`", "seen"][..]] {
                let meta = described(seen, labels);
                let bytes = meta.encode();
                assert_eq!(Meta::decode(&bytes).unwrap(), meta);
                assert_eq!(Meta::seen_in(&bytes).unwrap(), seen);
            }
        }
    }

    #[test]
    fn a_description_that_is_cut_says_nothing() {
        let bytes = described(Seen::of(Some(7)), &["argument `x`"]).encode();
        for end in 0..bytes.len() {
            assert!(Meta::decode(&bytes[..end]).is_err());
        }
        assert!(Meta::seen_in(&bytes[..20]).is_err());
    }
}
