"""What items gave is rows of a Parquet file that any tool reads, and the same bytes each time."""

import os
import stat
import subprocess
import sys

import pandas as pd
import polars as pl
import pytest
from batches import batch_of

from afml_cache.exceptions import CacheConfigError, SchemaError
from afml_cache.sweeping.batch_files import name_of, number_of, write_batch


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def test_each_item_has_a_result(tmp_path):
    with pytest.raises(CacheConfigError, match="each of the 2 items of the batch gave, not 1"):
        write_batch(tmp_path / name_of(0), batch_of(0, 2), [{"x": 1}])


def test_a_refused_batch_leaves_what_was_there(tmp_path):
    path = tmp_path / name_of(0)
    write_batch(path, batch_of(0, 1), [{"x": 1}])
    before = path.read_bytes()
    with pytest.raises(SchemaError):
        write_batch(path, batch_of(0, 1), [{"x": object()}])
    assert path.read_bytes() == before
    assert names_in(tmp_path) == [path.name]


def test_files_are_like_any_other_file_of_the_user(tmp_path):
    path = tmp_path / "new" / name_of(0)
    before = os.umask(0o027)
    try:
        write_batch(path, batch_of(0, 1), [{"x": 1}])
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_pandas_and_polars_read_them(tmp_path):
    path = tmp_path / name_of(0)
    write_batch(path, batch_of(0, 2), [{"x": 1, "l": [1.5]}, {"x": 2, "l": None}])
    assert pd.read_parquet(path)["x"].tolist() == [1, 2]
    assert pl.read_parquet(path)["l"].to_list() == [[1.5], None]


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from batches import batch_of
from afml_cache.sweeping.batch_files import write_batch
from pathlib import Path
rows = [dict(x=at / 3, name=f"s{{at}}", tags={{"a": at}}) for at in range(500)]
print(write_batch(Path({path!r}), batch_of(0, 1), [rows]))
"""


def test_another_process_writes_the_same_bytes(tmp_path, run_python):
    rows = [{"x": at / 3, "name": f"s{at}", "tags": {"a": at}} for at in range(500)]
    written = write_batch(tmp_path / "mine", batch_of(0, 1), [rows])
    script = SCRIPT.format(tests=os.path.dirname(__file__), path=str(tmp_path / "other"))  # noqa: PTH120
    for seed in (1, 2):
        assert run_python(script, hashseed=seed).strip() == repr(written)
        assert (tmp_path / "other").read_bytes() == (tmp_path / "mine").read_bytes()


def test_a_writer_that_is_killed_leaves_the_file_and_the_next_one_tidies_up(tmp_path):
    path = tmp_path / name_of(0)
    write_batch(path, batch_of(0, 1), [{"x": 1}])
    before = path.read_bytes()
    script = (
        "import os, pathlib, signal, sys\n"
        "from afml_cache.sweeping.whole_files import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as file:\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, path], check=False)
    assert path.read_bytes() == before
    assert len(names_in(tmp_path)) == 2
    write_batch(path, batch_of(0, 1), [{"x": 2}])
    assert names_in(tmp_path) == [path.name]


def test_two_writers_of_one_file_leave_each_others_work(tmp_path):
    from afml_cache.sweeping.whole_files import replacing

    path = tmp_path / name_of(0)
    with replacing(path) as file:
        file.write(b"first")
        with replacing(path) as other:
            other.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"


def test_a_link_in_its_place_is_replaced_and_not_followed(tmp_path):
    elsewhere, path = tmp_path / "elsewhere", tmp_path / name_of(0)
    elsewhere.write_bytes(b"mine")
    path.symlink_to(elsewhere)
    write_batch(path, batch_of(0, 1), [{"x": 1}])
    assert elsewhere.read_bytes() == b"mine"
    assert not path.is_symlink()


def test_a_folder_in_its_place_is_told(tmp_path):
    (tmp_path / name_of(0)).mkdir()
    with pytest.raises(IsADirectoryError, match="a folder is where a file is to be written"):
        write_batch(tmp_path / name_of(0), batch_of(0, 1), [{"x": 1}])
    assert names_in(tmp_path) == [name_of(0)]


def test_names_and_numbers_of_files():
    assert [number_of(name_of(number)) for number in (0, 7, 120)] == [0, 7, 120]
    others = ["results_batch_01.parquet", "results_batch_.parquet", "merged.parquet"]
    assert [number_of(name) for name in [*others, "results_batch_1.parquet.tmp"]] == [None] * 4


def test_without_pyarrow_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"pip install 'afml-cache\[sweeps\]'"):
        write_batch(tmp_path / name_of(0), batch_of(0, 1), [{"x": 1}])
    assert names_in(tmp_path) == []


def test_files_of_batches_are_imported_without_libraries(run_python):
    code = (
        "import sys\n"
        "import afml_cache.sweeping.batch_merging, afml_cache.sweeping.batch_adopting\n"
        "import afml_cache.sweeping.batch_collecting, afml_cache.sweeping.batch_lines\n"
        "print(sorted({'pyarrow', 'pandas', 'polars', 'numpy'} & set(sys.modules)))\n"
    )
    assert run_python(code).strip() == "[]"
