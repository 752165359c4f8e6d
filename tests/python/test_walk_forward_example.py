"""The example of a walk-forward study, run as a user runs it: twice, over one folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field

import pytest
from vendors import EXAMPLES

pytest.importorskip("backtesting", reason="the bars of the example come from `backtesting`")
pytest.importorskip("matplotlib", reason="the example draws with `matplotlib`")
pytest.importorskip("rich", reason="the example prints its tables with `rich`")

WALKS = ("first", "again", "one parameter more", "one bar restated")
FOLDS, GRID = 6, 12
ADDED = "48/240"


@dataclass
class Walk:
    """What is printed of one walk, or of the whole history."""

    computed: int
    found: int
    rows: list[list[str]] = field(default_factory=list)

    def pairs(self, column):
        """Counts of the training and of the test, by fold."""
        return [tuple(map(int, row[column].split("+"))) for row in self.rows]

    def column(self, number):
        return [row[number] for row in self.rows]


def run(folder, *options):
    """Run the example; give its walks by name, and all lines."""
    command = [sys.executable, EXAMPLES / "walk_forward.py", "--cache-dir", folder, *options]
    shown = subprocess.run(
        command,
        env={**os.environ, "PYTHONUTF8": "1", "COLUMNS": "80"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    assert shown.stderr == ""
    walks, lines = {}, shown.stdout.splitlines()
    for line in lines:
        counts = re.match(r"(.+): (\d+) computed, (\d+) found", line)
        if counts:
            name, walks[counts[1]] = counts[1], Walk(int(counts[2]), int(counts[3]))
        elif re.match(r" \d", line):
            walks[name].rows.append(re.split(r" {2,}", line.strip()))
    return walks, lines


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("walk")
    walks, lines = run(folder, "--plot", folder / "equity.png")
    return folder, walks, lines


def test_the_first_walk_computes_all_and_the_second_nothing(first):
    _, walks, _ = first
    assert walks["first"].pairs(3) == [(GRID, 1)] * FOLDS
    assert walks["first"].found == 0
    assert (walks["again"].computed, walks["again"].found) == (0, FOLDS * (GRID + 1))
    assert walks["again"].column(5) == walks["first"].column(5)


def test_one_more_set_of_parameters_computes_its_own_column_alone(first):
    _, walks, _ = first
    more = walks["one parameter more"]
    chosen = [pair == ADDED for pair in more.column(5)]
    assert any(chosen)
    assert more.pairs(3) == [(1, int(is_added)) for is_added in chosen]
    assert more.pairs(4) == [(GRID, int(not is_added)) for is_added in chosen]


def test_one_restated_bar_computes_the_folds_that_have_it(first):
    _, walks, _ = first
    restated = walks["one bar restated"]
    trained, tested = ([cell.endswith("*") for cell in restated.column(place)] for place in (1, 2))
    assert trained == [False, False, True, True, True, False]
    assert tested == [False, True, False, False, False, False]
    assert restated.pairs(3) == [
        ((GRID + 1) * in_training, int(in_training or in_test))
        for in_training, in_test in zip(trained, tested, strict=True)
    ]


def test_the_whole_history_is_a_family_with_figures(first):
    _, walks, lines = first
    whole = walks["whole history"]
    assert (whole.computed, whole.found) == (GRID + 1, 0)
    for _, sharpe, _, _, psr, dsr, trials, independent in whole.rows:
        assert int(trials) == GRID + 1
        assert 1 < float(independent) < GRID + 1
        assert 0 < float(dsr) < float(psr) < 1
        assert -5 < float(sharpe) < 5
    [overfitting] = [line for line in lines if line.startswith("probability of backtest over")]
    assert 0 <= float(overfitting.rpartition(" ")[2]) <= 1
    assert "looks: 24 at tests, 1 at all; at most 5 at one bar (WARNING)" in lines


def test_no_line_is_longer_than_a_terminal_is_wide(first):
    *_, lines = first
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if "…" in line]


def test_equity_is_drawn_where_asked(first):
    folder, *_ = first
    assert (folder / "equity.png").read_bytes().startswith(b"\x89PNG")


def test_the_second_run_computes_nothing_and_chooses_the_same(first, tmp_path):
    folder, walks, _ = first
    again, more = run(shutil.copytree(folder, tmp_path / "walk"))
    assert [walk.computed for walk in again.values()] == [0] * 5
    for name in WALKS:
        assert again[name].column(5) == walks[name].column(5)
        assert again[name].column(8) == walks[name].column(8)
    assert again["whole history"].rows == walks["whole history"].rows
    assert "looks: 48 at tests, 2 at all; at most 10 at one bar (WARNING)" in more


def test_fresh_computes_all_again_and_adds_no_trials(first, tmp_path):
    folder, walks, _ = first
    fresh, _ = run(shutil.copytree(folder, tmp_path / "walk"), "--fresh")
    assert {name: walk.computed for name, walk in fresh.items()} == {
        name: walk.computed for name, walk in walks.items()
    }
    assert fresh["whole history"].rows == walks["whole history"].rows
