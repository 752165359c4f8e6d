//! Any sequence of what may happen to runs, beside a naive model.

use super::acts::{acts, play};
use super::model::Model;
use super::{all_answers, answer, id, index, log, lose_index, put, record, returns, runs, small};
use afml_cache::runs::statistics::Moments;
use afml_cache::runs::{Answer, Found, Metric, Record, Role, Runs, State};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

fn check(runs: &Runs, model: &Model) {
    assert_eq!(runs.ids().unwrap(), model.ids());
    let counts: BTreeMap<_, _> = runs.count().unwrap().into_iter().collect();
    assert_eq!(counts, model.count());
    for one in &model.runs {
        let found = runs.find(one.record.run).unwrap().unwrap();
        assert_eq!((found.state, found.pinned), (one.state, one.pinned));
        assert_eq!(format!("{:?}", found.record), format!("{:?}", one.record));
        assert_eq!(returns(runs, &found), one.kept);
        let answer = answer(runs, one.record.run);
        let is_deleted = one.state == State::Deleted;
        assert_eq!(answer, (!is_deleted).then(|| one.answer.clone()));
    }
    check_families(runs, model);
    for strategy in ["a", "b", "c"] {
        for metric in ["sharpe", "trades", "note"] {
            check_ranking(runs, model, (strategy, metric));
        }
    }
}

fn check_families(runs: &Runs, model: &Model) {
    let mut known = Vec::new();
    for family in runs.families(None).unwrap() {
        let names = (family.strategy, family.dataset, family.purpose);
        let standing = runs
            .standing((&names.0, &names.1, &names.2))
            .unwrap()
            .unwrap();
        let latest = runs.latest(family.number).unwrap();
        let latest: Vec<_> = latest.iter().map(|found| found.record.run).collect();
        let expected: Vec<_> = model
            .trials(&names)
            .iter()
            .map(|one| one.record.run)
            .collect();
        assert_eq!(latest, expected, "{names:?}");
        assert_eq!(usize::try_from(family.trials).unwrap(), expected.len());
        let failures = runs.failures(family.number).unwrap().into_iter();
        let failures = failures.map(|one| (super::digest(one.run), one.at_ns));
        assert_eq!(failures.collect::<BTreeSet<_>>(), model.failures(&names));
        let spreads: BTreeMap<_, _> = standing
            .spreads
            .iter()
            .map(|one| (one.step_ns, (one.count, one.total, one.squares)))
            .collect();
        let expected = model.spreads(&names);
        assert!(
            spreads.keys().eq(expected.keys()),
            "{spreads:?} {expected:?}"
        );
        for (step, (count, total, squares)) in &spreads {
            assert_eq!(*count, expected[step].0);
            assert!((total - expected[step].1).abs() < 1e-12);
            assert!((squares - expected[step].2).abs() < 1e-12);
        }
        let (found, expected) = (standing.correlation, model.correlation(&names));
        assert_eq!(found.is_some(), expected.is_some(), "{names:?}");
        let apart = found.unwrap_or_default() - expected.unwrap_or_default();
        assert!(apart.abs() < 1e-9, "{found:?} {expected:?}");
        known.push(names);
    }
    known.sort();
    assert_eq!(known, model.families());
}

fn check_ranking(runs: &Runs, model: &Model, of: (&str, &str)) {
    for data in [
        None,
        Some(id("data 0")),
        Some(id("data 1")),
        Some(id("data 9")),
    ] {
        for (maximize, most) in [(true, 3), (false, 9)] {
            let ranking = runs.best(of, maximize, most, data).unwrap();
            let best: Vec<_> = ranking.runs.iter().map(|found| found.record.run).collect();
            assert_eq!(
                best,
                model.best(of, maximize, most, data),
                "{of:?} {data:?}"
            );
            let unranked = usize::try_from(ranking.unranked).unwrap();
            assert_eq!(
                unranked,
                model.unranked(of.0, of.1, data),
                "{of:?} {data:?}"
            );
            assert_eq!(ranking.differ, data.is_none() && model.differ(of.0, of.1));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn whatever_happens_the_ledger_counts_what_was_tried(
        acts in prop::collection::vec(acts(), 1..30),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let mut runs = super::runs(root);
        let mut model = Model::default();
        for act in acts {
            play(root, &mut runs, &mut model, act);
        }
        check(&runs, &model);
        let told = all_answers(&runs);
        drop(runs);
        lose_index(root);
        let runs = super::runs(root);
        check(&runs, &model);
        assert_eq!(all_answers(&runs), told, "of the log alone");
        assert_eq!(runs.damaged().unwrap(), 0);
    }
}

#[test]
fn a_trial_that_becomes_a_look_at_a_test_is_counted_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let runs = runs(folder.path());
    let trials = || {
        runs.standing(("s", "set", ""))
            .unwrap()
            .unwrap()
            .family
            .trials
    };
    let mut one = put(&runs, record("one", 1.0), 1);
    put(&runs, record("two", 1.0), 2);
    assert_eq!(trials(), 2);
    one.role = Role::Test;
    put(&runs, one.clone(), 1);
    assert_eq!(trials(), 1);
    one.role = Role::Trial;
    put(&runs, one, 1);
    assert_eq!(trials(), 2);
}

#[test]
fn where_the_run_that_counts_is_one_no_longer_the_one_before_it_counts() {
    let folder = tempfile::tempdir().unwrap();
    let runs = runs(folder.path());
    let latest = || {
        let family = runs.standing(("s", "set", "")).unwrap().unwrap().family;
        let latest = runs.latest(family.number).unwrap().into_iter();
        latest.map(|found| found.record.run).collect::<Vec<_>>()
    };
    let of_one_trial = |name: &str| Record {
        trial: id("the trial"),
        ..record(name, 1.0)
    };
    put(&runs, of_one_trial("short"), 1);
    let mut long = put(&runs, of_one_trial("long"), 2);
    assert_eq!(latest(), [long.run]);
    long.role = Role::Test;
    put(&runs, long, 2);
    assert_eq!(latest(), [id("short")]);
}

#[test]
fn a_run_that_is_recorded_again_stays_in_its_family() {
    let folder = tempfile::tempdir().unwrap();
    let runs = runs(folder.path());
    let mut one = put(&runs, record("one", 1.0), 1);
    one.dataset = "another".into();
    one.purpose = "other".into();
    put(&runs, one, 2);
    let families = runs.families(None).unwrap().into_iter();
    let names = families.map(|one| (one.dataset, one.purpose, one.trials));
    assert_eq!(
        names.collect::<Vec<_>>(),
        [("set".to_owned(), String::new(), 1)]
    );
}

#[test]
fn the_best_of_many_on_one_data_are_those_of_all_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let runs = runs(folder.path());
    for number in 0..600 {
        let mut one = record(&format!("{number}"), f64::from(number * 7 % 601));
        if number % 100 == 0 {
            one.data = id("other");
        }
        runs.record(&one, None, &small(&one)).unwrap();
    }
    let best = |maximize, data| {
        let ranking = runs
            .best(("s", "sharpe"), maximize, 2, Some(id(data)))
            .unwrap();
        let value = |found: &Found| found.record.metric("sharpe").cloned();
        ranking.runs.iter().filter_map(value).collect::<Vec<_>>()
    };
    let numbers = |values: [i32; 2]| values.map(|value| Metric::Number(value.into()));
    // 0, 99, 198, 297, 396 and 495 are on the other data.
    assert_eq!(best(true, "d"), numbers([600, 599]));
    assert_eq!(best(false, "d"), numbers([1, 2]));
    assert_eq!(best(true, "other"), numbers([495, 396]));
    assert_eq!(best(false, "other"), numbers([0, 99]));
}

#[test]
fn sharpe_ratios_that_are_none_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let runs = runs(folder.path());
    let spreads = || runs.standing(("s", "set", "")).unwrap().unwrap().spreads;
    put(&runs, record("plain", 1.0), 1);
    let before = spreads();
    for (mean, deviation) in [
        (1.0, 1e-300),
        (1e300, 1e-300),
        (f64::NAN, 1.0),
        (1.0, f64::NAN),
        (f64::INFINITY, 1.0),
        (0.9e6, 1.0),
    ] {
        let mut strange = record("strange", 1.0);
        strange.moments = Some(Moments {
            periods: 50,
            mean,
            deviation,
            skewness: 0.0,
            kurtosis: 3.0,
        });
        runs.record(&strange, None, &small(&strange)).unwrap();
        strange.moments = None;
        runs.record(&strange, None, &small(&strange)).unwrap();
        assert_eq!(spreads(), before, "{mean} {deviation}");
    }
    lose_index(folder.path());
    assert_eq!(
        super::runs(folder.path()).count().unwrap(),
        [("s".into(), 2)]
    );
}

#[test]
fn a_run_that_is_pruned_or_recorded_again_gives_its_room_back() {
    let folder = tempfile::tempdir().unwrap();
    let runs = runs(folder.path());
    let one = record("one", 1.0);
    let answer = |byte| Answer {
        payload: vec![byte; 60_000],
        files: Vec::new(),
    };
    let taken = || {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(log(folder.path())).unwrap().blocks() * 512
    };
    for byte in 0..40 {
        runs.record(&one, None, &answer(byte)).unwrap();
    }
    assert!(taken() < 700_000, "{}", taken());
    runs.prune(one.run, b"slim".to_vec()).unwrap();
    assert!(taken() < 600_000, "{}", taken());
    lose_index(folder.path());
    let again = super::runs(folder.path());
    assert_eq!(super::answer(&again, one.run).unwrap(), b"slim");
    assert_eq!(
        again.damaged().unwrap(),
        0,
        "what was given back is no damage"
    );
    assert!(fs::metadata(index(folder.path())).unwrap().len() < 300_000);
}
