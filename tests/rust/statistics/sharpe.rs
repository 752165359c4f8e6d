use afml_cache::runs::statistics::{Estimate, Moments, Reason, expected_maximum};
use proptest::prelude::*;

/// The example of Bailey & López de Prado (2014): 2.5 a year, of 250 days.
fn example() -> Estimate {
    Estimate {
        sharpe: 2.5 / 250_f64.sqrt(),
        periods: 1250,
        skewness: -3.0,
        kurtosis: 10.0,
    }
}

const VARIANCE: f64 = 0.5 / 250.0;
/// Digits that the paper gives.
const PRINTED: f64 = 5e-5;

fn is(value: Result<f64, Reason>, expected: f64) -> bool {
    (value.unwrap() - expected).abs() < PRINTED
}

#[test]
fn the_example_of_the_paper_comes_out() {
    assert!(is(expected_maximum(VARIANCE, 100.0), 0.1132));
    assert!(is(example().deflated(VARIANCE, 100.0), 0.9004));
    assert!(is(example().deflated(VARIANCE, 46.0), 0.9505));
    let normal = Estimate {
        skewness: 0.0,
        kurtosis: 3.0,
        ..example()
    };
    assert!(is(normal.deflated(VARIANCE, 88.0), 0.9505));
}

#[test]
fn whatever_is_put_in_wrongly_shows() {
    let right = 0.9004;
    assert!(!is(example().deflated(VARIANCE, 99.0), right));
    assert!(!is(example().deflated(VARIANCE, 101.0), right));
    assert!(!is(example().deflated(0.5, 100.0), right), "of a year");
    assert!(!is(example().deflated(VARIANCE.sqrt(), 100.0), right));
    let wrong = |sharpe, periods, skewness, kurtosis| Estimate {
        sharpe,
        periods,
        skewness,
        kurtosis,
    };
    let Estimate { sharpe, .. } = example();
    assert!(!is(
        wrong(2.5, 1250, -3.0, 10.0).deflated(VARIANCE, 100.0),
        right
    ));
    assert!(!is(
        wrong(2.5, 1250, -3.0, 10.0).deflated(0.5, 100.0),
        right
    ));
    assert!(!is(
        wrong(sharpe, 1251, -3.0, 10.0).deflated(VARIANCE, 100.0),
        right
    ));
    assert!(!is(
        wrong(sharpe, 5, -3.0, 10.0).probabilistic(0.0).or(Ok(0.0)),
        right
    ));
    assert!(!is(
        wrong(sharpe, 1250, 3.0, 10.0).deflated(VARIANCE, 100.0),
        right
    ));
    let excess = wrong(sharpe, 1250, -3.0, 7.0).deflated(VARIANCE, 100.0);
    assert!(is(excess, 0.9018) && !is(excess, right));
}

#[test]
fn fewer_than_two_trials_are_no_search() {
    for trials in [0.0, 1.0, 1.99] {
        assert_eq!(expected_maximum(VARIANCE, trials), Ok(0.0));
        assert_eq!(expected_maximum(f64::NAN, trials), Ok(0.0));
        let (deflated, plain) = (
            example().deflated(VARIANCE, trials),
            example().probabilistic(0.0),
        );
        assert_eq!(deflated, plain);
    }
    assert!(is(expected_maximum(VARIANCE, 46.5), 0.1005));
    assert_eq!(expected_maximum(f64::NAN, 2.0), Err(Reason::NoVariance));
    assert_eq!(expected_maximum(-1.0, 2.0), Err(Reason::NoVariance));
    assert_eq!(
        expected_maximum(VARIANCE, f64::NAN),
        Err(Reason::NoVariance)
    );
}

#[test]
fn a_figure_that_cannot_be_told_has_a_reason() {
    let few = Estimate {
        periods: 29,
        ..example()
    };
    assert_eq!(few.probabilistic(0.0), Err(Reason::FewReturns));
    assert_eq!(few.deflated(f64::NAN, 9.0), Err(Reason::FewReturns));
    // A kurtosis of 1 is that of two values, of which one is much rarer than it may be here.
    let impossible = Estimate {
        sharpe: 0.5,
        skewness: 3.0,
        kurtosis: 1.0,
        ..example()
    };
    assert_eq!(impossible.probabilistic(0.0), Err(Reason::Moments));
    assert_eq!(Moments::of(&[]), Err(Reason::NoReturns));
    assert_eq!(Moments::of(&[0.1, f64::NAN]), Err(Reason::Missing));
    assert_eq!(Moments::of(&[0.1, f64::INFINITY]), Err(Reason::Infinite));
}

#[test]
fn returns_that_vary_by_rounding_alone_have_no_sharpe_ratio() {
    let grown: Vec<f64> = (0..500).map(|day| 100.0 * 1.0001_f64.powi(day)).collect();
    let grown: Vec<f64> = grown
        .windows(2)
        .map(|pair| pair[1] / pair[0] - 1.0)
        .collect();
    assert!(grown.iter().any(|one| *one != grown[0]));
    for constant in [&grown[..], &[0.0; 50], &[0.1; 50], &[0.1]] {
        let moments = Moments::of(constant).unwrap();
        assert_eq!(moments.sharpe(), Err(Reason::Constant));
        assert_eq!(moments.deviation, 0.0);
        assert!(moments.skewness.is_nan() && moments.kurtosis.is_nan());
    }
}

proptest! {
    #[test]
    fn moments_do_not_depend_on_the_unit(
        returns in prop::collection::vec(-100_i16..100, 3..60),
        power in -300_i32..300,
    ) {
        let small: Vec<f64> = returns.iter().map(|one| f64::from(*one) / 64.0).collect();
        let unit = 2_f64.powi(power);
        let large: Vec<f64> = small.iter().map(|one| one * unit).collect();
        let (one, other) = (Moments::of(&small).unwrap(), Moments::of(&large).unwrap());
        prop_assert_eq!(one.sharpe(), other.sharpe());
        prop_assert_eq!(one.deviation * unit, other.deviation);
        prop_assert_eq!(one.skewness.to_bits(), other.skewness.to_bits());
        prop_assert_eq!(one.kurtosis.to_bits(), other.kurtosis.to_bits());
    }
}
