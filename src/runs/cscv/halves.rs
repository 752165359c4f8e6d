//! Sharpe ratios of a few trials side by side, in both halves of any split.

use super::super::statistics::ROUNDING;

/// Trials side by side.
pub const LANES: usize = 8;
/// A number for each of them.
pub type Lanes = [f64; LANES];

/// Bits of a ratio that are rounding, of 52.
const NOISE: u32 = 12;
/// The square of a Sharpe ratio that is rounding, and no profit or loss.
const NOTHING: f64 = 1e-24;

/// The sums of some returns of each trial, and of their squares.
#[derive(Clone, Copy, Debug)]
pub struct Sums {
    pub first: Lanes,
    pub second: Lanes,
}

impl Sums {
    /// Of no trials: NaN is neither above nor below, nor equal to any ratio.
    pub const ABSENT: Self = Self {
        first: [f64::NAN; LANES],
        second: [f64::NAN; LANES],
    };
    const NONE: Self = Self {
        first: [0.0; LANES],
        second: [0.0; LANES],
    };

    fn and(&self, other: &Self) -> Self {
        let mut both = *self;
        for lane in 0..LANES {
            both.first[lane] += other.first[lane];
            both.second[lane] += other.second[lane];
        }
        both
    }

    /// What orders the trials as their Sharpe ratios do: the square of it, with its sign, by a
    /// factor that all have in common. Whole numbers give it exactly.
    fn ratios(&self, periods: f64) -> Lanes {
        let mut ratios = [0.0; LANES];
        for (lane, ratio) in ratios.iter_mut().enumerate() {
            let (first, square) = (self.first[lane], self.first[lane] * self.first[lane]);
            let spread = periods * self.second[lane] - square;
            let exact = first * first.abs() / spread;
            let nothing = spread <= ROUNDING * ROUNDING * square || exact.abs() < NOTHING;
            *ratio = if nothing { 0.0 } else { rounded(exact) };
        }
        ratios
    }
}

/// Without the last bits, so that twice the stake has the same ratio.
fn rounded(ratio: f64) -> f64 {
    let half = 1 << (NOISE - 1);
    f64::from_bits((ratio.to_bits() + half) >> NOISE << NOISE)
}

/// The sums over every choice of the first half of the blocks, and of the other half: any choice of
/// blocks is one of each.
pub struct Tables {
    half: usize,
    early: Vec<Sums>,
    late: Vec<Sums>,
}

impl Tables {
    pub fn new(blocks: usize) -> Self {
        let half = blocks / 2;
        Self {
            half,
            early: vec![Sums::NONE; 1 << half],
            late: vec![Sums::NONE; 1 << half],
        }
    }

    /// Takes the blocks of some trials.
    pub fn fill(&mut self, blocks: &[Sums]) {
        let (early, late) = blocks.split_at(self.half);
        fill(&mut self.early, early);
        fill(&mut self.late, late);
    }

    /// The ratios in the blocks of a split, and in the others.
    pub fn both(&self, split: u32, periods: f64) -> (Lanes, Lanes) {
        let all = self.early.len() - 1;
        let (early, late) = (split as usize & all, split as usize >> self.half);
        let inside = self.early[early].and(&self.late[late]);
        let outside = self.early[all - early].and(&self.late[all - late]);
        (inside.ratios(periods), outside.ratios(periods))
    }
}

fn fill(table: &mut [Sums], blocks: &[Sums]) {
    for choice in 1..table.len() {
        let rest = choice & (choice - 1);
        table[choice] = table[rest].and(&blocks[choice.trailing_zeros() as usize]);
    }
}
