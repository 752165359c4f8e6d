//! From an equity curve to returns, and what is kept of them for comparisons between trials.

use super::statistics::{Moments, Reason};

/// Points that are kept of one run at most.
pub const POINTS: usize = 4096;

/// What the values of an equity curve are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EquityKind {
    /// Levels above zero: what one unit has become, or the worth of the account.
    Price,
    /// Cumulative profit in currency: its steps add up and are not compounded.
    Pnl,
    /// Returns per period already.
    Returns,
}

impl EquityKind {
    /// The kind by its name: "price", "pnl" or "returns".
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "price" => Some(Self::Price),
            "pnl" => Some(Self::Pnl),
            "returns" => Some(Self::Returns),
            _ => None,
        }
    }

    /// The name of the kind.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Price => "price",
            Self::Pnl => "pnl",
            Self::Returns => "returns",
        }
    }

    /// What two returns in a row come to.
    fn joined(self, earlier: f64, later: f64) -> f64 {
        match self {
            Self::Pnl => earlier + later,
            Self::Price | Self::Returns => earlier + later + earlier * later,
        }
    }

    /// From one level to the next.
    fn step(self, earlier: f64, later: f64) -> f64 {
        match self {
            Self::Price => later / earlier - 1.0,
            Self::Pnl => later - earlier,
            Self::Returns => later,
        }
    }
}

/// The returns of an equity curve, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Returns {
    /// The row of the first return: rows before it are NaN, or have the level that it starts from.
    pub first: usize,
    /// The return of that row and of each one behind it.
    pub values: Vec<f64>,
}

impl Returns {
    /// The returns of an equity curve. NaN may stand before its first value and nowhere else: what
    /// is missing in between, or at the end, may be the loss that matters.
    ///
    /// # Errors
    /// A value is missing, infinite, or a price that is not above zero; or no return is left.
    pub fn of(equity: &[f64], kind: EquityKind) -> Result<Self, Reason> {
        let begin = equity.iter().position(|value| !value.is_nan());
        let begin = begin.ok_or(Reason::NoReturns)?;
        let known = &equity[begin..];
        for value in known {
            match value {
                value if value.is_nan() => return Err(Reason::Missing),
                value if value.is_infinite() => return Err(Reason::Infinite),
                value if kind == EquityKind::Price && *value <= 0.0 => {
                    return Err(Reason::NotPositive);
                }
                _ => {}
            }
        }
        let steps = || known.windows(2).map(|pair| kind.step(pair[0], pair[1]));
        let (first, values) = if kind == EquityKind::Returns {
            (begin, known.to_vec())
        } else {
            (begin + 1, steps().collect())
        };
        if values.is_empty() {
            return Err(Reason::NoReturns);
        }
        Ok(Self { first, values })
    }
}

/// Returns on a grid of times that other trials share.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// How many sessions there are to a bin: a power of two, so that a grid is part of any finer
    /// one.
    pub width: i64,
    /// The bins, in order: the number of their sessions by `width`, rounded down.
    pub bins: Vec<i64>,
    /// The return of each bin.
    pub returns: Vec<f32>,
}

impl Kept {
    /// Returns compounded by session, a number that never falls from row to row; without them, by
    /// the number of the row. Where there are more than `POINTS` sessions, neighbours are joined.
    ///
    /// # Errors
    /// A session is earlier than the one before it, or a return can't be compounded or kept.
    ///
    /// # Panics
    /// There are not as many sessions as rows of the equity curve.
    pub fn of(
        returns: &Returns,
        sessions: Option<&[i64]>,
        kind: EquityKind,
    ) -> Result<Self, Reason> {
        let rows = returns.first..returns.first + returns.values.len();
        let numbers: Vec<i64> = match sessions {
            Some(sessions) => {
                assert_eq!(sessions.len(), rows.end, "a session for each row");
                sessions[rows].to_vec()
            }
            None => rows
                .map(|row| i64::try_from(row).unwrap_or(i64::MAX))
                .collect(),
        };
        if !numbers.is_sorted() {
            return Err(Reason::Unordered);
        }
        let mut width = 1;
        while bins(&numbers, width) > POINTS {
            width *= 2;
        }
        compounded(&numbers, &returns.values, width, kind)
    }

    /// The same on a coarser grid.
    ///
    /// # Errors
    /// A return can't be kept.
    ///
    /// # Panics
    /// The grid is not coarser.
    pub fn coarser(&self, width: i64, kind: EquityKind) -> Result<Self, Reason> {
        assert_eq!(width % self.width, 0, "a wider bin is made of whole ones");
        let returns: Vec<f64> = self.returns.iter().copied().map(f64::from).collect();
        let mut kept = compounded(&self.bins, &returns, width / self.width, kind)?;
        kept.width = width;
        Ok(kept)
    }

    /// The returns in some of its bins.
    ///
    /// # Panics
    /// One of them is not there.
    #[must_use]
    pub fn at(&self, bins: &[i64]) -> Vec<f32> {
        let mut own = self.bins.iter().zip(&self.returns);
        let mut at = |bin| own.find(|(own, _)| **own == bin).map(|(_, value)| *value);
        bins.iter()
            .map(|bin| at(*bin).expect("bins of this grid, in order"))
            .collect()
    }
}

/// How many bins there are; the numbers are in order.
fn bins(numbers: &[i64], width: i64) -> usize {
    numbers
        .chunk_by(|one, next| one.div_euclid(width) == next.div_euclid(width))
        .count()
}

fn compounded(
    numbers: &[i64],
    returns: &[f64],
    width: i64,
    kind: EquityKind,
) -> Result<Kept, Reason> {
    if kind != EquityKind::Pnl && returns.iter().any(|one| *one < -1.0) {
        return Err(Reason::BelowTotalLoss);
    }
    let mut kept = Kept {
        width,
        bins: Vec::new(),
        returns: Vec::new(),
    };
    let mut rest = returns;
    for bin in numbers.chunk_by(|one, next| one.div_euclid(width) == next.div_euclid(width)) {
        let (own, later) = rest.split_at(bin.len());
        rest = later;
        let total = own.iter().fold(0.0, |total, one| kind.joined(total, *one));
        kept.bins.push(bin[0].div_euclid(width));
        kept.returns.push(single(total)?);
    }
    Ok(kept)
}

/// As it is stored.
fn single(value: f64) -> Result<f32, Reason> {
    #[allow(clippy::cast_possible_truncation)]
    let kept = value as f32;
    if kept.is_finite() {
        Ok(kept)
    } else {
        Err(Reason::Infinite)
    }
}

/// The bins that all of these have, in order.
#[must_use]
pub fn common<'a>(grids: impl IntoIterator<Item = &'a [i64]>) -> Vec<i64> {
    let mut grids = grids.into_iter();
    let mut shared = grids.next().map(<[i64]>::to_vec).unwrap_or_default();
    for grid in grids {
        if shared != grid {
            let mut ahead = grid.iter().peekable();
            shared.retain(|bin| {
                while ahead.next_if(|other| *other < bin).is_some() {}
                ahead.peek() == Some(&bin)
            });
        }
    }
    shared
}

/// What is kept of the equity curve of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Of the returns as they are, in float64.
    pub moments: Moments,
    /// The returns by session.
    pub kept: Kept,
}

impl Series {
    /// What is kept of an equity curve, of which each row is in a session.
    ///
    /// # Errors
    /// Why there is nothing that could be kept: see `Returns::of` and `Kept::of`.
    ///
    /// # Panics
    /// There are not as many sessions as rows.
    pub fn of(equity: &[f64], sessions: Option<&[i64]>, kind: EquityKind) -> Result<Self, Reason> {
        let returns = Returns::of(equity, kind)?;
        Ok(Self {
            moments: Moments::of(&returns.values)?,
            kept: Kept::of(&returns, sessions, kind)?,
        })
    }
}
