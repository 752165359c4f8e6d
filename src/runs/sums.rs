//! Sums of Sharpe ratios that are exact: what was added and taken away again leaves nothing behind.

use super::rows::lies;
use crate::format::{Reader, Writer};
use rusqlite::Result;

/// Bits behind the point.
const FRACTION: i32 = 60;
/// A ratio this large is none of returns: their deviation would be lost in their rounding.
const LARGEST: f64 = 1_048_576.0;

/// The number, the sum and the sum of squares of some ratios, in fixed point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    count: i64,
    total: i128,
    squares: i128,
}

impl Sums {
    /// Adds a ratio so many times.
    pub fn add(&mut self, ratio: f64, times: i8) {
        if ratio.is_finite() && ratio.abs() < LARGEST {
            self.count += i64::from(times);
            self.total += i128::from(times) * fixed(ratio);
            self.squares += i128::from(times) * fixed(ratio * ratio);
        }
    }

    /// How many there are.
    pub fn count(&self) -> i64 {
        self.count
    }

    /// Their sum.
    pub fn total(&self) -> f64 {
        float(self.total)
    }

    /// The sum of their squares.
    pub fn squares(&self) -> f64 {
        float(self.squares)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.i64(self.count);
        writer.raw(&self.total.to_le_bytes());
        writer.raw(&self.squares.to_le_bytes());
        writer.finish()
    }

    pub fn read(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let mut read = || {
            Ok(Self {
                count: reader.i64()?,
                total: i128::from_le_bytes(reader.array()?),
                squares: i128::from_le_bytes(reader.array()?),
            })
        };
        read().map_err(lies)
    }
}

#[allow(clippy::cast_possible_truncation)] // below 2^40, and so below 2^100 with its fraction
fn fixed(value: f64) -> i128 {
    (value * 2_f64.powi(FRACTION)).round() as i128
}

#[allow(clippy::cast_precision_loss)] // it is summed up, and told as a float
fn float(value: i128) -> f64 {
    value as f64 / 2_f64.powi(FRACTION)
}
