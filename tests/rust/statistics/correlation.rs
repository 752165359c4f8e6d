use afml_cache::runs::correlation::{Correlations, independent_trials, standardised};
use proptest::prelude::*;

fn correlation(one: &[f64], other: &[f64]) -> f64 {
    let products = one.iter().zip(other).map(|(one, other)| one * other);
    products.sum::<f64>() / one.len() as f64
}

fn drawn(count: usize, periods: usize) -> impl Strategy<Value = Vec<Vec<f32>>> {
    let common = prop::collection::vec(-1.0_f32..1.0, periods);
    let own = prop::collection::vec(prop::collection::vec(-1.0_f32..1.0, periods), count);
    (common, own, 0.0_f32..3.0).prop_map(|(common, mut own, weight)| {
        for trial in &mut own {
            trial
                .iter_mut()
                .zip(&common)
                .for_each(|(one, all)| *one += weight * all);
        }
        own
    })
}

proptest! {
    #[test]
    fn the_mean_is_that_of_all_pairs(
        returns in (2_usize..9, 3_usize..40).prop_flat_map(|(count, periods)| drawn(count, periods)),
    ) {
        let scores: Vec<Vec<f64>> = returns.iter().map(|one| standardised(one).unwrap()).collect();
        let bins: Vec<i64> = (0..returns[0].len() as i64).collect();
        let mut all = Correlations::default();
        scores.iter().for_each(|one| all.add(&bins, one));
        let mut pairs = Vec::new();
        for (place, one) in scores.iter().enumerate() {
            pairs.extend(scores[..place].iter().map(|other| correlation(one, other)));
        }
        let mean = pairs.iter().sum::<f64>() / pairs.len() as f64;
        prop_assert!((all.mean().unwrap() - mean).abs() < 1e-9);
    }

    #[test]
    fn pairs_count_by_the_bins_that_they_share(
        returns in drawn(6, 30),
        cuts in prop::collection::vec((0_usize..12, 0_usize..12), 6),
    ) {
        let parts: Vec<(Vec<i64>, Vec<f64>)> = returns.iter().zip(&cuts).map(|(one, cut)| {
            let part = cut.0..30 - cut.1;
            let bins = part.clone().map(|bin| bin as i64 - 9).collect();
            (bins, standardised(&one[part]).unwrap())
        }).collect();
        let mut all = Correlations::default();
        parts.iter().for_each(|(bins, scores)| all.add(bins, scores));
        let (mut products, mut shared) = (0.0, 0.0);
        for (place, (bins, scores)) in parts.iter().enumerate() {
            for (others, theirs) in &parts[..place] {
                for (bin, score) in bins.iter().zip(scores) {
                    if let Ok(at) = others.binary_search(bin) {
                        products += score * theirs[at];
                        shared += 1.0;
                    }
                }
            }
        }
        prop_assert!((all.mean().unwrap() - products / shared).abs() < 1e-9);
    }

    #[test]
    fn what_is_removed_was_never_there(
        returns in drawn(5, 20),
        order in Just((0_usize..5).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let part = |which: usize| {
            let part = which..20 - 2 * which;
            let bins: Vec<i64> = part.clone().map(|bin| bin as i64).collect();
            (bins, standardised(&returns[which][part]).unwrap())
        };
        let (mut kept, mut all) = (Correlations::default(), Correlations::default());
        order.iter().for_each(|which| all.add(&part(*which).0, &part(*which).1));
        order[2..].iter().for_each(|which| kept.add(&part(*which).0, &part(*which).1));
        order[..2].iter().for_each(|which| all.remove(&part(*which).0, &part(*which).1));
        prop_assert_eq!(&all.bins, &kept.bins);
        prop_assert_eq!(&all.trials, &kept.trials);
        for (one, other) in all.sums.iter().zip(&kept.sums) {
            prop_assert!((one - other).abs() < 1e-9);
        }
    }
}

#[test]
fn trials_without_a_bin_in_common_have_no_correlation() {
    let scores = standardised(&[0.1_f32, -0.2, 0.3]).unwrap();
    let mut all = Correlations::default();
    assert_eq!(all.mean(), None);
    all.add(&[1, 2, 3], &scores);
    assert_eq!(all.mean(), None);
    all.add(&[4, 5, 6], &scores);
    assert_eq!(all.mean(), None);
    all.add(&[1, 2, 3], &scores);
    assert!((all.mean().unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn returns_that_do_not_vary_have_no_score() {
    assert_eq!(standardised(&[0.25_f32; 9]), None);
    assert_eq!(standardised(&[0.0_f64; 9]), None);
    assert_eq!(standardised::<f32>(&[]), None);
    let rounded: Vec<f32> = (0..99)
        .map(|day| 0.01 + f32::EPSILON * 0.004 * (day % 2) as f32)
        .collect();
    assert!(rounded[0] != rounded[1]);
    assert_eq!(standardised(&rounded), None);
}

#[test]
fn independent_trials_lie_between_one_and_all() {
    assert_eq!(independent_trials(Some(0.0), 100), 100.0);
    assert_eq!(independent_trials(Some(1.0), 100), 1.0);
    assert_eq!(independent_trials(Some(0.25), 101), 76.0);
    assert_eq!(independent_trials(Some(-0.3), 100), 100.0);
    assert_eq!(independent_trials(None, 100), 100.0);
}
