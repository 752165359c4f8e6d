"""A disk that fails under a range cache, and processes that end in the midst of things."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("polars")
from faulty_ranges import ask, catalog, segments, settle, tables
from hostile import HANDLES, LIMIT, POWERLESS, unshared

HEAD = f"""
import json, os, sys, warnings
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from faulty_ranges import *
caught = []
warnings.simplefilter("always")
warnings.showwarning = lambda said, kind, *_: caught.append([kind.__name__, str(said)])
root, vendor = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ["ROOT"]), Vendor()
bars = bars_in(root, vendor)
def right(first, stop, symbol="AAPL"):
    return get(bars, first, stop, symbol).equals(rows(symbol, first, stop))
"""
TAIL = """
print(json.dumps({"said": said, "days": vendor.days(), "warned": caught}))
"""
ONCE = "said = [right(0, 30), right(5, 25), right(0, 40), right(0, 40), right(20, 45)]"

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="capabilities of Linux")
unix = pytest.mark.skipif(sys.platform == "win32", reason="no resource limits there")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with three segments of ten days each."""
    folder = tmp_path / "store"
    ask(folder, (0, 10), (0, 20), (0, 30))
    settle(folder)
    yield folder
    thaw(folder)


def thaw(root: Path) -> None:
    if root.is_dir():
        for folder, folders, files in os.walk(root):
            for name in ["", *folders]:
                Path(folder, name).chmod(0o700)
            for name in files:
                Path(folder, name).chmod(0o600)


@pytest.fixture
def run(run_python: Callable, root: Path) -> Callable[[str], dict]:
    def run(body: str) -> dict:
        shown = run_python(f"{HEAD}\n{body}\n{TAIL}", env={"ROOT": str(root)})
        return json.loads(shown.splitlines()[-1])

    return run


def check_told(shown: dict, *, right: bool = True) -> None:
    """All rows were right, and each kind of trouble was told once for each place at most."""
    assert all(shown["said"]) is right
    told = [category for category, _ in shown["warned"]]
    assert len(told) == len(set(told)), shown["warned"]
    assert set(told) <= {"CacheReadWarning", "CacheWriteWarning"}


@linux
def test_a_folder_without_write_permission_is_read_and_new_bars_stay_in_memory(
    run: Callable, root: Path
) -> None:
    for path in [*root.rglob("*"), root]:
        path.chmod(0o500 if path.is_dir() else 0o400)
    shown = run(f"{POWERLESS}\nlose_power()\n{ONCE}")
    check_told(shown)
    assert shown["days"] == list(range(30, 45))
    assert [category for category, _ in shown["warned"]] == ["CacheWriteWarning"]


@linux
@pytest.mark.parametrize("mode", [0o500, 0])
@pytest.mark.parametrize(
    "place", [".", "v1", "v1/series", "v1/series/AAPL*", "v1/tmp", "v1/locks", "v1/quarantine"]
)
def test_one_folder_without_permission(run: Callable, root: Path, place: str, mode: int) -> None:
    for folder in [root] if place == "." else root.glob(place):
        folder.chmod(mode)
    shown = run(f"{POWERLESS}\nlose_power()\n{ONCE}")
    check_told(shown)
    days = shown["days"]
    assert len(days) == len(set(days))
    thaw(root)
    after = ask(root, (0, 30))
    assert (after.right, after.days, after.warned) == (True, [], [])


@linux
@pytest.mark.parametrize("mode", [0o400, 0])
@pytest.mark.parametrize("which", ["a segment", "the catalog"])
def test_one_file_without_permission(run: Callable, root: Path, which: str, mode: int) -> None:
    path = catalog(root) if which == "the catalog" else segments(root)[1]
    path.chmod(mode)
    shown = run(f"{POWERLESS}\nlose_power()\n{ONCE}")
    check_told(shown)
    assert len(shown["days"]) == len(set(shown["days"]))
    thaw(root)
    after = ask(root, (0, 45))
    assert (after.right, after.warned) == (True, [])
    assert set(after.days) <= set(range(30, 45))


@linux
def test_permissions_that_are_lost_while_in_use(run: Callable, root: Path) -> None:
    take = """
for folder, folders, files in os.walk(root, topdown=False):
    for name in files:
        os.chmod(os.path.join(folder, name), 0o400)
    os.chmod(folder, 0o500)
"""
    shown = run(f"{POWERLESS}\nlose_power()\nsaid = [right(0, 15)]\n{take}\n{ONCE}")
    check_told(shown)
    assert sorted(set(shown["days"])) == shown["days"]
    assert not set(range(15)) & set(shown["days"])


@unix
@pytest.mark.parametrize("size", [0, 512, 3_000, 40_000])
def test_files_that_may_not_grow(run: Callable, root: Path, size: int) -> None:
    more = "said += [right(0, stop) for stop in range(46, 60)]"
    shown = run(f"{LIMIT.format(size=size)}\n{ONCE}\n{more}")
    check_told(shown)
    # Where they may not grow at all, the store can't even be opened.
    assert shown["days"] == list(range(30 if size > 10_000 else 0, 59))
    after = ask(root, (0, 30))
    assert (after.right, after.days, after.warned) == (True, [], [])
    assert list((root / "v1/tmp").iterdir()) == []


@unix
@pytest.mark.parametrize("count", range(6))
def test_handles_that_run_out(run: Callable, root: Path, count: int) -> None:
    free = "free()\nsaid += [right(0, 45), right(0, 50)]"
    # What Python imports late it has to import before.
    warm = "said = [right(0, 15), right(0, 5, 'MSFT'), right(0, 9, 'MSFT')]"
    shown = run(f"{HANDLES}\n{warm}\nleave({count})\n{ONCE}\n{free}")
    assert all(shown["said"])
    assert {category for category, _ in shown["warned"]} <= {
        "CacheReadWarning",
        "CacheWriteWarning",
    }
    assert not set(range(10)) & set(shown["days"])
    after = ask(root, (0, 30))
    assert (after.right, after.days, after.warned) == (True, [], [])


def test_a_full_disk(tmp_path: Path) -> None:
    root = tmp_path / "full"
    root.mkdir(mode=0o700)
    body = """
said = [right(0, stop) for stop in range(1, 60)]
said += [right(0, 60, symbol) for symbol in ("AAPL", "MSFT", "GOOG", "AAPL")]
said.append(os.listdir(root / "v1/tmp") == [])
said.append(len(vendor.days()) == 60 and len(vendor.days("MSFT")) == 60)
"""
    script = tmp_path / "script.py"
    script.write_text(f"{HEAD}\n{body}\n{TAIL}")
    mount = f"mount -t tmpfs -o size=400k,mode=0700 none {root}"
    printed = unshared(f"{mount}\n{sys.executable} {script} {root}")
    if printed is None:
        pytest.skip("this machine does not allow mounting")
    shown = json.loads(printed.splitlines()[-1])
    assert all(shown["said"]), shown["said"]
    assert {category for category, _ in shown["warned"]} == {"CacheWriteWarning"}


def test_a_disk_without_room_for_another_file(tmp_path: Path) -> None:
    root = tmp_path / "full"
    root.mkdir(mode=0o700)
    body = """
said = [right(0, stop) for stop in range(1, 80)]
said.append(os.listdir(root / "v1/tmp") == [])
said.append(vendor.days() == list(range(79)))
"""
    script = tmp_path / "script.py"
    script.write_text(f"{HEAD}\n{body}\n{TAIL}")
    mount = f"mount -t tmpfs -o nr_inodes=40,mode=0700 none {root}"
    printed = unshared(f"{mount}\n{sys.executable} {script} {root}")
    if printed is None:
        pytest.skip("this machine does not allow mounting")
    shown = json.loads(printed.splitlines()[-1])
    assert all(shown["said"]), shown["said"]
    assert {category for category, _ in shown["warned"]} == {"CacheWriteWarning"}


GONE = {
    "moved away": "os.rename(root, str(root) + '-moved')",
    "removed": "shutil.rmtree(root)",
    "replaced by a file": "shutil.rmtree(root); open(root, 'w').close()",
    "replaced by an empty folder": "shutil.rmtree(root); os.mkdir(root, 0o700)",
    "without series": "shutil.rmtree(root / 'v1/series')",
    "without its catalog": "[one.unlink() for one in (root / 'v1/series').glob('catalog*')]",
    "with another catalog": (
        "ask(Path(str(root) + '2'), (0, 5), (0, 12)); "
        "[one.unlink() for one in (root / 'v1/series').glob('catalog*')]; "
        "shutil.copy(catalog(Path(str(root) + '2')), catalog(root))"
    ),
    "without all but the catalog": (
        "[shutil.rmtree(root / 'v1' / name) for name in ('tmp', 'locks', 'quarantine')]"
    ),
}


@pytest.mark.parametrize("act", GONE.values(), ids=GONE)
def test_a_store_that_goes_while_in_use(run: Callable, root: Path, act: str) -> None:
    shown = run(
        f"import shutil\nsaid = [right(0, 15)]\n{act}\n{ONCE}\nsaid += [right(0, 5, 'MSFT')]"
    )
    assert all(shown["said"])
    assert {category for category, _ in shown["warned"]} <= {
        "CacheReadWarning",
        "CacheWriteWarning",
    }
    if root.is_file():
        root.unlink()
    after = ask(root, (0, 45))
    assert after.right
    again = ask(root, (0, 45))
    assert (again.right, again.days, again.warned) == (True, [], [])


def test_series_of_a_lost_catalog_are_not_taken_for_each_other(run: Callable, root: Path) -> None:
    body = """
said = [right(0, 10), right(0, 10, "MSFT"), right(0, 10, "GOOG")]
[one.unlink() for one in (root / 'v1/series').glob('catalog*')]
said += [right(0, 20, "GOOG"), right(0, 20, "MSFT"), right(0, 30), right(0, 20, "GOOG")]
"""
    shown = run(body)
    assert all(shown["said"])
    after = ask(root, (0, 30), act=lambda bars: bars.verify())
    assert (after.right, after.days, after.warned) == (True, [], [])


def test_a_locked_catalog_is_read_and_left_alone_for_a_while(run: Callable, root: Path) -> None:
    with tables(root) as connection:
        connection.execute("begin immediate")
        shown = run(f"{ONCE}\nsaid += [right(0, stop) for stop in range(46, 60)]")
    check_told(shown)
    assert shown["days"] == list(range(30, 59))
    assert [category for category, _ in shown["warned"]] == ["CacheWriteWarning"]
    assert ask(root, (0, 59)).days == list(range(30, 59))


@unix
def test_a_child_that_was_forked_after_polars_was_used_is_told_what_to_do(
    run: Callable, root: Path
) -> None:
    body = """
said = [right(0, 30)]
from afml_cache import CacheConfigError
child = os.fork()
if child == 0:
    status = 1
    try:
        right(0, 30)
    except CacheConfigError as error:
        status = 0 if "spawn" in str(error) else 2
    finally:
        os._exit(status)
said += [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, right(0, 40)]
"""
    shown = run(body)
    check_told(shown)
    assert shown["days"] == list(range(30, 40))


@unix
def test_a_child_that_was_forked_before_goes_on_with_the_same_bars(
    run: Callable, root: Path
) -> None:
    body = """
bars.stats()
child = os.fork()
if child == 0:
    status = 1
    try:
        status = 0 if right(0, 40) and vendor.days() == list(range(30, 40)) else 2
    finally:
        os._exit(status)
said = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, right(0, 40)]
"""
    shown = run(body)
    check_told(shown)
    assert shown["days"] == []
