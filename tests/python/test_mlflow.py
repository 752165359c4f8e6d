"""Calls of tracked functions are runs: parameters, metrics, models, hits, failures, modes."""

import asyncio
import dataclasses
import math
import threading
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from mlflow_runs import told
from sklearn.ensemble import RandomForestClassifier

import afml_cache
from afml_cache import CacheConfigError, mlflow_cached, robust_cacheable

# the server that other modules test with takes long to start
pytestmark = pytest.mark.usefixtures("starting_server")


def bars(first=1.0):
    return pd.DataFrame({"close": [first, 1.1, 1.2, 1.15]})


def training(seed=0):
    numbers = np.random.default_rng(seed).normal(size=(40, 2))
    return {"features": pd.DataFrame(numbers), "labels": pd.Series(numbers[:, 0] > 0)}


def trained(data, params):
    model = RandomForestClassifier(**params).fit(data["features"], data["labels"])
    return model, {"accuracy": np.float32(0.5), "sharpe_ratio": 1.5, "trades": np.int64(12)}


def measured(returns, params, leverage=2):
    return {"mean": float(np.mean(returns)) * leverage}


PARAMS = {"n_estimators": 3, "random_state": 0}


def test_a_computation_is_a_run_with_parameters_metrics_and_a_model(tracker, logged, mlflow):
    train = mlflow_cached(tags={"market": "EURUSD"}, integration=tracker)(trained)
    data = training()
    model, metrics = train(data, PARAMS)
    run = logged.run()
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "trained"
    assert run.data.metrics == {"accuracy": 0.5, "sharpe_ratio": 1.5, "trades": 12.0}
    assert run.data.params["params.n_estimators"] == "3"
    assert afml_cache.digest(data["features"]) in run.data.params["data.features"]
    assert "(40, 2)" in run.data.params["data.features"]
    tags = run.data.tags
    assert (tags["market"], tags["cache_hit"]) == ("EURUSD", "false")
    assert tags["cache_key"] == train.cache_key(data, PARAMS)
    assert tags["cache_function"] == train.cache_name
    assert "computed_by" not in tags
    mlflow.set_tracking_uri(tracker.tracking_uri)
    try:
        loaded = mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/model")
        general = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    finally:
        mlflow.set_tracking_uri(None)
    for read in (loaded, general):
        assert (read.predict(data["features"]) == model.predict(data["features"])).all()
    assert metrics["sharpe_ratio"] == 1.5


def test_a_hit_is_a_run_that_names_the_one_that_computed(tracker, logged):
    measure = mlflow_cached(integration=tracker)(measured)
    assert measure([0.01, 0.03], {"a": 1}) == measure([0.01, 0.03], {"a": 1}) == {"mean": 0.04}
    (computed,), (hit,) = logged.computed(), logged.hits()
    assert hit.data.tags["computed_by"] == computed.info.run_id
    assert hit.data.tags["cache_key"] == computed.data.tags["cache_key"]
    assert hit.data.params == computed.data.params
    assert hit.data.metrics == computed.data.metrics == {"mean": 0.04}
    assert measure.cache_info().hits == 1
    assert tracker.stats()["hits"] == tracker.stats()["runs"] == 1


def test_every_argument_is_a_parameter_with_the_defaults(tracker, logged):
    @mlflow_cached(integration=tracker)
    def scan(frame, *rest, window=20, side="both", **others):
        return len(frame)

    scan(bars(), 1, 2.5, window=5, flag=None)
    params = logged.run().data.params
    assert params.pop("frame").startswith("DataFrame (4, 1) ")
    expected = {"rest": "(1, 2.5)", "window": "5", "side": "both", "flag": "None"}
    assert params == expected
    assert logged.run().data.metrics == {"result": 4.0}


def test_parameters_of_two_frames_differ_and_those_of_equal_ones_do_not(tracker, logged):
    length = mlflow_cached(integration=tracker)(len)
    for frame in (bars(), bars(1.5), bars()):
        length(frame)
    first, second = (run.data.params["obj"] for run in logged.computed())
    assert first != second
    assert logged.hits()[0].data.params["obj"] == first


def test_what_is_logged_of_an_argument_is_what_came_in(tracker, logged):
    @mlflow_cached(integration=tracker)
    def spend(params):
        return params.pop("budget")

    with pytest.warns(afml_cache.CacheWarning, match="changed"):
        spend({"budget": 3})
    assert logged.run().data.params == {"params.budget": "3"}


def test_a_long_parameter_is_cut_with_its_digest_and_logged_in_full(tracker, logged):
    text = "x" * 7000
    length = mlflow_cached(integration=tracker)(len)
    length(text)
    run = logged.run()
    value = run.data.params["obj"]
    assert len(value) == 6000
    assert afml_cache.digest(text) in value
    assert "7000 characters" in value
    in_full = logged.client.download_artifacts(run.info.run_id, "parameters_in_full.json")
    assert pd.read_json(in_full, typ="series")["obj"] == text


def test_names_that_mlflow_refuses_are_made_legal_and_stay_apart(tracker, logged):
    @mlflow_cached(integration=tracker)
    def rate(params):
        return {"win rate, %": 1.0, "win rate, $": 2.0, "../x": 3.0, "n" * 300: 4.0}

    rate({"a$": 1, "a%": 2, 3: 4, "3": 5})
    run = logged.run()
    assert sorted(run.data.metrics.values()) == [1.0, 2.0, 3.0, 4.0]
    assert sorted(run.data.params.values()) == ["1", "2", "4", "5"]
    assert tracker.get_best_run("win rate, %") == run.info.run_id
    frame = tracker.compare_runs([run.info.run_id], ["win rate, %"])
    assert frame["win rate, %"].tolist() == [1.0]


def test_many_parameters_are_all_logged(tracker, logged):
    sums = mlflow_cached(integration=tracker)(lambda params: sum(params.values()))
    sums({f"p{number}": number for number in range(250)})
    assert len(logged.run().data.params) == 250


@dataclasses.dataclass
class Config:
    window: int
    sides: tuple


class Result(NamedTuple):
    model: object
    train: dict
    test: dict


def test_records_are_taken_apart_and_metrics_of_one_name_both_stay(tracker, logged):
    @mlflow_cached(integration=tracker)
    def fit(config):
        return Result(None, {"accuracy": 0.9}, {"accuracy": 0.7})

    fit(Config(3, ("long", "short")))
    run = logged.run()
    assert run.data.params == {"config.window": "3", "config.sides": "('long', 'short')"}
    assert run.data.metrics == {"accuracy": 0.9, "accuracy.test": 0.7}


def test_nan_and_infinity_are_not_lost(tracker, logged):
    @mlflow_cached(integration=tracker)
    def odd():
        return {"sharpe": math.nan, "factor": math.inf, "loss": -math.inf, "fine": 1, "ok": True}

    odd()
    run = logged.run()
    assert math.isnan(run.data.metrics["sharpe"])
    assert run.data.metrics["fine"] == run.data.metrics["ok"] == 1.0
    told = run.data.tags["metrics_not_finite"]
    assert [word in told for word in ('"sharpe": "nan"', '"factor": "inf"', '"loss": "-inf"')]
    frame = tracker.compare_runs([run.info.run_id])
    assert frame[["factor", "loss"]].iloc[0].tolist() == [math.inf, -math.inf]


def test_other_parts_are_files_where_asked_for(tracker, logged):
    def study():
        return {"sharpe": 1.0}, bars(), np.arange(3), {"notes": ["a"], "n": 1}, None, "text", object

    with told("`6`, a type"):
        mlflow_cached(integration=tracker, log_artifacts=True)(study)()
    run = logged.run()
    names = ["1.parquet", "2.npy", "3.json", "5.txt"]
    assert logged.files(run, "results") == [f"results/{name}" for name in names]
    assert run.data.metrics == {"sharpe": 1.0, "n": 1.0}
    assert tracker.stats()["refused"] == 1


def test_without_asking_no_other_parts_are_files(tracker, logged):
    mlflow_cached(integration=tracker)(lambda: ({"sharpe": 1.0}, bars()))()
    assert logged.files(logged.run()) == []


def test_what_the_caller_does_to_the_result_is_not_logged(tracker, logged):
    @mlflow_cached(integration=tracker, log_artifacts=True)
    def study(n):
        return {"sharpe": 1.0}, bars()

    for _ in range(2):
        metrics, frame = study(1)
        metrics["sharpe"] = 99.0
        frame.loc[0, "close"] = 99.0
    assert [run.data.metrics for run in logged.runs()] == [{"sharpe": 1.0}] * 2


def test_a_body_that_raises_is_a_failed_run_and_raises(tracker, logged):
    @mlflow_cached(integration=tracker)
    def broken(a):
        message = f"no {a}"
        raise ValueError(message)

    with pytest.raises(ValueError, match="no 3"):
        broken(3)
    run = logged.run()
    assert run.info.status == "FAILED"
    assert run.data.tags["error"] == "ValueError: no 3"
    assert run.data.params == {"a": "3"}


def test_an_interrupted_body_is_a_killed_run(tracker, logged):
    @mlflow_cached(integration=tracker)
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert logged.run().info.status == "KILLED"


def test_the_key_is_that_of_robust_cacheable_and_so_is_the_entry(tracker, logged):
    plain = robust_cacheable(measured)
    tracked = mlflow_cached(tags={"a": "b"}, integration=tracker, log_hits="first")(measured)
    given = [0.01], {"n": 1}
    assert plain.cache_key(*given) == tracked.cache_key(*given)
    assert plain(*given) == tracked(*given)
    (hit,) = logged.runs()
    assert hit.data.tags["cache_hit"] == "true"
    assert "computed_by" not in hit.data.tags
    assert hit.data.params == {"returns": "[0.01]", "params.n": "1", "leverage": "2"}
    assert hit.data.metrics == {"mean": 0.02}


def test_the_methods_of_a_cached_function_are_there(tracker, logged):
    @mlflow_cached(integration=tracker, version="2", ignore="verbose")
    def add(a, b=1, verbose=False):
        """Add."""
        return a + b

    assert add.__doc__ == "Add."
    assert not add.is_cached(1)
    assert add(1) == add.refresh(1) == 2
    assert add.is_cached(1, verbose=True)
    assert add.explain(1).cached
    assert add.put(9, 5)
    assert add(5) == 9
    assert add.invalidate(5)
    assert add.call(1)[0] == 2
    assert [run.data.tags["cache_hit"] for run in logged.runs()].count("false") == 3
    assert add.cache_clear() == 1


def test_parameters_that_are_no_part_of_the_key_are_those_of_the_hit(tracker, logged):
    @mlflow_cached(integration=tracker, ignore=("verbose", "log", "others"))
    def add(a, verbose=False, log=None, **others):
        return a

    add(1, log=bars(), extra=1)
    add(1, verbose=True, log=threading.Lock(), more=[2])
    assert set(logged.computed()[0].data.params) == {"a", "verbose", "log", "extra"}
    (hit,) = logged.hits()
    assert hit.data.params == {"a": "1", "verbose": "True", "more": "[2]"}

    @mlflow_cached(integration=tracker, key=lambda given: given["name"])
    def named(given):
        return len(given)

    assert [named({"name": "a", "noise": noise}) for noise in (1, 2)] == [2, 2]
    assert logged.hits()[-1].data.params == {"given.name": "a", "given.noise": "2"}


def test_a_result_that_was_put_is_not_said_to_be_of_a_run(tracker, logged):
    measure = mlflow_cached(integration=tracker)(measured)
    measure([1.0], {})
    measure.put({"mean": 7.0}, [1.0], {})
    assert measure([1.0], {}) == {"mean": 7.0}
    (hit,) = logged.hits()
    assert hit.data.metrics == {"mean": 7.0}
    assert "computed_by" not in hit.data.tags


def test_methods_and_coroutine_functions_are_tracked(tracker, logged):
    class Model:
        def __init__(self, factor):
            self.factor = factor

        @mlflow_cached(integration=tracker)
        def scaled(self, a):
            return a * self.factor

        @staticmethod
        @mlflow_cached(integration=tracker)
        def plain(a):
            return {"a": a}

        @mlflow_cached(integration=tracker)
        async def later(self, a):
            await asyncio.sleep(0)
            return {"later": a * self.factor}

    async def together(model):
        return await asyncio.gather(*(model.later(2) for _ in range(3)))

    model = Model(3)
    assert [model.scaled(2), Model(3).scaled(2), model.plain(1)["a"]] == [6, 6, 1]
    assert asyncio.run(together(model)) == [{"later": 6}] * 3
    names = [run.info.run_name for run in logged.computed()]
    assert names == ["scaled", "plain", "later"]
    assert sorted(run.info.run_name for run in logged.hits()) == ["later", "later", "scaled"]
    assert logged.computed()[0].data.params["self"].startswith("Model ")
    with pytest.raises(ZeroDivisionError):
        asyncio.run(mlflow_cached(integration=tracker)(divided)(0))
    assert logged.runs()[-1].info.status == "FAILED"


async def divided(by):
    return 1 / by


def test_log_hits_says_which_hits_are_logged(tracker, logged):
    def ran(log_hits):
        tracked = mlflow_cached(integration=tracker, log_hits=log_hits)(measured)
        for _ in range(3):
            tracked([0.5], {"hits": str(log_hits)})
        return [run for run in logged.hits() if run.data.params["params.hits"] == str(log_hits)]

    assert [len(ran(log_hits)) for log_hits in ("all", "first", False)] == [2, 1, 0]


def test_modes_do_what_they_do_and_say_so_in_the_runs(tracker, logged):
    measure = mlflow_cached(integration=tracker)(measured)
    with afml_cache.mode("off"):
        measure([1.0], {})
    assert "cache_key" not in logged.run().data.tags
    with afml_cache.mode("readonly"):
        measure([1.0], {})
    assert not measure.is_cached([1.0], {})
    with afml_cache.mode("frozen"), pytest.raises(afml_cache.CacheMissError):
        measure([1.0], {})
    measure([1.0], {})
    with afml_cache.mode("fresh"):
        measure([1.0], {})
    with afml_cache.mode("frozen"):
        measure([1.0], {})
    runs = logged.runs()
    assert [run.data.tags["cache_hit"] for run in runs] == ["false"] * 4 + ["true"]
    assert runs[-1].data.tags["computed_by"] == runs[-2].info.run_id


def test_an_argument_that_cannot_be_keyed_is_logged_all_the_same(tracker, logged):
    @mlflow_cached(integration=tracker)
    def run(lock, n):
        return {"n": n}

    with pytest.warns(afml_cache.UncacheableArgumentWarning):
        run(iter([]), 1)
    params = logged.run().data.params
    assert params["n"] == "1"
    assert "no content" in params["lock"]
    assert "cache_key" not in logged.run().data.tags


def test_the_experiment_of_a_function_comes_before_that_of_the_integration(tracker, logged):
    mlflow_cached(integration=tracker, experiment="other")(measured)([1.0], {})
    assert logged.runs() == []
    assert len(logged.runs("other")) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"tags": ["a"]},
        {"tags": {"a$": "b"}},
        {"log_hits": "some"},
        {"log_artifacts": "yes"},
        {"integration": "http://localhost"},
        {"experiment": ""},
        {"on_uncacheable": "shrug"},
    ],
)
def test_a_wrong_option_is_refused_at_decoration(options):
    with pytest.raises(CacheConfigError, match=next(iter(options))):
        mlflow_cached(**options)


def test_an_unknown_option_is_refused_with_the_known_ones():
    with pytest.raises(TypeError, match=r"log_hitz.*tags.*log_hits"):
        mlflow_cached(log_hitz="all")


def test_two_threads_at_once_compute_once_and_log_both(tracker, logged):
    together = threading.Barrier(2)

    @mlflow_cached(integration=tracker)
    def slow(a):
        return {"a": a}

    def call():
        together.wait()
        slow(1)

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(logged.computed()), len(logged.hits())] == [1, 1]
    assert logged.hits()[0].data.tags["computed_by"] == logged.computed()[0].info.run_id
