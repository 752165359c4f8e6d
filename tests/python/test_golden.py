"""The golden digests and stores: the same for every Python, pandas, NumPy and hash seed.

`tests/wheel/matrix.py` compares them in every environment that it makes; this is the one at hand.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("seed", [0, 1, 4_242_424_242])
def test_the_golden_digests_are_found_again(seed: int) -> None:
    ran = subprocess.run(
        [sys.executable, GOLDEN / "check.py"],
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " 0 wrong" in ran.stdout


def test_the_table_has_some_two_hundred_values_and_no_two_share_a_digest() -> None:
    table = json.loads((GOLDEN / "digests.json").read_text(encoding="utf-8"))
    assert len(table) > 200
    assert len(set(table.values())) == len(table)


def compared(script: str) -> str:
    ran = subprocess.run(
        [sys.executable, GOLDEN / script], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_results_of_the_golden_store_are_found_and_equal() -> None:
    assert "13 golden results, 0 wrong" in compared("stored.py")


def test_the_bars_of_the_golden_series_are_found_and_equal() -> None:
    pytest.importorskip("polars")
    assert "4 golden series, 0 wrong" in compared("series.py")


def test_the_runs_of_the_golden_store_are_found_with_their_figures() -> None:
    pytest.importorskip("pandas")
    assert "19 golden runs, 0 wrong" in compared("runs.py")
