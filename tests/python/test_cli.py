"""The command line, as a process of its own and in a terminal."""

import json
import os
import pty
import subprocess
import sys

import pytest

from afml_cache import sweep
from afml_cache.cli import main


def fails_on_two(item):
    if item == 2:
        message = "no bars\nfor two"
        raise ValueError(message)
    return item


@pytest.fixture
def swept():
    sweep(fails_on_two, [1, 2, 3], on_error="keep going", desc="Labeling")


def test_sweeps_are_listed_for_other_programs(swept, capsys) -> None:
    assert main(["sweeps"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    told = dict(zip(head.split("\t"), row.split("\t"), strict=True))
    assert (told["name"], told["state"], told["done"], told["failed"]) == (
        "Labeling",
        "failed",
        "2/3",
        "1",
    )


def test_sweeps_are_listed_as_json(swept, capsys) -> None:
    assert main(["sweeps", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["total"], found["done"]) == ("Labeling", 3, 2)


def test_failures_of_a_sweep_are_listed(swept, capsys) -> None:
    assert main(["sweeps", "Labeling", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["place"], found["kind"], found["message"]) == (
        1,
        "ValueError",
        "no bars\nfor two",
    )
    assert main(["sweeps", "Labeling"]) == 0
    assert "no bars for two" in capsys.readouterr().out


def test_a_sweep_without_failures_says_how_it_stands(capsys) -> None:
    sweep(fails_on_two, [1, 3], desc="Labeling")
    assert main(["sweeps", "Labeling"]) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "no item failed: done, 2 of 2 items done\n")


def test_a_wrong_name_or_folder_is_told_without_a_traceback(swept, capsys, tmp_path) -> None:
    assert main(["sweeps", "Backtests"]) == 1
    assert "afml-cache: there is no sweep 'Backtests'" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main(["sweeps", "--cache-dir", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.startswith("afml-cache: ")
    with pytest.raises(SystemExit) as ended:
        main(["sweep"])
    assert ended.value.code == 2


def test_nothing_is_told_as_nothing(capsys) -> None:
    assert main(["sweeps"]) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "no sweeps\n")


def test_in_a_terminal_a_table_is_drawn(swept) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "140", "TERM": "xterm"}
    command = [sys.executable, "-m", "afml_cache", "sweeps"]
    with subprocess.Popen(command, stdout=theirs, env=environment) as child:
        os.close(theirs)
        assert child.wait() == 0
    drawn = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "Labeling" in drawn
    assert "│" in drawn
