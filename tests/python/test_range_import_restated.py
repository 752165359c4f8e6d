"""Files that are taken in over bars that are stored: what stays, what changes, and what is told."""

import datetime as dt
import logging
from dataclasses import dataclass
from decimal import Decimal

import pandas as pd
import pytest
from range_vendor import Clock, Vendor, bars, cache_of, days, hours, same, utc

YEAR = days("2024-01-01", "2024-12-31")
JANUARY = ("2024-01-01", "2024-02-01")
SERIES = ("A", "1D")
HOURS = hours("2024-01-01", "2024-01-31 23:00")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "bars.parquet"


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def test_final_bars_that_a_file_has_not_stay(path, caplog) -> None:
    vendor = Vendor(HOURS)
    asked = "A", "1h", utc(HOURS[0]), utc(HOURS[500])
    cache = cache_of(vendor)
    cache.get(*asked)
    bars(HOURS[[0, 1, 2, 498, 499]]).to_parquet(path)
    with caplog.at_level(logging.WARNING):
        assert cache.import_parquet(path, "A", "1h") == 5
    for again in (cache, cache_of(vendor)):
        same(again.get(*asked), bars(HOURS[:500]))
        assert {one.reason for one in again.coverage("A", "1h")} == {"imported", "fetched"}
    assert cache.compact() >= 0
    verified = cache.verify()
    assert (verified.rows, verified.problems) == (500, [])
    same(cache_of(vendor).get(*asked), bars(HOURS[:500]))
    assert (len(vendor.asked), cache.stats()["restated"], caplog.text) == (1, 0, "")


def test_bars_at_other_minutes_of_the_hour_stay_beside_those_of_a_file(path) -> None:
    vendor = Vendor(HOURS)
    asked = "A", "1h", utc(HOURS[0]), utc(HOURS[24])
    cache = cache_of(vendor)
    cache.get(*asked)
    late = HOURS[:24] + pd.Timedelta("30min")
    bars(late).to_parquet(path)
    cache.import_parquet(path, "A", "1h")
    both = HOURS[:24].append(late).sort_values()
    for again in (cache, cache_of(vendor)):
        same(again.get(*asked), bars(both))


def test_bars_that_a_file_has_where_there_were_none_are_restated(path) -> None:
    vendor = Vendor(YEAR[[0, 1, 2, 4, 5, 6]])
    cache = cache_of(vendor)
    cache.get(*SERIES, "2024-01-01", "2024-01-08")
    bars(YEAR[2:5]).to_parquet(path)
    assert cache.import_parquet(path, *SERIES) == 3
    assert cache.restated(*SERIES) == [(day("2024-01-04"), day("2024-01-05"), 1)]
    same(cache.get(*SERIES, "2024-01-01", "2024-01-08"), bars(YEAR[:7]))


def test_values_that_a_file_changes_are_told_as_those_that_the_vendor_restates(
    path, caplog
) -> None:
    offered = []
    vendor = Vendor(YEAR)
    cache = cache_of(vendor, on_restated=lambda *what: offered.append(what))
    cache.get(*SERIES, *JANUARY)
    table = bars(YEAR[5:25])
    table.loc[utc("2024-01-10") : utc("2024-01-12"), "close"] += 1
    table.to_parquet(path)
    with caplog.at_level(logging.WARNING):
        assert cache.import_parquet(path, *SERIES) == 20
    span = day("2024-01-10"), day("2024-01-13")
    assert "bars A 1D: restated by the file" in caplog.text
    assert "bars.parquet" in caplog.text
    assert cache.restated(*SERIES) == [(*span, 3)]
    assert offered == [({"symbol": "A", "timeframe": "1D"}, *span)]
    assert cache.stats()["restated"] == 3
    same(cache.get(*SERIES, "2024-01-06", "2024-01-26"), table)
    assert cache.import_parquet(path, *SERIES) == 20
    assert (cache.stats()["restated"], len(offered)) == (3, 1)


def test_what_on_restated_raises_comes_when_the_file_is_taken_in(path) -> None:
    def refuse(key, start, end):
        message = "no"
        raise RuntimeError(message)

    cache = cache_of(Vendor(YEAR), on_restated=refuse)
    cache.get(*SERIES, *JANUARY)
    (bars(YEAR[5:8]) + 1).to_parquet(path)
    with pytest.raises(RuntimeError, match="no"):
        cache.import_parquet(path, *SERIES)
    same(cache.get(*SERIES, "2024-01-06", "2024-01-09"), bars(YEAR[5:8]) + 1)


EXTRAS = {
    "nothing": lambda found: found,
    "decimals": lambda found: found.assign(fee=_each(found, Decimal("0.10"), Decimal(1))),
    "categories": lambda found: found.assign(kind=pd.Categorical(_each(found, "x", "y"))),
    "objects": lambda found: [
        Bar(time.to_pydatetime(), extra)
        for time, extra in zip(found.index, _each(found, 1, 1.5), strict=True)
    ],
}


@dataclass
class Bar:
    time: dt.datetime
    extra: object


def _each(found: pd.DataFrame, *values: object) -> list[object]:
    return [values[number % len(values)] for number in range(len(found))]


@pytest.mark.parametrize("kind", EXTRAS)
def test_an_export_that_is_taken_in_again_changes_nothing(kind: str, path) -> None:
    vendor = Vendor(YEAR)
    vendor.answer = EXTRAS[kind]
    cache = cache_of(vendor)
    cache.get(*SERIES, *JANUARY)
    cache.export(path, *SERIES)
    assert cache.import_parquet(path, *SERIES) == 31
    assert (cache.restated(*SERIES), cache.stats()["restated"]) == ([], 0)


def test_why_there_is_no_bar_where_a_file_has_none(path) -> None:
    cache = cache_of(Vendor(YEAR))
    bars(YEAR[[0, 1, 20]]).to_parquet(path)
    cache.import_parquet(path, *SERIES)
    explained = cache.explain_gap(*SERIES, "2024-01-10")
    assert explained.kind == "file-empty"
    assert "the file that was taken in at 2030-01-01" in explained.text
    assert "vendor had nothing" not in explained.text
    assert len(cache.get(*SERIES, "2024-01-01", "2024-01-22")) == 3
    cache.refresh(*SERIES, "2024-01-01", "2024-01-22")
    same(cache.get(*SERIES, "2024-01-01", "2024-01-22"), bars(YEAR[:21]))


def test_bars_that_may_still_change_are_replaced_by_those_of_a_file(path) -> None:
    vendor = Vendor(YEAR)
    clock = Clock("2024-01-11")
    cache = cache_of(vendor, settle="3D", clock=clock)
    cache.get(*SERIES, "2024-01-01", "2024-01-11")
    clock.set("2024-02-11")
    (bars(YEAR[5:10]) + 1).to_parquet(path)
    cache.import_parquet(path, *SERIES)
    same(cache.get(*SERIES, "2024-01-06", "2024-01-11"), bars(YEAR[5:10]) + 1)
    assert cache.stats()["restated"] == 2
