"""Stored bars that somebody deletes, edits or moves: they are fetched again, and no others are."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from range_vendor import Vendor, cache_of, days, same

from afml_cache.exceptions import CacheReadWarning

YEAR = days("2024-01-01", "2024-12-31")
FIRST = ("2024-01-02", "2024-01-10")
SECOND = ("2024-02-02", "2024-02-10")
WHOLE = ("A", "1D", "2024-01-02", "2024-02-10")
Harm = Callable[[Path, Path], object]


def edit(one: Path, _: Path) -> None:
    pl.read_parquet(one).with_columns(close=pl.lit(1.0)).write_parquet(one)


def flip(one: Path, _: Path) -> None:
    content = bytearray(one.read_bytes())
    content[len(content) // 3] ^= 1
    one.write_bytes(content)


HARMS = {
    "deleted": lambda one, _: one.unlink(),
    "emptied": lambda one, _: one.write_bytes(b""),
    "cut": lambda one, _: one.write_bytes(one.read_bytes()[:200]),
    "with one bit flipped": flip,
    "edited": edit,
    "replaced by another of the series": lambda one, other: shutil.copyfile(other, one),
    "no Parquet at all": lambda one, _: one.write_text("time,close\n"),
}


@pytest.fixture
def stored(default_cache: Path) -> tuple[Vendor, Path, Path]:
    """Give a vendor two of whose ranges are stored, each in a segment."""
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, compact=False)
    cache.get("A", "1D", *FIRST)
    (first,) = default_cache.rglob("*.parquet")
    cache.get("A", "1D", *SECOND)
    (second,) = set(default_cache.rglob("*.parquet")) - {first}
    cache.get(*WHOLE)
    vendor.asked.clear()
    return vendor, first, second


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_bars_of_a_segment_that_was_harmed_are_fetched_again_and_no_others(
    stored: tuple[Vendor, Path, Path], harm: Harm
) -> None:
    vendor, first, second = stored
    harm(first, second)
    with pytest.warns(CacheReadWarning, match=first.stem) as told:
        same(cache_of(vendor).get(*WHOLE), vendor.between(*WHOLE[2:]))
    assert len(told) == 1
    assert "fetched again" in str(told[0].message)
    same(cache_of(vendor).get(*WHOLE), vendor.between(*WHOLE[2:]))
    assert vendor.spans == [FIRST]
    assert second.exists()


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_verify_finds_a_segment_that_was_harmed(
    stored: tuple[Vendor, Path, Path], harm: Harm
) -> None:
    vendor, first, second = stored
    harm(first, second)
    cache = cache_of(vendor)
    (problem,) = cache.verify("A", "1D", fix=False).problems
    assert "bars A 1D" in problem
    assert first.stem in problem
    assert len(cache.verify("A", "1D").problems) == 1
    assert cache.verify("A", "1D").problems == []
    assert [tuple(map(str, gap)) for gap in cache.gaps("A", "1D", *FIRST)] == [FIRST]


def test_a_segment_that_was_edited_is_set_aside_and_not_deleted(
    stored: tuple[Vendor, Path, Path], default_cache: Path
) -> None:
    vendor, first, second = stored
    edit(first, second)
    content = first.read_bytes()
    with pytest.warns(CacheReadWarning):
        cache_of(vendor).get(*WHOLE)
    assert not first.exists()
    kept = [path for path in default_cache.rglob("*") if path.is_file()]
    assert content in [path.read_bytes() for path in kept]


def test_a_file_of_somebody_elses_in_the_folder_is_left_alone(
    stored: tuple[Vendor, Path, Path],
) -> None:
    vendor, first, _ = stored
    mine = first.with_name("mine.parquet")
    mine.write_bytes(b"not ours")
    cache = cache_of(vendor)
    same(cache.get(*WHOLE), vendor.between(*WHOLE[2:]))
    cache.compact()
    assert mine.read_bytes() == b"not ours"
    assert vendor.asked == []


@pytest.mark.parametrize("content", [None, b"", b"no database " * 500])
def test_a_catalog_that_is_lost_is_read_from_the_segments_again(
    stored: tuple[Vendor, Path, Path], default_cache: Path, run_python: Callable, content: bytes
) -> None:
    assert stored
    for path in default_cache.rglob("catalog.sqlite3*"):
        path.unlink()
    if content is not None:
        (default_cache / "v1" / "series" / "catalog.sqlite3").write_bytes(content)
    tests = Path(__file__).parent
    printed = run_python(
        f"import sys; sys.path.insert(0, {str(tests)!r})\n"
        "from range_vendor import Vendor, cache_of, days, same\n"
        "vendor = Vendor(days('2024-01-01', '2024-12-31'))\n"
        "print(len(cache_of(vendor).get('A', '1D', '2024-01-02', '2024-02-10')), vendor.spans)\n"
    )
    assert printed == "39 []\n"


def test_a_damaged_segment_is_told_without_a_word_where_warnings_are_errors(
    stored: tuple[Vendor, Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    vendor, first, _ = stored
    first.unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(cache_of(vendor).get(*WHOLE), vendor.between(*WHOLE[2:]))
    assert first.stem in caplog.text


def test_an_export_warns_of_bars_that_it_lacks(
    stored: tuple[Vendor, Path, Path], tmp_path: Path
) -> None:
    vendor, first, second = stored
    edit(first, second)
    with pytest.warns(CacheReadWarning, match=first.stem):
        count = cache_of(vendor).export(tmp_path / "bars.parquet", "A", "1D")
    assert count == 39 - 8
