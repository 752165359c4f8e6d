"""Scratch folders: there while they are needed, gone when their consumer is done."""

import contextlib
import contextvars
import logging
import os
import pickle
import stat
import threading
from pathlib import Path

import pytest
from scratch_children import child

from afml_cache._native import default_store
from afml_cache.exceptions import CacheConfigError, ScratchError
from afml_cache.scratch_space import (
    collect_scratch,
    consumer,
    enter_token,
    scratch,
    scratch_holders,
)

KEY, OTHER = "5f" * 16, "a0" * 16
MEGABYTE = 1_000_000


class BrokenError(Exception):
    pass


def fill(folder: Path, name: str = "labels.bin", size: int = MEGABYTE) -> None:
    (folder / name).write_bytes(b"x" * size)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def leave(name: str = "labels", **options: object) -> Path:
    """Leave a folder behind, as a failure does."""
    with contextlib.suppress(BrokenError), scratch(name, **options) as folder:
        fill(folder)
        raise BrokenError
    return folder


def test_a_folder_is_there_for_its_with_statement_and_gone_after(default_cache: Path) -> None:
    labels = scratch("labels")
    with labels as folder:
        assert folder.is_relative_to(default_cache / "scratch" / "labels")
        fill(folder)
        (folder / "long" / "1h").mkdir(parents=True)
        fill(folder / "long" / "1h")
        assert labels.freed == 0
    assert not folder.exists()
    assert 2 * MEGABYTE <= labels.freed < 3 * MEGABYTE
    assert not (default_cache / "scratch" / "labels").exists()


def test_a_user_sees_nothing_in_a_folder_but_what_a_user_has_put_there() -> None:
    with scratch("labels") as folder:
        assert list(folder.iterdir()) == []
        for number in range(3):
            (folder / f"{number}.csv").write_text(str(number))
        assert [int(each.read_text()) for each in sorted(folder.iterdir())] == [0, 1, 2]


def test_what_was_freed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "afml_cache.scratch"), scratch("labels") as folder:
        fill(folder)
    assert caplog.messages == ["scratch `labels` removed, 1.0 MB freed"]


def test_a_folder_whose_statement_failed_is_kept_and_found_again() -> None:
    folder = leave()
    assert names(folder) == ["labels.bin"]
    with scratch("labels/") as again:
        assert again == folder
        assert names(again) == ["labels.bin"]
    assert not folder.exists()


def test_another_value_has_another_folder() -> None:
    folder = leave(of=("EURUSD", 2025))
    with scratch("labels", of=("GBPUSD", 2025)) as other, scratch("labels") as plain:
        assert names(other) == names(plain) == []
    with scratch("labels", of=("EURUSD", 2025)) as again:
        assert (again, names(again)) == (folder, ["labels.bin"])


def test_the_root_is_chosen_by_argument_or_by_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scratch("labels", root=tmp_path / "given" / "deep") as folder:
        assert folder.is_relative_to(tmp_path / "given" / "deep")
    monkeypatch.setenv("AFML_CACHE_SCRATCH_DIR", str(tmp_path / "set"))
    with scratch("labels/long") as folder:
        assert folder.parents[1] == tmp_path / "set" / "labels" / "long"


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_folders_are_private_under_any_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with scratch("labels/long", root=tmp_path / "new" / "root") as folder:
            modes = {
                stat.S_IMODE(each.stat().st_mode)
                for each in (folder, *folder.parents)
                if each != tmp_path and each.is_relative_to(tmp_path)
            }
            assert modes == {0o700}
            files = {each for each in (tmp_path / "new").rglob("*") if each.is_file()}
            assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
    finally:
        os.umask(before)


def test_the_store_opens_in_a_folder_that_scratch_made_first(default_cache: Path) -> None:
    with scratch("labels"):
        assert len(default_store()) == 0
    assert (default_cache / "v1").is_dir()


def test_one_object_serves_one_statement_at_a_time() -> None:
    labels = scratch("labels")
    with labels, pytest.raises(ScratchError, match="open already"), labels:
        pass
    with labels as folder:
        assert folder.is_dir()


def test_a_folder_that_is_open_twice_goes_with_the_last() -> None:
    with scratch("labels") as outer:
        with scratch("labels") as inner:
            fill(inner)
        assert names(outer) == ["labels.bin"]
    assert not outer.exists()


def test_a_consumer_keeps_its_folders_until_it_commits() -> None:
    with consumer(KEY, ["labels/", "regimes"], "patterns of EURUSD") as patterns:
        with scratch("labels") as labels, scratch("regimes") as regimes:
            fill(labels)
            fill(regimes)
        with scratch("other") as other:
            fill(other)
        assert (labels.exists(), regimes.exists(), other.exists()) == (True, True, False)
        assert labels.parent.name == KEY[:16]
        assert {(each.what, each.alive) for each in scratch_holders()} == {
            ("patterns of EURUSD", True)
        }
        patterns.commit()
        assert (labels.exists(), regimes.exists()) == (False, False)
    assert 2 * MEGABYTE <= patterns.freed < 3 * MEGABYTE


@pytest.mark.parametrize("fails", [True, False], ids=["raises", "never commits"])
def test_a_consumer_that_failed_leaves_its_folders_to_the_next_of_its_key(fails: bool) -> None:
    with contextlib.suppress(BrokenError), consumer(KEY, ["labels"], "patterns"):
        with scratch("labels") as folder:
            fill(folder)
        if fails:
            raise BrokenError
    with consumer(OTHER, ["labels"], "others"), scratch("labels") as other:
        assert names(other) == []
    with consumer(KEY, ["labels"], "patterns") as again:
        with scratch("labels") as found:
            assert (found, names(found)) == (folder, ["labels.bin"])
        again.commit()
    assert not folder.exists()


def test_a_commit_removes_what_an_earlier_try_left_though_it_was_not_opened_again() -> None:
    with consumer(KEY, ["labels"], "patterns"), scratch("labels", of="EURUSD") as folder:
        fill(folder)
    with consumer(KEY, ["labels"], "patterns") as again:
        again.commit()
    assert not folder.exists()
    assert again.freed > MEGABYTE


def test_values_tell_folders_of_one_consumer_apart() -> None:
    with consumer(KEY, ["labels"], "patterns") as patterns:
        with scratch("labels", of=1) as one, scratch("labels", of=2) as two, scratch("labels"):
            assert one != two
        patterns.commit()
        assert not one.exists()
        assert not two.exists()


def test_the_nearest_consumer_that_names_a_folder_keeps_it() -> None:
    with consumer(KEY, ["labels"], "patterns") as outer:
        with consumer(OTHER, ["regimes"], "regimes") as inner:
            with scratch("labels") as labels, scratch("regimes") as regimes:
                fill(labels)
            inner.commit()
        assert (labels.parent.name, regimes.parent.name) == (KEY[:16], OTHER[:16])
        assert (labels.exists(), regimes.exists()) == (True, False)
        outer.commit()
    assert not labels.exists()


def test_a_folder_that_is_open_when_its_consumer_commits_goes_when_it_is_closed() -> None:
    with consumer(KEY, ["labels"], "patterns") as patterns:
        with scratch("labels") as folder:
            fill(folder)
            patterns.commit()
            assert names(folder) == ["labels.bin"]
        assert not folder.exists()
        assert patterns.freed > MEGABYTE


def test_two_consumers_of_one_key_share_a_folder_until_the_last_commits() -> None:
    with scratch("before"):
        pass
    first, second = consumer(KEY, ["labels"], "a"), consumer(KEY, ["labels"], "b")
    with second:
        with first:
            with scratch("labels") as folder:
                fill(folder)
            first.commit()
            assert names(folder) == ["labels.bin"]
        second.commit()
    assert not folder.exists()


def test_a_thread_enters_the_consumer_by_its_token() -> None:
    seen = []
    with consumer(KEY, ["labels"], "patterns") as patterns:
        token = patterns.token()

        def work() -> None:
            with enter_token(token), scratch("labels") as folder:
                fill(folder)
                seen.append(folder)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert names(seen[0]) == ["labels.bin"]
        patterns.commit()
    assert not seen[0].exists()
    assert patterns.freed > MEGABYTE


WORKER = """
import pickle
token = pickle.loads(bytes.fromhex(wait()))
with enter_token(token), scratch("labels", of="item") as folder:
    (folder / "labels.bin").write_bytes(b"x" * 1_000_000)
    with consumer("c" * 32, ["labels"], "mine"):
        pass
say(folder)
wait()
"""


def test_a_worker_process_uses_the_folders_of_its_parent_and_removes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with child(WORKER) as worker, consumer(KEY, ["labels"], "patterns") as patterns:
        monkeypatch.setenv("AFML_CACHE_SCRATCH_DIR", str(tmp_path / "set"))  # the child has it not
        worker.tell(pickle.dumps(patterns.token()).hex())
        folder = Path(worker.hear())
        assert folder.parents[1] == tmp_path / "set" / "labels"
        assert names(folder) == ["labels.bin"]
        with child("say(len(collect_scratch()))") as collector:
            assert collector.hear() == "0"
        patterns.commit()
        assert not folder.exists()


def test_a_context_that_is_copied_is_in_the_same_consumer() -> None:
    def open_one() -> Path:
        with scratch("labels") as folder:
            return folder

    with consumer(KEY, ["labels"], "patterns") as patterns:
        folder = contextvars.copy_context().run(open_one)
        assert folder.is_dir()
        patterns.commit()
    assert not folder.exists()


FORKED = """
import contextlib
with contextlib.ExitStack() as stack:
    patterns = stack.enter_context(consumer("5f" * 16, ["labels"], "patterns"))
    labels = stack.enter_context(scratch("labels"))
    plain = stack.enter_context(scratch("plain"))
    started = os.fork()
    if started == 0:
        with scratch("labels") as same:
            right = same == labels
        patterns.commit()
        stack.close()
        os._exit(7 if right and labels.is_dir() and plain.is_dir() else 1)
    say(os.waitstatus_to_exitcode(os.waitpid(started, 0)[1]))
    say(labels.is_dir() and plain.is_dir())
    patterns.commit()
say(labels.exists() or plain.exists())
"""


def test_a_forked_child_removes_nothing_of_its_parent() -> None:
    with child(FORKED) as parent:
        assert [parent.hear() for _ in range(3)] == ["7", "True", "False"]


KILLED = """
if {forks}:
    reading, writing = os.pipe()
    if os.fork() == 0:
        say(os.getpid())
        os.read(reading, 1)
        os._exit(0)
with consumer("{key}", ["labels"], "patterns of EURUSD"):
    with scratch("labels") as folder:
        (folder / "labels.bin").write_bytes(b"x" * 1_000_000)
        say(folder)
        wait()
"""


@pytest.mark.parametrize("forks", [False, True], ids=["alone", "with a forked child that lives"])
def test_what_a_killed_process_left_is_found_by_a_resume_and_collected_else(forks: bool) -> None:
    with child(KILLED.format(key=KEY, forks=forks)) as killed:
        if forks:
            left = int(killed.hear())
        folder = Path(killed.hear())
        (holder,) = scratch_holders()
        assert (holder.path, holder.name) == (folder.parent, "labels")
        assert holder.what == "patterns of EURUSD"
        assert (holder.alive, holder.pid) == (True, killed.pid)
        assert holder.created.utcoffset() is not None
        assert MEGABYTE <= holder.bytes < 2 * MEGABYTE
        assert collect_scratch() == []
        killed.kill()
    with consumer(KEY, ["labels"], "again"), scratch("labels") as again:
        assert (again, names(again)) == (folder, ["labels.bin"])
        assert collect_scratch() == []
    assert [each.path for each in collect_scratch(dry_run=True)] == [folder.parent]
    assert names(folder) == ["labels.bin"]
    (collected,) = collect_scratch()
    assert (collected.path, collected.alive) == (folder.parent, False)
    assert not folder.parent.exists()
    if forks:
        os.kill(left, 9)


def test_a_resume_keeps_its_folder_from_collection_before_it_opens_it() -> None:
    folder = leave_in_consumer()
    with consumer(KEY, ["labels"], "again"):
        assert collect_scratch() == []
        with child("say(len(collect_scratch()))") as collector:
            assert collector.hear() == "0"
    assert [each.path for each in collect_scratch()] == [folder.parent]


def leave_in_consumer() -> Path:
    with consumer(KEY, ["labels"], "patterns"), scratch("labels") as folder:
        fill(folder)
    return folder


def test_a_second_process_keeps_a_folder_that_it_uses_and_removes_it_last() -> None:
    with child('with scratch("labels") as f:\n say(f)\n wait()\nsay("done")') as second:
        with scratch("labels") as folder:
            fill(folder)
            assert second.hear() == str(folder)
        assert names(folder) == ["labels.bin"]
        second.tell()
        assert second.hear() == "done"
    assert not folder.exists()


def test_a_removal_that_was_cut_short_is_finished_by_collection() -> None:
    folder = leave().parent
    moved = folder.rename(folder.parent / f".removed-{folder.name}-00000000")
    with scratch("labels") as fresh:
        assert names(fresh) == []
        assert [each.path for each in collect_scratch()] == [moved]
    assert not moved.exists()


@pytest.mark.parametrize("age", [3600, "1h"])
def test_collection_leaves_what_was_used_a_moment_ago(age: object) -> None:
    old, recent = leave("old"), leave("recent")
    os.utime(old.parent / ".afml-scratch", (0, 0))
    assert [each.path for each in collect_scratch(older_than=age)] == [old.parent]
    assert recent.is_dir()
    with pytest.raises(CacheConfigError, match="older_than"):
        collect_scratch(older_than="soon")


def test_sizes_are_what_the_disk_gives_and_count_each_file_once() -> None:
    folder = leave()
    os.link(folder / "labels.bin", folder / "again.bin")
    with (folder / "sparse.bin").open("wb") as sparse:
        sparse.truncate(10**9)
    (holder,) = scratch_holders()
    assert MEGABYTE <= holder.bytes < 2 * MEGABYTE


def test_nobody_holds_anything_where_no_scratch_was_ever_made(tmp_path: Path) -> None:
    assert scratch_holders(tmp_path / "none") == []
    assert collect_scratch(root=tmp_path / "none") == []
