"""The benchmarks of bars measure what they say, shown on a few weeks of minutes."""

import datetime as dt

import pytest

from benchmarks import bars, market, pandas2, replay
from benchmarks.measure import SUBJECT, Table

SESSIONS = 60


@pytest.fixture(scope="module")
def made():
    return market.bars(390 * SESSIONS)


@pytest.fixture
def table():
    made = Table()
    made.group = "bars"
    return made


def by_case(table):
    return {(row.case, row.who): row for row in table.rows}


def test_ten_years_are_those_of_the_exchange():
    days = market.sessions(market.bars())
    assert (days[0].year, days[-1].year) == (2014, 2024)
    assert 2_520 <= len(days) <= 2_540
    assert dt.date(2014, 7, 4) not in {day.date() for day in days}


def test_the_rows_of_an_interval_are_those_that_a_filter_finds(made, tmp_path):
    market.write_peers(made, tmp_path)
    first, stop = market.months(made, 3)[1]
    found = market.Rows(made)(first, stop)
    assert found.height
    assert found.equals(market.scanned(tmp_path, first, stop))
    assert market.in_pandas(found).equals(market.filtered(tmp_path, first, stop))


@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_a_warm_month_is_measured_beside_reading_it(table, made, tmp_path, kind):
    market.write_peers(made, tmp_path)
    bars.filled(tmp_path / kind, made, kind)
    bars.warm(table, tmp_path, made, kind)
    peer = {"polars": bars.SCAN, "pandas": bars.READ}[kind]
    seen = by_case(table)
    case = f"30 days of minutes, {kind}"
    assert seen[case, SUBJECT].seconds < seen[case, peer].seconds
    assert all(row.seconds for row in table.rows)
    assert (f"{case}, bounds as text", SUBJECT) in seen


def test_what_is_small_is_measured(table, made, tmp_path):
    market.write_peers(made, tmp_path)
    bars.filled(tmp_path / "polars", made, "polars")
    bars.small(table, tmp_path, made)
    assert not [row.note for row in table.rows if not row.seconds]


def test_each_reader_is_the_first_of_a_process_once(made, tmp_path):
    market.write_peers(made, tmp_path)
    bars.filled(tmp_path / "pandas", made, "pandas")
    begin = market.months(made, 3)[1][0].isoformat()
    seen = bars.read_first(tmp_path, "pandas", [bars.READ, SUBJECT], begin)
    assert len(seen) == 2
    assert min(seen) > 0


def test_a_replay_makes_one_call_a_day(made, tmp_path):
    days = market.sessions(made)[replay.RUN :]
    seen = list(replay.replayed(made, days, tmp_path))
    assert [day.calls for day in seen] == [1] * len(days)
    assert all(day.in_segments > 0 for day in seen)


def test_a_file_that_is_written_again_each_day_grows(made, tmp_path):
    days = market.sessions(made)[replay.RUN :]
    peer = list(replay.rewritten(made, days[::13], tmp_path / "bars.parquet"))
    assert [one.day for one in peer] == list(range(0, len(days), 13))
    assert [one.size for one in peer] == sorted({one.size for one in peer})


def test_a_replay_is_told_by_the_year(made, tmp_path):
    days = market.sessions(made)[replay.RUN :]
    seen = list(replay.replayed(made, days, tmp_path))
    peer = [replay.Rewritten(0, 1.0, 2**20), replay.Rewritten(20, 2.0, 2**21)]
    heads, lines = replay.years(seen, peer)
    assert [len(line) for line in lines] == [len(heads)]
    assert lines[0][1] == str(len(days))
    assert replay.told(peer, 20) == "all would take about 60 s and write 60 MiB"


def test_without_the_other_environment_its_rows_say_why(table, tmp_path):
    pandas2.pandas2(table, tmp_path, tmp_path / "bin" / "python")
    assert {row.who for row in table.rows} == {SUBJECT, pandas2.ARCTIC}
    assert {row.seconds for row in table.rows} == {None}
    assert all("make bench" in row.note for row in table.rows)
