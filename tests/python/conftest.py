import importlib
import linecache
import os
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
