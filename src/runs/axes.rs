//! Bins of sessions that the returns of runs are kept by, and what the trials of a family have in
//! common there.

use super::correlation::Correlations;
use super::marked::{marked, unmarked};
use super::returns::{EquityKind, Kept};
use super::rows::{lies, wrong};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result as OurResult};
use crate::format::{Reader, Writer};
use rusqlite::{Connection, OptionalExtension, Result, params};

/// Bins, and how many sessions there are to each.
pub type Axis = (i64, Vec<i64>);

/// The returns of a run by session, without the bins of sessions that they are in.
#[derive(Clone, Debug, PartialEq)]
pub struct OnAxis {
    /// The digest of its bins.
    pub axis: [u8; Digest::SIZE],
    /// How they are put together to coarser ones.
    pub kind: EquityKind,
    /// One for each.
    pub returns: Vec<f32>,
}

impl OnAxis {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.raw(&self.axis);
        writer.bytes(self.kind.name().as_bytes());
        writer.u64(self.returns.len() as u64);
        for value in &self.returns {
            writer.u32(value.to_bits());
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> OurResult<Self> {
        let axis = reader.array()?;
        let kind = EquityKind::named(reader.text()?)
            .ok_or_else(|| Error::new(Kind::Corrupt, "returns of a kind that is not known here"))?;
        let count = reader.count()?;
        let value = |_| reader.u32().map(f32::from_bits);
        let returns = (0..count).map(value).collect::<OurResult<_>>()?;
        Ok(Self {
            axis,
            kind,
            returns,
        })
    }
}

/// The digest of an axis.
pub fn digest(width: i64, bins: &[i64]) -> Digest {
    let bytes = bytes_of(
        std::iter::once(width).chain(bins.iter().copied()),
        i64::to_le_bytes,
    );
    Digest::of(&bytes)
}

/// Enters an axis.
pub fn enter(index: &Connection, axis: Digest, width: i64, bins: &[i64]) -> Result<()> {
    let numbers = std::iter::once(width).chain(bins.iter().copied());
    index
        .prepare_cached("INSERT OR REPLACE INTO axes VALUES (?, ?)")?
        .execute(params![axis.0, bytes_of(numbers, i64::to_le_bytes)])
        .map(drop)
}

/// Whether an axis was entered.
pub fn is_known(index: &Connection, axis: Digest) -> Result<bool> {
    index
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM axes WHERE axis = ?)")?
        .query_row([axis.0], |row| row.get(0))
}

/// An axis by its digest.
pub fn find(index: &Connection, axis: [u8; Digest::SIZE]) -> Result<Option<Axis>> {
    let body: Option<Vec<u8>> = index
        .prepare_cached("SELECT body FROM axes WHERE axis = ?")?
        .query_row([axis], |row| row.get(0))
        .optional()?;
    let Some(body) = body else {
        return Ok(None);
    };
    if Digest::of(&body).0 != axis {
        return Err(wrong("an axis is not what was written"));
    }
    let mut numbers = of_bytes(&body, i64::from_le_bytes).into_iter();
    Ok(numbers.next().map(|width| (width, numbers.collect())))
}

/// Returns with their bins; `None` where these are not theirs.
pub fn joined((width, bins): &Axis, series: OnAxis) -> Option<(Kept, EquityKind)> {
    let kept = Kept {
        width: *width,
        bins: bins.clone(),
        returns: series.returns,
    };
    (kept.bins.len() == kept.returns.len()).then_some((kept, series.kind))
}

/// What the trials of a family have in common in bins of a width.
pub fn correlations(index: &Connection, family: i64, width: i64) -> Result<Option<Correlations>> {
    index
        .prepare_cached("SELECT body FROM correlations WHERE family = ? AND width = ?")?
        .query_row([family, width], |row| {
            read(unmarked(&[family, width], row.get_ref(0)?.as_blob()?)?)
        })
        .optional()
}

fn read(body: &[u8]) -> Result<Correlations> {
    let mut reader = Reader::new(body);
    let mut read = || {
        Ok(Correlations {
            bins: of_bytes(reader.bytes()?, i64::from_le_bytes),
            sums: of_bytes(reader.bytes()?, f64::from_le_bytes),
            trials: of_bytes(reader.bytes()?, u32::from_le_bytes),
        })
    };
    read().map_err(lies)
}

/// The widths of bins that trials of a family have.
pub fn widths(index: &Connection, family: i64) -> Result<Vec<i64>> {
    let mut query = index.prepare_cached("SELECT width FROM correlations WHERE family = ?")?;
    query.query_map([family], |row| row.get(0))?.collect()
}

/// Writes what the trials of a family have in common.
pub fn set_correlations(
    index: &Connection,
    (family, width): (i64, i64),
    known: &Correlations,
) -> Result<()> {
    if known.bins.is_empty() {
        return index
            .prepare_cached("DELETE FROM correlations WHERE family = ? AND width = ?")?
            .execute([family, width])
            .map(drop);
    }
    let mut body = Writer::new();
    body.bytes(&bytes_of(known.bins.iter().copied(), i64::to_le_bytes));
    body.bytes(&bytes_of(known.sums.iter().copied(), f64::to_le_bytes));
    body.bytes(&bytes_of(known.trials.iter().copied(), u32::to_le_bytes));
    index
        .prepare_cached("INSERT OR REPLACE INTO correlations VALUES (?, ?, ?)")?
        .execute(params![
            family,
            width,
            marked(&[family, width], &body.finish())
        ])
        .map(drop)
}

fn bytes_of<T, const N: usize>(
    values: impl Iterator<Item = T>,
    bytes: impl Fn(T) -> [u8; N],
) -> Vec<u8> {
    values.flat_map(bytes).collect()
}

fn of_bytes<T, const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> T) -> Vec<T> {
    let (chunks, _) = bytes.as_chunks();
    chunks.iter().map(|chunk| value(*chunk)).collect()
}
