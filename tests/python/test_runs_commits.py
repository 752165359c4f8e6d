"""Which commit a run was made of: that of its function's file, else of the working directory."""

import json
import subprocess

import pytest
from backtests import bars

from afml_cache import BacktestCache, cached_backtest

DATA = bars(40)
METRICS = {"sharpe_ratio": 1.0}


@pytest.fixture
def cache():
    return BacktestCache()


def git(folder, *arguments):
    named = ("-c", "user.name=me", "-c", "user.email=me@localhost")
    asked = ["git", "-C", str(folder), *named, *arguments]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def repository(tmp_path):
    """A repository of one commit, with a folder in it."""
    folder = tmp_path / "study"
    (folder / "notebooks").mkdir(parents=True)
    (folder / "grid.json").write_text("[10, 20]")
    git(folder, "init", "--quiet")
    git(folder, "add", "grid.json")
    git(folder, "commit", "--quiet", "--message", "a grid")
    return folder


def told_of(cache, run):
    told = cache.get_run_metadata(run)
    return told.git_commit, told.git_dirty


@pytest.mark.parametrize("code", [None, "in words"])
def test_a_run_by_hand_knows_the_commit_of_the_working_directory(
    cache, repository, monkeypatch, code
):
    monkeypatch.chdir(repository / "notebooks")
    run = cache.cache_backtest("by hand", {"a": 1}, DATA, METRICS, code=code)
    assert told_of(cache, run) == (git(repository, "rev-parse", "HEAD"), False)


def test_it_knows_of_changes_that_were_not_committed(cache, repository, monkeypatch):
    (repository / "grid.json").write_text("[10, 20, 30]")
    monkeypatch.chdir(repository)
    run = cache.cache_backtest("by hand", {"a": 1}, DATA, METRICS)
    assert told_of(cache, run) == (git(repository, "rev-parse", "HEAD"), True)


def test_outside_of_a_repository_it_has_no_commit(cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    run = cache.cache_backtest("by hand", {"a": 1}, DATA, METRICS)
    assert told_of(cache, run) == (None, None)


def test_each_working_directory_is_asked_for_its_own(cache, repository, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    found = []
    for number, folder in enumerate((repository, tmp_path, repository / "notebooks")):
        monkeypatch.chdir(folder)
        run = cache.cache_backtest("by hand", {"a": number}, DATA, METRICS)
        found.append(told_of(cache, run)[0])
    commit = git(repository, "rev-parse", "HEAD")
    assert found == [commit, None, commit]


def test_a_function_has_the_commit_of_its_file_wherever_it_is_called(
    cache, repository, monkeypatch
):
    @cached_backtest("of a file")
    def backtest(data, params):
        return METRICS

    monkeypatch.chdir(repository)
    backtest(DATA, {"a": 1})
    run = cache.cache_backtest("by hand", {"a": 1}, DATA, METRICS, code=backtest)
    commits = {told_of(cache, each)[0] for each in (backtest.last_run_id, run)}
    assert git(repository, "rev-parse", "HEAD") not in commits
    assert len(commits) == 1


def test_runs_are_recorded_where_the_working_directory_was_removed(cache, tmp_path, monkeypatch):
    namespace = {}
    exec("def backtest(data, params):\n    return {'sharpe_ratio': 1.0}", namespace)  # noqa: S102 - has no file
    backtest = cached_backtest("of no file")(namespace["backtest"])
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    backtest(DATA, {"a": 1})
    by_hand = cache.cache_backtest("by hand", {"a": 1}, DATA, METRICS)
    assert [told_of(cache, run) for run in (backtest.last_run_id, by_hand)] == [(None, None)] * 2


def test_runs_that_are_taken_over_have_no_commit_of_ours(cache, repository, monkeypatch):
    old = {"old": {"strategy": "taken over", "metrics": METRICS}}
    (repository / "backtest_index.json").write_text(json.dumps(old))
    monkeypatch.chdir(repository)
    (run,) = cache.import_index(repository)
    assert told_of(cache, run) == (None, None)
