"""Runs of one's own, results by name, and what is asked of the runs that were logged."""

import functools
import math

import numpy as np
import pandas as pd
import pytest
from mlflow_runs import told
from sklearn.linear_model import LogisticRegression

import afml_cache
from afml_cache import (
    CacheConfigError,
    TrackingError,
    UncacheableArgumentError,
    mlflow_cached,
)


def scored(sharpe, drawdown=-0.1):
    model = LogisticRegression(C=abs(sharpe) + 1).fit([[0.0], [1.0]], [0, 1])
    return model, {"sharpe_ratio": sharpe, "max_drawdown": drawdown}


def rated(sharpe):
    return {"sharpe_ratio": sharpe}


@pytest.fixture
def fluent(tracker, mlflow, monkeypatch, tmp_path):
    """MLflow's own functions, on the tracker's database; files go to the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mlflow.tracking.fluent, "_active_experiment_id", None)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "0")  # so that it is put back
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID")
    mlflow.set_tracking_uri(tracker.tracking_uri)
    yield mlflow
    mlflow.set_tracking_uri(None)


def test_a_run_of_ones_own_has_metrics_parameters_tags_and_children(tracker, logged):
    with tracker.experiment_run("sweep 1.2", tags={"kind": "grid"}) as run:
        run.log_metric("loss", 0.5)
        run.log_metric("loss", 0.25, step=1)
        run.log_metrics({"best": np.float64(1.5), "n": 3})
        run.log_param("grid", {"window": [5, 10]})
        run.log_params({"bars": pd.DataFrame({"close": [1.0]}), "text": "x" * 7000})
        mlflow_cached(integration=tracker)(scored)(1.0)
        run_id = run.run_id
    (child,) = logged.runs(cache_function="test_mlflow_experiments.scored")
    found = logged.client.get_run(run_id)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "sweep 1.2"
    assert found.data.tags["kind"] == "grid"
    assert found.data.metrics == {"loss": 0.25, "best": 1.5, "n": 3.0}
    assert found.data.params["grid.window"] == "[5, 10]"
    assert found.data.params["bars"].startswith("DataFrame (1, 1) ")
    assert len(found.data.params["text"]) == 6000
    assert any(name.startswith("parameters_") for name in logged.files(found))
    assert child.data.tags["mlflow.parentRunId"] == run_id
    with tracker.experiment_run("another") as run, pytest.raises(TypeError, match="`loss`"):
        run.log_metric("loss", "low")


def test_a_long_loop_of_metrics_is_logged_whole(tracker, logged):
    with tracker.experiment_run("training") as run:
        for step in range(1100):
            run.log_metric("loss", 1.0 / (step + 1), step=step)
    assert tracker.flush()
    history = logged.client.get_metric_history(run.run_id, "loss")
    assert len(history) == 1100


def test_an_exception_fails_the_run_and_goes_on(tracker, logged):
    with pytest.raises(ZeroDivisionError), tracker.experiment_run("failing") as run:
        run.log_metric("loss", 1 / 0)
    assert logged.run().info.status == "FAILED"


def test_a_result_by_name_is_kept_within_its_experiment(tracker, database):
    other = type(tracker)("others", database)
    with tracker.experiment_run("first") as run:
        assert run.get_cached("results_v1") is None
        assert run.cache_result("results_v1", {"best_sharpe": 1.4})
    with tracker.experiment_run("second") as run:
        assert run.get_cached("results_v1") == {"best_sharpe": 1.4}
    with other.experiment_run("third") as run:
        assert run.get_cached("results_v1") is None
    assert [tracker.stats()["unchecked"], other.stats()["unchecked"]] == [1, 0]


def first_version(bars):
    return len(bars)


def second_version(bars):
    return len(bars) + 1


def test_what_a_result_depends_on_binds_it_to_content_and_code(tracker):
    bars = pd.DataFrame({"close": [1.0, 2.0]})
    with tracker.experiment_run("first") as run:
        assert run.cache_result("labels", [1, 0], depends_on=(bars, first_version))
        assert run.get_cached("labels", depends_on=[bars.copy(), first_version]) == [1, 0]
        assert run.get_cached("labels", depends_on=(bars, second_version)) is None
        assert run.get_cached("labels", depends_on=(bars + 1, first_version)) is None
        assert run.get_cached("labels") is None
        run.cache_result("one", 1, depends_on=bars)
        assert run.get_cached("one", depends_on=(bars,)) == 1
        with pytest.raises(UncacheableArgumentError):
            run.get_cached("labels", depends_on=(iter([]),))
    assert tracker.stats()["unchecked"] == 0


def test_modes_hold_for_results_by_name(tracker):
    with tracker.experiment_run("first") as run:
        run.cache_result("a", 1)
        for name, expected in (("off", None), ("fresh", None), ("readonly", 1), ("frozen", 1)):
            with afml_cache.mode(name):
                assert run.get_cached("a") == expected
        with afml_cache.mode("readonly"):
            assert not run.cache_result("b", 2)
        assert run.get_cached("b") is None


def test_the_best_run_computed_finished_and_has_the_metric(tracker, logged):
    score = mlflow_cached(integration=tracker)(rated)
    for sharpe in (1.0, math.nan, 2.0, 0.5):
        score(sharpe)
    for _ in range(3):
        score(2.0)
    by_sharpe = {run.data.metrics["sharpe_ratio"]: run.info.run_id for run in logged.computed()}
    assert tracker.get_best_run("sharpe_ratio") == by_sharpe[2.0]
    assert tracker.get_best_run("sharpe_ratio", maximize=False) == by_sharpe[0.5]
    assert tracker.get_best_run("win_rate") is None
    experiment = logged.runs()[0].info.experiment_id
    for sharpe, status in ((9.0, "FAILED"), (8.0, "RUNNING"), (3.0, "FINISHED")):
        theirs = logged.client.create_run(experiment)
        logged.client.log_metric(theirs.info.run_id, "sharpe_ratio", sharpe)
        if status != "RUNNING":
            logged.client.set_terminated(theirs.info.run_id, status)
    assert tracker.get_best_run("sharpe_ratio") == theirs.info.run_id


def test_there_is_no_best_run_of_an_experiment_without_runs(tracker):
    assert tracker.get_best_run("sharpe_ratio") is None


def test_the_model_of_a_hit_is_that_of_the_run_that_computed(tracker, logged):
    score = mlflow_cached(integration=tracker)(scored)
    score(1.0)
    score(1.0)
    for run in (*logged.computed(), *logged.hits()):
        assert tracker.load_model_from_run(run.info.run_id).C == 2.0


def test_a_model_that_mlflow_logged_itself_is_found(tracker, fluent):
    fluent.set_experiment("tests")
    with fluent.start_run() as run:
        fluent.sklearn.log_model(
            scored(4.0)[0], name="model", pip_requirements=[], serialization_format="pickle"
        )
    assert tracker.load_model_from_run(run.info.run_id).C == 5.0


def test_a_run_without_a_model_and_an_unknown_run_are_errors(tracker, logged):
    mlflow_cached(integration=tracker)(lambda: {"a": 1})()
    with pytest.raises(TrackingError, match="has no model"):
        tracker.load_model_from_run(logged.run().info.run_id)
    with pytest.raises(TrackingError, match="no run `abc123`"):
        tracker.load_model_from_run("abc123")
    assert not tracker.stats()["away"]


def test_runs_are_compared_in_a_frame(tracker, logged):
    score = mlflow_cached(integration=tracker)(scored)
    for sharpe in (1.0, 2.0):
        score(sharpe)
    first, second = (run.info.run_id for run in logged.computed())
    with told("abc123"):
        frame = tracker.compare_runs([second, "abc123", first], ["sharpe_ratio", "win_rate"])
    assert frame.index.name == "run_id"
    assert frame.index.tolist() == [second, first]
    assert frame["sharpe_ratio"].tolist() == [2.0, 1.0]
    assert frame["win_rate"].isna().all()
    assert frame["param_sharpe"].tolist() == ["2.0", "1.0"]
    assert str(frame["timestamp"].dt.tz) == "UTC"
    every = tracker.compare_runs([first])
    assert tracker.compare_runs(first).index.tolist() == [first]
    with pytest.raises(CacheConfigError, match="`metric` is the name of a metric, not None"):
        tracker.get_best_run(None)
    assert {"sharpe_ratio", "max_drawdown", "param_drawdown"} <= set(every.columns)


def test_comparing_no_known_runs_gives_the_columns_asked_for(tracker):
    with told("no run"):
        frame = tracker.compare_runs(["abc123"], ["sharpe_ratio"])
    assert len(frame) == 0
    assert list(frame.columns) == ["timestamp", "sharpe_ratio"]


def test_calls_nest_in_the_users_run_and_leave_it_as_it_was(tracker, logged, fluent):
    fluent.set_experiment("mine")
    with fluent.start_run() as mine:
        mlflow_cached(integration=tracker)(scored)(1.0)
        with tracker.experiment_run("inner"):
            pass
        assert fluent.active_run().info.run_id == mine.info.run_id
    assert fluent.active_run() is None
    assert fluent.get_tracking_uri() == tracker.tracking_uri
    assert fluent.get_experiment_by_name("mine").experiment_id == (
        fluent.tracking.fluent._get_experiment_id()
    )
    parents = {run.data.tags["mlflow.parentRunId"] for run in logged.runs()}
    assert parents == {mine.info.run_id}
    assert logged.client.get_run(mine.info.run_id).data.params == {}


def test_a_run_on_another_server_is_no_parent(tracker, logged, fluent, empty_database):
    other = f"sqlite:///{empty_database}"
    fluent.set_tracking_uri(other)
    with fluent.start_run():
        mlflow_cached(integration=tracker)(scored)(1.0)
    assert fluent.get_tracking_uri() == other
    assert "mlflow.parentRunId" not in logged.run().data.tags


def test_a_function_that_is_handed_on_keeps_what_it_is(tracker, logged):
    score = mlflow_cached(integration=tracker)(scored)
    functools.partial(score, drawdown=-0.3)(1.0)
    assert logged.run().data.params["drawdown"] == "-0.3"
