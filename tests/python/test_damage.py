"""A damaged folder: the function gives its result, the user is told once, the cache recovers."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import Told, blobs, indexes, payloads, put_blob, quarantined, source, tables, told

import afml_cache

SMALL, FILE, MAPPED = 100, 20_000, 500_000
HEADER = 152  # bytes before the description, the tree and the table of leaves


@pytest.fixture
def run(run_python: Callable) -> Callable[..., Told]:
    return lambda *sizes: told(run_python(source(f"said = [right(size) for size in {sizes}]")))


def flip(place: int) -> Callable[[Path], object]:
    def damage(path: Path) -> None:
        payload = bytearray(path.read_bytes())
        payload[place if abs(place) < len(payload) else len(payload) // 2] ^= 0x10
        path.write_bytes(payload)

    return damage


def rewrite(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(change(path.read_bytes()))


def rewrite_aside(path: Path) -> None:
    """A flipped byte that comes with a new file, an old time and the old size."""
    payload = bytearray(path.read_bytes())
    payload[-5] ^= 1
    other = path.with_name("other")
    other.write_bytes(payload)
    shutil.copystat(path, other)
    other.replace(path)


PAYLOAD = {
    "the magic": flip(0),
    "the flags": flip(12),
    "the key": flip(20),
    "the time": flip(33),
    "the length of the tree": flip(64),
    "the number of leaves": flip(72),
    "the highest byte of a length": flip(71),
    "the length of the file": flip(80),
    "the check": flip(100),
    "the description": flip(HEADER + 9),
    "the tree and the table": flip(HEADER + 160),
    "the first leaf": flip(1_000),
    "the middle": flip(10**9),
    "the last byte": flip(-1),
    "a byte less": rewrite(lambda payload: payload[:-1]),
    "a byte more": rewrite(lambda payload: payload + b"x"),
    "half of it": rewrite(lambda payload: payload[: len(payload) // 2]),
    "only the header": rewrite(lambda payload: payload[:HEADER]),
    "a part of the header": rewrite(lambda payload: payload[:40]),
    "nothing": rewrite(lambda _: b""),
    "zeroes": rewrite(lambda payload: bytes(len(payload))),
    "ones": rewrite(lambda payload: payload[:16] + b"\xff" * (len(payload) - 16)),
    "another file of the same times": rewrite_aside,
}


@pytest.mark.parametrize("size", [FILE, MAPPED])
@pytest.mark.parametrize("damage", PAYLOAD.values(), ids=PAYLOAD)
def test_a_damaged_payload_is_set_aside_and_computed_again(
    run: Callable, default_cache: Path, damage: Callable, size: int
) -> None:
    assert run(size).ran == [size]
    (payload,) = payloads(default_cache)
    damage(payload)
    again = run(size, size)
    assert again.said == [True, True]
    assert again.ran == [size]
    assert again.categories == ["CacheReadWarning"]
    assert payload.name in again.warned[0][1]
    assert [path.name.startswith(payload.name) for path in quarantined(default_cache)] == [True]
    assert run(size) == Told([], [], [True])


def test_a_payload_of_another_key_is_not_served(run: Callable, default_cache: Path) -> None:
    run(FILE, FILE + 1)
    first, second = payloads(default_cache)
    shutil.copyfile(first, second)
    again = run(FILE, FILE + 1)
    assert again.said == [True, True]
    assert len(again.ran) == 1
    assert again.categories == ["CacheReadWarning"]


@pytest.mark.parametrize("there", ["nothing", "a folder", "a dangling link"])
def test_a_payload_that_is_not_a_file_is_a_miss(
    run: Callable, default_cache: Path, there: str
) -> None:
    run(FILE)
    (payload,) = payloads(default_cache)
    payload.unlink()
    if there == "a folder":
        payload.mkdir()
    elif there == "a dangling link":
        payload.symlink_to("nowhere")
    again = run(FILE, FILE)
    assert (again.ran, again.said) == ([FILE], [True, True])
    assert set(again.categories) <= {"CacheReadWarning"}
    assert run(FILE).ran == []


@pytest.mark.parametrize("place", [0, 12, 20, 64, 100, HEADER + 9, HEADER + 100, -8, -1])
def test_a_damaged_row_is_dropped_and_computed_again(
    run: Callable, default_cache: Path, place: int
) -> None:
    run(SMALL)
    (index,) = indexes(default_cache)
    (row,) = blobs(index)
    damaged = bytearray(row[3])
    damaged[place] ^= 0x10
    put_blob(index, row, bytes(damaged))
    again = run(SMALL, SMALL)
    assert (again.ran, again.said, again.categories) == (
        [SMALL],
        [True, True],
        ["CacheReadWarning"],
    )
    assert run(SMALL) == Told([], [], [True])


def drop_tables(index: Path) -> None:
    with tables(index) as connection:
        for (name,) in connection.execute(
            "select name from sqlite_master where type = 'table'"
        ).fetchall():
            connection.execute(f"drop table {name}")


def nonsense_rows(index: Path) -> None:
    with tables(index) as connection:
        connection.execute("update entries set nonce = x'00' where nonce is not null")


def drop_pending(index: Path) -> None:
    with tables(index) as connection:
        connection.execute("drop table pending")


LOSSES = {"no pending files": drop_pending, "no index": Path.unlink}
INDEX = {
    "garbage": rewrite(lambda _: b"garbage " * 1000),
    "a garbage header": rewrite(lambda content: b"x" * 100 + content[100:]),
    "garbage pages": rewrite(lambda content: content[:4096] + b"\xa5" * (len(content) - 4096)),
    "half of it": rewrite(lambda content: content[: len(content) // 2]),
    "a page and a bit": rewrite(lambda content: content[:4500]),
    "no byte": rewrite(lambda _: b""),
    "no index": Path.unlink,
    "no tables": drop_tables,
    "nonsense in the rows": nonsense_rows,
    "garbage in the log": lambda index: index.with_name(index.name + "-wal").write_bytes(
        b"x" * 9000
    ),
}


@pytest.mark.parametrize("damage", INDEX.values(), ids=INDEX)
def test_a_damaged_index_is_replaced(run: Callable, default_cache: Path, damage: Callable) -> None:
    run(SMALL, FILE, MAPPED)
    (index,) = indexes(default_cache)
    damage(index)
    again = run(SMALL, FILE, MAPPED, SMALL, FILE, MAPPED)
    assert again.said == [True] * 6
    assert set(again.categories) <= {"CacheReadWarning", "CacheWriteWarning"}
    assert len(again.ran) == len(set(again.ran))
    # what was served before the damage was met may be computed once more
    settled = run(SMALL, FILE, MAPPED)
    assert (settled.said, settled.warned) == ([True] * 3, [])
    assert run(SMALL, FILE, MAPPED) == Told([], [], [True] * 3)


@pytest.mark.parametrize("name", ["garbage", "half of it", "no byte", "no index"])
def test_a_new_index_takes_over_the_payloads(run: Callable, default_cache: Path, name: str) -> None:
    run(SMALL, FILE, MAPPED)
    INDEX[name](indexes(default_cache)[0])
    assert run(FILE, MAPPED).ran == []
    assert run(SMALL).said == [True]


@pytest.mark.parametrize(("name", "lost"), [("no pending files", 2), ("no index", 0)])
def test_results_that_were_lost_with_an_index_are_counted(
    run: Callable, default_cache: Path, name: str, lost: int
) -> None:
    run(SMALL, SMALL + 1, FILE)
    found = afml_cache.verify(afml_cache.Store(default_cache))
    assert (found.rebuilt, found.lost) == (0, 0)
    LOSSES[name](indexes(default_cache)[0])
    assert run(FILE + 1).said == [True]
    found = afml_cache.verify(afml_cache.Store(default_cache))
    assert (found.checked, found.rebuilt, found.lost) == (2, 1, lost)


def test_a_cleared_result_does_not_come_back_with_a_new_index(
    run: Callable, run_python: Callable, default_cache: Path
) -> None:
    run(FILE)
    run_python(source("load.cache_clear()"))
    indexes(default_cache)[0].unlink()
    assert run(FILE).ran == [FILE]


DROPS = {
    "cleared": "load.cache_clear()",
    "cleared with all": "Store(os.environ['AFML_CACHE']).clear()",
    "invalidated": "load.invalidate({file})",
}


@pytest.mark.parametrize("drop", DROPS.values(), ids=DROPS)
def test_what_is_dropped_while_the_index_is_found_damaged_is_gone(
    run_python: Callable, default_cache: Path, drop: str
) -> None:
    body = f"""
import sqlite3
from afml_cache import Store
load({FILE})
damaged = sqlite3.connect({str(default_cache / "v1/index-1.sqlite3")!r})
damaged.execute("drop table pending")
damaged.close()
{drop.format(file=FILE)}
said = [load.is_cached({FILE}), right({FILE}), load.is_cached({FILE})]
"""
    assert told(run_python(source(body))).said == [False, True, True]
    assert [path.name for path in indexes(default_cache)] == ["index-2.sqlite3"]


FOLDER = {
    "CURRENT is garbage": lambda root: (root / "v1/CURRENT").write_text("garbage\n"),
    "CURRENT is empty": lambda root: (root / "v1/CURRENT").write_text(""),
    "CURRENT is gone": lambda root: (root / "v1/CURRENT").unlink(),
    "CURRENT names another": lambda root: (root / "v1/CURRENT").write_text("7\n"),
    "CURRENT is huge": lambda root: (root / "v1/CURRENT").write_text("9" * 40),
    "the payloads are gone": lambda root: shutil.rmtree(root / "v1/payloads"),
    "the locks are gone": lambda root: shutil.rmtree(root / "v1/locks"),
    "the temporary folder is gone": lambda root: shutil.rmtree(root / "v1/tmp"),
    "everything below is gone": lambda root: shutil.rmtree(root / "v1"),
    "the folder is gone": shutil.rmtree,
    "the marks are gone": lambda root: [
        (root / name).unlink() for name in ("CACHEDIR.TAG", ".gitignore")
    ],
    "strangers lie about": lambda root: [
        (root / name).write_text("x")
        for name in (
            "v1/payloads/x",
            "v1/payloads/README",
            "v1/tmp/y",
            "v1/index-x.sqlite3",
            "stray",
        )
    ],
}


@pytest.mark.parametrize("damage", FOLDER.values(), ids=FOLDER)
def test_a_folder_with_parts_missing_or_odd_works(
    run: Callable, default_cache: Path, damage: Callable
) -> None:
    run(SMALL, FILE)
    damage(default_cache)
    again = run(SMALL, FILE, SMALL, FILE)
    assert again.said == [True] * 4
    assert len(again.ran) == len(set(again.ran))
    assert run(SMALL, FILE).ran == []


@pytest.mark.parametrize("part", ["v1/quarantine", "v1/payloads", "v1/tmp", "v1/locks", "v1/ID"])
def test_a_file_where_a_folder_belongs_costs_no_result(
    run: Callable, default_cache: Path, part: str
) -> None:
    run(SMALL, FILE)
    place = default_cache / part
    if place.is_dir():
        shutil.rmtree(place)
        place.touch()
    else:
        place.unlink()
        place.mkdir()
    again = run(SMALL, FILE, SMALL, FILE)
    assert again.said == [True] * 4
    assert len(again.warned) <= 1
    assert all(str(default_cache) in text for _, text in again.warned)


def test_a_folder_where_the_index_belongs_costs_no_result(
    run: Callable, default_cache: Path
) -> None:
    run(SMALL, FILE)
    (index,) = indexes(default_cache)
    index.unlink()
    index.mkdir()
    again = run(SMALL, FILE, SMALL, FILE)
    assert again.said == [True] * 4
    assert len(again.warned) <= 1


@pytest.mark.parametrize("damage", ["truncate", "delete", "overwrite", "folder"])
def test_a_folder_damaged_under_an_open_process_raises_nothing(
    run_python: Callable, default_cache: Path, damage: str
) -> None:
    body = f"""
import glob, shutil
said.append([right({SMALL}), right({FILE})])
for index in glob.glob({str(default_cache)!r} + "/v1/index-*.sqlite3*"):
    if {damage!r} == "delete":
        os.unlink(index)
    elif {damage!r} == "truncate" and index.endswith("sqlite3"):
        os.truncate(index, 0)
    elif {damage!r} == "overwrite" and index.endswith("sqlite3"):
        with open(index, "r+b") as file:
            file.write(b"garbage" * 2000)
if {damage!r} == "folder":
    shutil.rmtree({str(default_cache)!r})
for size in ({SMALL}, {FILE}, {SMALL + 1}, {FILE + 1}, {SMALL + 1}, {FILE + 1}):
    said.append(right(size))
"""
    shown = told(run_python(source(body)))
    assert shown.said == [[True, True], *[True] * 6]
    assert set(shown.categories) <= {"CacheReadWarning", "CacheWriteWarning"}
    after = told(run_python(source(f"said = [right({SMALL + 2}), right({FILE + 2})]")))
    assert after.said == [True, True]
    assert told(run_python(source(f"said = [right({SMALL + 2}), right({FILE + 2})]"))).ran == []
