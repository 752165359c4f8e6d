"""A folder of series that somebody forged: nothing outside of it is touched, no code is run."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("polars")
import polars as pl
from faulty_ranges import Vendor, ask, bars_in, catalog, get, rows, segments, settle
from range_forger import digest, forge, put_segment

from afml_cache._native import check_parquet
from afml_cache.exceptions import CacheCorruptError, CacheStoreError
from afml_cache.ranges.segments import about, packed, unpacked

ALL = (0, 20)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with two segments of one series, and one of another."""
    folder = tmp_path / "store"
    ask(folder, (0, 10), (0, 20), act=lambda bars: get(bars, 0, 10, "MSFT"))
    settle(folder)
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder of somebody's, with a segment of the series in it."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "letters.txt").write_text("private")
    return folder


def listing(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


KEYS = [
    "../../escape",
    "..",
    ".",
    "",
    "/etc/passwd",
    "a/b",
    "a\\b",
    "a\x00b",
    "CON",
    "x" * 5000,
    "Ünïcode·银",
    "-rf",
    "~",
    "$(id)",
    "%2e%2e%2f",
    "line\nbreak",
    "'; DROP TABLE series; --",
]


def test_whatever_a_key_holds_it_names_a_folder_of_its_own(tmp_path: Path) -> None:
    root = tmp_path / "store"
    vendor = Vendor()
    bars = bars_in(root, vendor)
    for key in KEYS:
        assert get(bars, 0, 5, key).equals(rows(key, 0, 5))
    folders = [path for path in (root / "v1/series").iterdir() if path.is_dir()]
    assert len(folders) == len(KEYS)
    assert all(len(path.name) < 100 and path.name.isascii() for path in folders)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    again = bars_in(root, vendor)
    vendor.calls.clear()
    assert all(get(again, 0, 5, key).equals(rows(key, 0, 5)) for key in KEYS)
    assert vendor.calls == []


def test_a_link_in_the_place_of_a_series_is_neither_read_nor_written_through(
    root: Path, elsewhere: Path
) -> None:
    folder = segments(root)[0].parent
    shutil.copytree(folder, elsewhere, dirs_exist_ok=True)
    before = listing(elsewhere)
    shutil.rmtree(folder)
    folder.symlink_to(elsewhere)
    seen = ask(root, ALL, (0, 25), act=lambda bars: (bars.compact(), bars.verify()))
    assert (seen.right, seen.days) == (True, list(range(25)))
    assert listing(elsewhere) == before
    with pytest.raises(CacheStoreError, match="symbolic link"):
        ask(root, act=lambda bars: bars.invalidate("AAPL", "1D"))
    assert listing(elsewhere) == before


def test_a_link_in_the_place_of_all_series_is_refused(root: Path, elsewhere: Path) -> None:
    shutil.rmtree(root / "v1/series")
    (root / "v1/series").symlink_to(elsewhere)
    before = listing(elsewhere)
    seen = ask(root, ALL)
    assert (seen.right, seen.days) == (True, list(range(20)))
    assert listing(elsewhere) == before


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_a_link_in_the_place_of_the_catalog_is_not_written_through(
    root: Path, elsewhere: Path, suffix: str
) -> None:
    path = Path(str(catalog(root)) + suffix)
    path.unlink(missing_ok=True)
    path.symlink_to(elsewhere / "letters.txt")
    before = listing(elsewhere)
    seen = ask(root, ALL, (0, 25))
    assert seen.right
    assert listing(elsewhere) == before


NAMES = ["../{other}/{theirs}", "../../../../elsewhere/{own}", "/etc/passwd", "..", "", "{own}/."]


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_segment_leads_nowhere_else(root: Path, elsewhere: Path, name: str) -> None:
    own, theirs = segments(root)[0], segments(root, "MSFT")[0]
    shutil.copyfile(own, elsewhere / own.name)
    before = listing(elsewhere), listing(theirs.parent)
    forged = name.format(own=own.name, other=theirs.parent.name, theirs=theirs.name)
    forge(root, "segments", f"name = '{own.name}'", name=forged)
    seen = ask(root, ALL, act=lambda bars: bars.compact())
    assert (seen.right, seen.days) == (True, list(range(10)))
    assert seen.warned == ["CacheReadWarning"]
    assert (listing(elsewhere), listing(theirs.parent)) == before


@pytest.mark.parametrize("folder", ["../../../elsewhere", "{other}", "/", "..", "x/../{own}"])
def test_the_folder_of_a_series_is_its_own_whatever_the_catalog_says(
    root: Path, elsewhere: Path, folder: str
) -> None:
    own, other = segments(root)[0].parent, segments(root, "MSFT")[0].parent
    before = listing(elsewhere), listing(other)
    forged = folder.format(own=own.name, other=other.name)
    forge(root, "series", "folder LIKE 'AAPL%'", folder=forged)
    seen = ask(root, ALL, (0, 25), act=lambda bars: bars.compact())
    assert seen.right
    assert (listing(elsewhere), listing(other)) == before


def test_a_segment_of_another_series_is_not_answered(root: Path) -> None:
    own, theirs = segments(root)[0], segments(root, "MSFT")[0]
    put_segment(root, own, theirs.read_bytes())
    seen = ask(root, ALL)
    assert (seen.right, seen.days) == (True, list(range(10)))
    assert seen.warned == ["CacheReadWarning"]


def test_a_segment_of_another_series_is_not_taken_in(root: Path) -> None:
    own, theirs = segments(root)[0], segments(root, "MSFT")[0]
    theirs.rename(own.parent / theirs.name)
    own.unlink()
    catalog(root).unlink()
    seen = ask(root, ALL)
    assert (seen.right, seen.days) == (True, list(range(10)))


EVIL = "raise SystemExit('evil was imported')"
OBJECTS = """
import sys
sys.path[:0] = [{tests!r}, {folder!r}]
from dataclasses import dataclass
from faulty_ranges import *
@dataclass
class Bar:
    time: dt.date
    close: float
def load(symbol, timeframe, start, end):
    days = [start + dt.timedelta(days=number) for number in range((end - start).days)]
    return [Bar(one, 1.5) for one in days]
empty = lambda *_: []
bars = bars_in(Path({root!r}), Vendor())
def ask(first, stop, loader=load):
    return bars.get("BARS", "1D", day(first), day(stop), loader=loader)
"""


@pytest.fixture
def objects(run_python: Callable, tmp_path: Path, root: Path) -> Callable[[str], str]:
    """Run a script whose loader gives objects; a module lies there that must not be imported."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "evil.py").write_text(EVIL)
    tests = str(Path(__file__).parent)
    head = OBJECTS.format(tests=tests, folder=str(folder), root=str(root))
    run = lambda body: run_python(f"{head}\n{body}").strip()  # noqa: E731
    assert run("print(ask(0, 3)[2])") == "Bar(time=datetime.date(2024, 1, 3), close=1.5)"
    return run


def evil_form(form: str) -> str:
    told = json.loads(form)
    told["form"]["details"]["class"][:2] = ["evil", "Evil"]
    return json.dumps(told)


ASKS = {
    "by a loader of bars": "[ask(0, 3)]",
    "by a loader of nothing": "[ask(0, 3, empty), ask(0, 5, empty)]",
    "without a loader": "[bars.coverage('BARS', '1D'), bars.verify(), bars.compact()]",
    "for a frame": "[bars.get('BARS', '1D', day(0), day(3), output='polars')]",
}
TRY = """
from afml_cache import CacheError
for one in range(2):
    try:
        {asks}
    except CacheError as error:
        pass
print("evil" in sys.modules)
"""


@pytest.mark.parametrize("asks", ASKS.values(), ids=ASKS)
def test_a_class_that_only_the_catalog_names_is_not_imported(
    root: Path, objects: Callable, asks: str
) -> None:
    settle(root)
    with_form = forms_of(root, "BARS")
    assert "Bar" in with_form
    forge(root, "series", "folder LIKE 'BARS%'", form=evil_form(with_form))
    for _ in range(2):
        assert objects_again(objects, TRY.format(asks=asks)) == "False"


@pytest.mark.parametrize("asks", ASKS.values(), ids=ASKS)
def test_a_class_that_only_a_segment_names_is_not_imported(
    root: Path, objects: Callable, asks: str
) -> None:
    (path,) = segments(root, "BARS")
    told = about(path.read_bytes())
    told["form"] = evil_form(told["form"])
    content = packed(unpacked(path.read_bytes()), told)
    path.unlink()
    name = f"{path.name[:16]}-{digest(content).hex()}.parquet"
    (path.parent / name).write_bytes(content)
    for left in (root / "v1/series").glob("catalog*"):
        left.unlink()
    for _ in range(2):
        assert objects_again(objects, TRY.format(asks=asks)) == "False"


def objects_again(objects: Callable, body: str) -> str:
    return objects(body).splitlines()[-1]


def forms_of(root: Path, name: str) -> str:
    from faulty_ranges import tables

    with tables(root) as connection:
        query = "SELECT form FROM series WHERE folder LIKE ?"
        return connection.execute(query, [f"{name}%"]).fetchone()[0]


FORMS = ["", "null", "[]", "{}", '{"form": 1, "anchor": 0}', "{", '{"form": {}, "anchor": "x"}']


@pytest.mark.parametrize("form", FORMS)
def test_a_form_that_can_t_be_read_costs_a_fetch(root: Path, form: str) -> None:
    forge(root, "series", "folder LIKE 'AAPL%'", form=form)
    seen = ask(root, ALL)
    assert (seen.right, seen.days) == (True, list(range(20)))
    assert seen.warned == ["CacheReadWarning"]
    again = ask(root, ALL)
    assert (again.right, again.days, again.warned) == (True, [], [])


ABOUT = ["", "null", "[]", "{", '{"made_of": 3}', '{"written": "x"}', '{"made_of": [1]}']


@pytest.mark.parametrize("text", ABOUT)
def test_what_the_catalog_says_of_a_segment_s_origin_may_be_anything(root: Path, text: str) -> None:
    forge(root, "segments", "rows = 10", about=text)
    seen = ask(root, (0, 15), act=lambda bars: (bars.compact(), bars.coverage("AAPL", "1D")))
    assert (seen.right, seen.days) == (True, [])
    assert ask(root, ALL).right


PIECES = ["x", [], [[0]], [[0, 10, 9, 9, -1, 0, 0, 0]], [[5, 1, 0, 0, -1, 0, 0, 0]], [[2**70] * 8]]


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("written", [1, "x", None, 2**70])
def test_what_a_segment_says_of_itself_may_be_anything(
    root: Path, pieces: object, written: object
) -> None:
    path = segments(root)[0]
    told = {**about(path.read_bytes()), "pieces": pieces, "written": written}
    content = packed(unpacked(path.read_bytes()), told)
    path.unlink()
    (path.parent / f"{path.name[:16]}-{digest(content).hex()}.parquet").write_bytes(content)
    catalog(root).unlink()
    seen = ask(root, ALL)
    assert (seen.right, seen.days) == (True, list(range(10)))


def mutated(good: bytes, generator: random.Random) -> bytes:
    """Change a few bytes of a file, leave some out, or put others in."""
    content = bytearray(good)
    place = generator.randrange(len(content))
    footer = generator.randrange(max(0, len(content) - 4000), len(content))
    match generator.randrange(5):
        case 0 | 1:
            for _ in range(generator.randint(1, 4)):
                where = generator.choice([generator.randrange(len(content)), footer])
                content[where] = generator.choice([0, 127, 128, 255, generator.randrange(256)])
        case 2:
            del content[place : place + generator.randint(1, 60)]
        case 3:
            content[place:place] = generator.choice([b"\0", b"\xff", b"\x80"]) * 9
        case _:
            start, length = generator.randrange(len(content)), generator.randint(1, 60)
            content[place : place + length] = good[start : start + length]
    return bytes(content)


FUZZ = """
import random, sys
sys.path.insert(0, {tests!r})
import test_range_hostile
test_range_hostile.fuzz(int(sys.argv[1]), int(sys.argv[2]))
"""


def fuzz(seed: int, count: int) -> None:
    """Read mutations of a segment in this process, which is to live through them."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    generator = random.Random(seed)
    table = rows("AAPL", 0, 50).with_columns(
        pl.Series("text", [f"x{number}" for number in range(50)]),
        pl.Series("list", [[1.0, 2.0], None] * 25),
        pl.Series("struct", [{"a": 1, "b": "x"}] * 50),
        pl.Series("array", [[1, 2, 3]] * 50, pl.Array(pl.Int32, 3)),
        pl.Series("kind", ["a", "b"] * 25, pl.Categorical),
        pl.Series("none", [None] * 50),
    )
    good = packed(table, {"cache": "bars", "key": "k", "pieces": [], "written": 1, "rows": 50})
    check_parquet(good)
    passed = 0
    for _ in range(count):
        content = mutated(good, generator)
        try:
            check_parquet(content)
            about(content)
            unpacked(content)
            passed += 1
        except CacheCorruptError:
            continue
    print(passed)


def run_fuzz(seed: int, count: int) -> int:
    source = FUZZ.format(tests=str(Path(__file__).parent))
    command = [sys.executable, "-c", source, str(seed), str(count)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return int(ended.stdout)


def test_no_mutation_of_a_segment_ends_the_process_that_reads_it() -> None:
    assert 0 < run_fuzz(1, 1_500) < 1_500


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(20))
def test_no_mutation_of_20_times_3000_ends_the_process(seed: int) -> None:
    assert run_fuzz(seed, 3_000) < 3_000


@pytest.mark.parametrize(
    "rounds", [10, pytest.param(300, marks=[pytest.mark.soak, pytest.mark.timeout(7200)])]
)
def test_mutations_with_the_right_digest_in_the_catalog_cost_a_fetch_at_most(
    root: Path, rounds: int
) -> None:
    generator = random.Random(3)
    for _ in range(rounds):
        path = segments(root)[-1]
        put_segment(root, path, mutated(path.read_bytes(), generator))
        seen = ask(root, ALL)
        assert set(seen.days) <= set(range(20))
        assert set(seen.warned) <= {"CacheReadWarning"}
        ask(root, act=lambda bars: bars.invalidate("AAPL", "1D"))
        assert ask(root, (0, 10), ALL).right
        settle(root)
