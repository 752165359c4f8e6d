"""The example of a mass test, run as a user runs it: killed, resumed, and with its flags."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field

import pytest
from vendors import EXAMPLES

pytest.importorskip("backtesting", reason="the bars of the example come from `backtesting`")
pytest.importorskip("rich", reason="the example prints its tables with `rich`")

NAME = "EURUSD_2017Q2"
LABELS, UNIVERSES, STRATEGIES = 210, 9, 60
INTERVAL, WORKERS, BATCH = 10, 2, 20
KILL_AT = 25
# Every Python that starts with this on its path kills its parent, and itself, as it is about to
# name that many files of labels.
KILLS = f"""
import os, signal, sys
from pathlib import Path

def hook(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith(".npy"):
        if len(list(Path(arguments[1]).parent.glob("[!.]*.npy"))) >= {KILL_AT}:
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
"""


@dataclass
class Run:
    """What a run has printed; counts are of (computed, cached)."""

    lines: list[str] = field(default_factory=list)

    def counts(self, head):
        """Give what the last line that begins like that says it has computed, and had."""
        *_, found = [line for line in self.lines if line.startswith(head)]
        return tuple(map(int, re.search(r"(\d+) computed, (\d+) cached", found).groups()))

    @property
    def labels(self):
        return (
            self.counts("   Labels: ") if any("Labels: " in line for line in self.lines) else None
        )

    @property
    def batches(self):
        """How many batches were processed, and cached."""
        told = {name: int(count) for name, count in self.matches(r"   (\w+) batches: (\d+)$")}
        return told["Processed"], told["Cached"]

    def matches(self, pattern):
        return [found.groups() for line in self.lines if (found := re.match(pattern, line))]

    def rows(self, title):
        """Give the rows of a table."""
        start = next(place for place, line in enumerate(self.lines) if line.strip() == title)
        cells = [re.split(r" {2,}", line.strip()) for line in self.lines[start + 4 :]]
        return {row[0]: row[1:] for row in cells[: cells.index([""])]}


def run(folder, *options, workers=WORKERS, batch_size=BATCH, path=(), status=0):
    """Run the example on one slice and the first strategies."""
    own = {"--output": folder / "out", "--cache-dir": folder / "cache", "--datasets": 1}
    own |= {"--workers": workers, "--batch-size": batch_size, "--strategies": STRATEGIES}
    given = [str(part) for pair in own.items() for part in pair]
    python_path = os.pathsep.join([*map(str, path), os.environ.get("PYTHONPATH", "")])
    shown = subprocess.run(
        [sys.executable, EXAMPLES / "mass_test.py", *given, *options],
        env={**os.environ, "PYTHONUTF8": "1", "COLUMNS": "100", "PYTHONPATH": python_path},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (shown.returncode, shown.stderr) == (status, "")
    return Run(shown.stdout.splitlines())


def merged(folder):
    return (folder / "out" / NAME / "batch_results" / "results_merged.parquet").read_bytes()


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    """A run that was killed while it labelled, how many labels were written then, and the next."""
    folder, hook = tmp_path_factory.mktemp("resumed"), tmp_path_factory.mktemp("hook")
    (hook / "sitecustomize.py").write_text(KILLS, encoding="utf-8")
    killed = run(folder, path=[hook], status=-signal.SIGKILL)
    assert [line[:6] for line in killed.lines if line.startswith("STEP")] == ["STEP 1"]
    written = len(list((folder / "cache" / "scratch").rglob("[!.]*.npy")))
    again = run(folder)
    return folder, written, again, merged(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run without interruption, with other workers and batches."""
    folder = tmp_path_factory.mktemp("whole")
    first = run(folder, workers=1, batch_size=25)
    return folder, first, merged(folder)


def test_a_killed_run_goes_on_where_it_was(resumed):
    _, written, again, _ = resumed
    computed, cached = again.labels
    assert computed + cached == LABELS
    assert KILL_AT - 1 <= written < LABELS
    assert written - INTERVAL * WORKERS <= cached <= written
    assert again.counts("🌌 Universes") == (0, UNIVERSES)


def test_what_was_resumed_is_byte_for_byte_what_was_not_interrupted(resumed, whole):
    assert resumed[-1] == whole[-1]


def test_the_first_run_goes_through_all_steps(whole):
    _, first, _ = whole
    steps = first.matches(r"STEP (\d): (?:Labeling|Regime Detection|Pattern Mining)\b")
    assert steps == [("1",), ("2",), ("3",)]
    assert first.labels == (LABELS, 0)
    assert first.counts("🌌 Universes") == (UNIVERSES, 0)
    assert first.counts("STEP 2: Regime Detection") == (UNIVERSES, 0)
    assert first.batches == (3, 0)
    assert first.matches(r"   🗑️  Labels cleaned for next dataset \((4\.\d) MB freed\)")


def test_tables_have_what_was_measured(whole):
    folder, first, _ = whole
    before, after, saved = first.rows("Disk Space")[NAME]
    megabytes = [float(cell.split()[0]) for cell in (before, after, saved)]
    assert megabytes[0] == pytest.approx(megabytes[1] + megabytes[2], abs=0.11)
    assert 4 < megabytes[2] < 5
    assert list((folder / "cache" / "scratch").rglob("*.npy")) == []
    seconds, again, _ = first.rows("Processing Time")[NAME]
    assert float(seconds.removesuffix(" s")) > 0
    assert again == "-"
    assert first.rows("Backtests")[NAME][0] == str(STRATEGIES)


def test_a_second_run_skips_all_and_says_so(whole):
    folder, first, content = whole
    again = run(folder, workers=1, batch_size=25)
    assert f"✅ Patterns cached!          → Loading {NAME}_patterns.json" in again.lines
    assert "STEP 1: ❌ SKIPPED           → Labeling not needed!" in again.lines
    assert "STEP 3: ❌ SKIPPED           → Mining not needed!" in again.lines
    assert again.labels is None
    assert again.batches == (0, 3)
    assert "✅ Found 3 cached batch results!" in again.lines
    assert merged(folder) == content
    assert again.rows("Backtests") == first.rows("Backtests")
    disk = again.rows("Disk Space")
    before, after, _ = disk.pop("Re-run")
    assert (float(before.split()[0]), after) == (pytest.approx(4.3, abs=0.2), "0.0 MB temporary")
    assert disk == first.rows("Disk Space")
    assert again.rows("Processing Time")[NAME][1] != "-"


@pytest.mark.parametrize(
    ("flag", "universes", "labels", "regimes"),
    [
        ("--no-skip-existing", (UNIVERSES, 0), (0, LABELS), (0, UNIVERSES)),
        ("--force-rerun", (UNIVERSES, 0), (LABELS, 0), (UNIVERSES, 0)),
        ("--fresh", (UNIVERSES, 0), (LABELS, 0), (UNIVERSES, 0)),
    ],
)
def test_flags_make_anew_what_they_say(whole, flag, universes, labels, regimes):
    folder, _, content = whole
    again = run(folder, flag, workers=1, batch_size=25)
    assert again.counts("🌌 Universes") == universes
    assert again.labels == labels
    assert again.counts("STEP 2: Regime Detection") == regimes
    assert again.batches == (3, 0)
    assert merged(folder) == content


def test_another_spread_computes_backtests_alone(resumed):
    folder, *_, content = resumed
    dearer = run(folder, "--spread", "0.0002")
    assert dearer.labels is None
    assert dearer.counts("🌌 Universes") == (0, UNIVERSES)
    assert dearer.batches == (3, 0)
    assert dearer.matches(r"   Not used: results_batch_0.parquet and 2 others")
    assert merged(folder) != content
