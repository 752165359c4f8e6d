//! A run: what is known of a backtest, but for what it returned.

use super::event::{if_there, optional};
use super::statistics::Moments;
use crate::digest::Digest;
use crate::error::Result;
use crate::format::{Reader, Writer};

/// What a run counts as in the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// A trial of its family.
    #[default]
    Trial = 0,
    /// A look at a test fold: listed, and not counted.
    Test = 1,
}

/// The value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub enum Metric {
    /// A float.
    Number(f64),
    /// A whole number.
    Whole(i64),
    /// Anything else, as text; nothing ranks it.
    Text(String),
}

/// What is known of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Tells it from all others.
    pub run: Digest,
    /// The strategy's name.
    pub strategy: String,
    /// Which data set, as it is called.
    pub dataset: String,
    /// What the data set is used for.
    pub purpose: String,
    /// What it counts as.
    pub role: Role,
    /// Tells its code and parameters from others of the strategy.
    pub trial: Digest,
    /// The strategy's code; `None` where it was not told.
    pub code: Option<Digest>,
    /// The parameters.
    pub parameters: Digest,
    /// The data, by content.
    pub data: Digest,
    /// When it was computed first, ns UTC.
    pub at_ns: i64,
    /// How long that took.
    pub seconds: f64,
    /// First and last instant of its data, ns UTC.
    pub time_range: Option<(i64, i64)>,
    /// The last instant that its inputs have seen, ns UTC.
    pub seen_ns: Option<i64>,
    /// The usual distance of its returns, ns; 0 where they have no times.
    pub step_ns: i64,
    /// Its native returns in numbers.
    pub moments: Option<Moments>,
    /// Why there are none.
    pub reason: String,
    /// Its metrics, in order.
    pub metrics: Vec<(String, Metric)>,
    /// All else, as JSON.
    pub about: String,
}

/// Where the answer of a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerAt {
    /// There is none.
    Nowhere,
    /// In the log. In an event: so many bytes before its frame, in a frame of so many; in a row: the
    /// place of that, and the same.
    Log(u64, u64),
    /// In a file of its folder, of this name.
    File(AnswerFile),
}

/// The file of an answer. A run that is recorded again gets another one than it has, so that it has
/// the first for as long as it needs it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AnswerFile {
    /// The first.
    #[default]
    One,
    /// The other.
    Other,
}

impl AnswerFile {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "answer",
            Self::Other => "answer-again",
        }
    }
}

impl AnswerAt {
    /// Where an event means whose frame lies at a place.
    pub(super) fn seen_from(self, place: u64) -> Self {
        match self {
            Self::Log(before, length) => Self::Log(place.saturating_sub(before), length),
            other => other,
        }
    }

    pub(super) fn write(self, writer: &mut Writer) {
        match self {
            Self::Nowhere => writer.u8(0),
            Self::Log(place, length) => {
                writer.u8(1);
                writer.u64(place);
                writer.u64(length);
            }
            Self::File(AnswerFile::One) => writer.u8(2),
            Self::File(AnswerFile::Other) => writer.u8(3),
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(match reader.u8()? {
            0 => Self::Nowhere,
            1 => Self::Log(reader.u64()?, reader.u64()?),
            2 => Self::File(AnswerFile::One),
            _ => Self::File(AnswerFile::Other),
        })
    }
}

impl Record {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.raw(&self.run.0);
        for text in [&self.strategy, &self.dataset, &self.purpose] {
            writer.bytes(text.as_bytes());
        }
        writer.u8(self.role as u8);
        writer.raw(&self.trial.0);
        optional(writer, self.code, |writer, code| writer.raw(&code.0));
        writer.raw(&self.parameters.0);
        writer.raw(&self.data.0);
        writer.i64(self.at_ns);
        writer.f64(self.seconds);
        optional(writer, self.time_range, |writer, (first, last)| {
            writer.i64(first);
            writer.i64(last);
        });
        optional(writer, self.seen_ns, Writer::i64);
        writer.i64(self.step_ns);
        optional(writer, self.moments.as_ref(), write_moments);
        writer.bytes(self.reason.as_bytes());
        writer.u64(self.metrics.len() as u64);
        for (name, value) in &self.metrics {
            writer.bytes(name.as_bytes());
            value.write(writer);
        }
        writer.bytes(self.about.as_bytes());
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            run: reader.digest()?,
            strategy: reader.text()?.to_owned(),
            dataset: reader.text()?.to_owned(),
            purpose: reader.text()?.to_owned(),
            role: if reader.u8()? == 0 {
                Role::Trial
            } else {
                Role::Test
            },
            trial: reader.digest()?,
            code: if_there(reader, Reader::digest)?,
            parameters: reader.digest()?,
            data: reader.digest()?,
            at_ns: reader.i64()?,
            seconds: reader.f64()?,
            time_range: if_there(reader, |reader| Ok((reader.i64()?, reader.i64()?)))?,
            seen_ns: if_there(reader, Reader::i64)?,
            step_ns: reader.i64()?,
            moments: if_there(reader, read_moments)?,
            reason: reader.text()?.to_owned(),
            metrics: (0..reader.count()?)
                .map(|_| Ok((reader.text()?.to_owned(), Metric::read(reader)?)))
                .collect::<Result<_>>()?,
            about: reader.text()?.to_owned(),
        })
    }

    /// The value of a metric; of several of one name the last.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        let mut metrics = self.metrics.iter().rev();
        metrics.find(|(own, _)| own == name).map(|(_, value)| value)
    }
}

impl Metric {
    /// As a number that can be ranked.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // ranks are told apart as floats are
    pub fn ranked(&self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value),
            Self::Whole(value) => Some(*value as f64),
            Self::Text(_) => None,
        }
        .filter(|value| value.is_finite())
        // Zeroes of both signs are one rank.
        .map(|value| value + 0.0)
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::Number(value) => {
                writer.u8(0);
                writer.f64(*value);
            }
            Self::Whole(value) => {
                writer.u8(1);
                writer.i64(*value);
            }
            Self::Text(text) => {
                writer.u8(2);
                writer.bytes(text.as_bytes());
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self> {
        Ok(match reader.u8()? {
            0 => Self::Number(reader.f64()?),
            1 => Self::Whole(reader.i64()?),
            _ => Self::Text(reader.text()?.to_owned()),
        })
    }
}

fn write_moments(writer: &mut Writer, moments: &Moments) {
    writer.u64(moments.periods as u64);
    for value in [
        moments.mean,
        moments.deviation,
        moments.skewness,
        moments.kurtosis,
    ] {
        writer.f64(value);
    }
}

fn read_moments(reader: &mut Reader<'_>) -> Result<Moments> {
    Ok(Moments {
        periods: reader.length()?,
        mean: reader.f64()?,
        deviation: reader.f64()?,
        skewness: reader.f64()?,
        kurtosis: reader.f64()?,
    })
}
