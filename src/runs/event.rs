//! What happens to runs, as the log has it.

use super::axes::OnAxis;
use super::record::{AnswerAt, Record};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::format::{Reader, Writer};

const PAYLOAD: u8 = 9;

/// Something that happens to runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A run is recorded, or recorded anew.
    Recorded {
        /// What is known of it.
        record: Box<Record>,
        /// Its returns by session.
        series: Option<OnAxis>,
        /// Where its answer is.
        answer: AnswerAt,
    },
    /// A run has another answer.
    Answered(Digest, AnswerAt),
    /// The payload of an answer, of the run that comes behind it.
    Payload(Vec<u8>),
    /// What the digest of an axis stands for: bins of so many sessions.
    Axis(Digest, i64, Vec<i64>),
    /// What the digest of a strategy's code stands for, as JSON.
    Code(Digest, String),
    /// A run is spared from pruning, or no longer.
    Pinned(Digest, bool),
    /// A run has its metrics alone, and an answer that is made of these.
    Pruned(Digest, AnswerAt),
    /// A run is gone, but for the ledger.
    Deleted(Digest),
    /// A backtest raised.
    Failed(Failure),
    /// A fold of a walk-forward split.
    Split(Split),
    /// Rows that frames are made of.
    Frame(Digest, String),
}

/// A backtest that raised.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// Which run it would have been.
    pub run: [u8; Digest::SIZE],
    /// Its strategy.
    pub strategy: String,
    /// Its data set.
    pub dataset: String,
    /// What the data set is used for.
    pub purpose: String,
    /// When, ns UTC.
    pub at_ns: i64,
    /// Its parameters and the error, as JSON.
    pub about: String,
}

/// One version of a fold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// What the user calls the split.
    pub split: String,
    /// Which of its folds.
    pub fold: i64,
    /// Which version of that.
    pub version: i64,
    /// The digest of the rows to train with, and of those to test with.
    pub data: [[u8; Digest::SIZE]; 2],
    /// When, ns UTC.
    pub at_ns: i64,
    /// Ranges, and the parts of frames, as JSON.
    pub about: String,
}

impl Event {
    /// Its bytes in the log.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.write(&mut writer);
        writer.finish()
    }

    /// Reads what `bytes` gave.
    ///
    /// # Errors
    /// `Corrupt` where it is something else.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let read = Self::parse(&mut reader)?;
        if reader.is_empty() {
            Ok(read)
        } else {
            Err(corrupt("it is longer than it should be"))
        }
    }

    /// The payload in what `bytes` gave, if that is one.
    #[must_use]
    pub fn payload(bytes: &[u8]) -> Option<&[u8]> {
        let mut reader = Reader::new(bytes);
        if reader.u8().ok()? != PAYLOAD {
            return None;
        }
        reader.bytes().ok()
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Recorded {
                record,
                series,
                answer,
            } => {
                writer.u8(0);
                record.write(writer);
                optional(writer, series.as_ref(), |writer, series| {
                    series.write(writer);
                });
                answer.write(writer);
            }
            Self::Answered(run, answer) => {
                writer.u8(10);
                writer.raw(&run.0);
                answer.write(writer);
            }
            Self::Payload(payload) => {
                writer.u8(PAYLOAD);
                writer.bytes(payload);
            }
            Self::Axis(digest, width, bins) => {
                writer.u8(1);
                writer.raw(&digest.0);
                writer.i64(*width);
                writer.u64(bins.len() as u64);
                bins.iter().for_each(|bin| writer.i64(*bin));
            }
            Self::Code(digest, text) => tagged(writer, 2, *digest, text),
            Self::Pinned(run, pinned) => {
                writer.u8(3);
                writer.raw(&run.0);
                writer.u8(u8::from(*pinned));
            }
            Self::Pruned(run, answer) => {
                writer.u8(4);
                writer.raw(&run.0);
                answer.write(writer);
            }
            Self::Deleted(run) => {
                writer.u8(5);
                writer.raw(&run.0);
            }
            Self::Failed(failure) => {
                writer.u8(6);
                failure.write(writer);
            }
            Self::Split(split) => {
                writer.u8(7);
                split.write(writer);
            }
            Self::Frame(digest, text) => tagged(writer, 8, *digest, text),
        }
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(match reader.u8()? {
            0 => Self::Recorded {
                record: Box::new(Record::read(reader)?),
                series: if_there(reader, OnAxis::read)?,
                answer: AnswerAt::read(reader)?,
            },
            PAYLOAD => Self::Payload(reader.bytes()?.to_vec()),
            1 => {
                let (digest, width) = (reader.digest()?, reader.i64()?);
                let count = reader.count()?;
                let bins = (0..count).map(|_| reader.i64()).collect::<Result<_>>()?;
                Self::Axis(digest, width, bins)
            }
            2 => Self::Code(reader.digest()?, reader.text()?.to_owned()),
            3 => Self::Pinned(reader.digest()?, reader.u8()? != 0),
            4 => Self::Pruned(reader.digest()?, AnswerAt::read(reader)?),
            5 => Self::Deleted(reader.digest()?),
            6 => Self::Failed(Failure::read(reader)?),
            7 => Self::Split(Split::read(reader)?),
            8 => Self::Frame(reader.digest()?, reader.text()?.to_owned()),
            10 => Self::Answered(reader.digest()?, AnswerAt::read(reader)?),
            _ => return Err(corrupt("it is of a kind that is not known here")),
        })
    }
}

impl Failure {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.raw(&self.run);
        for text in [&self.strategy, &self.dataset, &self.purpose, &self.about] {
            writer.bytes(text.as_bytes());
        }
        writer.i64(self.at_ns);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            run: reader.array()?,
            strategy: reader.text()?.to_owned(),
            dataset: reader.text()?.to_owned(),
            purpose: reader.text()?.to_owned(),
            about: reader.text()?.to_owned(),
            at_ns: reader.i64()?,
        })
    }
}

impl Split {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.bytes(self.split.as_bytes());
        writer.i64(self.fold);
        writer.i64(self.version);
        self.data.iter().for_each(|digest| writer.raw(digest));
        writer.i64(self.at_ns);
        writer.bytes(self.about.as_bytes());
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            split: reader.text()?.to_owned(),
            fold: reader.i64()?,
            version: reader.i64()?,
            data: [reader.array()?, reader.array()?],
            at_ns: reader.i64()?,
            about: reader.text()?.to_owned(),
        })
    }
}

fn tagged(writer: &mut Writer, tag: u8, digest: Digest, text: &str) {
    writer.u8(tag);
    writer.raw(&digest.0);
    writer.bytes(text.as_bytes());
}

/// Writes a value behind a flag that says whether there is one.
pub(super) fn optional<T>(
    writer: &mut Writer,
    value: Option<T>,
    write: impl FnOnce(&mut Writer, T),
) {
    writer.u8(u8::from(value.is_some()));
    if let Some(value) = value {
        write(writer, value);
    }
}

/// Reads a value that may be there.
pub(super) fn if_there<'a, T>(
    reader: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T>,
) -> Result<Option<T>> {
    match reader.u8()? {
        0 => Ok(None),
        _ => read(reader).map(Some),
    }
}

fn corrupt(what: &str) -> Error {
    Error::new(
        Kind::Corrupt,
        format!("an event of the log of runs can't be read: {what}"),
    )
}
