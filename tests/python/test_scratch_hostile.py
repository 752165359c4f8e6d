"""Scratch folders among links, folders of others, torn markers and disks without room."""

import contextlib
import errno
import json
import os
import pickle
import shutil
import sys
import threading
from pathlib import Path

import pytest
from hostile import POWERLESS, unshared
from scratch_children import HEAD, child

from afml_cache.exceptions import (
    CacheConfigError,
    CacheStoreError,
    ScratchError,
    SweepWarning,
    UncacheableArgumentError,
)
from afml_cache.scratch_space import collect_scratch, consumer, scratch, scratch_holders

MARKER = ".afml-scratch"
KEY = "5f" * 16


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A file of the user's, which nothing here may touch."""
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years")
    return folder


def check(precious: Path) -> None:
    assert (precious / "thesis.txt").read_text() == "years"


def made(root: Path, name: str = "labels") -> Path:
    """Where the folder of a name is, which was used once and is gone."""
    with scratch(name, root=root) as folder:
        return folder


BAD = {
    "empty": "",
    "a slash": "/",
    "absolute": "/labels",
    "up": "../labels",
    "up on the way": "a/../../labels",
    "here": ".",
    "null": "a\0b",
    "an empty part": "a//b",
    "hidden": ".lock",
    "hidden below": "labels/.removed-x",
    "what folders are called": "labels/0123456789abcdef",
    "what plain folders are called": "labels/default",
    "too long": "x" * 300,
    "too deep": "/".join("x" * 17),
    "bytes": b"labels",
    "a number": 3,
    "nothing": None,
}


@pytest.mark.parametrize("name", BAD.values(), ids=BAD)
def test_a_name_is_a_relative_path_of_plain_parts(name: object, root: Path) -> None:
    with pytest.raises(ScratchError, match="scratch folder"):
        scratch(name, root=root)
    with pytest.raises(ScratchError):
        consumer(KEY, [name], "patterns")
    assert not root.exists()


@pytest.mark.parametrize("name", ["default", "etiquetas ñ", "a b/c\nd", "\udcff", "x" * 255])
def test_other_names_are_fine(name: str, root: Path) -> None:
    with scratch(name, root=root) as folder:
        assert [each.name for each in scratch_holders(root)] == [name]
    assert not folder.exists()


def test_other_arguments_are_checked(root: Path) -> None:
    with pytest.raises(ScratchError, match="list such as"):
        consumer(KEY, "labels", "patterns")
    with pytest.raises(ScratchError, match="key"):
        consumer("", ["labels"], "patterns")
    with pytest.raises(CacheConfigError, match="needs"):
        scratch("labels", root=root, needs="much")
    with pytest.raises(UncacheableArgumentError), scratch("x", root=root, of=threading.Lock()):
        pass
    for wrong in ("", "a\0b", 3):
        with pytest.raises(ScratchError, match="root"):
            scratch("labels", root=wrong)


@pytest.mark.parametrize("part", ["root", "labels", "labels/long", "labels/long/default"])
@pytest.mark.parametrize("to", ["folder", "nowhere"])
def test_a_link_on_the_way_is_refused(root: Path, precious: Path, part: str, to: str) -> None:
    link = root if part == "root" else root / part
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(precious if to == "folder" else "nowhere")
    with pytest.raises(ScratchError, match="link"), scratch("labels/long", root=root):
        pass
    assert list(precious.iterdir()) == [precious / "thesis.txt"]
    if part == "root":
        with pytest.raises(ScratchError, match="link"):
            collect_scratch(root=root)
    else:
        assert collect_scratch(root=root) == []
    check(precious)


def test_a_link_above_the_root_is_the_users_own(root: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with scratch("labels", root=tmp_path / "link" / "root") as folder:
        (folder / "x").touch()
        assert (tmp_path / "real" / "root").is_dir()
    assert not folder.exists()


def test_a_file_on_the_way_is_refused(root: Path) -> None:
    root.mkdir()
    (root / "labels").write_text("mine")
    with pytest.raises(ScratchError, match="no folder"), scratch("labels", root=root):
        pass
    assert (root / "labels").read_text() == "mine"


@pytest.mark.parametrize("what", ["link", "link to nowhere", "file", "pipe"])
def test_what_is_in_the_place_of_the_files_is_refused_and_goes_with_the_folder(
    root: Path, precious: Path, what: str
) -> None:
    folder = left(root)
    shutil.rmtree(folder)
    match what:
        case "link":
            folder.symlink_to(precious)
        case "link to nowhere":
            folder.symlink_to(root / "nowhere")
        case "file":
            folder.write_text("mine")
        case "pipe":
            os.mkfifo(folder)
    with (
        consumer(KEY, ["labels"], "patterns"),
        pytest.raises(ScratchError, match="no folder") as raised,
        scratch("labels", root=root),
    ):
        pass
    assert str(folder) in str(raised.value)
    assert not (root / "nowhere").exists()
    assert [each.path for each in collect_scratch(root=root)] == [folder.parent]
    assert not folder.parent.exists()
    check(precious)


def test_files_that_a_user_removed_or_a_killed_process_never_made_are_made(root: Path) -> None:
    with scratch("labels", root=root) as folder:
        shutil.rmtree(folder)
        with scratch("labels", root=root) as again:
            assert again == folder
            assert list(folder.iterdir()) == []
        shutil.rmtree(folder)
    assert not folder.parent.exists()
    folder = left(root)
    shutil.rmtree(folder)
    with consumer(KEY, ["labels"], "patterns"), scratch("labels", root=root) as again:
        assert again == folder
        assert list(folder.iterdir()) == []


def test_links_inside_are_removed_and_not_followed(root: Path, precious: Path) -> None:
    with scratch("labels", root=root) as folder:
        (folder / "folder").symlink_to(precious)
        (folder / "file").symlink_to(precious / "thesis.txt")
        (folder / "up").symlink_to("..")
        (folder / "deep").mkdir()
        (folder / "deep" / "loop").symlink_to(folder)
        os.link(precious / "thesis.txt", folder / "same")
    assert not folder.exists()
    check(precious)


def swapped_for_a_link(path: Path, precious: Path) -> None:
    path.rename(f"{path}-moved")
    path.symlink_to(precious)


@pytest.mark.parametrize("part", ["root", "labels", "folder"])
def test_what_is_swapped_for_a_link_meanwhile_is_not_followed(
    root: Path, precious: Path, part: str
) -> None:
    shutil.copytree(precious, precious / "labels" / "default" / "files")
    shutil.copytree(precious, precious / "default")
    with pytest.warns(SweepWarning, match="could not be removed"):  # noqa: SIM117
        with scratch("labels", root=root) as folder:
            swapped_for_a_link(
                {"root": root, "labels": root / "labels", "folder": folder.parent}[part], precious
            )
    assert len(list(precious.rglob("thesis.txt"))) == 4
    check(precious)


def test_files_that_were_swapped_for_a_link_meanwhile_are_not_followed(
    root: Path, precious: Path
) -> None:
    with scratch("labels", root=root) as folder:
        (folder / "labels.bin").touch()
        swapped_for_a_link(folder, precious)
    assert not folder.parent.exists()
    check(precious)


def test_a_folder_that_was_swapped_for_another_is_left_alone(root: Path) -> None:
    with pytest.warns(SweepWarning, match="its marker is gone"):  # noqa: PT031, SIM117
        with scratch("labels", root=root) as folder:
            shutil.rmtree(folder.parent)
            folder.mkdir(parents=True)
            (folder / "thesis.txt").write_text("years")
    check(folder)


def test_a_folder_that_the_user_removed_is_no_matter(root: Path) -> None:
    labels = scratch("labels", root=root)
    with labels as folder:
        shutil.rmtree(folder.parent)
    assert labels.freed == 0
    with scratch("labels", root=root) as folder:
        shutil.rmtree(root)
    with consumer(KEY, ["labels"], "patterns") as patterns:
        with scratch("labels") as folder:
            shutil.rmtree(folder.parents[2])
        patterns.commit()
    assert not folder.exists()


FOREIGN = {
    "no marker": None,
    "an empty marker": "",
    "a torn marker": '{"made_by": "afml',
    "another tool's": '{"made_by": "another"}',
    "a list": "[1]",
    "deep": "[" * 60_000,
    "fields that are missing": '{"made_by": "afml-cache"}',
}


@pytest.mark.parametrize("inside", [True, False], ids=["in files", "beside them"])
@pytest.mark.parametrize("marker", FOREIGN.values(), ids=FOREIGN)
def test_a_folder_that_the_library_did_not_make_is_never_used_or_removed(
    root: Path, marker: str | None, inside: bool
) -> None:
    files = made(root)
    folder = files if inside else files.parent
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("years")
    if marker is not None:
        (files.parent / MARKER).write_text(marker)
    with pytest.raises(ScratchError, match="did not make") as raised, scratch("labels", root=root):
        pass
    assert str(files.parent) in str(raised.value)
    assert scratch_holders(root) == collect_scratch(root=root) == []
    check(folder)


def left(root: Path, name: str = "labels") -> Path:
    with consumer(KEY, [name], "patterns"), scratch(name, root=root) as folder:
        (folder / "thesis.txt").write_text("years")
    return folder


CHANGED = {
    "another type": ("pid", "4"),
    "another name": ("name", "regimes"),
    "another folder": ("identity", "0123456789abcdef"),
    "no time": ("created", "yesterday"),
    "a time without a zone": ("created", "2024-01-01T00:00:00"),
    "a field too many": ("extra", 1),
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_a_marker_that_is_not_of_this_place_makes_no_folder_ours(
    root: Path, change: tuple[str, object]
) -> None:
    folder = left(root)
    said = json.loads((folder.parent / MARKER).read_text())
    (folder.parent / MARKER).write_text(json.dumps({**said, change[0]: change[1]}))
    assert collect_scratch(root=root) == []
    with (
        consumer(KEY, ["labels"], "patterns") as patterns,
        pytest.raises(ScratchError, match="did not make"),
        scratch("labels", root=root),
    ):
        pass
    patterns.commit()
    check(folder)


def test_a_marker_that_is_a_link_or_has_two_names_makes_no_folder_ours(root: Path) -> None:
    folder = left(root)
    os.link(folder.parent / MARKER, folder / "same")
    assert collect_scratch(root=root) == []
    (folder.parent / MARKER).unlink()
    (folder.parent / MARKER).symlink_to("files/same")
    assert collect_scratch(root=root) == []
    check(folder)


def test_a_copy_of_a_scratch_folder_is_the_users_own(root: Path) -> None:
    folder = left(root).parent
    for copy in (root / "copy", root / "regimes" / folder.name, folder.parent / "copy"):
        shutil.copytree(folder, copy)
    assert [each.path for each in collect_scratch(root=root)] == [folder]
    assert len(list(root.rglob("thesis.txt"))) == 3


@pytest.mark.parametrize("content", [None, b"", b'{"made_by"', b"\xff\xfe"])
def test_a_folder_whose_maker_was_killed_over_the_marker_is_taken_over(
    root: Path, content: bytes | None
) -> None:
    folder = made(root)
    folder.parent.mkdir(parents=True)
    if content is not None:
        (folder.parent / MARKER).write_bytes(content)
    with scratch("labels", root=root) as again:
        assert again == folder
        assert [each.path for each in scratch_holders(root)] == [folder.parent]
    assert not folder.parent.exists()


def test_records_and_locks_of_the_root_that_are_damaged_or_gone_are_made_anew(root: Path) -> None:
    for damage in (b"", b"[]", b'{"labels": "x"}', b"\xff", b"[" * 60_000):
        with scratch("labels", root=root) as folder:
            (folder / "x").write_bytes(b"x" * 10_000)
            (root / ".lock").unlink()
        (root / ".sizes.json").write_bytes(damage)
    made(root)
    assert json.loads((root / ".sizes.json").read_text())["labels"] > 0


@pytest.mark.parametrize("name", [".lock", ".sizes.json", ".consumers"])
def test_no_file_of_the_root_is_written_through_a_link(
    root: Path, precious: Path, name: str
) -> None:
    root.mkdir(mode=0o700)
    (root / name).symlink_to(precious / "thesis.txt")
    with consumer(KEY, ["labels"], "patterns"):
        try:
            with scratch("labels", root=root) as folder:
                (folder / "x").write_bytes(b"x" * 10_000)
        except (ScratchError, CacheStoreError) as error:
            assert str(root) in str(error)  # noqa: PT017 - where there can be none
    check(precious)


def test_a_tree_that_is_deeper_than_the_stack_goes(root: Path) -> None:
    with scratch("labels", root=root) as folder:
        here = os.open(folder, os.O_RDONLY)
        for _ in range(1500):
            os.mkdir("deep", dir_fd=here)
            inner = os.open("deep", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = inner
        os.close(here)
    assert not folder.exists()
    assert collect_scratch(root=root) == []


UNPRIVILEGED = f"""
{POWERLESS}
import warnings
if os.getuid() == 0:
    lose_power()
root = Path(wait())
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    labels = scratch("labels", root=root)
    with labels as folder:
        (folder / "locked").mkdir()
        (folder / "locked" / "labels.bin").write_bytes(b"x" * 100_000)
        (folder / "free.bin").write_bytes(b"x" * 100_000)
        (folder / "locked").chmod(0o500)
said = str(caught[0].message)
say([caught[0].category.__name__, "labels.bin" in said or "Permission" in said, len(caught)])
(held,) = scratch_holders(root)
say([folder.exists(), 100_000 <= labels.freed < 200_000, held.alive, str(held.path) in said])
(held.path / "files" / "locked").chmod(0o700)
say(len(collect_scratch(root=root)))
(root / "labels").mkdir()
(root / "labels").chmod(0o500)
root.chmod(0o500)
try:
    with scratch("regimes", root=root):
        pass
except OSError as error:
    say(type(error).__name__)
"""


def test_what_may_not_be_removed_is_told_and_never_raised(root: Path) -> None:
    with child(UNPRIVILEGED) as other:
        other.tell(str(root))
        assert other.hear() == "['SweepWarning', True, 1]"
        assert other.hear() == "[False, True, False, True]"
        assert other.hear() == "1"
        assert other.hear() == "CacheStoreError"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(root: Path) -> None:
    (root / "labels").mkdir(parents=True)
    os.chown(root / "labels", 4321, 4321)
    with pytest.raises(ScratchError, match="another user"), scratch("labels", root=root):
        pass


FULL = """
import errno
from afml_cache.exceptions import DiskBudgetError
root = Path(sys.argv[1])
folders = []
try:
    with scratch("labels", root=root) as folder:
        folders.append(folder)
        (folder / "first.bin").write_bytes(b"x" * 500_000)
        (folder / "labels.bin").write_bytes(b"x" * 4_000_000)
except OSError as error:
    say([error.errno == errno.ENOSPC, folder.is_dir()])
try:
    with scratch("regimes", root=root):
        say("not full")
except DiskBudgetError as error:
    say("the disk is full" in str(error))
say(sorted(path.name for path in (root / "regimes").glob("*")))
with scratch("labels", root=root) as again:
    say([again == folder, (again / "first.bin").stat().st_size])
with scratch("regimes", root=root) as regimes:
    (regimes / "labels.bin").write_bytes(b"x" * 1_500_000)
say(scratch_holders(root))
"""


def test_a_full_disk_is_the_consumers_failure_and_blocks_no_later_run(
    root: Path, tmp_path: Path
) -> None:
    script = tmp_path / "script.py"
    script.write_text(HEAD + FULL)
    root.mkdir(mode=0o700)
    mount = f"mount -t tmpfs -o size=2m,mode=0700 none {root}"
    printed = unshared(f"{mount}\n{sys.executable} {script} {root}")
    if printed is None:  # the kernel allows no mounting, so the disk is only said to be full
        with contextlib.suppress(OSError), scratch("labels", root=root) as folder:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        assert folder.is_dir()
        assert made(root) == folder
        return
    assert printed.splitlines() == [
        "[True, True]",
        "True",
        "[]",
        "[True, 500000]",
        "[]",
    ]


def test_threads_that_open_and_close_one_name_at_once_never_lose_a_folder(root: Path) -> None:
    wrong = []

    def work(number: int) -> None:
        for turn in range(40):
            try:
                with scratch("labels", root=root) as folder:
                    path = folder / f"{number}-{turn}"
                    path.write_text("x")
                    assert path.read_text() == "x"
                    path.unlink()
            except BaseException as error:  # noqa: BLE001 - told below
                wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert scratch_holders(root) == []


HAMMER = """
root = Path(wait())
for turn in range(60):
    with scratch("labels", root=root) as folder:
        path = folder / f"{os.getpid()}-{turn}"
        path.write_text("x")
        collect_scratch(root=root)
        assert path.read_text() == "x"
say("right")
"""


def test_processes_that_open_close_and_collect_at_once_never_lose_a_folder(root: Path) -> None:
    with child(HAMMER) as one, child(HAMMER) as two, child(HAMMER) as three:
        for each in (one, two, three):
            each.tell(str(root))
        assert [each.hear() for each in (one, two, three)] == ["right"] * 3
    assert scratch_holders(root) == []


def test_a_token_is_small(root: Path) -> None:
    with consumer(KEY, ["labels"], "patterns") as patterns:
        assert len(pickle.dumps(patterns.token())) < 1000
