"""A folder that fails under a process: results come, one warning, a count; reading goes on."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import (
    HANDLES,
    LIMIT,
    POWERLESS,
    Told,
    indexes,
    payloads,
    source,
    strict,
    tables,
    told,
    unshared,
)

SMALL, FILE, MAPPED = 100, 20_000, 500_000
STORED = f"right({SMALL}), right({FILE}), right({MAPPED})"
NEW = f"right({SMALL + 1}), right({FILE + 1}), right({MAPPED + 1})"


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="capabilities of Linux")


def freeze(root: Path) -> None:
    for path in [*root.rglob("*"), root]:
        path.chmod(0o500 if path.is_dir() else 0o400)


def thaw(root: Path) -> None:
    root.chmod(0o700)
    for path in root.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)


@pytest.fixture
def stored(run_python: Callable, default_cache: Path):
    """A store with three results, whose modes are set right in the end."""
    run_python(source(STORED))
    yield default_cache
    thaw(default_cache)


def powerless(run_python: Callable, body: str, write: Callable[[str], str] = source) -> Told:
    return told(run_python(write(f"{POWERLESS}\nlose_power()\n{body}")))


@linux
def test_a_folder_without_write_permission_is_read(run_python: Callable, stored: Path) -> None:
    freeze(stored)
    before = sorted((path, path.stat().st_mtime_ns) for path in stored.rglob("*"))
    shown = powerless(
        run_python, f"said = [{STORED}, {NEW}, {STORED}]\nsaid.append(load.cache_info().errors)"
    )
    assert shown.said[:-1] == [True] * 9
    assert shown.ran == [SMALL + 1, FILE + 1, MAPPED + 1]
    assert shown.categories == ["CacheWriteWarning"]
    assert str(stored) in shown.warned[0][1]
    assert shown.said[-1] == 3
    assert sorted((path, path.stat().st_mtime_ns) for path in stored.rglob("*")) == before


@linux
@pytest.mark.parametrize("place", ["v1/payloads", "v1/tmp"])
def test_one_folder_without_write_permission(
    run_python: Callable, stored: Path, place: str
) -> None:
    for path in [*(stored / place).rglob("*"), stored / place]:
        if path.is_dir():
            path.chmod(0o500)
    shown = powerless(
        run_python, f"said = [{STORED}, {NEW}, {STORED}]\nsaid.append(load.cache_info().errors)"
    )
    assert shown.said[:-1] == [True] * 9
    assert shown.ran == [SMALL + 1, FILE + 1, MAPPED + 1]
    assert set(shown.categories) <= {"CacheWriteWarning"}
    assert len(shown.warned) <= 1
    assert bool(shown.warned) == bool(shown.said[-1])


@linux
@pytest.mark.parametrize("place", [".", "v1", "v1/payloads", "v1/locks", "v1/tmp"])
def test_a_folder_without_any_permission(run_python: Callable, stored: Path, place: str) -> None:
    (stored / place).chmod(0)
    shown = powerless(run_python, f"said = [{STORED}, {NEW}, {STORED}]")
    assert shown.said == [True] * 9
    assert shown.warned
    assert len(shown.warned) == len(set(shown.categories))
    assert all(str(stored) in text for _, text in shown.warned)


@linux
@pytest.mark.parametrize("which", ["a payload", "the index", "CURRENT", "ID"])
def test_a_file_without_any_permission(run_python: Callable, stored: Path, which: str) -> None:
    found = {"a payload": payloads(stored)[0], "the index": indexes(stored)[0]}
    path = found.get(which, stored / "v1" / which)
    path.chmod(0)
    shown = powerless(run_python, f"said = [{STORED}, {NEW}, {STORED}]")
    assert shown.said == [True] * 9
    assert len(shown.warned) == len(set(shown.categories))
    assert all(str(stored) in text for _, text in shown.warned)
    thaw(stored)
    after = told(run_python(source(f"said = [{STORED}]")))
    assert (after.said, after.warned) == ([True] * 3, [])


@linux
def test_a_folder_that_loses_its_permissions_while_in_use(
    run_python: Callable, stored: Path
) -> None:
    body = f"""
said = [{STORED}]
for folder, folders, files in os.walk(os.environ["AFML_CACHE"], topdown=False):
    for name in files:
        os.chmod(os.path.join(folder, name), 0o400)
    os.chmod(folder, 0o500)
said += [{STORED}, {NEW}, {STORED}]
"""
    shown = powerless(run_python, body)
    assert shown.said == [True] * 12
    assert not {SMALL, FILE, MAPPED} & set(shown.ran)
    assert len(shown.warned) == len(set(shown.categories))


@pytest.mark.skipif(sys.platform == "win32", reason="no resource limits there")
def test_files_that_may_not_grow_cost_no_result(
    run_python: Callable, stored: Path, default_cache: Path
) -> None:
    limit = LIMIT.format(size=1_000_000)
    body = f"{limit}\nsaid = [{STORED}, {NEW}, {NEW}, {STORED}]\nsaid.append(load.cache_info())"
    shown = told(run_python(source(body)))
    assert shown.said[:-1] == [True] * 12
    assert shown.ran == [SMALL + 1, FILE + 1, MAPPED + 1, MAPPED + 1]
    assert shown.categories == ["CacheWriteWarning"]
    assert list((default_cache / "v1" / "tmp").iterdir()) == []
    assert told(run_python(source(f"said = [{STORED}, {NEW}]"))).ran == [MAPPED + 1]


@pytest.mark.skipif(sys.platform == "win32", reason="no resource limits there")
@pytest.mark.parametrize("size", [0, 512, 5_000, 40_000])
def test_files_that_may_not_grow_at_all(
    run_python: Callable, default_cache: Path, size: int
) -> None:
    body = f"{LIMIT.format(size=size)}\nsaid = [{STORED}, {NEW}, {STORED}, {NEW}]"
    shown = told(run_python(source(body)))
    assert shown.said == [True] * 12
    assert len(shown.warned) == len(set(shown.categories))
    after = told(run_python(source(f"said = [{STORED}]")))
    assert (after.said, after.warned) == ([True] * 3, [])


@pytest.mark.skipif(sys.platform == "win32", reason="no resource limits there")
@pytest.mark.parametrize("count", range(5))
def test_handles_that_run_out_while_in_use(run_python: Callable, stored: Path, count: int) -> None:
    body = f"""
{HANDLES}
said = [{STORED}]
leave({count})
said += [{STORED}, {NEW}, {STORED}]
free()
said += [{STORED}, {NEW}]
said.append([load.is_cached(size) for size in ({SMALL}, {FILE}, {MAPPED})])
"""
    shown = told(run_python(source(body)))
    assert shown.said == [*[True] * 18, [True] * 3]
    assert len(shown.warned) == len(set(shown.categories))
    again = told(run_python(source(f"said = [{STORED}, {NEW}]")))
    assert (again.said, again.warned) == ([True] * 6, [])
    assert not {SMALL, FILE, MAPPED} & set(again.ran)


GONE = {
    "moved away": "os.rename(root, root + '-moved')",
    "replaced by a file": "shutil.rmtree(root); open(root, 'w').close()",
    "replaced by an empty folder": "shutil.rmtree(root); os.mkdir(root, 0o700)",
    "replaced by another store": "os.rename(root, root + '-moved'); shutil.copytree(OTHER, root)",
    "emptied of payloads": "shutil.rmtree(root + '/v1/payloads')",
    "emptied of all but the index": (
        "for name in ('payloads', 'tmp', 'locks', 'quarantine'): shutil.rmtree(f'{root}/v1/{name}')"
    ),
}


@pytest.mark.parametrize("act", GONE.values(), ids=GONE)
def test_a_folder_that_goes_while_in_use_raises_nothing(
    run_python: Callable, tmp_path: Path, stored: Path, act: str
) -> None:
    other = tmp_path / "other"
    run_python(source(f"right({SMALL + 5}), right({FILE + 5})"), env={"AFML_CACHE": str(other)})
    body = f"""
import shutil
root, OTHER = os.environ["AFML_CACHE"], {str(other)!r}
said = [{STORED}]
{act}
said += [{STORED}, {NEW}, {STORED}, {NEW}]
"""
    shown = told(run_python(source(body)))
    assert shown.said == [True] * 15
    assert set(shown.categories) <= {"CacheReadWarning", "CacheWriteWarning"}
    assert len(shown.warned) <= 3
    if stored.is_file():
        stored.unlink()
        stored.mkdir(mode=0o700)
    run_python(source(f"{STORED}, {NEW}"))
    assert told(run_python(source(f"said = [{STORED}, {NEW}]"))) == Told([], [], [True] * 6)


def newer_index(root: Path) -> None:
    with tables(indexes(root)[0]) as connection:
        connection.execute("pragma user_version = 99")


def contents(root: Path) -> dict[Path, bytes]:
    skipped = ("-wal", "-shm")  # SQLite makes them for as long as it looks
    return {
        path: path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.endswith(skipped)
    }


def test_an_index_of_a_newer_version_is_left_alone(run_python: Callable, stored: Path) -> None:
    newer_index(stored)
    before = contents(stored)
    body = f"""
from afml_cache import CacheStoreError, Store
said = [{STORED}, {NEW}, load.cache_info().errors]
for act in (Store(os.environ["AFML_CACHE"]).clear, load.cache_clear):
    try:
        act()
    except CacheStoreError as error:
        said.append(str(error))
"""
    shown = told(run_python(source(body)))
    assert shown.said[:6] == [True] * 6
    assert shown.said[6] == 6
    assert len(shown.warned) == 1
    assert all("newer" in text for text in [shown.warned[0][1], *shown.said[7:]])
    assert len(shown.said) == 9
    assert contents(stored) == before


def test_a_folder_with_the_layout_of_a_newer_version_is_left_alone(
    run_python: Callable, stored: Path
) -> None:
    (stored / "v9" / "payloads").mkdir(parents=True, mode=0o700)
    (stored / "v9" / "index").write_bytes(b"of a newer version")
    (stored / "v9" / "payloads" / "one").write_bytes(b"of a newer version")
    before = contents(stored)
    shown = told(run_python(source(f"said = [{STORED}, {NEW}]")))
    assert shown.said == [True] * 6
    assert len(shown.warned) == 1
    assert "newer" in shown.warned[0][1]
    assert contents(stored) == before


def test_a_disk_without_room_for_another_file(tmp_path: Path, default_cache: Path) -> None:
    default_cache.mkdir(mode=0o700)
    (tmp_path / "script.py").write_text(
        source(
            f"""
said = [{STORED}] + [right({FILE} + step) for step in range(100)] + [{STORED}]
said.append([load.is_cached(size) for size in ({SMALL}, {FILE}, {MAPPED})])
said.append(load.cache_info().errors > 0)
said.append(os.listdir(os.environ["AFML_CACHE"] + "/v1/tmp"))
"""
        )
    )
    mount = f"mount -t tmpfs -o nr_inodes=60,mode=0700 none {default_cache}"
    printed = unshared(f"{mount}\n{sys.executable} {tmp_path}/script.py")
    if printed is None:
        pytest.skip("this machine does not allow mounting")
    shown = json.loads(printed.splitlines()[-1])
    assert shown["said"] == [*[True] * 106, [True] * 3, True, []]
    assert [category for category, _ in shown["warned"]] == ["CacheWriteWarning"]


def test_a_disk_that_is_full_to_its_last_page(
    run_python: Callable, default_cache: Path, tmp_path: Path
) -> None:
    default_cache.mkdir(mode=0o700)
    (tmp_path / "script.py").write_text(
        source(
            f"""
said = [right({SMALL})]
changes = os.stat(os.environ["AFML_CACHE"] + "/v1/locks/changes")
said.append(changes.st_blocks * 512 >= changes.st_size)  # a page without room would kill
with open(os.environ["AFML_CACHE"] + "/filled", "wb", buffering=0) as file:
    try:
        while True:
            file.write(b"0" * 4096)
    except OSError:
        pass
said += [right({SMALL} + step) and right({SMALL} + step) for step in range(1500)]
"""
        )
    )
    mount = f"mount -t tmpfs -o size=4m,mode=0700 none {default_cache}"
    printed = unshared(f"{mount}\n{sys.executable} {tmp_path}/script.py")
    if printed is None:
        pytest.skip("this machine does not allow mounting")
    shown = json.loads(printed.splitlines()[-1])
    assert all(shown["said"])
    assert {category for category, _ in shown["warned"]} == {"CacheWriteWarning"}


STRICT = {
    "a folder that can't be written": (freeze, f"{POWERLESS}\nlose_power()"),
    "a newer index": (newer_index, ""),
    "files that may not grow": (lambda _: None, LIMIT.format(size=10_000)),
    "no handles": (lambda _: None, f"{HANDLES}\nleave(0)"),
}


@linux
@pytest.mark.parametrize("name", STRICT)
def test_where_warnings_are_errors_a_fault_is_logged(
    run_python: Callable, stored: Path, name: str
) -> None:
    harm, before = STRICT[name]
    harm(stored)
    shown = told(run_python(strict(f"{before}\nsaid = [{STORED}, {NEW}]")))
    assert shown.said[:6] == [True] * 6
    assert {logger for logger, _ in shown.said[6]} == {"afml_cache"}
    assert len(shown.said[6]) <= 2
