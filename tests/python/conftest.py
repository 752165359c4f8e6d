import contextlib
import importlib
import linecache
import os
import shutil
import sqlite3
import subprocess
import sys

import pytest
from hypothesis import settings

import afml_cache

# The same examples in every run: a change is judged by what it does, not by a draw of luck.
# `HYPOTHESIS_PROFILE=drawn` looks further.
settings.register_profile("fixed", derandomize=True, deadline=None)
settings.register_profile("drawn", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


@pytest.fixture(autouse=True, scope="session")
def home(tmp_path_factory):
    """No test reads or writes the user's own cache, settings or secret."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
            patch.setenv(name, str(folder))
        patch.delenv("AFML_CACHE_KEY", raising=False)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        yield folder


@pytest.fixture(autouse=True)
def default_cache(tmp_path, monkeypatch):
    """The default store of this test, here and in the interpreters that it starts."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("AFML_CACHE", str(folder))
    afml_cache.configure(cache_dir=folder)
    return folder


@pytest.fixture
def store(tmp_path):
    return afml_cache.Store(tmp_path / "store")


@pytest.fixture(scope="session")
def vendor_process():
    """The vendor of all tests that need no process of their own."""
    pytest.importorskip("backtesting", reason="the vendor's bars come from `backtesting`")
    from vendors import running

    with running() as process:
        yield process


@pytest.fixture
def vendor(vendor_process):
    """A vendor without faults; its log goes on from test to test."""
    vendor_process.reset()
    return vendor_process


@pytest.fixture(scope="session")
def mlflow():
    """MLflow, imported; what it warns of meanwhile is not ours."""
    pytest.importorskip("mlflow", reason="tracking is tested with MLflow itself")
    from mlflow_runs import load_mlflow

    return load_mlflow()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory, mlflow):
    """A database with all of MLflow's tables, which take a second to make."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    mlflow.MlflowClient(tracking_uri=f"sqlite:///{path}")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")  # half the waiting for the disk
    return path


@pytest.fixture
def database(tmp_path, empty_database):
    """The tracking URI of a database of this test's own."""
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def tracker(database, monkeypatch):
    """An integration with a database; none is set up for the process."""
    from afml_cache.mlflow import MLflowCacheIntegration, integration

    monkeypatch.setattr(integration._Chosen, "integration", None)
    return MLflowCacheIntegration("tests", database)


@pytest.fixture
def logged(tracker):
    """What the tracker of this test has logged."""
    from mlflow_runs import Logged

    return Logged(tracker)


@pytest.fixture(scope="session")
def starting_server(tmp_path_factory):
    """A tracking server on its way: it takes seconds to start, in which other tests run."""
    from mlflow_servers import RealServer

    server = RealServer(tmp_path_factory.mktemp("server"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def server(starting_server, mlflow):
    """A tracking server."""
    return starting_server.wait()


@pytest.fixture
def front(server):
    """A server of this test's own before the real one."""
    from mlflow_servers import Front

    before = Front(server)
    yield before
    before.stop()


@pytest.fixture
def run_python(tmp_path):
    """Run source as a script in a new interpreter and give what it printed."""

    def run(code, *, hashseed=None, env=None, cwd=None):
        folder = tmp_path if cwd is None else cwd
        script = folder / "script.py"
        script.write_text(code, encoding="utf-8")
        seed = {} if hashseed is None else {"PYTHONHASHSEED": str(hashseed)}
        ran = subprocess.run(
            [sys.executable, script],
            env={**os.environ, **seed, **(env or {})},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"exit status {ran.returncode}\n{ran.stdout}{ran.stderr}"
        return ran.stdout

    return run


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module and import it afresh, as a new process would after an edit."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    # bytecode of an edit within the same second would be taken for the new source's
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    written = set()

    def write(source, name="features"):
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
        written.add(name)
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        linecache.clearcache()
        return importlib.import_module(name)

    yield write
    for name in written:
        sys.modules.pop(name, None)
