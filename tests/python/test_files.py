"""Arguments that name files: counted by content where they are declared, told of where not."""

import collections
import os
import typing
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from bodies import RAN, Bodies, counted

from afml_cache import (
    CacheConfigError,
    UncacheableArgumentError,
    UndeclaredFileWarning,
    robust_cacheable,
)


@pytest.fixture
def bodies() -> Iterator[Bodies]:
    with counted() as seen:
        yield seen


@robust_cacheable(files=("path",))
def load(path: object, scale: float = 1.0) -> tuple[str, float]:
    """Read a file."""
    RAN.warning("load")
    return Path(str(path)).read_text(encoding="utf-8"), scale


@robust_cacheable
def undeclared(path: object) -> str:
    """Read a file that nothing was said of."""
    RAN.warning("undeclared")
    return str(path)


def test_an_edit_of_a_declared_file_misses_and_putting_it_back_hits(
    tmp_path: Path, bodies: Bodies
) -> None:
    path = tmp_path / "bars.csv"
    for text in ("1.1", "1.2", "1.1", "1.3", "1.2"):
        path.write_text(text, encoding="utf-8")
        assert load(path) == (text, 1.0)
    assert len(bodies) == 3


def test_a_file_of_the_same_size_and_time_is_told_apart(tmp_path: Path, bodies: Bodies) -> None:
    path, other = tmp_path / "bars.csv", tmp_path / "other.csv"
    path.write_text("1.1", encoding="utf-8")
    status = path.stat()
    assert load(path)[0] == "1.1"
    other.write_text("1.2", encoding="utf-8")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)
    assert load(path)[0] == "1.2"
    assert len(bodies) == 2


def test_a_list_of_files_counts_each_of_them(tmp_path: Path) -> None:
    @robust_cacheable(files="paths")
    def joined(paths: list[Path]) -> str:
        return "".join(path.read_text(encoding="utf-8") for path in paths)

    paths = [tmp_path / name for name in ("a", "b")]
    for text in ("x", "y"):
        paths[1].write_text(text, encoding="utf-8")
        paths[0].write_text("a", encoding="utf-8")
        assert joined(paths) == f"a{text}"


def test_no_file_is_no_crash(tmp_path: Path) -> None:
    with pytest.warns(match="bars.csv"), pytest.raises(FileNotFoundError):
        load(tmp_path / "bars.csv")
    assert load.__wrapped__ is not None


def test_none_may_stand_for_no_file() -> None:
    @robust_cacheable(files="path")
    def maybe(path: Path | None = None) -> bool:
        return path is None

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert maybe()
        assert maybe.is_cached()


def test_a_file_that_was_not_declared_is_told_of_once(tmp_path: Path, bodies: Bodies) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("1.1", encoding="utf-8")
    with pytest.warns(UndeclaredFileWarning, match=r"`path`.*files=\(\"path\",\)"):
        undeclared(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        undeclared(path)
        undeclared(str(path))
        undeclared("EURUSD")
    assert len(bodies) == 3


def test_naming_a_parameter_that_is_not_there_is_an_error() -> None:
    with pytest.raises(CacheConfigError, match="`files` names `file`"):
        robust_cacheable(files=("file",))(lambda path: path)
    with pytest.raises(CacheConfigError, match="`unordered` names `options`"):
        robust_cacheable(unordered=("options",))(lambda params: params)


class Pair(typing.NamedTuple):
    one: str
    other: str


CONTAINERS = {
    "named tuple": Pair,
    "set": lambda *paths: set(paths),
    "deque": lambda *paths: collections.deque(paths),
    "ordered dictionary": lambda *paths: collections.OrderedDict(enumerate(paths)),
    "list in a dictionary": lambda *paths: {"all": list(paths)},
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_files_count_in_every_container(tmp_path: Path, kind: str) -> None:
    @robust_cacheable(files="paths")
    def count(paths: object) -> int:
        return len(paths)  # type: ignore[arg-type]

    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("1")
    keys = []
    for text in ("x", "y", "x"):
        other.write_text(text)
        keys.append(count.cache_key(CONTAINERS[kind](str(one), str(other))))
    assert keys[0] == keys[2] != keys[1]


def test_what_names_no_file_is_refused() -> None:
    with pytest.raises(UncacheableArgumentError, match="names no file"):
        load.cache_key(5)
