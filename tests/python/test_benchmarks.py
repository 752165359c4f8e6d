"""The report of the benchmarks: nothing measured is left out, and no figure is asserted."""

import pytest

from benchmarks.measure import SUBJECT, Table, duration
from benchmarks.report import MARKS, document, splice, summary
from benchmarks.targets import faster, figures

CASE = "hit f(1, 2)"
MACHINE = {"processor": "a CPU", "cores": "2", "memory": "8.0 GiB", "system": "Linux"}
VERSIONS = {"Python": "3.11.7", "pandas": "3.0.0"}


def unable():
    message = "unhashable type: 'DataFrame'"
    raise TypeError(message)


@pytest.fixture
def table():
    made = Table()
    made.group = "hits"
    made.add(CASE, SUBJECT, 1e-6)
    made.add(CASE, "joblib.Memory", 60e-6)
    made.add(CASE, "cachebox (RAM only)", 0.5e-6)
    made.add(CASE, "the function alone", 0.04e-6, floor=True)
    made.time(CASE, "moka_py (RAM only)", unable)
    return made


def test_a_peer_that_fails_keeps_its_row_with_the_reason(table):
    text = document(table, "2025-01-01", MACHINE, VERSIONS)
    line = next(line for line in text.splitlines() if line.startswith("| moka_py"))
    assert line == "| moka_py (RAM only) | none | - | TypeError: unhashable type: 'DataFrame' |"


def test_a_lost_row_is_kept_and_said_in_words(table):
    text = document(table, "2025-01-01", MACHINE, VERSIONS)
    assert "| cachebox (RAM only) | 500 ns | 0.5 (faster than afml_cache) |" in text
    assert f"- {CASE}: `cachebox (RAM only)` takes 0.5 times as long as afml_cache" in text
    assert "500 ns (faster)" in summary(table.rows, MACHINE, VERSIONS)


def test_a_floor_is_no_loss(table):
    text = document(table, "2025-01-01", MACHINE, VERSIONS)
    assert "0.04 (a floor, not a cache)" in text
    assert "`the function alone`" not in text


def test_a_verdict_follows_the_figures(table):
    seen = figures(table.rows)
    assert faster(CASE, "joblib.Memory", 50).verdict(seen) == ("60 times", "met")
    assert faster(CASE, "joblib.Memory", 70).verdict(seen) == ("60 times", "missed")
    assert faster(CASE, "moka_py (RAM only)", 1).verdict(seen) == ("-", "not measured")


def test_the_summary_replaces_what_stands_between_the_marks(tmp_path):
    page = tmp_path / "README.md"
    page.write_text(f"above\n{MARKS[0]}\nold\n{MARKS[1]}\nbelow\n", encoding="utf-8")
    splice(page, "new")
    assert page.read_text(encoding="utf-8") == f"above\n{MARKS[0]}\nnew\n{MARKS[1]}\nbelow\n"


def test_a_page_without_marks_is_refused(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="no marks"):
        splice(page, "new")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(2.0, "2 s"), (3.21e-3, "3.21 ms"), (15e-6, "15 µs"), (4e-8, "40 ns")]
)
def test_a_duration_shows_three_digits(seconds, shown):
    assert duration(seconds) == shown
