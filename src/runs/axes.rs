//! Bins of sessions that the returns of runs are kept by, and what the trials of a family have in
//! common there.

use super::correlation::Correlations;
use super::record::OnAxis;
use super::returns::{EquityKind, Kept};
use crate::digest::Digest;
use rusqlite::{Connection, OptionalExtension, Result, params};

/// Bins, and how many sessions there are to each.
pub(super) type Axis = (i64, Vec<i64>);

/// The digest of an axis.
pub(super) fn digest(width: i64, bins: &[i64]) -> Digest {
    let bytes = bytes_of(
        std::iter::once(width).chain(bins.iter().copied()),
        i64::to_le_bytes,
    );
    Digest::of(&bytes)
}

/// Enters an axis.
pub(super) fn enter(index: &Connection, axis: Digest, width: i64, bins: &[i64]) -> Result<()> {
    index
        .prepare_cached("INSERT OR REPLACE INTO axes VALUES (?, ?, ?)")?
        .execute(params![
            axis.0,
            width,
            bytes_of(bins.iter().copied(), i64::to_le_bytes)
        ])
        .map(drop)
}

/// An axis by its digest.
pub(super) fn find(index: &Connection, axis: [u8; Digest::SIZE]) -> Result<Option<Axis>> {
    index
        .prepare_cached("SELECT width, bins FROM axes WHERE axis = ?")?
        .query_row([axis], |row| {
            Ok((
                row.get(0)?,
                of_bytes(&row.get::<_, Vec<u8>>(1)?, i64::from_le_bytes),
            ))
        })
        .optional()
}

/// Returns with their bins; `None` where these are not known.
pub(super) fn kept(index: &Connection, series: OnAxis) -> Result<Option<(Kept, EquityKind)>> {
    let axis = find(index, series.axis)?;
    let axis = axis.filter(|(_, bins)| bins.len() == series.returns.len());
    Ok(axis.map(|(width, bins)| {
        let kept = Kept {
            width,
            bins,
            returns: series.returns,
        };
        (kept, series.kind)
    }))
}

/// What the trials of a family have in common in bins of a width.
pub(super) fn correlations(
    index: &Connection,
    family: i64,
    width: i64,
) -> Result<Option<Correlations>> {
    index
        .prepare_cached(
            "SELECT bins, sums, trials FROM correlations WHERE family = ? AND width = ?",
        )?
        .query_row([family, width], |row| {
            let blob = |column| row.get::<_, Vec<u8>>(column);
            Ok(Correlations {
                bins: of_bytes(&blob(0)?, i64::from_le_bytes),
                sums: of_bytes(&blob(1)?, f64::from_le_bytes),
                trials: of_bytes(&blob(2)?, u32::from_le_bytes),
            })
        })
        .optional()
}

/// The widths of bins that trials of a family have.
pub(super) fn widths(index: &Connection, family: i64) -> Result<Vec<i64>> {
    let mut query = index.prepare_cached("SELECT width FROM correlations WHERE family = ?")?;
    query.query_map([family], |row| row.get(0))?.collect()
}

/// Writes what the trials of a family have in common.
pub(super) fn set_correlations(
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
    index
        .prepare_cached("INSERT OR REPLACE INTO correlations VALUES (?, ?, ?, ?, ?)")?
        .execute(params![
            family,
            width,
            bytes_of(known.bins.iter().copied(), i64::to_le_bytes),
            bytes_of(known.sums.iter().copied(), f64::to_le_bytes),
            bytes_of(known.trials.iter().copied(), u32::to_le_bytes),
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
