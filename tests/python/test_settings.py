"""Settings: by `configure`, the environment and `pyproject.toml`, in that order."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import afml_cache
from afml_cache import CacheConfigError, Store, config, groups

SHOW = """
import afml_cache
from afml_cache._native import default_store
store = default_store()
print(store.path, store.max_size, store.memory, store.allow_pickle, store.network)
"""


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "_chosen", {})
    monkeypatch.delenv("AFML_CACHE")


def shown(run_python: Callable, folder: Path, **env: str) -> list[str]:
    return run_python(SHOW, cwd=folder, env={"AFML_CACHE": "", **env}).split()


def test_a_project_s_table_is_read_from_folders_below(tmp_path: Path, run_python: Callable) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.afml-cache]\ncache-dir = "stored"\nmax_size = "1 GiB"\nmemory = 1000\n'
        "allow-pickle = false\n"
    )
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert shown(run_python, below) == [
        str(tmp_path / "stored"),
        str(2**30),
        "1000",
        "False",
        "None",
    ]


def test_an_edit_of_a_project_s_table_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pyproject.toml"
    seen = []
    for interval, age in ((1, 3600), (2, 1800), (3, 0), (4, 0)):
        path.write_text(f"[tool.afml-cache]\ncheckpoint-interval = {interval}\n")
        written = path.stat().st_mtime_ns - age * 10**9
        os.utime(path, ns=(written, written))
        seen += [config.settings()["checkpoint_interval"] for _ in range(2)]
    assert seen == [1, 1, 2, 2, 3, 3, 4, 4]


def test_a_nearer_project_hides_one_that_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above, below = tmp_path / "pyproject.toml", tmp_path / "below" / "pyproject.toml"
    below.parent.mkdir()
    monkeypatch.chdir(below.parent)
    above.write_text("[tool.afml-cache]\ncheckpoint-interval = 7\n")
    os.utime(above, (0, 0))
    assert config.settings()["checkpoint_interval"] == 7
    below.write_text("")
    assert "checkpoint_interval" not in config.settings()
    below.unlink()
    assert config.settings()["checkpoint_interval"] == 7


def test_the_environment_comes_before_the_project(tmp_path: Path, run_python: Callable) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.afml-cache]\nmax-size = 1\nnetwork = true\n")
    env = {
        "AFML_CACHE_MAX_SIZE": "2 MB",
        "AFML_CACHE_ALLOW_PICKLE": "no",
        "AFML_CACHE_MEMORY": "64",
    }
    assert shown(run_python, tmp_path, **env)[1:] == ["2000000", "64", "False", "True"]


def test_configure_comes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFML_CACHE", str(tmp_path / "environment"))
    monkeypatch.setenv("AFML_CACHE_MAX_SIZE", "5")
    afml_cache.configure(cache_dir=tmp_path / "chosen")
    store = config.make_default_store()
    assert (store.path, store.max_size) == (tmp_path / "chosen", 5)
    afml_cache.configure(max_size="7 kB")
    assert config.make_default_store().max_size == 7000


def test_dictionaries_of_existing_scripts_are_taken(tmp_path: Path) -> None:
    given = {
        "enabled": True,
        "skip_existing_universes": True,
        "cache_labeling": True,
        "cache_regimes": True,
        "checkpoint_interval": 10,
        "cache_dir": tmp_path / "cache",
    }
    afml_cache.configure(given)
    assert config.cache_dir() == tmp_path / "cache"
    assert config.settings()["checkpoint_interval"] == 10


def test_a_dictionary_switches_the_cache_off() -> None:
    afml_cache.configure({"enabled": False})
    try:
        assert config.settings()["mode"] == "off"
        afml_cache.configure({"enabled": True})
        assert groups.writes()
        afml_cache.configure(mode="readonly")
        afml_cache.configure({"enabled": True})
        assert config.settings()["mode"] == "readonly"
    finally:
        afml_cache.configure(mode="normal")


def test_settings_are_a_dictionary_or_by_name() -> None:
    with pytest.raises(CacheConfigError, match="takes a dictionary of settings"):
        afml_cache.configure(["enabled"])


def test_a_dictionary_switches_groups_off() -> None:
    afml_cache.configure({"cache_labeling": False, "skip_existing_universes": False})
    try:
        assert not groups.looks_up("sweep", "labeling")
        assert not groups.writes("labeling")
        assert not groups.looks_up("artifact", "universes")
        assert groups.writes("universes")
        assert groups.looks_up("sweep", "universes")
        assert groups.looks_up("artifact", "regimes")
    finally:
        afml_cache.configure(cache_labeling=True, skip_existing_universes=True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"max_siz": 1}, "there is no setting `max_siz`; there are `cache_dir`, `max_size`"),
        ({"enable": True}, "and the switches `enabled`, `cache_<group>`"),
        ({"max_size": "1 parsec"}, "`max_size` is a size in bytes"),
        ({"mode": "warm"}, '`mode` is one of "normal"'),
        ({"enabled": "yes"}, "`enabled` must be true or false"),
        ({"cache_dir": 5}, "`cache_dir` must be a path"),
        ({"network": 1}, "`network` must be true or false"),
    ],
)
def test_a_setting_that_can_not_be_right_says_so(given: dict[str, object], said: str) -> None:
    with pytest.raises(CacheConfigError, match=said):
        afml_cache.configure(given)


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFML_CACHE_MAX_SIZE", "many")
    with pytest.raises(CacheConfigError, match=r"\$AFML_CACHE_MAX_SIZE: `max_size`"):
        config.settings()


def test_a_wrong_line_of_a_project_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pyproject.toml"
    path.write_text("[tool.afml-cache]\ncolour = 1\n")
    with pytest.raises(
        CacheConfigError, match=r"\[tool.afml-cache\] of .*there is no setting `colour`"
    ):
        config.settings()
    path.write_text("[tool.afml-cache\n")
    with pytest.raises(CacheConfigError, match="can't be read"):
        config.settings()


def test_stores_say_what_they_were_given(tmp_path: Path) -> None:
    store = Store(tmp_path, max_size=10, memory=20, network=True)
    assert (store.max_size, store.memory, store.network) == (10, 20, True)
