"""The example of a sliding backtest, run as a user runs it: twice, over one folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from vendors import EXAMPLES

pytest.importorskip("backtesting", reason="the vendor's bars come from `backtesting`")
pytest.importorskip("rich", reason="the example prints its table with `rich`")


def run(folder, *options):
    """Run the example; give its table's rows as numbers, and its other lines."""
    command = [sys.executable, EXAMPLES / "sliding_backtest.py", "--cache-dir", folder, *options]
    shown = subprocess.run(
        command,
        env={**os.environ, "PYTHONUTF8": "1", "COLUMNS": "100"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    told = [line for line in shown.stderr.splitlines() if "restated by the vendor" not in line]
    assert told == []
    lines = shown.stdout.splitlines()
    cells = [re.split(r"\s*[│┃]\s*", line.strip("│┃ ")) for line in lines if line[:1] in "│┃"]
    table = {who: [int(text.replace(",", "")) for text in counts] for who, *counts in cells[2:]}
    return table, lines


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sliding")
    return folder, *run(folder)


def test_the_table_has_the_calls_and_days_of_three_passes(first):
    _, table, _ = first
    assert table["engine"][:2] == [62, 62]
    assert table["strategy"][:2] == [62, 62 * 31]
    assert table["chart"] == [1, 62, 0, 0, 0, 0]
    assert table["total"][:2] == [125, 2046]
    assert table["total"][2] == 43  # a call for each of the 42 sessions, and one for those before
    assert table["total"][3] <= 92
    assert table["total"][4:] == table["prefetch"][4:] == [1, 92]


def test_the_second_run_makes_no_call_at_all(first):
    folder, table, lines = first
    again, more = run(folder)
    assert again["total"] == [*table["total"][:2], 0, 0, 0, 0]
    assert more[1] == lines[1]  # the equity
    assert more[-1] == "calls of the vendor in this run: 0"


def test_fresh_begins_anew(first):
    folder, table, _ = first
    assert run(folder, "--fresh")[0] == table


def test_hard_times_are_told_in_a_line_each(first):
    *_, lines = first
    told = [line for line in lines if re.match(r"an? .*, \d+ calls: |too many .*calls: ", line)]
    assert len(told) == 5
    assert "all 252 bars" in told[0]
    assert "22 and 20 bars" in told[1]
    assert told[2].endswith("all 360 hours")
    assert "2012-10-29: 0 bars" in told[3]
    assert "2012-07-20" in told[4]
