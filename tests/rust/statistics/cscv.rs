use afml_cache::runs::cscv::Trials;
use afml_cache::runs::statistics::Reason;
use proptest::prelude::*;
use std::cmp::Ordering;

fn added<T: Copy + Into<f64>>(returns: &[Vec<T>], blocks: usize) -> Trials {
    let mut trials = Trials::new(returns[0].len(), blocks).unwrap();
    for one in returns {
        let _ = trials.push(one);
    }
    trials
}

fn overfitting<T: Copy + Into<f64>>(returns: &[Vec<T>], blocks: usize) -> Result<f64, Reason> {
    let figure = added(returns, blocks).overfitting(2, &mut || true)?;
    Ok(figure.unwrap())
}

/// A Sharpe ratio of whole numbers, which is never rounded: its square with its sign, as a fraction.
#[derive(Clone, Copy)]
struct Exact(i128, i128);

impl Exact {
    fn of(returns: &[i32]) -> Self {
        let sum: i128 = returns.iter().map(|one| i128::from(*one)).sum();
        let squares: i128 = returns.iter().map(|one| i128::from(*one).pow(2)).sum();
        let spread = squares * returns.len() as i128 - sum * sum;
        if spread == 0 {
            Self(0, 1)
        } else {
            Self(sum * sum.abs(), spread)
        }
    }

    fn order(self, other: Self) -> Ordering {
        (self.0 * other.1).cmp(&(other.0 * self.1))
    }
}

/// The procedure of the paper, step by step.
fn plainly(returns: &[Vec<i32>], blocks: usize) -> f64 {
    let length = returns[0].len() / blocks;
    let begin = returns[0].len() - length * blocks;
    let half = |trial: &[i32], split: u32, inside: bool| {
        let blocks = trial[begin..].chunks(length).enumerate();
        let own = blocks.filter(|(block, _)| (split >> block & 1 == 1) == inside);
        Exact::of(
            &own.flat_map(|(_, block)| block.iter().copied())
                .collect::<Vec<_>>(),
        )
    };
    let varies = |trial: &&Vec<i32>| trial[begin..].iter().any(|one| *one != trial[begin]);
    let returns: Vec<&Vec<i32>> = returns.iter().filter(varies).collect();
    let (mut total, mut splits) = (0.0, 0.0);
    for split in (0..1_u32 << blocks).filter(|split| split.count_ones() == blocks as u32 / 2) {
        let inside: Vec<Exact> = returns.iter().map(|one| half(one, split, true)).collect();
        let outside: Vec<Exact> = returns.iter().map(|one| half(one, split, false)).collect();
        let best = inside
            .iter()
            .copied()
            .max_by(|one, other| one.order(*other))
            .unwrap();
        let winners = (0..inside.len()).filter(|n| inside[*n].order(best).is_eq());
        let logits: Vec<f64> = winners
            .map(|winner| {
                let ranks = |what: Ordering| {
                    let same = |other: &&Exact| other.order(outside[winner]) == what;
                    outside.iter().filter(same).count() as f64
                };
                let rank = ranks(Ordering::Less) + f64::midpoint(ranks(Ordering::Equal), 1.0);
                let relative = rank / (returns.len() as f64 + 1.0);
                (relative / (1.0 - relative)).ln()
            })
            .collect();
        total += logits.iter().filter(|logit| **logit <= 0.0).count() as f64 / logits.len() as f64;
        splits += 1.0;
    }
    total / splits
}

/// Trials of small whole numbers, in which much is equal, and some of which pause.
fn trials(blocks: usize) -> impl Strategy<Value = Vec<Vec<i32>>> {
    let periods = blocks * 10..blocks * 10 + 7;
    (periods, 10_usize..24).prop_flat_map(move |(periods, count)| {
        let returns = prop::collection::vec(-2..3, periods);
        let trial = (returns, 0..periods * 2, prop::bool::ANY, 1..4).prop_map(
            |(mut returns, pause, early, stake)| {
                let all = returns.len();
                let paused = pause.saturating_sub(all);
                let pause = if early { 0..paused } else { all - paused..all };
                returns[pause].fill(0);
                returns.iter_mut().for_each(|one| *one *= stake);
                returns
            },
        );
        let few = prop::collection::vec(trial, count);
        (few, prop::collection::vec(0..count, 0..4)).prop_map(|(mut few, again)| {
            let copies: Vec<_> = again.into_iter().map(|which| few[which].clone()).collect();
            few.extend(copies);
            few
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_figure_is_that_of_the_paper(
        (blocks, returns) in (1_usize..4).prop_flat_map(|half| (Just(2 * half), trials(2 * half))),
    ) {
        let plain = plainly(&returns, blocks);
        match overfitting(&returns, blocks) {
            Ok(figure) => prop_assert!((figure - plain).abs() < 1e-12, "{figure}, not {plain}"),
            Err(reason) => {
                prop_assert_eq!(reason, Reason::FewTrials);
                prop_assert!(added(&returns, blocks).count() < 10);
            }
        }
    }

    #[test]
    fn the_order_of_the_trials_does_not_count(
        (returns, mixed) in trials(4).prop_flat_map(|returns| {
            (Just(returns.clone()), Just(returns).prop_shuffle())
        }),
    ) {
        let (one, other) = (overfitting(&returns, 4), overfitting(&mixed, 4));
        match (one, other) {
            (Ok(one), Ok(other)) => prop_assert!((one - other).abs() < 1e-12),
            (one, other) => prop_assert_eq!(one, other),
        }
    }
}

/// Returns without any pattern, from a generator of Park and Miller's.
fn noise(seed: u64, trials: usize, periods: usize) -> Vec<Vec<f64>> {
    let mut state = seed * 2_654_435 % 2_147_483_646 + 1;
    let mut drawn = || {
        state = state * 48_271 % 2_147_483_647;
        state as f64 / 2_147_483_647.0 - 0.5
    };
    let mut trial = || (0..periods).map(|_| drawn() + drawn() + drawn()).collect();
    (0..trials).map(|_| trial()).collect()
}

#[test]
fn one_trial_at_another_stake_is_the_same_trial() {
    let mut returns = noise(1, 12, 170);
    let alone = overfitting(&returns, 16).unwrap();
    for stake in [3.0, 0.7, 1e-5] {
        let mut copies = returns.clone();
        copies.iter_mut().flatten().for_each(|one| *one *= stake);
        let doubled = [returns.clone(), copies].concat();
        assert_eq!(overfitting(&doubled, 16).unwrap(), alone);
    }
    returns.iter_mut().flatten().for_each(|one| *one *= 3.0);
    assert_eq!(overfitting(&returns, 16).unwrap(), alone);
}

#[test]
fn float32_gives_what_its_values_give_in_float64() {
    let single: Vec<Vec<f32>> = noise(2, 20, 200)
        .iter()
        .map(|trial| trial.iter().map(|one| *one as f32).collect())
        .collect();
    let double: Vec<Vec<f64>> = single
        .iter()
        .map(|trial| trial.iter().copied().map(f64::from).collect())
        .collect();
    assert_eq!(overfitting(&single, 16), overfitting(&double, 16));
}

#[test]
fn the_number_of_threads_does_not_count() {
    let trials = added(&noise(3, 37, 333), 16);
    let figures = [0, 1, 2, 3, 7].map(|threads| trials.overfitting(threads, &mut || true));
    assert!(
        figures
            .iter()
            .all(|figure| *figure == figures[0] && figure.unwrap().is_some())
    );
}

#[test]
fn trials_that_do_not_vary_are_left_out() {
    let mut trials = added(&noise(4, 10, 200), 16);
    let figure = trials.overfitting(1, &mut || true).unwrap();
    assert_eq!(trials.push(&[0.0; 200]), Err(Reason::Constant));
    assert_eq!(trials.push(&[0.01_f32; 200]), Err(Reason::Constant));
    assert_eq!(trials.push(&[f64::NAN; 200]), Err(Reason::Infinite));
    let mut early = [1.0; 200];
    early[..8].fill(2.0); // what is dropped
    assert_eq!(trials.push(&early), Err(Reason::Constant));
    assert_eq!(trials.count(), 10);
    assert_eq!(trials.overfitting(1, &mut || true), Ok(figure));
}

#[test]
fn too_little_is_told_as_such() {
    assert!(matches!(Trials::new(159, 16), Err(Reason::FewPeriods)));
    let trials = added(&noise(5, 9, 160), 16);
    assert_eq!(trials.used(), 160);
    assert_eq!(trials.overfitting(1, &mut || true), Err(Reason::FewTrials));
}

#[test]
fn it_stops_when_it_is_told_to() {
    // Long enough to be asked at least once: more than 2.7 million splits of 400 trials.
    let trials = added(&noise(6, 400, 240), 24);
    let mut asked = 0;
    let stopped = trials.overfitting(2, &mut || {
        asked += 1;
        false
    });
    assert_eq!(stopped, Ok(None));
    assert!(asked >= 1);
}
