//! What may happen to runs, drawn at random, and done to them and to the model.

use super::model::Model;
use super::{Digest, id, kept, large, lose_index, record, small};
use afml_cache::runs::returns::EquityKind;
use afml_cache::runs::{Answer, Failure, Metric, Record, Role, Runs, State};
use proptest::prelude::*;
use std::path::Path;

#[derive(Clone, Debug)]
pub enum Act {
    Record(Record, Option<Shape>, bool),
    Fail(Digest, Record, i64),
    Replace(Digest, u8),
    Prune(Digest),
    Delete(Digest),
    Pin(Digest, bool),
    /// A new process, which finds the index as it is, or none.
    Reopen(bool),
}

/// Which sessions an equity curve has, and from which seed it is drawn.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Days(u64),
    /// Some days later, and two years of them: bins that only some share.
    Later(u64),
    /// So many that sessions are joined two by two.
    Long(u64),
    Constant,
}

impl Shape {
    fn sessions(self) -> Vec<i64> {
        match self {
            Self::Days(_) | Self::Constant => (1..40).collect(),
            Self::Later(_) => (30..90).collect(),
            Self::Long(_) => (0..4_200).collect(),
        }
    }

    fn seed(self) -> u64 {
        match self {
            Self::Days(seed) | Self::Later(seed) | Self::Long(seed) => seed,
            Self::Constant => 0,
        }
    }
}

fn some(kind: &'static str, count: usize) -> impl Strategy<Value = Digest> {
    (0..count).prop_map(move |number| id(&format!("{kind} {number}")))
}

fn metrics() -> impl Strategy<Value = Vec<(String, Metric)>> {
    let value = prop_oneof![
        4 => (-3..4_i32).prop_map(|value| Metric::Number(f64::from(value) / 2.0)),
        1 => prop::sample::select(vec![f64::NAN, f64::INFINITY, -0.0, 1e300, f64::MIN_POSITIVE])
            .prop_map(Metric::Number),
        1 => any::<i64>().prop_map(Metric::Whole),
        1 => "[a-z]{0,3}".prop_map(Metric::Text),
    ];
    let name = prop::sample::select(vec!["sharpe", "trades", "note"]).prop_map(String::from);
    prop::collection::vec((name, value), 0..4)
}

fn records() -> impl Strategy<Value = Record> {
    let name = |values: &'static [&'static str]| {
        prop::sample::select(values.to_vec()).prop_map(String::from)
    };
    let names = (name(&["a", "b"]), name(&["x", "y"]), name(&["", "p"]));
    let ids = (
        some("run", 7),
        some("trial", 3),
        some("data", 2),
        some("parameters", 3),
    );
    let rest = (any::<bool>(), metrics(), 0..3_i64, any::<u8>());
    (names, ids, rest).prop_map(|(names, ids, (is_test, metrics, step, at))| Record {
        run: ids.0,
        strategy: names.0,
        dataset: names.1,
        purpose: names.2,
        role: if is_test && at > 170 {
            Role::Test
        } else {
            Role::Trial
        },
        trial: ids.1,
        parameters: ids.3,
        data: ids.2,
        at_ns: i64::from(at),
        step_ns: step,
        metrics,
        ..record("any", 0.0)
    })
}

fn shapes() -> impl Strategy<Value = Option<Shape>> {
    prop_oneof![
        2 => Just(None),
        4 => (0..9_u64).prop_map(|seed| Some(Shape::Days(seed))),
        2 => (0..9_u64).prop_map(|seed| Some(Shape::Later(seed))),
        1 => (0..9_u64).prop_map(|seed| Some(Shape::Long(seed))),
        1 => Just(Some(Shape::Constant)),
    ]
}

pub fn acts() -> impl Strategy<Value = Act> {
    let run = || some("run", 7);
    prop_oneof![
        10 => (records(), shapes(), any::<bool>())
            .prop_map(|(record, shape, is_large)| Act::Record(record, shape, is_large)),
        1 => (run(), records(), 0..5_i64).prop_map(|(run, record, at)| Act::Fail(run, record, at)),
        1 => (run(), any::<u8>()).prop_map(|(run, byte)| Act::Replace(run, byte)),
        1 => run().prop_map(Act::Prune),
        2 => run().prop_map(Act::Delete),
        1 => (run(), any::<bool>()).prop_map(|(run, pinned)| Act::Pin(run, pinned)),
        1 => any::<bool>().prop_map(Act::Reopen),
    ]
}

pub fn play(root: &Path, runs: &mut Runs, model: &mut Model, act: Act) {
    match act {
        Act::Record(mut record, shape, is_large) => {
            let series = shape.map(|shape| {
                let sessions = shape.sessions();
                let mut series = kept(shape.seed(), &sessions);
                if matches!(shape, Shape::Constant) {
                    series.kept.returns.fill(0.0);
                    series.moments.deviation = 0.0;
                }
                series
            });
            record.moments = series.as_ref().map(|series| series.moments);
            let kept = series.map(|series| series.kept);
            let answer = if is_large {
                large(kept.is_some().into())
            } else {
                small(&record)
            };
            model.record(&record, kept.clone(), answer.payload.clone());
            let kept = kept.map(|kept| (kept, EquityKind::Price));
            runs.record(&record, kept, &answer).unwrap();
        }
        Act::Fail(run, record, at) => {
            model.fail(run, &record, at);
            let failure = Failure {
                run: run.0,
                strategy: record.strategy,
                dataset: record.dataset,
                purpose: record.purpose,
                at_ns: at,
                about: "it raised".into(),
            };
            runs.fail(&failure).unwrap();
        }
        Act::Replace(run, byte) => {
            let answer = Answer {
                payload: vec![byte; usize::from(byte) * 500],
                files: Vec::new(),
            };
            if let Some(found) = model.live(run) {
                found.answer.clone_from(&answer.payload);
                found.state = State::Whole;
            }
            runs.replace(run, &answer).unwrap();
        }
        Act::Prune(run) => {
            if let Some(found) = model.live(run) {
                found.answer = b"slim".to_vec();
                found.state = State::Pruned;
            }
            runs.prune(run, b"slim".to_vec()).unwrap();
        }
        Act::Delete(run) => {
            if let Some(found) = model.live(run) {
                found.state = State::Deleted;
                found.pinned = false;
            }
            runs.delete(run).unwrap();
        }
        Act::Pin(run, pinned) => {
            if let Some(found) = model.live(run) {
                found.pinned = pinned;
            }
            runs.pin(run, pinned).unwrap();
        }
        Act::Reopen(without) => {
            if without {
                lose_index(root);
            }
            *runs = super::runs(root);
        }
    }
}
