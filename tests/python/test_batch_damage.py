"""Whatever lies where the file of a batch is to be is told in words, and never taken for done."""

import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from batches import batch_of, record_of, write_all

from afml_cache.exceptions import MergeError
from afml_cache.sweeping.batch_checks import check_batch, check_batches
from afml_cache.sweeping.batch_files import name_of, write_batch

BATCH = batch_of(0, 2)
ROWS = [{"x": 1.5, "s": "a", "l": [1]}, {"x": 2.5, "s": "b", "l": []}]


@pytest.fixture
def path(tmp_path):
    return tmp_path / name_of(0)


@pytest.fixture
def record(path):
    """The record of a batch whose file is at `path`."""
    return record_of(BATCH, write_batch(path, BATCH, ROWS))


def told(path, record=None, batch=BATCH, columns=None):
    checked = check_batch(path, batch, record, columns)
    assert checked.is_done == (checked.state == "done") == (not checked.reason)
    return checked.state, checked.reason


def test_a_recorded_file_is_done_and_needs_no_pyarrow(path, record, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert told(path, record) == ("done", "")


def test_without_a_file_it_is_absent(path):
    assert told(path)[0] == "absent"
    path.write_text("no folder")
    assert told(path / name_of(1))[0] == "absent"


def test_a_file_that_nobody_recorded_is_not_done(path, record):
    state, reason = told(path)
    assert state == "unrecorded"
    assert "`adopt_existing=True`" in reason


def test_a_file_of_another_list_is_not_done(path, record):
    other = batch_of(0, 2, "other")
    assert told(path, batch=other)[0] == "of another list"
    assert told(path, record, batch=other)[0] == "of another list"
    of_other = record_of(other, write_batch(path, other, ROWS))
    assert told(path, record)[0] == "of another list"
    assert told(path, of_other)[0] == "of another list"


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "unrecorded"])
def test_a_file_that_is_cut_anywhere_is_damaged(path, record, recorded):
    whole = path.read_bytes()
    for stop in range(0, len(whole), 7):
        path.write_bytes(whole[:stop])
        assert told(path, record if recorded else None)[0] == "damaged"


def test_a_changed_byte_is_noticed_wherever_it_is(path, record):
    whole = path.read_bytes()
    for at in range(0, len(whole), 5):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        state, reason = told(path, record)
        assert state in {"damaged", "of another list"}
        assert reason


def test_a_file_with_another_content_of_our_own_is_damaged(path, record):
    write_batch(path, BATCH, ROWS[::-1])
    assert told(path, record) == (
        "damaged",
        "its content is not what was recorded: it was changed",
    )
    write_batch(path, BATCH, ROWS[:1] * 2)
    assert "were recorded: it was cut or replaced" in told(path, record)[1]


def test_links_are_not_followed(path, record, tmp_path):
    elsewhere = tmp_path / "elsewhere.parquet"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    state, reason = told(path, record)
    assert (state, "a link, which is not followed" in reason) == ("damaged", True)
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    assert told(path, record)[0] == "damaged"


def test_folders_and_pipes_are_told_at_once(path):
    path.mkdir()
    assert "it is a folder; move it away" in told(path)[1]
    path.rmdir()
    os.mkfifo(path)
    assert "it is no regular file" in told(path)[1]


UNREADABLE = """
import os, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from batches import batch_of
from afml_cache.sweeping.batch_checks import check_batch
os.chdir({folder!r})
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
print(check_batch(Path({name!r}), batch_of(0, 2), None))
"""


def test_a_file_that_can_not_be_read_is_told(run_python, tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    path = folder / name_of(0)
    write_batch(path, BATCH, ROWS)
    folder.chmod(0o755)
    path.chmod(0)
    tests = os.path.dirname(__file__)  # noqa: PTH120
    script = UNREADABLE.format(tests=tests, folder=str(folder), name=path.name)
    assert "it can't be read (Permission denied); see its permissions" in run_python(script)


def test_many_files_are_looked_at_by_several_threads(tmp_path):
    files, records = write_all(tmp_path, [{"x": at} for at in range(60)], [2] * 30)
    files[3][0].unlink()
    files[7][0].write_bytes(b"PAR1PAR1")
    given = [(*file, record) for file, record in zip(files, records, strict=True)]
    one, several = (check_batches(given, threads=threads) for threads in (1, 8))
    assert one == several == check_batches(given)
    assert [each.state for each in one].count("done") == 28
    assert [one[3].state, one[7].state] == ["absent", "damaged"]
    assert check_batches([]) == []


def test_columns_that_do_not_go_together_are_told(path, record):
    text = pa.schema({"x": pa.string()})
    state, reason = told(path, record, columns=text)
    assert (state, reason) == ("of other columns", "its column `x` is float, and str in others")
    assert told(path, columns=text)[0] == "of other columns"
    assert told(path, record, columns=pa.schema({"x": pa.int8(), "new": pa.int8()}))[0] == "done"


def test_a_file_that_asks_for_memory_it_can_not_fill_is_damaged(path):
    write_batch(path, BATCH, [{"x": np.arange(1000)}, None])
    whole = path.read_bytes()
    # The value of `num_rows` in the footer, as a varint of Thrift.
    at = whole.rindex(b"\x16\x02\x19")
    path.write_bytes(whole[:at] + b"\x16\x7e\x19" + whole[at + 3 :])
    assert told(path)[0] == "damaged"


def test_a_file_that_is_replaced_while_batches_are_merged_is_noticed(tmp_path):
    from afml_cache.sweeping.batch_parts import Part, joined_columns

    files, _ = write_all(tmp_path, [{"x": 1}], [1])
    path, batch = files[0]
    part = Part(1, path, batch, check_batch(path, batch, None).stamp)
    joined_columns([part])
    write_batch(path, batch, [{"x": 2}])
    with pytest.raises(MergeError, match="it was changed while batches were merged"):
        joined_columns([part])


def test_the_same_content_put_there_again_while_batches_are_merged_is_no_change(tmp_path):
    from afml_cache.sweeping.batch_parts import Part, fitted_rows, joined_columns

    files, records = write_all(tmp_path, [{"x": 1}], [1])
    path, batch = files[0]
    part = Part(1, path, batch, check_batch(path, batch, None).stamp, records[0].digest)
    write_batch(path, batch, [{"x": 1}])
    (rows,) = fitted_rows(part, joined_columns([part]))
    assert rows.to_pydict() == {"x": [1]}
    write_batch(path, batch, [{"x": 2}])
    with pytest.raises(MergeError, match="it was changed while batches were merged"):
        joined_columns([part])


def test_a_full_disk_leaves_what_was_there(tmp_path):
    script = (
        "import resource, signal, sys\n"
        f"sys.path.insert(0, {os.path.dirname(__file__)!r})\n"  # noqa: PTH120
        "from pathlib import Path\n"
        "from batches import batch_of\n"
        "from afml_cache.sweeping.batch_files import write_batch\n"
        "import pandas, numpy, pyarrow.parquet\n"
        "path = Path(sys.argv[1])\n"
        "write_batch(path, batch_of(0, 1), [{'x': 1}])\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "frame = pandas.DataFrame({'x': numpy.random.default_rng(1).normal(size=9000)})\n"
        "try: write_batch(path, batch_of(0, 1), [frame])\n"
        "except OSError as error: print('told', type(error).__name__, error.filename)\n"
    )
    path = tmp_path / name_of(0)
    ran = subprocess.run(
        [sys.executable, "-c", script, path], check=True, capture_output=True, text=True
    )
    assert ran.stdout.strip() == f"told OSError {path}"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert pyarrow.parquet.read_table(path).to_pylist() == [{"x": 1}]
