"""A folder that can't be used: unwritable, full, locked, somebody else's. The function runs."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hostile import indexes, source, told, unshared

from afml_cache import CacheStoreError, Store

root_only = pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="chown is for root"
)
BODY = "said = [right(100), right(20_000), right(100), right(20_000)]"


def bad_places(folder: Path) -> dict[str, Path]:
    (folder / "file").write_text("text")
    (folder / "loop").symlink_to("loop")
    return {
        "a file": folder / "file",
        "below a file": folder / "file" / "cache",
        "a link to itself": folder / "loop" / "cache",
        "a name too long": folder / ("x" * 300),
        "the kernel's": Path("/proc/nowhere/cache"),
    }


@pytest.mark.parametrize(
    "name", ["a file", "below a file", "a link to itself", "a name too long", "the kernel's"]
)
def test_a_place_that_cannot_be_a_folder(run_python: Callable, tmp_path: Path, name: str) -> None:
    place = bad_places(tmp_path)[name]
    shown = told(run_python(source(BODY), env={"AFML_CACHE": str(place)}))
    assert shown.said == [True] * 4
    assert len(shown.warned) == 1
    assert str(place) in shown.warned[0][1]
    assert "AFML_CACHE" in shown.warned[0][1]
    assert (tmp_path / "file").read_text() == "text"


def check_refused(run_python: Callable, folder: Path, remedy: str) -> None:
    before = sorted(folder.iterdir())
    shown = told(run_python(source(BODY), env={"AFML_CACHE": str(folder)}))
    assert shown.said == [True] * 4
    assert shown.ran == [100, 20_000, 100, 20_000]
    assert len(shown.warned) == 1
    assert str(folder) in shown.warned[0][1]
    assert re.search(remedy, shown.warned[0][1])
    assert sorted(folder.iterdir()) == before
    with pytest.raises(CacheStoreError, match=str(folder)):
        len(Store(folder))


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o702, 0o720, 0o1777])
def test_a_folder_that_others_may_write_is_refused(
    run_python: Callable, tmp_path: Path, mode: int
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(mode)
    check_refused(run_python, folder, "chmod|AFML_CACHE")


@root_only
@pytest.mark.parametrize("mode", [0o700, 0o755, 0o777])
def test_a_folder_of_somebody_else_is_refused(
    run_python: Callable, tmp_path: Path, mode: int
) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    folder.chmod(mode)
    os.chown(folder, 54321, 54321)
    check_refused(run_python, folder, "chown|AFML_CACHE")


@pytest.mark.parametrize("part", ["v1", "v1/payloads", "v1/quarantine"])
def test_a_folder_inside_that_others_may_write_is_refused(
    run_python: Callable, default_cache: Path, part: str
) -> None:
    told(run_python(source(BODY)))
    (default_cache / part).chmod(0o777)
    shown = told(run_python(source(BODY)))
    assert shown.said == [True] * 4
    assert shown.ran == [100, 20_000, 100, 20_000]
    assert len(shown.warned) == 1


def test_a_folder_that_others_may_only_read_is_taken(run_python: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "readable"
    folder.mkdir()
    folder.chmod(0o755)
    shown = told(run_python(source(BODY), env={"AFML_CACHE": str(folder)}))
    assert (shown.ran, shown.warned) == ([100, 20_000], [])


@contextmanager
def held(script: str, *arguments: object) -> Iterator[None]:
    """Another process that holds something until we are done."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.communicate("done\n", timeout=60)


TRANSACTION = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("pragma locking_mode = " + sys.argv[2])
connection.execute("begin exclusive")
connection.execute("create table if not exists held (x)")
print("held", flush=True)
sys.stdin.readline()
connection.execute("rollback")
"""


@pytest.mark.parametrize("mode", ["normal", "exclusive"])
def test_an_index_that_another_process_holds(
    run_python: Callable, default_cache: Path, mode: str
) -> None:
    run_python(source("right(100), right(20_000)"))
    (index,) = indexes(default_cache)
    with held(TRANSACTION, index, mode):
        shown = told(
            run_python(
                source("said = [right(size) for size in (100, 20_000, 101, 20_001, 102, 103)]")
            )
        )
    assert shown.said == [True] * 6
    assert shown.warned
    assert len(shown.warned) == len(set(shown.categories))
    assert set(shown.categories) <= {"CacheReadWarning", "CacheWriteWarning"}
    assert any("locked" in text for _, text in shown.warned)
    if mode == "normal":
        assert 100 not in shown.ran
        assert 20_000 not in shown.ran
    after = told(run_python(source("said = [right(size) for size in (100, 20_000, 101)]")))
    assert (after.said, after.warned) == ([True] * 3, [])


LOCK = """
import fcntl, sys
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="flock")
@pytest.mark.timeout(60)
def test_the_lock_of_an_index_that_a_stopped_process_holds(
    run_python: Callable, default_cache: Path
) -> None:
    run_python(source("right(100)"))
    locks = [path for path in (default_cache / "v1" / "locks").iterdir() if path.is_file()]
    for lock in locks:
        with held(LOCK, lock):
            shown = told(run_python(source("said = [right(100), right(101)]")))
        assert shown.said == [True, True]


def in_a_mount(tmp_path: Path, before: str, mount: str, script: str) -> dict[str, list]:
    """Run `before`, mount, run the script; each gives what it said."""
    names = []
    for name, text in (("before", before), ("script", script)):
        (tmp_path / f"{name}.py").write_text(source(text))
        names.append(f"{sys.executable} {tmp_path}/{name}.py")
    # both are `__main__`, so that the second looks for what the first stored
    shown = unshared(f"{names[0]}\n{mount}\n{names[1]}")
    if shown is None:
        pytest.skip("this machine does not allow mounting")
    return {
        name: json.loads(line)
        for name, line in zip(("before", "script"), shown.splitlines(), strict=True)
    }


def test_a_read_only_folder_is_read_and_not_written(tmp_path: Path, default_cache: Path) -> None:
    default_cache.mkdir(mode=0o700)
    mount = (
        f"mount --bind {default_cache} {default_cache}; mount -o remount,ro,bind {default_cache}"
    )
    body = "said = [right(100), right(20_000), right(300_000)]"
    script = body + "\nsaid += [right(101), right(20_001), right(101), right(300_000)]"
    shown = in_a_mount(tmp_path, body, mount, script)
    assert shown["before"]["ran"] == [100, 20_000, 300_000]
    assert shown["script"]["said"] == [True] * 7
    assert set(shown["script"]["ran"]) == {101, 20_001}
    assert [category for category, _ in shown["script"]["warned"]] == ["CacheWriteWarning"]
    assert str(default_cache) in shown["script"]["warned"][0][1]


def test_a_full_disk_costs_no_result(tmp_path: Path, default_cache: Path) -> None:
    default_cache.mkdir(mode=0o700)
    mount = f"mount -t tmpfs -o size=3m,mode=0700 none {default_cache}"
    # By default a store takes no more than half of a disk, and would never fill one.
    script = """
import afml_cache
afml_cache.configure(max_size="1 GB")
said = [right(100), right(20_000)]
said += [right(200_000 + step) for step in range(6)] + [right(50_000 + step) for step in range(20)]
said += [right(1_000 + step) for step in range(100)] + [right(100), right(20_000)]
said.append([load.is_cached(100), load.is_cached(20_000)])
left = [name for name in os.listdir(os.environ["AFML_CACHE"] + "/v1/tmp")]
said.append(left)
"""
    shown = in_a_mount(tmp_path, "", mount, script)["script"]
    assert shown["said"][:-2] == [True] * 130
    assert shown["said"][-2:] == [[True, True], []]
    assert [category for category, _ in shown["warned"]] == ["CacheWriteWarning"]
    assert "space" in shown["warned"][0][1].lower()


def test_a_disk_full_from_the_start_costs_no_result(tmp_path: Path, default_cache: Path) -> None:
    default_cache.mkdir(mode=0o700)
    mount = f"mount -t tmpfs -o size=4k,mode=0700 none {default_cache}"
    shown = in_a_mount(tmp_path, "", mount, BODY)["script"]
    assert shown["said"] == [True] * 4
    assert len(shown["warned"]) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no resource limits there")
def test_no_file_handles_left_costs_no_result(run_python: Callable) -> None:
    shown = told(
        run_python(
            source(
                """
import resource
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")), hard))
said = [right(100), right(20_000), right(300_000)]
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
"""
            )
        )
    )
    assert shown.said == [True] * 3
    assert set(shown.categories) <= {"CacheReadWarning", "CacheWriteWarning"}
    assert shown.warned
