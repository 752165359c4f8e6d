"""The main job, run as a user runs it: one process a time, one cache folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("backtesting", reason="the bars of the example come from `backtesting`")
pytest.importorskip("rich", reason="the example prints its table with `rich`")

QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.py"
CALLS = {"features": 1, "labels": 1, "volatility by month": 11, "backtest grid": 30}
RESULTS = ("labels", "volatility", "best", "trials", "deflated")


@dataclass(frozen=True)
class Run:
    """What one run of the example printed."""

    bodies: list[str]
    table: dict[str, list[str]]
    results: list[str]

    def hits(self) -> dict[str, int]:
        return {stage: int(self.table[stage][2]) for stage in CALLS}

    def best(self) -> list[str]:
        return [line for line in self.results if line.startswith("best")]

    def trials(self) -> int:
        [line] = [line for line in self.results if line.startswith("trials")]
        return int(line.split()[1].rstrip(","))


def run(cache: Path, *options: str, script: Path = QUICKSTART, hash_seed: int = 0) -> Run:
    """Run the example in a process of its own, and read its output."""
    command = [sys.executable, str(script), "--verbose", "--cache-dir", str(cache), *options]
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONUTF8": "1"}
    shown = subprocess.run(
        command, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    bodies = [line for line in shown.stderr.splitlines() if line.startswith("computing ")]
    noise = [line for line in shown.stderr.splitlines() if "Warning" in line]
    assert not noise
    return Run(
        bodies=bodies,
        table={stage: counts for stage, *counts in cells},
        results=[line for line in lines if line.startswith(RESULTS)],
    )


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """A cache folder after its first run, and that run."""
    cache = tmp_path_factory.mktemp("quickstart") / "cache"
    return cache, run(cache, hash_seed=1)


def test_the_first_run_computes_every_stage(cold: tuple[Path, Run]) -> None:
    _, first = cold
    assert len(first.bodies) == sum(CALLS.values())
    assert first.hits() == dict.fromkeys(CALLS, 0)
    assert len(first.best()) == 3
    deflated, alone = map(float, re.findall(r"0\.\d+", first.results[-1]))
    assert 0 < deflated < alone < 1


def test_a_second_process_computes_nothing_and_prints_the_same(cold: tuple[Path, Run]) -> None:
    cache, first = cold
    second = run(cache, hash_seed=2)
    assert second.bodies == []
    assert second.hits() == CALLS
    assert second.results == first.results


def test_fresh_computes_again_and_prints_the_same(cold: tuple[Path, Run]) -> None:
    cache, first = cold
    again = run(cache, "--fresh")
    assert sorted(again.bodies) == sorted(first.bodies)
    assert again.results == first.results


def test_a_changed_cost_recomputes_the_backtests_alone(
    cold: tuple[Path, Run], tmp_path: Path
) -> None:
    folder, first = cold
    cache = shutil.copytree(folder, tmp_path / "cache")  # its trials count for the strategy
    source = QUICKSTART.read_text(encoding="utf-8")
    edited = source.replace("COST_PER_TURN = 0.00002", "COST_PER_TURN = 0.0001")
    assert edited != source
    script = tmp_path / "quickstart.py"
    script.write_text(edited, encoding="utf-8")

    dearer = run(cache, script=script)
    assert dearer.hits() == {**CALLS, "backtest grid": 0}
    assert len(dearer.bodies) == CALLS["backtest grid"]
    assert not {*dearer.best()} & {*first.best()}
    assert (first.trials(), dearer.trials()) == (30, 60)


def test_another_place_and_another_comment_still_hit(
    cold: tuple[Path, Run], tmp_path: Path
) -> None:
    cache, _ = cold
    script = tmp_path / "study.py"
    source = QUICKSTART.read_text(encoding="utf-8")
    script.write_text(source.replace("COST_PER_TURN", "# a note\nCOST_PER_TURN", 1), "utf-8")
    assert run(cache, script=script).bodies == []
