"""A store that is killed, failed or damaged wherever it can be: nothing is lost, torn or wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[1] / "soak"
UNSUPPORTED = 77


def soak(script: str, *arguments: object) -> dict[str, int]:
    """Run a script that ends with a line of counts; give the counts by the words after them."""
    command = [sys.executable, SOAK / script, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode == UNSUPPORTED:
        pytest.skip(ended.stdout.strip())
    assert ended.returncode == 0, ended.stdout + ended.stderr
    line = ended.stdout.splitlines()[-1]
    print(line)
    return {words: int(count) for count, words in re.findall(r"(\d+) ([a-z ]+[a-z])", line)}


@pytest.mark.timeout(300)
def test_a_kill_at_60_system_calls_loses_nothing() -> None:
    counts = soak("kill_at_calls.py", "--of", "results", "--rounds", 60, "--seed", 1)
    assert counts["kills"] >= 60
    assert counts["promises checked"] > 1_000
    assert counts["files left over"] == 0


@pytest.mark.timeout(300)
def test_a_kill_at_50_system_calls_loses_no_bar() -> None:
    counts = soak("kill_at_calls.py", "--of", "bars", "--rounds", 50, "--seed", 1)
    assert counts["kills"] >= 40
    assert counts["promises checked"] > 1_000
    assert counts["files left over"] == 0


@pytest.mark.timeout(300)
def test_60_system_calls_that_fail_cost_no_result() -> None:
    counts = soak("fail_at_calls.py", "--of", "results", "--rounds", 60, "--seed", 1)
    assert counts["failures"] >= 40


@pytest.mark.timeout(300)
def test_50_system_calls_that_fail_cost_no_bar() -> None:
    counts = soak("fail_at_calls.py", "--of", "bars", "--rounds", 50, "--seed", 1)
    assert counts["failures"] >= 40


# It takes thousands of calls to get there.
NO_FULL_LOG = ("--skip", "runs in a full log")


@pytest.mark.timeout(300)
def test_a_kill_at_12_system_calls_leaves_every_run_whole_or_absent() -> None:
    counts = soak("kill_at_calls.py", "--of", "runs", *NO_FULL_LOG, "--rounds", 12, "--seed", 1)
    assert counts["kills"] >= 12
    assert counts["promises checked"] > 300
    assert counts["files left over"] == 0


@pytest.mark.timeout(300)
def test_12_system_calls_that_fail_leave_every_run_whole_or_absent() -> None:
    counts = soak("fail_at_calls.py", "--of", "runs", *NO_FULL_LOG, "--rounds", 12, "--seed", 1)
    assert counts["failures"] >= 10


@pytest.mark.timeout(300)
def test_a_thousand_runs_of_4_processes_are_all_there() -> None:
    counts = soak("record_together.py", "--runs", 250, "--seed", 1)
    assert counts["runs of"] == 1000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
@pytest.mark.timeout(300)
def test_300_flipped_bytes_never_come_out() -> None:
    counts = soak("flip_bytes.py", "--sample", 300, "--seed", 1)
    assert counts["flips"] == 300
    assert 100 < counts["computed again"] < 600


@pytest.mark.timeout(300)
def test_3_rounds_of_killed_sweeps_give_what_a_loop_gives() -> None:
    counts = soak("sweep_kills.py", "--rounds", 3, "--seed", 1)
    assert counts["kills"] >= 2
    assert counts["items computed"] > 100


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_a_kill_at_2000_system_calls_loses_nothing() -> None:
    for what in ("results", "bars", "runs"):
        counts = soak("kill_at_calls.py", "--of", what, "--rounds", 2_000)
        assert counts["kills"] >= 2_000
        assert counts["files left over"] == 0


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_2000_system_calls_that_fail_cost_no_result() -> None:
    for what in ("results", "bars", "runs"):
        soak("fail_at_calls.py", "--of", what, "--rounds", 2_000)


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_100000_runs_of_4_processes_are_all_there() -> None:
    counts = soak("record_together.py", "--runs", 25_000)
    assert counts["runs of"] == 100_000


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_2000_kills_of_processes_that_record_leave_every_run_whole_or_absent() -> None:
    counts = soak("record_together.py", "--runs", 20_000, "--kills", 2_000)
    assert counts["runs of"] == 80_000


@pytest.mark.soak
@pytest.mark.timeout(14_400)
def test_no_flipped_byte_of_a_small_store_comes_out() -> None:
    assert soak("flip_bytes.py")["flips"] > 100_000


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_10000_flipped_bytes_of_a_large_store_never_come_out() -> None:
    assert soak("flip_bytes.py", "--large", "--flips", 10_000)["flips"] == 10_000


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_300_rounds_of_killed_sweeps_give_what_a_loop_gives() -> None:
    assert soak("sweep_kills.py", "--rounds", 300)["kills"] > 200
