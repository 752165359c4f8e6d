"""Bars whose files are damaged: the vendor's rows come, at most a warning, and it heals."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("polars")
from faulty_ranges import (
    WARNINGS,
    ask,
    catalog,
    day,
    get,
    quarantined,
    rows,
    segments,
    settle,
)

ALL = (0, 30)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with three segments of one series, of ten days each, and one of another."""
    folder = tmp_path / "store"
    ask(folder, (0, 10), (0, 20), (0, 30), act=lambda bars: get(bars, 0, 10, "MSFT"))
    assert len(segments(folder)) == 3
    return folder


def flip(place: float) -> Callable[[Path], object]:
    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[int(place * (len(content) - 1))] ^= 0x10
        path.write_bytes(content)

    return damage


def rewrite(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(change(path.read_bytes()))


def forge(path: Path) -> None:
    """A whole Parquet file of other bars, with what the segment said of itself."""
    about = pl.read_parquet_metadata(path)["afml_cache"]
    table = pl.read_parquet(path).with_columns(pl.col("close") + 1)
    table.write_parquet(path, metadata={"afml_cache": about})


def other(path: Path) -> None:
    """The segment of other days of the same series."""
    shutil.copyfile(next(one for one in path.parent.iterdir() if one != path), path)


def replace(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def damage(path: Path) -> None:
        path.unlink()
        make(path)

    return damage


def link(path: Path) -> None:
    """A link to the very bytes, which lie elsewhere."""
    elsewhere = path.parents[3] / "elsewhere.parquet"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


SEGMENT = {
    "the first byte": flip(0),
    "a byte of the rows": flip(0.1),
    "a byte in the middle": flip(0.5),
    "a byte of the footer": flip(0.9),
    "the last byte": flip(1),
    "a byte less": rewrite(lambda content: content[:-1]),
    "a byte more": rewrite(lambda content: content + b"x"),
    "half of it": rewrite(lambda content: content[: len(content) // 2]),
    "nothing": rewrite(lambda _: b""),
    "zeroes": rewrite(lambda content: bytes(len(content))),
    "other rows": forge,
    "other days": other,
    "gone": Path.unlink,
    "a folder": replace(Path.mkdir),
    "a dangling link": replace(lambda path: path.symlink_to("nowhere")),
    "a link": link,
    "a pipe": replace(lambda path: os.mkfifo(path, 0o600)),
}


@pytest.mark.parametrize("damage", SEGMENT.values(), ids=SEGMENT)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_damaged_segment_is_fetched_again_and_nothing_else(
    root: Path, damage: Callable, place: int
) -> None:
    damage(segments(root)[place])
    seen = ask(root, ALL)
    assert seen.right
    assert seen.days == list(range(10 * place, 10 * place + 10))
    assert seen.warned == ["CacheReadWarning"], seen.texts
    again = ask(root, ALL, (5, 25))
    assert (again.right, again.days, again.warned) == (True, [], [])


@pytest.mark.parametrize("damage", SEGMENT.values(), ids=SEGMENT)
def test_a_segment_that_is_damaged_while_in_use_is_answered_from_memory(
    root: Path, damage: Callable
) -> None:
    def act(bars) -> None:
        damage(segments(root)[0])
        assert get(bars, 0, 30).equals(rows("AAPL", 0, 30))

    seen = ask(root, ALL, act=act)
    assert (seen.right, seen.days, seen.warned) == (True, [], [])


def test_every_segment_is_damaged(root: Path) -> None:
    for segment in segments(root):
        flip(0.1)(segment)
    seen = ask(root, ALL)
    assert seen.right
    assert seen.days == list(range(30))
    assert set(seen.warned) == {"CacheReadWarning"}
    assert ask(root, ALL).days == []


def test_a_damaged_segment_is_set_aside_and_not_removed(root: Path) -> None:
    segment = segments(root)[1]
    flip(0.5)(segment)
    ask(root, ALL)
    assert segment.name in quarantined(root)


def test_verify_finds_every_damaged_segment_and_mends_the_claim(root: Path) -> None:
    found = []
    damaged = segments(root)[:2]
    for segment in damaged:
        flip(0.5)(segment)
    ask(root, act=lambda bars: found.append(bars.verify()))
    assert len(found[0].problems) == 2
    ask(root, act=lambda bars: found.append(bars.verify()))
    assert found[1].problems == []
    seen = ask(root, ALL)
    assert (seen.right, seen.days) == (True, list(range(20)))


FOLDER = {
    "gone": shutil.rmtree,
    "empty": lambda folder: [path.unlink() for path in folder.iterdir()],
    "a file": lambda folder: (shutil.rmtree(folder), folder.write_text("")),
}


@pytest.mark.parametrize("damage", FOLDER.values(), ids=FOLDER)
def test_a_series_without_its_folder_is_fetched_again(root: Path, damage: Callable) -> None:
    damage(segments(root)[0].parent)
    seen = ask(root, ALL)
    assert (seen.right, seen.days) == (True, list(range(30)))
    assert set(seen.warned) == {"CacheReadWarning"}
    again = ask(root, ALL)
    assert (again.right, again.days, again.warned) == (True, [], [])


def halve(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


CATALOG = {
    "gone": Path.unlink,
    "empty": lambda path: os.truncate(path, 0),
    "its head": lambda path: os.truncate(path, 100),
    "half of it": halve,
    "a page less": lambda path: os.truncate(path, path.stat().st_size - 4096),
    "garbage": lambda path: path.write_bytes(b"garbage " * 4000),
    "zeroes": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "a folder": replace(Path.mkdir),
    "a dangling link": replace(lambda path: path.symlink_to("nowhere")),
    "a link": replace(lambda path: path.symlink_to("/etc/hostname")),
    "a pipe": replace(lambda path: os.mkfifo(path, 0o600)),
}


@pytest.mark.parametrize("damage", CATALOG.values(), ids=CATALOG)
def test_without_its_catalog_no_bar_is_paid_for_twice(root: Path, damage: Callable) -> None:
    settle(root)
    damage(catalog(root))
    seen = ask(root, ALL)
    assert (seen.right, seen.days) == (True, [])
    assert set(seen.warned) <= WARNINGS
    again = ask(root, ALL, (0, 40))
    assert (again.right, again.days, again.warned) == (True, list(range(30, 40)), [])


def lose_catalog(root: Path) -> None:
    for path in (root / "v1/series").glob("catalog*"):
        path.unlink()


def test_what_was_invalidated_does_not_come_back_with_a_lost_catalog(root: Path) -> None:
    ask(root, act=lambda bars: bars.invalidate("AAPL", "1D", day(12), day(25)))
    lose_catalog(root)
    seen = ask(root, (12, 25), version=1)
    assert (seen.right, seen.days) == (True, list(range(12, 25)))
    left = ask(root, (0, 12), (25, 30))
    assert (left.right, left.days) == (True, [])


def test_what_was_invalidated_as_a_whole_does_not_come_back_with_a_lost_catalog(
    root: Path,
) -> None:
    ask(root, act=lambda bars: bars.invalidate("AAPL", "1D"))
    lose_catalog(root)
    seen = ask(root, ALL, version=1)
    assert (seen.right, seen.days) == (True, list(range(30)))


def test_what_was_restated_does_not_come_back_with_a_lost_catalog(root: Path) -> None:
    ask(root, version=1, act=lambda bars: bars.refresh("AAPL", "1D", day(0), day(30)))
    lose_catalog(root)
    seen = ask(root, ALL, version=1)
    assert (seen.right, seen.days) == (True, [])


def test_what_was_made_one_segment_is_found_without_the_catalog(root: Path) -> None:
    ask(root, act=lambda bars: bars.compact())
    lose_catalog(root)
    seen = ask(root, ALL)
    assert (seen.right, seen.days) == (True, [])


@pytest.mark.parametrize("damage", SEGMENT.values(), ids=SEGMENT)
def test_a_segment_that_is_damaged_and_in_no_catalog_is_fetched_again(
    root: Path, damage: Callable
) -> None:
    damage(segments(root)[1])
    lose_catalog(root)
    seen = ask(root, ALL)
    assert seen.right
    assert set(range(10, 20)) == set(seen.days)
    again = ask(root, ALL)
    assert (again.right, again.days, again.warned) == (True, [], [])


@pytest.mark.parametrize(
    "flips", [15, pytest.param(600, marks=[pytest.mark.soak, pytest.mark.timeout(7200)])]
)
def test_no_flipped_byte_of_the_catalog_has_a_false_bar_answered(
    root: Path, tmp_path: Path, flips: int
) -> None:
    settle(root)
    size = catalog(root).stat().st_size
    generator = random.Random(1)
    for number, place in enumerate(sorted(generator.sample(range(size), flips))):
        harmed = tmp_path / f"harmed-{number}"
        shutil.copytree(root, harmed)
        content = bytearray(catalog(root).read_bytes())
        content[place] ^= 1 << generator.randrange(8)
        catalog(harmed).write_bytes(content)
        seen = ask(harmed, ALL, (28, 40))
        assert seen.right, place
        assert set(seen.warned) <= WARNINGS, (place, seen.texts)
        again = ask(harmed, (0, 40))
        assert (again.right, again.days, again.warned) == (True, [], []), place
        shutil.rmtree(harmed)


def test_what_is_one_segment_with_a_hole_is_not_written_again(tmp_path: Path) -> None:
    root = tmp_path / "store"
    ask(root, (0, 5), (10, 15), act=lambda bars: bars.compact())
    settle(root)
    before = sorted(path.name for path in segments(root)), catalog(root).read_bytes()
    assert ask(root, (0, 5), act=lambda bars: bars.compact()).right
    settle(root)
    assert (sorted(path.name for path in segments(root)), catalog(root).read_bytes()) == before
