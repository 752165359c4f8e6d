"""Looks at data are counted by dataset, and judged by the moment that was looked at most."""

import importlib
import json
import stat
import unicodedata
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import afml_cache
from afml_cache import (
    CacheConfigError,
    DataAccessTracker,
    configure,
    get_data_tracker,
    log_data_access,
    print_contamination_report,
    walk_forward,
)

COLUMNS = ["timestamp", "dataset", "start_date", "end_date", "purpose", "data_shape", "caller"]


@pytest.fixture
def tracker(tmp_path: Path) -> DataAccessTracker:
    return DataAccessTracker(tmp_path / "log.csv")


def look(
    tracker: DataAccessTracker,
    dataset: str = "eurusd",
    start: object = "2024-01-01",
    end: object = "2024-06-30",
    purpose: str = "test",
) -> None:
    tracker.log_access(dataset, start, end, purpose, (100, 5))


def test_the_log_is_in_the_folder_of_the_default_store(default_cache: Path, tmp_path: Path) -> None:
    log_data_access("eurusd", None, None, "test")
    assert get_data_tracker().log_file == default_cache / "data_access_log.csv"
    assert stat.S_IMODE(get_data_tracker().log_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(default_cache.stat().st_mode) == 0o700
    configure(cache_dir=tmp_path / "elsewhere")
    assert get_data_tracker().access_log == []
    assert get_data_tracker().log_file.parent == tmp_path / "elsewhere"


def test_clearing_the_cache_leaves_the_log_alone() -> None:
    log_data_access("eurusd", None, None, "test")
    afml_cache.clear_afml_cache(warn=False)
    afml_cache.gc()
    assert len(get_data_tracker().access_log) == 1


def test_an_access_has_all_that_was_told(tracker: DataAccessTracker) -> None:
    index = pd.date_range("2024-01-01", periods=3, tz="UTC")
    tracker.log_access("eurusd", index[0], index[-1], "train", (3, 2))
    tracker.log_access("eurusd", None, None, "test")
    first, second = tracker.access_log
    assert list(first) == COLUMNS
    assert first["start_date"] == "2024-01-01 00:00:00+00:00"
    assert first["end_date"] == "2024-01-03 00:00:00+00:00"
    assert (first["dataset"], first["purpose"], first["data_shape"]) == (
        "eurusd",
        "train",
        "(3, 2)",
    )
    assert first["caller"].startswith("test_data_access_tracker.py:test_an_access_has_all_that")
    assert pd.Timestamp(first["timestamp"]).tz is not None
    assert (second["start_date"], second["end_date"], second["data_shape"]) == (None, None, None)


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "nul\0", "\ud800", 5, None, b"bytes"])
def test_names_are_texts_of_one_line(tracker: DataAccessTracker, name: Any) -> None:
    with pytest.raises(CacheConfigError, match="`dataset_name` takes a text of one line"):
        tracker.log_access(name, None, None, "test")
    with pytest.raises(CacheConfigError, match="`purpose` takes a text of one line"):
        tracker.log_access("eurusd", None, None, name)
    assert tracker.access_log == []


@pytest.mark.parametrize(
    ("looks", "level"),
    [
        (0, "CLEAN"),
        (1, "ACCEPTABLE"),
        (2, "ACCEPTABLE"),
        (3, "WARNING"),
        (10, "WARNING"),
        (11, "CONTAMINATED"),
    ],
)
def test_the_level_goes_by_the_number_of_looks(
    tracker: DataAccessTracker, looks: int, level: str
) -> None:
    for _ in range(looks):
        look(tracker)
    look(tracker, dataset="another")
    count, found, accesses = tracker.analyze_contamination("eurusd")
    assert (count, found, len(accesses)) == (looks, level, looks)


def test_purposes_can_be_left_out(tracker: DataAccessTracker) -> None:
    for purpose in ("train", "train", "test", "validate"):
        look(tracker, purpose=purpose)
    assert tracker.analyze_contamination("eurusd", exclude_purposes=["train"])[:2] == (
        2,
        "ACCEPTABLE",
    )
    assert tracker.analyze_contamination("eurusd", "validate")[0] == 3


def test_looks_at_parts_that_do_not_overlap_count_apart(tracker: DataAccessTracker) -> None:
    for month in range(1, 13):
        look(tracker, start=f"2024-{month:02}", end=f"2024-{month:02}")
    assert tracker.analyze_contamination("eurusd")[:2] == (12, "ACCEPTABLE")
    look(tracker, start="2024-03-31 23:59", end="2024-04-01 00:00+00:00")
    look(tracker, start=None, end="2024-04-01")  # of what is not known, all may have been seen
    assert tracker.analyze_contamination("eurusd")[:2] == (14, "WARNING")
    assert tracker.get_contamination_report()["most_looks"].tolist() == [3]


def test_the_report_has_a_row_for_each_dataset(tracker: DataAccessTracker) -> None:
    empty = tracker.get_contamination_report()
    assert empty.empty
    for purpose in ("train", "test", "test", "optimize", "looked"):
        look(tracker, purpose=purpose)
    look(tracker, dataset="goog", purpose="validate")
    report = tracker.get_contamination_report()
    assert report.columns.equals(empty.columns)
    assert report.drop(columns=["first_access", "last_access"]).to_dict("records") == [
        {
            "dataset": "eurusd",
            "total_accesses": 5,
            "warning_level": "WARNING",
            "train_accesses": 1,
            "test_accesses": 2,
            "validate_accesses": 0,
            "optimize_accesses": 1,
            "most_looks": 5,
        },
        {
            "dataset": "goog",
            "total_accesses": 1,
            "warning_level": "ACCEPTABLE",
            "train_accesses": 0,
            "test_accesses": 0,
            "validate_accesses": 1,
            "optimize_accesses": 0,
            "most_looks": 1,
        },
    ]
    first, last = report.loc[0, "first_access"], report.loc[0, "last_access"]
    assert first == tracker.access_log[0]["timestamp"]
    assert last == tracker.access_log[4]["timestamp"]


def test_the_printed_report_names_what_was_looked_at_too_often(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_contamination_report()
    assert capsys.readouterr().out == "no access to any dataset is logged\n"
    for _ in range(4):
        look(get_data_tracker())
    look(get_data_tracker(), dataset="goog")
    print_contamination_report()
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split("  ")[0] == "dataset"
    assert printed[1].split()[:4] == ["eurusd", "WARNING", "4", "4"]
    assert printed[2:4] == ["  test 4", printed[3]]
    assert printed[3].split()[:4] == ["goog", "ACCEPTABLE", "1", "1"]
    assert " ".join(printed[5:]) == (
        "`eurusd` was looked at 4 times at one moment: a result on it is no longer out of sample"
    )


def columns_of(line: str) -> int:
    """How many columns of a terminal a line takes: two for a wide character."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)


@pytest.mark.parametrize(
    "name",
    [
        "vendor/forex/2012-2024/eurusd_1h_bid_adjusted_for_the_spread_of_the_session.parquet",
        "hourly bars of EURUSD with a name of many words, as people write them, and more of it",
        "日経平均株価の一時間足" * 5,
        "x" * 300,
    ],
)
def test_the_printed_report_fits_80_columns_and_names_all(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    for number in range(12):
        look(
            get_data_tracker(),
            dataset=name,
            purpose=("train", "test", "optimize", "mine")[number % 4],
        )
    look(get_data_tracker(), dataset="goog", purpose="validate")
    print_contamination_report()
    printed = capsys.readouterr().out
    assert max(map(columns_of, printed.splitlines())) <= 80
    row, _, rest = printed.partition("  train 3, test 3, optimize 3, other 3\n")
    assert "CONTAMINATED        12          12  20" in row
    first, *more = row.splitlines()[1:]
    told = "".join([first.partition("CONTAMINATED")[0], *more])
    assert "".join(told.split()) == "".join(name.split())
    assert "".join(f"`{name}` was looked at 12 times".split()) in "".join(rest.split())
    assert rest.splitlines()[0].split()[:4] == ["goog", "ACCEPTABLE", "1", "1"]


def test_the_log_is_exported_as_json(tracker: DataAccessTracker, tmp_path: Path) -> None:
    look(tracker)
    for _ in range(2):
        tracker.export_detailed_log(tmp_path / "out.json")
    exported = json.loads((tmp_path / "out.json").read_text())
    assert exported["detailed_log"] == tracker.access_log
    assert exported["summary"] == tracker.get_contamination_report().to_dict("records")
    assert exported["total_accesses"] == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == ["log.csv", "out.json"]


def test_clearing_forgets_every_access(
    tracker: DataAccessTracker, caplog: pytest.LogCaptureFixture
) -> None:
    look(tracker)
    look(tracker)
    assert tracker.clear_log() == 2
    assert "forgot 2 data accesses" in caplog.text
    assert tracker.clear_log() == 0
    look(tracker)
    assert len(tracker.access_log) == 1


def test_existing_scripts_find_the_tracker_where_it_was() -> None:
    module = importlib.import_module("afml.cache.data_access_tracker")
    for name in module.__all__:
        assert getattr(module, name) is getattr(afml_cache, name)
        assert getattr(importlib.import_module("afml.cache"), name) is getattr(afml_cache, name)


def test_each_look_at_the_test_of_a_fold_is_counted() -> None:
    index = pd.date_range("2024-01-01", periods=40, tz="UTC")
    bars = pd.DataFrame({"close": 1.0}, index=index)
    for _ in range(2):
        for fold in walk_forward(bars, train=20, test=5, dataset="eurusd_1d"):
            assert len(fold.train) == 20
            assert all([fold.key, str(fold), fold.test_rows.size, afml_cache.digest(fold)])
            assert len(fold.test) == 5
    count, level, accesses = get_data_tracker().analyze_contamination("eurusd_1d")
    assert (count, level) == (8, "ACCEPTABLE")  # four tests, each of them looked at twice
    assert {access["purpose"] for access in accesses} == {"test"}
    assert accesses[0]["start_date"] == str(index[20])
    assert accesses[0]["end_date"] == str(index[24])
    assert accesses[0]["data_shape"] == "(5, 1)"
    assert accesses[0]["caller"].startswith("test_data_access_tracker.py:test_each_look")


def test_a_dataset_that_is_not_named_is_named_by_its_attributes_or_the_digest_of_the_test() -> None:
    bars = pd.DataFrame({"close": range(40)})
    for data in (bars, bars.iloc[:30], {"A": bars}):
        assert walk_forward(data, train=20, test=5)[0].test is not None
    report = get_data_tracker().get_contamination_report()
    assert report["total_accesses"].tolist() == [2, 1]
    assert report["dataset"].str.fullmatch("test [0-9a-f]{12}").all()
    for name, wanted in (("goog", "goog"), ("two\nlines", "eurusd"), (5, "eurusd")):
        bars.attrs = {"dataset": name, "name": "eurusd"}
        assert walk_forward(bars, train=20, test=5)[1].dataset == wanted


def test_tests_of_rows_without_times_are_told_apart_by_their_places() -> None:
    for fold in walk_forward(pd.DataFrame({"close": range(40)}), train=20, test=5, dataset="ticks"):
        assert len(fold.test) == 5
    count, level, accesses = get_data_tracker().analyze_contamination("ticks")
    assert (count, level, accesses[0]["start_date"]) == (4, "ACCEPTABLE", "row 20")
