"""The benchmarks of sweeps measure what they say, shown on a few items."""

import pytest

from benchmarks import sweeps
from benchmarks.measure import SUBJECT, Table
from benchmarks.sweep_ways import PARALLEL, WAYS, calls
from benchmarks.targets import BARE, SWEEPS, figures

# diskcache is installed for benchmarks alone, and joblib's processes stay.
SHOWN = [way for way in WAYS if way not in {"diskcache.memoize", PARALLEL}]


@pytest.fixture
def table():
    made = Table()
    made.group = "sweeps"
    return made


def by_case(table):
    return {(row.case, row.who): row for row in table.rows}


@pytest.mark.parametrize("way", SHOWN)
def test_every_way_gives_what_a_loop_gives(tmp_path, way):
    assert len(calls(way, tmp_path, 20, 2)) == 2


def test_joblib_s_processes_give_what_a_loop_gives(tmp_path):
    assert len(sweeps.timed("calls", PARALLEL, tmp_path, 20, 2)) == 2


def test_every_way_has_a_row():
    assert set(sweeps.FILLS) == set(WAYS)


def test_items_are_skipped_in_a_new_process_and_in_the_same(table, tmp_path):
    sweeps.filled(table, tmp_path, "here", 20, 1)
    rows = by_case(table)
    assert set(rows) == {(case, SUBJECT) for case in (sweeps.HERE, sweeps.SKIP_FRESH, sweeps.SKIP)}
    assert not list(tmp_path.iterdir())


def test_a_way_that_can_t_be_gone_keeps_its_rows_with_the_reason(table, tmp_path):
    sweeps.filled(table, tmp_path / "missing", "here", 20, 1)
    assert [row.seconds for row in table.rows] == [None] * 3


def test_a_frame_is_shared_by_workers_of_both(table, tmp_path):
    sweeps.frames(table, tmp_path, 20_000, 1)
    for who in (SUBJECT, PARALLEL):
        row = by_case(table)[sweeps.SHARE, who]
        assert row.seconds > 0
        assert "RSS" in row.note


def test_batches_that_are_there_are_timed(table, tmp_path):
    sweeps.batches(table, tmp_path, 2, 3, 1)
    assert by_case(table)[sweeps.SKIP_BATCHES, SUBJECT].seconds > 0


def test_the_cost_of_an_item_is_what_it_takes_beyond_the_bare_executor(table):
    table.add(*BARE, 5e-6, floor=True)
    table.add(sweeps.PROCESSES, SUBJECT, 195e-6)
    table.add(sweeps.EXECUTOR, SUBJECT, 405e-6)
    table.add(sweeps.SKIP, SUBJECT, 0.6)
    verdicts = [target.verdict(figures(table.rows)) for target in SWEEPS]
    assert verdicts == [
        ("190 µs", "met"),
        ("400 µs", "missed"),
        ("600 ms", "missed"),
        ("-", "not measured"),
    ]
