//! The probability of backtest overfitting, by combinatorially symmetric cross-validation (Bailey,
//! Borwein, López de Prado & Zhu 2017).
//!
//! The periods are cut into blocks of one length. For each way to take half of the blocks as the
//! sample, the trial with the best Sharpe ratio there has a rank among all in the other half; the
//! figure is how often that rank is no better than the middle. A split and its mirror are looked at
//! together, and of a trial no more is held than two sums for each block.

mod best;
mod halves;

use self::best::Best;
use self::halves::{LANES, Sums, Tables};
use super::statistics::{ROUNDING, Reason, float};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

/// Trials that the figure needs.
pub const TRIALS: usize = 10;
/// Periods that it needs for each block.
pub const PERIODS: usize = 10;
/// Blocks that are usual.
pub const BLOCKS: usize = 16;
/// Blocks that there may be: 2.7 million splits.
pub const MOST_BLOCKS: usize = 24;

/// How long the caller's thread waits before it asks whether to go on.
const PATIENCE: Duration = Duration::from_millis(20);
/// Shares of the splits that a thread takes one after the other.
const TURNS: usize = 4;

/// Trials over the same periods, summed up by block.
#[derive(Clone, Debug)]
pub struct Trials {
    blocks: usize,
    periods: usize,
    count: usize,
    /// The sums of `LANES` trials for each block, and of the next trials behind them.
    tiles: Vec<Sums>,
}

impl Trials {
    /// No trials yet.
    ///
    /// # Errors
    /// There are too few periods.
    ///
    /// # Panics
    /// The blocks are not an even number from 2 to `MOST_BLOCKS`.
    pub fn new(periods: usize, blocks: usize) -> Result<Self, Reason> {
        let even = blocks.is_multiple_of(2) && (2..=MOST_BLOCKS).contains(&blocks);
        assert!(even, "an even number of blocks");
        if periods < PERIODS * blocks {
            return Err(Reason::FewPeriods);
        }
        Ok(Self {
            blocks,
            periods,
            count: 0,
            tiles: Vec::new(),
        })
    }

    /// How many trials were added.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many periods of each are looked at, in blocks of one length: the last ones.
    #[must_use]
    pub fn used(&self) -> usize {
        self.periods / self.blocks * self.blocks
    }

    /// One more trial, by its returns; what is left over beside whole blocks is dropped at the
    /// start.
    ///
    /// # Errors
    /// Its returns do not vary, so it has no Sharpe ratio, or they are not finite; it is left out.
    ///
    /// # Panics
    /// There are not as many returns as periods.
    pub fn push<T: Copy + Into<f64>>(&mut self, returns: &[T]) -> Result<(), Reason> {
        assert_eq!(returns.len(), self.periods, "a return for each period");
        let used = &returns[self.periods - self.used()..];
        let blocks: Vec<(f64, f64)> = used.chunks(self.used() / self.blocks).map(sums).collect();
        let (first, second) = blocks.iter().fold((0.0, 0.0), |sums, block| {
            (sums.0 + block.0, sums.1 + block.1)
        });
        let spread = float(self.used()) * second - first * first;
        if !spread.is_finite() {
            return Err(Reason::Infinite);
        }
        if spread <= (ROUNDING * first).powi(2) {
            return Err(Reason::Constant);
        }
        let lane = self.count % LANES;
        if lane == 0 {
            let tile = self.tiles.len() + self.blocks;
            self.tiles.resize(tile, Sums::ABSENT);
        }
        let last = self.tiles.len() - self.blocks;
        for (tile, sums) in self.tiles[last..].iter_mut().zip(blocks) {
            (tile.first[lane], tile.second[lane]) = sums;
        }
        self.count += 1;
        Ok(())
    }

    /// The probability of backtest overfitting; `None` where it was told to stop. `go_on` is asked
    /// all the while, by the thread that calls, until it says no.
    ///
    /// A half in which a trial does not vary has a Sharpe ratio of 0. Equal Sharpe ratios share the
    /// mean of their ranks; trials that share the best one in the sample share the split.
    ///
    /// # Errors
    /// There are too few trials.
    pub fn overfitting(
        &self,
        threads: usize,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<f64>, Reason> {
        if self.count < TRIALS {
            return Err(Reason::FewTrials);
        }
        let splits = splits(self.blocks);
        let mut shares = vec![0.0; splits.len()];
        let turn = splits.len().div_ceil(threads.max(1) * TURNS);
        let turns = Mutex::new(splits.chunks(turn).zip(shares.chunks_mut(turn)));
        let stop = AtomicBool::new(false);
        let work = || {
            let next = || turns.lock().unwrap_or_else(PoisonError::into_inner).next();
            while let Some((splits, shares)) = next() {
                self.share(splits, shares, &stop);
            }
        };
        on_threads(threads, &work, &mut || {
            if !stop.load(Ordering::Relaxed) && !go_on() {
                stop.store(true, Ordering::Relaxed);
            }
        });
        if stop.into_inner() {
            return Ok(None);
        }
        Ok(Some(shares.iter().sum::<f64>() / float(2 * shares.len())))
    }

    /// For each of some splits and its mirror, how much of them is overfitted: up to 2.
    fn share(&self, splits: &[u32], shares: &mut [f64], stop: &AtomicBool) {
        let mut best: Vec<[Best; 2]> = splits.iter().map(|_| Default::default()).collect();
        let mut tables = Tables::new(self.blocks);
        let periods = float(self.used() / 2);
        for counts in [false, true] {
            for tile in self.tiles.chunks(self.blocks) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                tables.fill(tile);
                for (split, [one, mirror]) in splits.iter().zip(&mut best) {
                    let (inside, outside) = tables.both(*split, periods);
                    if counts {
                        one.count(&outside);
                        mirror.count(&inside);
                    } else {
                        one.meet(&inside, &outside);
                        mirror.meet(&outside, &inside);
                    }
                }
            }
            best.iter_mut().flatten().for_each(Best::settle);
        }
        for (share, [one, mirror]) in shares.iter_mut().zip(&best) {
            *share = one.overfitted(self.count) + mirror.overfitted(self.count);
        }
    }
}

/// The sum of some returns, and of their squares.
fn sums<T: Copy + Into<f64>>(block: &[T]) -> (f64, f64) {
    let (mut first, mut second) = ([0.0; LANES], [0.0; LANES]);
    for part in block.chunks(LANES) {
        for (lane, value) in part.iter().enumerate() {
            let value: f64 = (*value).into();
            first[lane] += value;
            second[lane] += value * value;
        }
    }
    (first.iter().sum(), second.iter().sum())
}

/// The ways to take half of the blocks, without their mirrors: those that have the first block.
fn splits(blocks: usize) -> Vec<u32> {
    let half = u32::try_from(blocks / 2).unwrap_or(u32::MAX);
    (0..1_u32 << blocks)
        .filter(|split| split & 1 == 1 && split.count_ones() == half)
        .collect()
}

/// Runs `work` on some threads, and `tick` here, again and again, until they are through.
fn on_threads(threads: usize, work: &(dyn Fn() + Sync), tick: &mut dyn FnMut()) {
    thread::scope(|scope| {
        let (working, through) = mpsc::channel::<()>();
        let begun = (0..threads).filter(|_| {
            let working = working.clone();
            let run = move || {
                work();
                drop(working);
            };
            thread::Builder::new().spawn_scoped(scope, run).is_ok()
        });
        if begun.count() == 0 {
            work();
        }
        drop(working);
        while through.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            tick();
        }
    });
}
