"""The file of looks outlives every process, takes any number of them, and survives damage."""

import csv
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from afml_cache import (
    CacheStoreError,
    CacheWriteWarning,
    DataAccessTracker,
    save_access_log,
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


def test_an_access_is_in_the_file_at_once(tracker: DataAccessTracker) -> None:
    look(tracker)
    assert len(DataAccessTracker(tracker.log_file).access_log) == 1
    look(DataAccessTracker(tracker.log_file))
    assert len(tracker.access_log) == 2
    with tracker.log_file.open(newline="") as file:
        assert [list(row) for row in csv.DictReader(file)] == [COLUMNS] * 2


def test_nothing_is_lost_when_a_process_is_killed(tmp_path: Path) -> None:
    script = f"""
import os, signal
from afml_cache import DataAccessTracker
tracker = DataAccessTracker({str(tmp_path / "log.csv")!r})
for number in range(50):
    tracker.log_access("eurusd", "2024", "2024", "test")
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", script], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert DataAccessTracker(tmp_path / "log.csv").analyze_contamination("eurusd")[0] == 50


def test_processes_append_to_one_file(tmp_path: Path) -> None:
    script = f"""
import sys
from afml_cache import DataAccessTracker
tracker = DataAccessTracker({str(tmp_path / "log.csv")!r})
for number in range(300):
    tracker.log_access(sys.argv[1], "2024", "2024", "x" * (number * 7 % 500 + 1), (number, 1))
"""
    started = [
        subprocess.Popen([sys.executable, "-c", script, name]) for name in ("one", "two", "three")
    ]
    assert [process.wait() for process in started] == [0, 0, 0]
    tracker = DataAccessTracker(tmp_path / "log.csv")
    for name in ("one", "two", "three"):
        accesses = [one for one in tracker.access_log if one["dataset"] == name]
        assert [one["data_shape"] for one in accesses] == [f"({n}, 1)" for n in range(300)]
    assert tracker.bad_lines == 0


def test_a_torn_last_line_is_left_alone_and_mended(tracker: DataAccessTracker) -> None:
    look(tracker)
    with tracker.log_file.open("ab") as file:
        file.write(b"2024-05-03T12:00:00+00:00,eur")
    assert len(tracker.access_log) == 1
    assert tracker.bad_lines == 0
    look(tracker)
    assert len(tracker.access_log) == 2
    assert tracker.bad_lines == 1


def test_lines_that_are_no_accesses_are_counted(
    tracker: DataAccessTracker, capsys: pytest.CaptureFixture[str]
) -> None:
    look(tracker)
    with tracker.log_file.open("ab") as file:
        file.write(b'\xff\xfe,,,,,,\na,b\n"open,2,3,4,5,6,7\n\n,,,,,,\n\0\n')
    look(tracker)
    assert len(tracker.access_log) == 2
    assert tracker.bad_lines == 5
    tracker.print_contamination_report()
    assert "5 lines of the log can't be read" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+1", "-1", "@sum", "'=1", "'quoted'", "a,b", 'say "so"', "a;b", "é→日", "  a "],
)
def test_names_come_back_as_they_were_and_no_cell_begins_a_formula(
    tracker: DataAccessTracker, name: str
) -> None:
    tracker.log_access(name, name, name, name)
    (access,) = tracker.access_log
    assert [access[key] for key in ("dataset", "start_date", "end_date", "purpose")] == [name] * 4
    with tracker.log_file.open(newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert tracker.analyze_contamination(name)[0] == 1


def test_dates_of_several_lines_stay_in_one(tracker: DataAccessTracker) -> None:
    look(tracker, start="2024\n2025", end="\ud800")
    (access,) = DataAccessTracker(tracker.log_file).access_log
    assert (access["start_date"], access["end_date"]) == ("2024?2025", "?")


def test_a_log_of_existing_scripts_is_gone_on_with(tracker: DataAccessTracker) -> None:
    rows = [
        ("2024-05-03T12:00:00", "eurusd", "2024-01-01", "2024-02-01", "test", "(3, 2)", "a:b:1")
    ]
    frame = pd.DataFrame([*rows, (*rows[0][:5], None, "a:b:2")], columns=COLUMNS)
    tracker.log_file.write_bytes(frame.to_csv(index=False, lineterminator="\r\n").encode())
    look(tracker, start="2024-01-15", end="2024-01-16")
    count, level, accesses = tracker.analyze_contamination("eurusd")
    assert (count, level) == (3, "WARNING")
    assert [access["data_shape"] for access in accesses] == ["(3, 2)", None, "(100, 5)"]


def test_what_can_not_be_written_is_told_of_kept_and_written_later(
    tracker: DataAccessTracker,
) -> None:
    tracker.log_file.mkdir()
    with pytest.warns(CacheWriteWarning, match="can't be written"):
        look(tracker)
    with pytest.raises(CacheStoreError, match=r"log\.csv` can't be written"):
        tracker.save_log()
    with pytest.raises(CacheStoreError, match=r"log\.csv` can't be read"):
        _ = tracker.access_log
    tracker.log_file.rmdir()
    assert len(tracker.access_log) == 1
    look(tracker, dataset="second")
    again = DataAccessTracker(tracker.log_file)
    assert [access["dataset"] for access in again.access_log] == ["eurusd", "second"]
    tracker.save_log()


def test_a_link_in_the_place_of_the_log_is_not_followed(
    tracker: DataAccessTracker, tmp_path: Path
) -> None:
    (tmp_path / "theirs").write_text("")
    tracker.log_file.symlink_to(tmp_path / "theirs")
    with pytest.warns(CacheWriteWarning):
        look(tracker)
    assert (tmp_path / "theirs").read_text() == ""


def test_a_log_in_a_folder_that_is_not_there_yet_is_made(tmp_path: Path) -> None:
    tracker = DataAccessTracker(str(tmp_path / "a" / "b.csv"))
    look(tracker)
    assert len(tracker.access_log) == 1
    save_access_log()  # of the default log, in which there is nothing yet


def test_a_forked_child_counts_in_the_same_file(tracker: DataAccessTracker) -> None:
    look(tracker)
    script = """
import os, sys, warnings
from afml_cache import DataAccessTracker
tracker = DataAccessTracker(sys.argv[1])
tracker.log_access("eurusd", None, None, "test")
if os.fork() == 0:
    tracker.log_access("eurusd", None, None, "test")
    os._exit(0)
os.wait()
"""
    subprocess.run([sys.executable, "-c", script, tracker.log_file], check=True)
    assert len(tracker.access_log) == 3


def test_the_folder_is_made_as_a_store_makes_it(run_python: Callable, tmp_path: Path) -> None:
    script = """
import afml_cache, os
os.umask(0)
afml_cache.log_data_access("eurusd", None, None, "test")
"""
    run_python(script, env={"AFML_CACHE": str(tmp_path / "new")})
    assert sorted(each.name for each in (tmp_path / "new").iterdir()) == [
        ".gitignore",
        "CACHEDIR.TAG",
        "data_access_log.csv",
        "v1",
    ]
    assert stat.S_IMODE((tmp_path / "new" / "data_access_log.csv").stat().st_mode) == 0o600
