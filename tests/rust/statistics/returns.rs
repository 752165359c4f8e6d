use afml_cache::runs::returns::{EquityKind, Kept, POINTS, Returns, Series, common};
use afml_cache::runs::statistics::Reason;
use proptest::prelude::*;

const NAN: f64 = f64::NAN;

fn kept(equity: &[f64], sessions: &[i64], kind: EquityKind) -> Result<Kept, Reason> {
    Series::of(equity, Some(sessions), kind).map(|series| series.kept)
}

#[test]
fn each_kind_of_equity_has_its_returns() {
    let returns = |equity: &[f64], kind| Returns::of(equity, kind).unwrap();
    let price = returns(&[NAN, 100.0, 110.0, 99.0], EquityKind::Price);
    assert_eq!(price.first, 2);
    assert!((price.values[0] - 0.1).abs() < 1e-12 && (price.values[1] + 0.1).abs() < 1e-12);
    let pnl = returns(&[0.0, 5.0, -2.0], EquityKind::Pnl);
    assert_eq!((pnl.first, &pnl.values[..]), (1, &[5.0, -7.0][..]));
    let own = returns(&[NAN, 0.1, -0.2], EquityKind::Returns);
    assert_eq!((own.first, &own.values[..]), (1, &[0.1, -0.2][..]));
}

#[test]
fn an_equity_curve_that_cannot_be_read_has_a_reason() {
    let reason = |equity: &[f64], kind| Returns::of(equity, kind).unwrap_err();
    for kind in [EquityKind::Price, EquityKind::Pnl, EquityKind::Returns] {
        assert_eq!(EquityKind::named(kind.name()), Some(kind));
        assert_eq!(reason(&[], kind), Reason::NoReturns);
        assert_eq!(reason(&[NAN, NAN], kind), Reason::NoReturns);
        assert_eq!(reason(&[1.0, NAN, 1.0], kind), Reason::Missing);
        assert_eq!(reason(&[1.0, 2.0, NAN], kind), Reason::Missing);
        assert_eq!(reason(&[1.0, f64::INFINITY], kind), Reason::Infinite);
    }
    assert_eq!(reason(&[NAN, 7.0], EquityKind::Price), Reason::NoReturns);
    assert_eq!(
        reason(&[1.0, 0.0, 1.0], EquityKind::Price),
        Reason::NotPositive
    );
    assert_eq!(reason(&[1.0, -1.0], EquityKind::Price), Reason::NotPositive);
    assert_eq!(
        kept(&[0.1, -1.5], &[0, 1], EquityKind::Returns),
        Err(Reason::BelowTotalLoss)
    );
    assert_eq!(
        kept(&[0.1, 0.2], &[1, 0], EquityKind::Returns),
        Err(Reason::Unordered)
    );
    assert_eq!(
        kept(&[0.0, 1e300], &[0, 1], EquityKind::Pnl),
        Err(Reason::Infinite)
    );
    assert_eq!(EquityKind::named("equity"), None);
}

#[test]
fn returns_of_a_session_are_compounded() {
    let days = [5, 5, 5, 6, 8];
    let kept = |kind| kept(&[NAN, 0.5, -0.5, 0.25, 0.125], &days, kind).unwrap();
    let returns = kept(EquityKind::Returns);
    assert_eq!((returns.width, returns.bins), (1, vec![5, 6, 8]));
    assert_eq!(returns.returns, [-0.25, 0.25, 0.125]);
    // The first level of a curve is where it starts, and no return.
    assert_eq!(kept(EquityKind::Pnl).returns, [-1.0, 0.75, -0.125]);
    let series = Series::of(&[1.0, 2.0, 4.0], None, EquityKind::Price).unwrap();
    assert_eq!(series.kept.bins, [1, 2]);
    assert_eq!(series.kept.returns, [1.0, 1.0]);
    assert_eq!(series.moments.periods, 2);
}

#[test]
fn neighbours_are_joined_where_there_are_too_many_sessions() {
    let rows = 3 * POINTS;
    let days: Vec<i64> = (0..rows as i64).map(|day| day - 5).collect();
    let long = kept(&vec![0.5; rows], &days, EquityKind::Pnl).unwrap();
    let long_returns = kept(&vec![1e-4; rows], &days, EquityKind::Returns).unwrap();
    assert_eq!((long.width, long_returns.width), (4, 4));
    assert_eq!(long_returns.bins[..3], [-2, -1, 0]);
    // The first level of a curve is no return.
    assert_eq!(long.bins[..3], [-1, 0, 1]);
    assert!(long.bins.len() <= POINTS);
    assert!((f64::from(long_returns.returns[9]) - (1.0001_f64.powi(4) - 1.0)).abs() < 1e-9);
    // A shorter one has the same bins where both are.
    let short = kept(&vec![0.5; POINTS], &days[..POINTS], EquityKind::Pnl).unwrap();
    let coarse = short.coarser(4, EquityKind::Pnl).unwrap();
    assert_eq!((short.width, coarse.width), (1, 4));
    assert_eq!(coarse.bins[..], long.bins[..coarse.bins.len()]);
    let shared = common([&coarse.bins[..], &long.bins[1..], &[-7, 0, 3, 9]]);
    assert_eq!(shared, [0, 3, 9]);
    assert_eq!(
        long.at(&shared),
        [long.returns[1], long.returns[4], long.returns[10]]
    );
    assert_eq!(common(std::iter::empty()), Vec::<i64>::new());
}

proptest! {
    #[test]
    fn bins_compound_to_the_whole(
        returns in prop::collection::vec(-0.2_f64..0.2, 1..200),
        steps in prop::collection::vec(0_i64..3, 200),
        width in 0_u32..5,
    ) {
        let mut day = -40;
        let days: Vec<i64> = steps[..returns.len()].iter().map(|step| { day += step; day }).collect();
        let fine = kept(&returns, &days, EquityKind::Returns).unwrap();
        let coarse = fine.coarser(1 << width, EquityKind::Returns).unwrap();
        prop_assert!(coarse.bins.is_sorted() && coarse.bins.len() <= fine.bins.len());
        let whole = |returns: &[f64]| returns.iter().fold(1.0, |all, one| all * (1.0 + one));
        let single: Vec<f64> = coarse.returns.iter().copied().map(f64::from).collect();
        prop_assert!((whole(&single) / whole(&returns) - 1.0).abs() < 1e-4);
        let added = kept(&returns, &days, EquityKind::Pnl);
        if let Ok(added) = added {
            let sum: f64 = added.returns.iter().copied().map(f64::from).sum();
            prop_assert!((sum - (returns[returns.len() - 1] - returns[0])).abs() < 1e-4);
        }
    }
}
