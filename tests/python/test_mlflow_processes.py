"""Other processes, forks, the end of a process, Ctrl-C, and a machine without MLflow."""

import multiprocessing
import os
import pickle
import shutil
import signal
import sqlite3
import threading
import time

import cloudpickle
import pytest
from mlflow_runs import Logged, told
from mlflow_servers import mute

import afml_cache
from afml_cache import configure, mlflow_cached
from afml_cache.mlflow import MLflowCacheIntegration, get_mlflow_cache, setup_mlflow_cache

STUDY = """
import sys
import time

import afml_cache
from afml_cache.mlflow import setup_mlflow_cache, mlflow_cached

@mlflow_cached
def score(sharpe):
    return {"sharpe_ratio": sharpe}

"""

COMPUTES_AND_ENDS = f"""{STUDY}
tracker = setup_mlflow_cache("study")
score(1.0)
start = time.perf_counter()
score(1.0)
other = mlflow_cached(integration=afml_cache.mlflow.MLflowCacheIntegration("a", sys.argv[1]))
other(score.__wrapped__)(1.0)
print(tracker.tracking_uri, time.time())
"""


def test_a_process_logs_what_it_can_before_it_ends(default_cache, run_python, mlflow):
    script = COMPUTES_AND_ENDS
    with mute() as uri:
        uri_of, ended = run_python(script.replace("sys.argv[1]", repr(uri))).split()
    assert time.time() - float(ended) < 20  # a request to a mute server would wait for minutes
    assert uri_of == f"sqlite:///{default_cache}/mlflow.db"
    tracker = MLflowCacheIntegration("study", uri_of)
    logged = Logged(tracker)
    (computed,), (hit,) = logged.computed(), logged.hits()
    assert hit.data.tags["computed_by"] == computed.info.run_id
    assert default_cache.stat().st_mode & 0o077 == 0


def measured(n):
    return {"n": n}


def call_in_child(tracker, numbers):
    tracked = mlflow_cached(integration=tracker)(measured)
    for number in numbers:
        tracked(number)
    os._exit(0 if tracker.flush(20) else 1)


def test_a_forked_child_logs_by_itself_and_not_what_its_parent_has_queued(tracker, logged):
    tracked = mlflow_cached(integration=tracker)(measured)
    tracked(1)
    for _ in range(5):
        tracked(1)
    process = multiprocessing.get_context("fork").Process(
        target=call_in_child, args=(tracker, [1, 2])
    )
    process.start()
    process.join(30)
    assert process.exitcode == 0
    assert len(logged.computed()) == 2
    assert len(logged.hits()) == 6
    assert {run.data.tags["computed_by"] for run in logged.hits()} == {
        logged.computed()[0].info.run_id
    }


@pytest.fixture
def interruptible():
    """Ctrl-C raises here, also in a process that runs tests for another one."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_the_wait_for_a_server(interruptible):
    pressed = []

    def press():
        if not pressed:
            pressed.append(True)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    with mute(press) as uri:
        tracker = MLflowCacheIntegration("tests", uri, timeout=60.0)
        tracked = mlflow_cached(integration=tracker)(measured)
        start = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            tracked(1)
        assert time.perf_counter() - start < 50
        assert tracked.is_cached(1)


def test_hits_come_at_once_while_a_server_is_mute():
    with mute() as uri:
        tracker = MLflowCacheIntegration("tests", uri, timeout=0.2)
        tracked = mlflow_cached(integration=tracker)(measured)
        tracked.put({"n": 1}, 1)
        start = time.perf_counter()
        for _ in range(1000):
            assert tracked(1) == {"n": 1}
        assert time.perf_counter() - start < 1
        with told("can't be used"):
            tracker.flush()
            tracked(1)


WITHOUT_MLFLOW = f"""
import sys
import warnings
sys.modules["mlflow"] = None
{STUDY}
import afml_cache.mlflow
from afml.cache import MLFLOW_AVAILABLE, MLFLOW_INTEGRATION_AVAILABLE
assert not MLFLOW_AVAILABLE and MLFLOW_INTEGRATION_AVAILABLE
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    assert score(1.0) == score(1.0) == {{"sharpe_ratio": 1.0}}
    tracker = setup_mlflow_cache("study")
    with tracker.experiment_run("sweep") as run:
        run.log_metric("loss", 1.0)
        run.cache_result("a", 1)
        assert (run.get_cached("a"), run.run_id) == (1, None)
    score(2.0)
assert score.cache_info().hits == 1
try:
    tracker.get_best_run("sharpe_ratio")
except ImportError as error:
    print(error)
print([str(one.message) for one in told], told[0].category.__name__, told[0].filename)
"""


def test_without_mlflow_functions_are_cached_and_say_so_once(run_python):
    error, told = run_python(WITHOUT_MLFLOW).strip().splitlines()
    assert "pip install 'afml-cache[mlflow]'" in error
    assert told.count("afml-cache[mlflow]") == 1
    assert "TrackingWarning" in told
    assert told.endswith("script.py")


def test_importing_the_integration_is_light(run_python):
    heavy = ("mlflow", "numpy", "pandas", "polars", "sklearn", "asyncio", "requests")
    shown = run_python(
        "import sys; from afml.cache import mlflow_cached, MLFLOW_AVAILABLE\n"
        "from afml.cache.mlflow_integration import *\n"
        f"print([name for name in {heavy} if name in sys.modules], MLFLOW_AVAILABLE)"
    )
    assert shown.strip() == "[] True"


def test_setting_up_contacts_nobody_and_writes_nothing(tracker, tmp_path, default_cache):
    before = sorted(tmp_path.rglob("*"))
    with mute() as uri:
        for one in (uri, None, tmp_path / "runs"):
            assert setup_mlflow_cache("study", one) is get_mlflow_cache()
    assert sorted(tmp_path.rglob("*")) == before
    assert not default_cache.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"experiment_name": ""},
        {"experiment_name": 3},
        {"tracking_uri": 3},
        {"timeout": -1},
        {"pause": "30"},
        {"store": 3},
    ],
)
def test_a_wrong_argument_is_refused(wrong):
    with pytest.raises(afml_cache.CacheConfigError, match=next(iter(wrong))):
        MLflowCacheIntegration(**wrong)


def test_functions_decorated_before_follow_what_is_set_up(tracker, database):
    tracked = mlflow_cached(measured)
    chosen = setup_mlflow_cache("chosen", database)
    tracked(1)
    assert len(Logged(chosen).computed()) == 1
    setup_mlflow_cache("next", database)
    tracked(2)
    assert len(Logged(get_mlflow_cache()).computed()) == 1


def test_the_environment_names_the_server_where_nobody_else_does(tracker, database, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    assert setup_mlflow_cache("study", None).tracking_uri == database
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert get_mlflow_cache().tracking_uri == database


def test_an_integration_and_a_tracked_function_travel_to_other_processes(tracker, database):
    chosen = setup_mlflow_cache("study", database)
    copy = pickle.loads(pickle.dumps(chosen))
    assert (copy.experiment_name, copy.tracking_uri) == ("study", database)

    @mlflow_cached(tags={"a": "b"})
    def here(n):
        return {"n": n}

    sent = cloudpickle.dumps(here)
    setup_mlflow_cache("not this one", database)
    there = cloudpickle.loads(sent)
    there(1)
    (run,) = Logged(copy).computed()
    assert run.data.tags["a"] == "b"


def test_credentials_of_a_uri_are_not_told():
    with mute() as uri:
        secret = uri.replace("http://", "http://me:secret@")
        tracker = MLflowCacheIntegration("tests", secret, timeout=0.1)
        with told("can't be used") as texts:
            mlflow_cached(integration=tracker)(measured)(1)
            tracker.flush()
    assert "secret" not in texts[0]


def test_a_database_that_is_none_costs_no_result(tmp_path, mlflow):
    (tmp_path / "mlflow.db").write_text("no database at all")
    tracker = MLflowCacheIntegration("tests", f"sqlite:///{tmp_path}/mlflow.db")
    with told("can't be used"):
        assert mlflow_cached(integration=tracker)(measured)(1) == {"n": 1}


def test_two_that_make_one_database_at_once_both_log(tmp_path, mlflow):
    uri = f"sqlite:///{tmp_path}/new folder/mlflow.db"
    trackers = [MLflowCacheIntegration("new", uri) for _ in range(2)]
    threads = [
        threading.Thread(target=mlflow_cached(integration=one)(measured), args=(number,))
        for number, one in enumerate(trackers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trackers[1].flush(30)
    assert len(Logged(trackers[0]).computed()) == 2


def test_a_folder_of_files_is_tracked_in_too(tmp_path, mlflow, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    tracker = MLflowCacheIntegration("files", tmp_path / "mlruns")
    mlflow_cached(integration=tracker)(measured)(1)
    assert Logged(tracker).run().data.metrics == {"n": 1.0}


def test_files_that_cannot_be_written_cost_nothing_else(tracker, logged, tmp_path):
    mlflow_cached(integration=tracker)(measured)(1)
    assert tracker.flush()
    shutil.rmtree(tmp_path / "mlartifacts", ignore_errors=True)  # not every MLflow makes it
    (tmp_path / "mlartifacts").write_text("in the way")
    with told("files"):
        mlflow_cached(integration=tracker, log_artifacts=True)(lambda: ({"a": 1}, "text"))()
    _, run = logged.computed()
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"a": 1.0}
    assert not tracker.stats()["away"]


def test_records_of_runs_are_kept_where_the_results_are(tracker, logged, store, tmp_path):
    tracked = mlflow_cached(integration=tracker, store=store)(measured)
    tracked(1)
    configure(cache_dir=tmp_path / "elsewhere")
    again = mlflow_cached(integration=tracker, store=store)(measured)
    again(1)
    assert logged.hits()[0].data.tags["computed_by"] == logged.computed()[0].info.run_id
    assert tracked.cache_clear() == 1
    assert again(1) == {"n": 1}
    assert len(logged.computed()) == 2


def test_a_locked_database_is_not_waited_for_long(tracker, database):
    tracked = mlflow_cached(integration=tracker)(measured)
    tracked(1)
    tracker.server.seconds = 0.2
    holder = sqlite3.connect(database.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    start = time.perf_counter()
    tracked(2)
    tracked(3)
    took = time.perf_counter() - start
    holder.execute("ROLLBACK")
    holder.close()
    assert took < 2
    assert tracker.flush(30)
    assert tracker.stats()["runs"] == 3
