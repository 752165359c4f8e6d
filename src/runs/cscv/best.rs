//! The trials that are best in one half, and where they stand in the other.
#![allow(clippy::float_cmp)] // equal ratios share a rank

use super::halves::Lanes;

/// The best of one half: first it meets all trials, then it counts them.
#[derive(Clone, Debug)]
pub struct Best {
    ratio: f64,
    /// What those that are best have in the other half: in order, each once, when settled.
    others: Vec<Other>,
}

/// A ratio out of the sample.
#[derive(Clone, Copy, Debug)]
struct Other {
    ratio: f64,
    /// How many of the best have it.
    best: u64,
    /// How many trials have less; while counting, those less than the one before it are not in it.
    below: u64,
    /// How many trials have just as much.
    level: u64,
}

impl Default for Best {
    fn default() -> Self {
        Self {
            ratio: f64::NEG_INFINITY,
            others: Vec::new(),
        }
    }
}

impl Best {
    /// Looks for the best among some trials, of which these are the ratios in and out of the
    /// sample.
    #[inline]
    pub fn meet(&mut self, inside: &Lanes, outside: &Lanes) {
        let most = inside.iter().fold(
            f64::NEG_INFINITY,
            |most, one| {
                if *one > most { *one } else { most }
            },
        );
        if most >= self.ratio {
            self.take(most, inside, outside);
        }
    }

    fn take(&mut self, most: f64, inside: &Lanes, outside: &Lanes) {
        if most > self.ratio {
            self.ratio = most;
            self.others.clear();
        }
        for (inside, outside) in inside.iter().zip(outside) {
            if *inside == self.ratio {
                if self.others.len() == self.others.capacity() {
                    self.settle();
                }
                self.others.push(Other {
                    ratio: *outside,
                    best: 1,
                    below: 0,
                    level: 0,
                });
            }
        }
    }

    /// Brings the ratios out of the sample in order, each once.
    pub fn settle(&mut self) {
        self.others
            .sort_by(|one, other| one.ratio.total_cmp(&other.ratio));
        self.others.dedup_by(|one, kept| {
            let same = one.ratio == kept.ratio;
            if same {
                kept.best += one.best;
            }
            same
        });
    }

    /// Counts some trials, by their ratios out of the sample.
    #[inline]
    pub fn count(&mut self, outside: &Lanes) {
        if let [other] = &mut self.others[..] {
            for ratio in outside {
                other.below += u64::from(*ratio < other.ratio);
                other.level += u64::from(*ratio == other.ratio);
            }
        } else {
            self.count_among(outside);
        }
    }

    fn count_among(&mut self, outside: &Lanes) {
        for ratio in outside.iter().filter(|ratio| !ratio.is_nan()) {
            let place = self.others.partition_point(|other| other.ratio < *ratio);
            let Some(other) = self.others.get_mut(place) else {
                continue;
            };
            if other.ratio == *ratio {
                other.level += 1;
            } else {
                other.below += 1;
            }
        }
    }

    /// The share of the best whose rank among the trials is no better than the middle: with
    /// ω = rank / (trials + 1), where ω ≤ ½ and the logit of it not above 0.
    pub fn overfitted(&self, trials: usize) -> f64 {
        let (mut below, mut best, mut overfitted) = (0, 0, 0);
        for other in &self.others {
            below += other.below;
            // The rank is below + (level + 1) / 2.
            if 2 * below + other.level <= trials as u64 {
                overfitted += other.best;
            }
            best += other.best;
            below += other.level;
        }
        share(overfitted, best)
    }
}

#[allow(clippy::cast_precision_loss)]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
