"""A real server, and servers that are away, mute, gone in the middle, or refuse something."""

import asyncio
import threading
import time

import pytest
from mlflow_runs import Logged, told
from mlflow_servers import free_port, mute
from sklearn.linear_model import LogisticRegression

from afml_cache import TrackingError, mlflow_cached
from afml_cache.mlflow import MLflowCacheIntegration
from afml_cache.mlflow import server as servers
from afml_cache.mlflow.breaker import Breaker
from afml_cache.mlflow.worker import Job

pytestmark = pytest.mark.usefixtures("starting_server", "mlflow")


def scored(sharpe, tag=""):
    return LogisticRegression(C=sharpe).fit([[0.0], [1.0]], [0, 1]), {"sharpe_ratio": sharpe}


def seconds(call, *args):
    start = time.perf_counter()
    call(*args)
    return time.perf_counter() - start


def test_nobody_waits_for_a_server_that_is_not_there():
    tracker = MLflowCacheIntegration("tests", f"http://127.0.0.1:{free_port()}")
    score = mlflow_cached(integration=tracker)(scored)
    with told("can't be used"):
        took = seconds(score, 1.0)
        took += sum(seconds(score, sharpe) for sharpe in (2.0, 1.0, 2.0))
        with tracker.experiment_run("sweep") as run:
            run.log_metric("loss", 1.0)
            assert run.run_id is None
            assert run.cache_result("a", 1)
            assert run.get_cached("a") == 1
    assert took < 2
    assert score.cache_info().hits == 2
    stats = tracker.stats()
    assert stats["away"]
    assert stats["dropped"] >= 4
    with pytest.raises(TrackingError, match="gives no answer"):
        tracker.get_best_run("sharpe_ratio")


def test_a_mute_server_is_waited_for_once_and_not_long():
    with mute() as uri:
        tracker = MLflowCacheIntegration("tests", uri, timeout=0.3)
        score = mlflow_cached(integration=tracker)(scored)
        with told("can't be used"):
            took = seconds(score, 1.0)
            took += sum(seconds(score, sharpe) for sharpe in (2.0, 3.0, 1.0))
            tracker.flush()
        assert 0.3 <= took < 1.3
        assert score.is_cached(3.0)
        start = time.perf_counter()
        with pytest.raises(TrackingError):
            tracker.get_best_run("sharpe_ratio")
        assert time.perf_counter() - start < 2


def test_a_question_behind_a_failure_is_not_answered_with_nothing():
    with mute() as uri:
        tracker = MLflowCacheIntegration("tests", uri, timeout=0.3)
        with told("can't be used"):
            mlflow_cached(integration=tracker, log_hits=False)(scored)(1.0)
            with pytest.raises(TrackingError, match="gives no answer"):
                tracker.get_best_run("sharpe_ratio")
            tracker.flush()


def test_a_mute_server_does_not_hold_up_an_event_loop():
    ticks = []

    async def tick():
        while True:
            ticks.append(time.perf_counter())
            await asyncio.sleep(0.01)

    async def work(score):
        ticking = asyncio.create_task(tick())
        await score(1.0)
        ticking.cancel()

    with mute() as uri:
        tracker = MLflowCacheIntegration("tests", uri, timeout=0.3)

        @mlflow_cached(integration=tracker)
        async def score(sharpe):
            return {"sharpe": sharpe}

        with told("can't be used"):
            asyncio.run(work(score))
            tracker.flush()
    assert len(ticks) > 10


def test_a_server_has_what_a_database_has(server, mlflow):
    tracker = MLflowCacheIntegration("real", server.uri)
    logged = Logged(tracker)
    score = mlflow_cached(integration=tracker, tags={"market": "EURUSD"})(scored)
    for sharpe in (1.0, 2.0, 2.0):
        score(sharpe)
    mlflow_cached(integration=tracker)(lambda: {"sharpe_ratio": float("nan"), "x": float("inf")})()
    (hit,) = logged.hits()
    best = tracker.get_best_run("sharpe_ratio")
    assert hit.data.tags["computed_by"] == best
    assert logged.client.get_run(best).data.params == {"sharpe": "2.0", "tag": ""}
    assert tracker.load_model_from_run(hit.info.run_id).C == 2.0
    frame = tracker.compare_runs([best, hit.info.run_id], ["sharpe_ratio"])
    assert frame["sharpe_ratio"].tolist() == [2.0, 2.0]
    with tracker.experiment_run("sweep") as run:
        run.log_param("tag", "a")
    assert logged.client.get_run(run.run_id).data.params == {"tag": "a"}


def test_a_changed_parameter_is_refused_and_the_rest_logged(server):
    tracker = MLflowCacheIntegration("changed", server.uri)
    with told("param `window`"), tracker.experiment_run("sweep") as run:
        run.log_param("window", 1)
        run.log_params({"window": 2, "side": "long"})
        run.log_metric("loss", 0.5)
    data = Logged(tracker).client.get_run(run.run_id).data
    assert data.params == {"window": "1", "side": "long"}
    assert data.metrics == {"loss": 0.5}


@pytest.mark.parametrize("path", ["log-batch", "log-parameter", "log-metric"])
def test_what_a_server_refuses_costs_nothing_else(front, path):
    front.refuses = {"log-batch": 400, path: 400}
    tracker = MLflowCacheIntegration(f"refused {path}", front.uri)
    score = mlflow_cached(integration=tracker)(scored)
    with told(*([] if path == "log-batch" else ["not all of"])):
        score(1.0)
    (run,) = Logged(tracker).runs()
    assert run.info.status == "FINISHED"
    assert run.data.params == ({} if path == "log-parameter" else {"sharpe": "1.0", "tag": ""})
    assert run.data.metrics == ({} if path == "log-metric" else {"sharpe_ratio": 1.0})
    assert tracker.load_model_from_run(run.info.run_id).C == 1.0


def test_a_server_whose_answer_names_no_run_has_logged_nothing(front):
    front.refuses = {"runs/create": 200}
    tracker = MLflowCacheIntegration("nameless", front.uri)
    score = mlflow_cached(integration=tracker)(scored)
    with told("a run without an id"):
        assert score(1.0)[1] == score(1.0)[1]
        tracker.flush()
    assert tracker.stats()["runs"] == 0
    assert not Logged(tracker).runs()


def test_a_server_that_goes_away_in_the_middle_and_comes_back(front):
    tracker = MLflowCacheIntegration("middle", front.uri, pause=0.0)
    score = mlflow_cached(integration=tracker)(scored)
    score(1.0)
    front.dies_at = "log-batch"
    with told("can't be used"):
        took = sum(seconds(score, sharpe) for sharpe in (2.0, 3.0, 2.0))
        tracker.flush()
        score(1.0)
    assert took < 2
    assert tracker.stats()["away"]
    tracker.flush()
    front.dies_at, front.is_dead = None, False
    score(4.0)
    logged = Logged(tracker)
    assert [run.data.metrics["sharpe_ratio"] for run in logged.computed()[-1:]] == [4.0]
    score(3.0)
    hit = logged.runs(cache_hit="true")[-1]
    assert hit.data.metrics == {"sharpe_ratio": 3.0}
    assert "computed_by" not in hit.data.tags
    assert not tracker.stats()["away"]


def test_a_server_without_experiments_of_ours_is_told_apart_from_none(front):
    front.refuses = {"experiments/create": 403, "experiments/get-by-name": 403}
    tracker = MLflowCacheIntegration("forbidden", front.uri)
    with told("INVALID_PARAMETER_VALUE"):
        assert mlflow_cached(integration=tracker)(scored)(1.0)[1] == {"sharpe_ratio": 1.0}


def test_the_run_that_computed_is_found_by_its_key(server, store, tmp_path):
    tracker = MLflowCacheIntegration("found", server.uri)
    mlflow_cached(integration=tracker, store=store)(scored)(1.0)
    elsewhere = tmp_path / "elsewhere"
    plain = mlflow_cached(integration=tracker, store=elsewhere, log_hits=False)(scored)
    plain.put(scored(1.0), 1.0)
    mlflow_cached(integration=tracker, store=elsewhere)(scored)(1.0)
    logged = Logged(tracker)
    assert [run.data.tags["computed_by"] for run in logged.hits()] == [
        run.info.run_id for run in logged.computed()
    ]


def test_a_run_that_nobody_knows_is_looked_for_once(front):
    tracker = MLflowCacheIntegration("unknown", front.uri)
    score = mlflow_cached(integration=tracker)(scored)
    score(2.0)
    score.put(scored(1.0), 1.0)
    for _ in range(3):
        score(1.0)
        tracker.flush()
    assert len([path for path in front.asked if path.endswith("runs/search")]) == 1
    hits = Logged(tracker).hits()
    assert len(hits) == 3
    assert all("computed_by" not in run.data.tags for run in hits)


def test_a_worker_that_is_stuck_is_left_to_itself(server, monkeypatch):
    tracker = MLflowCacheIntegration("stuck", server.uri, timeout=0.1, pause=0.0)
    score = mlflow_cached(integration=tracker)(scored)
    score(1.0)
    assert tracker.flush()
    monkeypatch.setattr(servers, "_STUCK", 0.5)
    released = threading.Event()
    stuck = Job(lambda _: released.wait())
    with told("no answer for"):
        assert tracker.server.put(stuck)
        assert not tracker.flush(0.6)
        took = sum(seconds(score, sharpe) for sharpe in (2.0, 3.0))
    assert took < 1
    released.set()
    assert stuck.wait(10)
    monkeypatch.undo()
    assert len(Logged(tracker).computed()) == 3


def test_threads_of_a_burst_are_all_logged(server):
    tracker = MLflowCacheIntegration("burst", server.uri)
    score = mlflow_cached(integration=tracker)(lambda n: {"n": n})
    threads = [threading.Thread(target=score, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Logged(tracker).computed()) == 8


def test_a_breaker_opens_for_longer_each_time_and_closes_at_once():
    now = [0.0]
    breaker = Breaker(30.0, clock=lambda: now[0])
    pauses = []
    for _ in range(7):
        breaker.failed()
        assert not breaker.allows
        pauses.append(breaker.seconds_left)
        now[0] += pauses[-1]
        assert breaker.allows
    assert pauses == [30, 60, 120, 240, 480, 600, 600]
    breaker.succeeded()
    assert breaker.is_closed
    breaker.failed()
    assert breaker.seconds_left == 30
