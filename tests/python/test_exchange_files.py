"""Files of results that were damaged, altered or cut short, and places that are none for one."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from exchanged import cached, modelled, numbers, two
from forged import exported
from hostile import quarantined, unshared

import afml_cache
from afml_cache import (
    CacheConfigError,
    CacheCorruptError,
    CacheStoreError,
    Store,
    export_entries,
    import_entries,
)


@pytest.fixture
def other(tmp_path: Path) -> Store:
    return Store(tmp_path / "other")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "results.afml"


def test_any_byte_that_flips_on_the_way_has_the_file_refused(
    store: Store, other: Store, file: Path
) -> None:
    whole, _, _ = two(store, file)
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << (place % 8)
        file.write_bytes(flipped)
        version = 8 <= place < 16
        with pytest.raises(CacheStoreError if version else CacheCorruptError) as told:
            import_entries(file, store=other)
        assert str(file) in str(told.value)
    assert len(other) == 0
    assert quarantined(other.path) == []


def test_any_byte_that_somebody_altered_has_its_result_refused(
    store: Store, tmp_path: Path, file: Path
) -> None:
    _, identity, payloads = two(store, file)
    for number, payload in enumerate(payloads):
        other = Store(tmp_path / f"other {number}")
        square, model = cached(other), cached(other, modelled)
        for place in range(len(payload)):
            altered = bytearray(payload)
            altered[place] ^= 1 << (place % 8)
            both = [*payloads[:number], bytes(altered), *payloads[number + 1 :]]
            file.write_bytes(exported(identity, both))
            done = import_entries(file, store=other)
            # another key id than ours is somebody else's
            assert done.refused + done.foreign == 1, place
            assert done.stored + done.present == 1
            assert done.foreign == (number == 1 and 112 <= place < 120)
        assert [square.is_cached(2), model.is_cached(3)] == [number == 1, number == 0]


def test_any_length_that_is_left_of_it_is_refused(store: Store, other: Store, file: Path) -> None:
    whole, _, _ = two(store, file)
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(CacheCorruptError, match=r"copy or export it again|no file of"):
            import_entries(file, store=other)
    assert len(other) == 0


@pytest.mark.parametrize("count", [0, 1, 3, 2**60])
def test_a_number_of_results_that_does_not_fit_is_refused(
    store: Store, other: Store, file: Path, count: int
) -> None:
    _, identity, payloads = two(store, file)
    whole = exported(identity, payloads, count=count)
    file.write_bytes(whole)
    with pytest.raises(CacheCorruptError, match="do not add up"):
        import_entries(file, store=other)
    assert len(other) == 0


def test_a_newer_version_says_so(store: Store, file: Path) -> None:
    whole, _, _ = two(store, file)
    file.write_bytes(whole[:8] + (2).to_bytes(8, "little") + whole[16:])
    with pytest.raises(CacheStoreError, match=r"newer afml-cache.*upgrade"):
        import_entries(file, store=store)


def test_what_is_refused_is_told_of(
    store: Store, other: Store, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, identity, payloads = two(store, file)
    file.write_bytes(exported(identity, [*payloads, b"", b"rubbish", payloads[0][:-1]]))
    done = import_entries(file, store=other)
    assert (done.stored, done.refused) == (2, 3)
    assert len(quarantined(other.path)) == 3
    assert f"3 results of `{file}` were refused: set aside as" in caplog.text


@pytest.mark.parametrize("path", ["~nosuchuser/x", "a\0b", b"a\0b", "\ud800"])
def test_what_can_be_no_path_is_told_of(store: Store, path: object) -> None:
    for move in (export_entries, import_entries):
        with pytest.raises(CacheConfigError, match="`path`"):
            move(path, store=store)


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes, links or modes there")
@pytest.mark.timeout(30)
def test_whatever_else_stands_there_is_told_by_name(store: Store, tmp_path: Path) -> None:
    cached(store)(2)
    pipe, folder, text = tmp_path / "pipe", tmp_path / "folder", tmp_path / "notes.txt"
    os.mkfifo(pipe)
    folder.mkdir()
    text.write_text("do not lose me")
    missing = tmp_path / "no" / "such.afml"
    for path in (pipe, folder, missing, text / "below", Path("/dev/null")):
        with pytest.raises(CacheStoreError, match=str(path)):
            import_entries(path, store=store)
        with pytest.raises(CacheStoreError, match=str(path)):
            export_entries(path, store=store)
    with pytest.raises(CacheCorruptError, match="no file of exported results"):
        import_entries(text, store=store)
    with pytest.raises(CacheStoreError, match=r"some other file.*remove it, or name another"):
        export_entries(text, store=store)
    assert text.read_text() == "do not lose me"
    for wrong in ("", None, 3):
        with pytest.raises(CacheConfigError, match="must be a path"):
            export_entries(wrong, store=store)
        with pytest.raises(CacheConfigError, match="must be a path"):
            import_entries(wrong, store=store)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_is_followed_to_read_and_never_written_through(
    store: Store, other: Store, tmp_path: Path, file: Path
) -> None:
    cached(store)(2)
    export_entries(file, store=store)
    link, nowhere = tmp_path / "link", tmp_path / "nowhere"
    link.symlink_to(file)
    nowhere.symlink_to(tmp_path / "nothing")
    before = file.read_bytes()
    for path in (link, nowhere):
        with pytest.raises(CacheStoreError, match="is a symbolic link"):
            export_entries(path, store=store)
    assert (file.read_bytes(), (tmp_path / "nothing").exists()) == (before, False)
    assert import_entries(link, store=other).stored == 1


@pytest.mark.skipif(sys.platform == "win32", reason="no modes there")
@pytest.mark.parametrize("mask", [0, 0o777])
def test_a_file_is_readable_by_its_owner_alone(store: Store, file: Path, mask: int) -> None:
    cached(store)(2)
    before = os.umask(mask)
    try:
        export_entries(file, store=store)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


LIMITED = """
import resource, signal, sys
import afml_cache
signal.signal(signal.SIGXFSZ, signal.SIG_DFL if {killed} else signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({length}, resource.RLIM_INFINITY))
try:
    afml_cache.{call}
except afml_cache.CacheStoreError as error:
    print(error)
"""


def limited(call: str, folder: Path, length: int, *, killed: bool) -> subprocess.CompletedProcess:
    """Call in a process that can't make a file longer than this, or dies of it."""
    code = LIMITED.format(call=call, length=length, killed=killed)
    command, env = [sys.executable, "-c", code], {**os.environ, "AFML_CACHE": str(folder)}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="no limits there")
@pytest.mark.parametrize("killed", [True, False])
def test_an_export_that_ends_early_leaves_what_was_there(
    store: Store, other: Store, file: Path, killed: bool
) -> None:
    cached(store)(2)
    export_entries(file, store=store)
    before = file.read_bytes()
    cached(store, numbers)(100_000)
    call = f"export_entries({str(file)!r})"
    for length in (0, 10, 64, 5_000, 500_000):
        ended = limited(call, store.path, length, killed=killed)
        assert ended.returncode == (-signal.SIGXFSZ if killed else 0), ended.stderr
        assert killed or f"`{file}` can't be written" in ended.stdout
        assert file.read_bytes() == before
        fresh = file.with_name("fresh")
        limited(call.replace("results", "fresh"), store.path, length, killed=killed)
        assert not fresh.exists()
    left = [path for path in file.parent.iterdir() if path.name.startswith(".afml-export")]
    assert killed or left == []
    assert import_entries(file, store=other).stored == 1
    assert export_entries(file, store=store).entries == 2


@pytest.mark.skipif(sys.platform == "win32", reason="no limits there")
@pytest.mark.parametrize("killed", [True, False])
def test_an_import_that_ends_early_can_be_repeated(
    store: Store, tmp_path: Path, file: Path, killed: bool
) -> None:
    count = cached(store, numbers)
    sizes = [5_000, 10, 20_000, 100_000, 40_000]
    for size in sizes:
        count(size)
    export_entries(file, store=store)
    other = Store(tmp_path / "other")
    assert len(other) == 0
    ended = limited(f"import_entries({str(file)!r})", other.path, 200_000, killed=killed)
    assert ended.returncode == (-signal.SIGXFSZ if killed else 0), ended.stderr
    assert killed or "can be repeated" in ended.stdout
    done = import_entries(file, store=Store(other.path))
    assert done.stored + done.present == len(sizes)
    assert done.stored > 0
    again = cached(Store(other.path), numbers)
    assert all(np.array_equal(again(size), numbers(size)) for size in sizes)
    assert again.cache_info().misses == 0
    assert afml_cache.verify(other)


def test_a_full_disk_is_told_of(store: Store, tmp_path: Path) -> None:
    cached(store, numbers)(400_000)
    call = "afml_cache.export_entries('/mnt/x.afml')"
    code = f"import afml_cache\ntry: {call}\nexcept OSError as error: print(error)"
    (tmp_path / "full.py").write_text(code)
    mount = "mount -t tmpfs -o size=1m none /mnt"
    run = f"AFML_CACHE={store.path} {sys.executable} {tmp_path}/full.py; ls -A /mnt"
    shown = unshared(f"{mount}\n{run}")
    if shown is None:
        pytest.skip("this machine does not allow mounting")
    assert "`/mnt/x.afml` can't be written (free some disk" in shown
    assert len(shown.splitlines()) == 1, "nothing is left there"


class Stop(BaseException):
    """What a user presses."""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers there")
def test_ctrl_c_ends_it_and_nothing_is_left(store: Store, other: Store, file: Path) -> None:
    square = cached(store)
    for number in range(500):
        square.put(number, number)
    export_entries(file, store=store)
    before = file.read_bytes()
    assert len(other) == 0

    def stop(*_: object) -> None:
        raise Stop

    earlier = signal.signal(signal.SIGALRM, stop)
    try:
        for work in (lambda: export_entries(file, store=store), lambda: repeat(file, other)):
            with pytest.raises(Stop):
                stopped(work)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)
    assert file.read_bytes() == before
    assert not list(file.parent.glob(".afml-export*"))
    assert import_entries(file, store=other).refused == 0
    assert len(other) == 500


def stopped(work: Callable[[], object]) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.000_5)
    work()


def repeat(file: Path, store: Store) -> None:
    while True:
        import_entries(file, store=store)
