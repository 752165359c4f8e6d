"""The questions to ask of a whole process: statistics, folders, clearing, configuration."""

import importlib
import re
import types
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import afml_cache
from afml_cache import (
    CACHE_DIRS,
    CacheConfigError,
    CacheError,
    CacheReadWarning,
    CacheStoreError,
    CacheWarning,
    CacheWriteWarning,
    Store,
    UncacheableArgumentError,
    UncacheableArgumentWarning,
    cache_status,
    clear_afml_cache,
    configure,
    get_cache_stats,
    initialize_cache_system,
    robust_cacheable,
)


def squares() -> Callable:
    @robust_cacheable
    def square(a: int) -> int:
        return a * a

    return square


def test_afml_cache_of_the_namespace_is_the_same_objects() -> None:
    shared = importlib.import_module("afml.cache")
    for name in ("cacheable", "robust_cacheable", "time_aware_cacheable", "Store", "configure",
    "digest",
                 "get_cache_stats", "cache_status", "clear_afml_cache", "CACHE_DIRS",
                 "initialize_cache_system"):  # fmt: skip
        assert getattr(shared, name) is getattr(afml_cache, name)
    assert getattr(importlib.import_module("afml"), "__file__", None) is None


def test_the_version_is_a_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", afml_cache.__version__)


def test_errors_and_warnings_share_their_bases() -> None:
    for error in (UncacheableArgumentError, CacheConfigError, CacheStoreError):
        assert issubclass(error, CacheError)
    assert issubclass(UncacheableArgumentError, TypeError)
    for warning in (CacheReadWarning, CacheWriteWarning, UncacheableArgumentWarning):
        assert issubclass(warning, CacheWarning)
    assert issubclass(CacheWarning, Warning)


def test_statistics_count_by_function() -> None:
    square = squares()
    name = f"{square.__module__}.{square.__qualname__}"
    before = get_cache_stats().get(name, {"hits": 0, "misses": 0})
    assert [square(number) for number in (1, 2, 1, 1)] == [1, 4, 1, 1]
    after = get_cache_stats()[name]
    assert after["hits"] - before["hits"] == 2
    assert after["misses"] - before["misses"] == 2


def test_the_status_is_one_line() -> None:
    squares()(3)
    pattern = r"Hit rate: \d+\.\d% \| Tracked functions: \d+ \| Heavy modules loaded: \d+"
    assert re.fullmatch(pattern, cache_status())


def test_clearing_says_how_many_entries_went() -> None:
    square = squares()
    assert clear_afml_cache(warn=False) == 0
    assert [square(number) for number in range(3)] == [0, 1, 4]
    assert clear_afml_cache(warn=False) == 3
    assert not square.is_cached(1)
    assert square(2) == 4
    assert clear_afml_cache(warn=False) == 1


def test_a_store_counts_and_clears(store: Store, tmp_path: Path) -> None:
    @robust_cacheable(store=store)
    def blob(size: int) -> bytes:
        return b"x" * size

    assert len(store) == 0
    assert store.path == tmp_path / "store"
    assert str(store.path) in repr(store)
    for size in (10, 100_000, 3_000_000):
        blob(size)
    assert len(store) == 3
    assert store.size_bytes >= 3_100_010
    assert store.clear() == 3
    assert len(store) == 0
    assert store.size_bytes < 100_000
    assert [path for path in store.path.rglob("payloads/*/*") if path.is_file()] == []
    assert len(blob(10)) == 10
    assert len(store) == 1


def test_configure_moves_functions_already_decorated(tmp_path: Path) -> None:
    square = squares()
    assert square(2) == 4
    configure(cache_dir=tmp_path / "elsewhere")
    assert not square.is_cached(2)
    assert square(2) == 4
    assert len(Store(tmp_path / "elsewhere")) == 1
    configure(cache_dir=tmp_path / "cache")
    assert square.is_cached(2)


def test_a_function_with_a_store_of_its_own_stays_there(store: Store, tmp_path: Path) -> None:
    @robust_cacheable(store=store)
    def cube(a: int) -> int:
        return a**3

    assert cube(2) == 8
    configure(cache_dir=tmp_path / "elsewhere")
    assert cube.is_cached(2)
    assert len(Store(tmp_path / "elsewhere")) == 0


def test_the_folders_are_known_and_made(default_cache: Path) -> None:
    assert isinstance(CACHE_DIRS, Mapping | types.MappingProxyType)
    assert set(CACHE_DIRS) == {"base", "joblib", "numba", "backtest"}
    initialize_cache_system()
    assert CACHE_DIRS["base"] == default_cache
    for folder in CACHE_DIRS.values():
        assert folder.is_dir()
        assert folder == default_cache or default_cache in folder.parents


def test_the_folder_of_the_default_store_comes_from_the_environment(
    run_python: Callable, tmp_path: Path
) -> None:
    code = "from afml_cache import CACHE_DIRS; print(CACHE_DIRS['base'])"
    assert run_python(code, env={"AFML_CACHE": str(tmp_path / "named")}).strip() == str(
        tmp_path / "named"
    )
    shown = run_python(
        code, env={"AFML_CACHE": "", "XDG_CACHE_HOME": str(tmp_path / "xdg")}
    ).strip()
    assert shown == str(tmp_path / "xdg" / "afml")


def test_importing_makes_nothing_and_loads_no_library(run_python: Callable, tmp_path: Path) -> None:
    heavy = ("numpy", "pandas", "polars", "pyarrow", "mlflow", "sqlite3")
    shown = run_python(
        f"import sys, afml_cache; print([name for name in {heavy} if name in sys.modules])"
    )
    assert shown.strip() == "[]"
    assert not (tmp_path / "cache").exists()


def test_a_folder_is_marked_as_a_cache(store: Store) -> None:
    robust_cacheable(store=store)(squares().__wrapped__)(1)
    tag = (store.path / "CACHEDIR.TAG").read_text()
    assert tag.startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert (store.path / ".gitignore").read_text().strip() == "*"
    assert (store.path / "v1" / "CURRENT").is_file()
    assert list((store.path / "v1").glob("index-*.sqlite3"))


@pytest.mark.parametrize("setting", [{"cache_dir": 3}, {"allow_pickle": "perhaps"}, {"colour": 1}])
def test_a_wrong_setting_is_refused(setting: dict) -> None:
    with pytest.raises((CacheConfigError, TypeError)):
        configure(**setting)
