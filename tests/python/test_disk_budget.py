"""A budget for scratch: others' folders are waited for, and there is no half-written disk."""

import contextlib
import json
import os
import pickle
import signal
import sys
import threading
from pathlib import Path

import pytest
from hostile import unshared
from scratch_children import HEAD, child

from afml_cache.exceptions import CacheConfigError, DiskBudgetError
from afml_cache.scratch_space import (
    consumer,
    context,
    current_budget,
    disk_budget,
    enter_token,
    scratch,
    scratch_holders,
)

KEY, OTHER = "5f" * 16, "a0" * 16
MB = 1_000_000


class BrokenError(Exception):
    pass


def fill(folder: Path, size: int = 4 * MB) -> None:
    (folder / "labels.bin").write_bytes(b"x" * size)


def leave(name: str, size: int = 4 * MB) -> Path:
    with contextlib.suppress(BrokenError), scratch(name) as folder:
        fill(folder, size)
        raise BrokenError
    return folder


def test_what_fits_is_admitted_at_once_and_the_peak_is_kept() -> None:
    with disk_budget("10 MB") as budget:
        assert budget.admit(9 * MB, "labels")
        with scratch("labels", needs="5 MB") as folder:
            fill(folder)
            assert 4 * MB <= budget.used() < 5 * MB
        with scratch("regimes", needs=5 * MB) as folder:
            fill(folder)
    assert budget.used() == 0
    assert 4 * MB <= budget.peak < 5 * MB


def test_the_room_is_what_the_budget_and_the_disk_leave() -> None:
    leave("labels")
    budget = disk_budget("10 MB")
    assert 5 * MB < budget.room() < 6 * MB
    spared = disk_budget("1 TB", min_free=budget.free() - 50 * MB)
    assert -50 * MB < spared.room() < 150 * MB  # others write here too
    assert disk_budget("1 MB").room() < 0


def test_alone_without_room_it_fails_at_once_with_the_figures() -> None:
    with disk_budget("10 MB", min_free="1 kB"), scratch("regimes") as held:
        fill(held)
        with pytest.raises(DiskBudgetError) as raised, scratch("labels", needs="56 MB"):
            pass
    error = raised.value
    assert isinstance(error, OSError)
    assert error.needed == 56 * MB
    assert 5 * MB < error.free < 6 * MB
    ((path, size),) = error.holders
    assert (path, 4 * MB <= size < 5 * MB) == (str(held.parent), True)
    said = str(error)
    for figure in ("56.0 MB", "10.0 MB", "1.0 kB", path, "`labels`"):
        assert figure in said
    assert not (held.parents[2] / "labels").exists()


def test_needs_are_what_the_largest_folder_of_that_name_took() -> None:
    for size in (2 * MB, 8 * MB, 1 * MB):
        with scratch("labels") as folder:
            fill(folder, size)
    with disk_budget("5 MB"):
        with pytest.raises(DiskBudgetError) as raised, scratch("labels"):
            pass
        with scratch("labels", needs="1 MB"), scratch("regimes"):
            pass
    assert 8 * MB <= raised.value.needed < 9 * MB


def test_a_failure_tells_the_next_one_how_much_it_takes() -> None:
    leave("labels")
    with disk_budget("3 MB"), pytest.raises(DiskBudgetError), scratch("labels", of="another"):
        pass


def test_a_resume_needs_only_what_is_missing() -> None:
    folder = leave("labels")
    with disk_budget("6 MB"), scratch("labels", needs="5 MB") as again:
        assert again == folder
        assert (folder / "labels.bin").is_file()


def test_what_dead_owners_left_goes_first_save_what_this_consumer_resumes() -> None:
    dead = leave("regimes")
    with consumer(KEY, ["labels"], "patterns"), scratch("labels") as resumed:
        fill(resumed)
    with disk_budget("10 MB"), consumer(KEY, ["labels"], "patterns"):
        with scratch("more", needs="5 MB"):
            assert not dead.exists()
            assert (resumed / "labels.bin").is_file()
        with pytest.raises(DiskBudgetError), scratch("more", needs="8 MB"):
            pass
        assert (resumed / "labels.bin").is_file()
    with disk_budget("10 MB"), scratch("labels", needs="8 MB"):
        assert not resumed.exists()


def test_a_folder_counts_with_what_was_admitted_for_it() -> None:
    with disk_budget("10 MB", wait=0) as budget, child(NEEDING) as other:
        other.tell("7 MB")
        other.hear()
        assert budget.used() < MB
        assert budget.room() <= 3 * MB
        with pytest.raises(DiskBudgetError), scratch("labels", needs="4 MB"):
            pass
        with scratch("labels", needs="3 MB"):
            pass


NEEDING = """
with disk_budget("10 MB"), scratch("others", needs=wait()) as folder:
    say(folder)
    wait()
"""


def test_others_of_this_consumer_under_way_are_not_waited_for() -> None:
    with disk_budget("10 MB") as budget:
        assert budget.admit(4 * MB, "an item", running=1)
        assert not budget.admit(4 * MB, "an item", running=2)


HOLDING = """
with consumer("b" * 32, ["labels"], "patterns of GBPUSD") as patterns:
    with scratch("labels") as folder:
        (folder / "labels.bin").write_bytes(b"x" * 8_000_000)
    say(folder)
    if wait() == "commit":
        patterns.commit()
say("done")
wait()
"""


@pytest.mark.parametrize("end", ["commit", "fail", "kill"])
def test_what_another_live_process_holds_is_waited_for(end: str) -> None:
    with child(HOLDING) as other, disk_budget("10 MB") as budget:
        folder = Path(other.hear())
        admitted = []

        def ask() -> None:
            admitted.append(budget.admit(6 * MB, "labels of EURUSD"))

        thread = threading.Thread(target=ask)
        thread.start()
        wait_until_waiting(folder.parents[2])
        assert admitted == []
        assert folder.is_dir()
        other.kill() if end == "kill" else other.tell(end)
        thread.join(60)
        assert admitted == [True]
        assert not folder.exists()


def wait_until_waiting(root: Path, count: int = 1) -> None:
    """Wait until somebody has told that he waits: his file is in the root."""
    told = threading.Event()
    while len(list((root / ".waiting").glob("*"))) < count:
        told.wait(0.002)


def test_what_another_consumer_of_this_process_holds_is_waited_for() -> None:
    holds, goes = threading.Event(), threading.Event()
    root: list[Path] = []

    def hold() -> None:
        with consumer(OTHER, ["labels"], "others") as others:
            with scratch("labels") as folder:
                fill(folder, 8 * MB)
            root.append(folder.parents[2])
            holds.set()
            wait_until_waiting(root[0])
            others.commit()
        goes.set()

    thread = threading.Thread(target=hold)
    thread.start()
    holds.wait(60)
    with (
        disk_budget("10 MB"),
        consumer(KEY, ["labels"], "ours"),
        scratch("labels", needs="6 MB"),
    ):
        assert [each.name for each in scratch_holders()] == ["labels"]
    thread.join()
    assert goes.is_set()


def test_workers_of_one_consumer_wait_for_what_the_others_let_go_of() -> None:
    with disk_budget("10 MB"), consumer(KEY, [], "a sweep") as sweep:
        token = sweep.token()
        wrong: list[BaseException] = []
        together: list[int] = []

        def work(number: int) -> None:
            try:
                with enter_token(token), scratch("tmp", of=number, needs="4 MB") as folder:
                    together.append(len(scratch_holders()))
                    fill(folder, 3 * MB)
            except BaseException as error:  # noqa: BLE001 - told below
                wrong.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert max(together) <= 2


def test_nobody_is_waited_for_who_holds_less_than_is_missing() -> None:
    with child(HOLDING) as other:
        other.hear()
        with disk_budget("10 MB") as budget:
            with pytest.raises(DiskBudgetError, match="nobody else holds as much"):
                budget.admit(11 * MB, "labels")
            with scratch("mine") as mine:
                fill(mine)
                with pytest.raises(DiskBudgetError, match="nobody else holds as much"):
                    budget.admit(9 * MB, "labels")


def test_the_longest_wait_is_kept() -> None:
    with child(HOLDING) as other:
        other.hear()
        for wait in (0, 0.05):
            budget = disk_budget("10 MB", wait=wait)
            with pytest.raises(DiskBudgetError, match="nobody has freed enough in"):
                budget.admit(6 * MB, "labels")
        assert not list((budget.root / ".waiting").glob("*"))


CIRCLE = """
from afml_cache.exceptions import DiskBudgetError
with disk_budget("10 MB") as budget:
    try:
        with scratch(wait(), needs="4 MB") as folder:
            (folder / "labels.bin").write_bytes(b"x" * 4_000_000)
            say("holds")
            wait()
            with scratch("more", needs="4 MB"):
                say("right")
    except DiskBudgetError as error:
        say("wait for room too" in str(error))
wait()
"""


def test_two_who_hold_and_wait_for_each_other_do_not_wait_for_ever(default_cache: Path) -> None:
    with child(CIRCLE) as one, child(CIRCLE) as two:
        for each, name in ((one, "one"), (two, "two")):
            each.tell(name)
            assert each.hear() == "holds"
        one.tell()
        wait_until_waiting(default_cache / "scratch")
        two.tell()
        assert two.hear() == "True"
        assert one.hear() == "right"


WAITING = """
with disk_budget("10 MB") as budget:
    try:
        budget.admit(6_000_000, "labels")
    except KeyboardInterrupt:
        say("interrupted")
"""


def test_waiting_is_awake_for_an_interrupt(default_cache: Path) -> None:
    with child(HOLDING) as other:
        other.hear()
        with child(WAITING) as waiting:
            wait_until_waiting(default_cache / "scratch")
            os.kill(waiting.pid, signal.SIGINT)
            assert waiting.hear() == "interrupted"
            assert waiting.end() == 0
    assert not list((default_cache / "scratch" / ".waiting").glob("*"))


def test_what_a_killed_process_waited_with_is_no_matter(default_cache: Path) -> None:
    with child(HOLDING) as other:
        other.hear()
        with child(WAITING) as waiting:
            wait_until_waiting(default_cache / "scratch")
            waiting.kill()
        with disk_budget("10 MB", wait=0) as budget, pytest.raises(DiskBudgetError):
            budget.admit(6 * MB, "labels")
        assert not list((default_cache / "scratch" / ".waiting").glob("*"))


def test_the_innermost_budget_counts_and_then_the_applied_one() -> None:
    assert current_budget() is None
    try:
        applied = disk_budget("30 MB").apply()
        with disk_budget("20 MB") as outer:
            with disk_budget("10 MB") as inner:
                assert current_budget() is inner
            assert current_budget() is outer
        seen = []
        thread = threading.Thread(target=lambda: seen.append(current_budget()))
        thread.start()
        thread.join()
        assert seen == [applied]
    finally:
        context.apply(None)
    assert current_budget() is None


def test_a_token_takes_the_budget_along() -> None:
    with disk_budget("10 MB", wait=0), consumer(KEY, ["labels"], "patterns") as patterns:
        token = pickle.loads(pickle.dumps(patterns.token()))
    with (
        enter_token(token),
        pytest.raises(DiskBudgetError),
        scratch("labels", needs="11 MB"),
    ):
        pass


def test_scratch_under_another_root_is_not_limited(tmp_path: Path) -> None:
    with disk_budget("1 MB"), scratch("labels", root=tmp_path / "other", needs="1 GB") as folder:
        assert folder.is_dir()


def test_limits_are_checked() -> None:
    for options in ({"max_bytes": "much"}, {"min_free": -1}, {"wait": "soon"}, {"wait": -1}):
        with pytest.raises(CacheConfigError):
            disk_budget(**{"max_bytes": 1, **options})


DATASETS = """
import json, errno
root = Path(sys.argv[1])
budget = disk_budget(sys.argv[2], root=root)
freed, taken = [], []
with budget:
    for number in range(30):
        with consumer(f"{number:032x}", ["labels"], f"patterns of {number}") as patterns:
            with scratch("labels", root=root, needs="1.2 MB") as folder:
                for part in range(4):
                    (folder / f"{part}.bin").write_bytes(b"x" * 300_000)
            patterns.commit()
        freed.append(patterns.freed)
    try:
        with scratch("labels", root=root, needs="5 MB"):
            pass
    except OSError as error:
        taken.append(type(error).__name__)
print(json.dumps([sum(freed), max(freed), budget.peak, budget.used(), taken]))
"""


def test_thirty_datasets_whose_scratch_is_far_larger_than_the_disk_run_one_by_one(
    tmp_path: Path,
) -> None:
    root = tmp_path / "root"
    root.mkdir(mode=0o700)
    script = tmp_path / "script.py"
    script.write_text(HEAD + DATASETS)
    run = f"{sys.executable} {script} {root}"
    printed = unshared(f"mount -t tmpfs -o size=2m,mode=0700 none {root}\n{run} '1 TB'")
    if printed is None:  # the kernel allows no mounting: the budget alone is the limit
        with child(f"sys.argv = ['', {str(root)!r}, '2 MB']\n{DATASETS}") as limited:
            printed = limited.hear()
    freed, largest, peak, used, taken = json.loads(printed)
    assert freed > 30 * 1.2 * MB
    assert peak == largest < 2 * MB
    assert used == 0
    assert taken == ["DiskBudgetError"]
