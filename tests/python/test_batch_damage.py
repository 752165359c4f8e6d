"""Whatever lies where the file of a batch is to be is told in words, and never taken for done."""

import os
import random
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from batches import batch_of, record_of, write_all

from afml_cache.exceptions import MergeError, SchemaError
from afml_cache.sweeps.batch_adopting import adopt_batch
from afml_cache.sweeps.batch_checks import check_batch, check_batches
from afml_cache.sweeps.batch_collecting import collect_files, files_of_other_lists
from afml_cache.sweeps.batch_files import Recorded, name_of, write_batch
from afml_cache.sweeps.batch_merging import merge_batches

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
from afml_cache.sweeps.batch_checks import check_batch
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


def changed(content, rng):
    """Change bytes, cut, or repeat a piece."""
    content = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(content))
        match rng.randrange(3):
            case 0:
                content[at] = rng.randrange(256)
            case 1:
                content[at : at + rng.randrange(9)] = b""
            case _:
                content[at:at] = content[at : at + rng.randrange(20)]
    return bytes(content)


FOREIGN = [
    lambda path: write_batch(path, BATCH, ROWS),
    lambda path: pd.DataFrame({"x": [1.5, 2.5], "s": ["a", "b"]}).to_parquet(path),
    lambda path: pl.DataFrame(ROWS).write_parquet(path),
    lambda path: pyarrow.parquet.write_table(pa.table({"x": [1, 2]}), path, compression="gzip"),
]


@pytest.mark.parametrize(
    "rounds", [60, pytest.param(20_000, marks=[pytest.mark.soak, pytest.mark.timeout(7200)])]
)
@pytest.mark.parametrize("write", FOREIGN, ids=["ours", "pandas", "polars", "gzip"])
def test_hostile_bytes_are_told_and_nothing_is_raised_raw(path, write, rounds):
    write(path)
    whole, rng = path.read_bytes(), random.Random(rounds)
    for _ in range(rounds):
        path.write_bytes(changed(whole, rng))
        assert told(path)[0] in {"unrecorded", "damaged", "of another list", "of other columns"}
        try:
            adopt_batch(path, BATCH)
            merge_batches([(path, BATCH)], path.with_name("merged.parquet"))
        except (MergeError, SchemaError) as error:
            assert str(path) in str(error)  # noqa: PT017 - most of the changes are refused


@pytest.mark.parametrize("write", FOREIGN, ids=["ours", "pandas", "polars", "gzip"])
def test_a_file_of_another_tool_is_adopted_as_it_is(path, write):
    write(path)
    before = path.read_bytes()
    assert told(path)[0] == "unrecorded"
    written = adopt_batch(path, BATCH)
    assert path.read_bytes() == before
    assert (written.rows, written.size) == (2, len(before))
    assert told(path, record_of(BATCH, written)) == ("done", "")


def test_our_own_file_with_changed_values_is_not_adopted(path):
    write_batch(path, BATCH, [{"x": "a text that is changed"}, {"x": "b"}])
    whole = path.read_bytes()
    at = whole.index(b"a text that")
    path.write_bytes(whole[:at] + b"A" + whole[at + 1 :])
    with pytest.raises(MergeError, match="its rows can't be read"):
        adopt_batch(path, BATCH)


def test_a_file_with_other_numbers_of_rows_than_items_is_not_adopted(path):
    pd.DataFrame({"x": [1, 2, 3]}).to_parquet(path)
    with pytest.raises(MergeError, match=r"it has 3 rows and the batch has 2 items, and nothing"):
        adopt_batch(path, BATCH)


def test_our_own_file_says_how_many_rows_each_item_has(path):
    write_batch(path, BATCH, [[{"x": 1}] * 3, None])
    assert adopt_batch(path, BATCH).rows == 3
    with pytest.raises(MergeError, match="of another list of items"):
        adopt_batch(path, batch_of(0, 2, "other"))


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"x": pa.int64(), "y": pa.int64()}, "of the columns of the others it lacks `y` and has"),
        ({"x": pa.string(), "s": pa.string()}, "its column `x` is float, and str in others"),
    ],
    ids=["names", "types"],
)
def test_a_file_with_other_columns_is_not_adopted(path, columns, words):
    pd.DataFrame({"x": [1.5, 2.5], "s": ["a", "b"]}).to_parquet(path)
    with pytest.raises(SchemaError) as caught:
        adopt_batch(path, BATCH, pa.schema(columns))
    assert words in str(caught.value)
    adopt_batch(path, BATCH, pa.schema({"s": pa.large_string(), "x": pa.int8()}))


@pytest.mark.parametrize(
    "make",
    [
        lambda _: None,
        lambda path: path.mkdir(),
        lambda path: path.symlink_to(__file__),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("x,y\n1,2\n"),
    ],
    ids=["absent", "folder", "link", "empty", "csv"],
)
def test_what_is_no_parquet_file_is_not_adopted(path, make):
    make(path)
    with pytest.raises(MergeError, match="can't be adopted"):
        adopt_batch(path, BATCH)


def test_a_file_that_lies_about_its_items_is_not_taken(path):
    for text in ("[[1, 3]]", "[[5, 2]]", "[[-1, 1], [3, 1]]", "[[1.0, 2]]", "{}", "[1]", "["):
        table = pa.table({"x": [1, 2]}).replace_schema_metadata(
            {"afml_cache.batch": BATCH.id, "afml_cache.rows_of_items": text}
        )
        pyarrow.parquet.write_table(table, path, compression="lz4")
        assert told(path)[0] == "damaged", text
        with pytest.raises(MergeError, match="what it says of the rows of its 2 items can't be"):
            adopt_batch(path, BATCH)


def test_a_file_that_asks_for_memory_it_can_not_fill_is_damaged(path):
    write_batch(path, BATCH, [{"x": np.arange(1000)}, None])
    whole = path.read_bytes()
    # The value of `num_rows` in the footer, as a varint of Thrift.
    at = whole.rindex(b"\x16\x02\x19")
    path.write_bytes(whole[:at] + b"\x16\x7e\x19" + whole[at + 3 :])
    assert told(path)[0] == "damaged"


def test_files_of_other_lists_are_found_and_collected(tmp_path):
    files, _ = write_all(tmp_path, [{"x": at} for at in range(12)], [1] * 12)
    (tmp_path / "merged.parquet").write_bytes(files[0][0].read_bytes())
    (tmp_path / name_of(20)).symlink_to(files[0][0])
    (tmp_path / name_of(21)).mkdir()
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / name_of(22))
    found = files_of_other_lists(tmp_path, {path for path, _ in files[:9]})
    assert found == [tmp_path / name_of(number) for number in (9, 10, 11, 22)]
    sizes = sum(path.stat().st_size for path in found[:3])
    assert collect_files([*found, tmp_path / name_of(20), tmp_path / name_of(21)]) == sizes
    left = {tmp_path / name_of(number) for number in (*range(9), 20, 21, 22)}
    assert set(tmp_path.iterdir()) == {*left, tmp_path / "merged.parquet"}
    assert collect_files(found) == 0


def test_a_file_of_another_tool_is_collected_by_its_record(path):
    pd.DataFrame({"x": [1, 2]}).to_parquet(path)
    written = adopt_batch(path, BATCH)
    assert collect_files([path], {path: Recorded("old", "other", 2, written.size)}) == 0
    assert collect_files([path], {path: record_of(BATCH, written)}) == written.size
    assert not path.exists()


def test_a_folder_that_is_not_there_has_no_files_of_other_lists(tmp_path):
    assert files_of_other_lists(tmp_path / "nowhere", set()) == []


def test_a_file_that_is_replaced_while_batches_are_merged_is_noticed(tmp_path):
    from afml_cache.sweeps.batch_parts import Part, joined_columns

    files, _ = write_all(tmp_path, [{"x": 1}], [1])
    path, batch = files[0]
    part = Part(1, path, batch, check_batch(path, batch, None).stamp)
    joined_columns([part])
    write_batch(path, batch, [{"x": 2}])
    with pytest.raises(MergeError, match="it was changed while batches were merged"):
        joined_columns([part])


def test_a_full_disk_leaves_what_was_there(tmp_path):
    script = (
        "import resource, signal, sys\n"
        f"sys.path.insert(0, {os.path.dirname(__file__)!r})\n"  # noqa: PTH120
        "from pathlib import Path\n"
        "from batches import batch_of\n"
        "from afml_cache.sweeps.batch_files import write_batch\n"
        "import pandas, numpy, pyarrow.parquet\n"
        "path = Path(sys.argv[1])\n"
        "write_batch(path, batch_of(0, 1), [{'x': 1}])\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "frame = pandas.DataFrame({'x': numpy.random.default_rng(1).normal(size=9000)})\n"
        "try: write_batch(path, batch_of(0, 1), [frame])\n"
        "except OSError as error: print('told', type(error).__name__)\n"
    )
    path = tmp_path / name_of(0)
    ran = subprocess.run(
        [sys.executable, "-c", script, path], check=True, capture_output=True, text=True
    )
    assert ran.stdout.strip() == "told OSError"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert pyarrow.parquet.read_table(path).to_pylist() == [{"x": 1}]
