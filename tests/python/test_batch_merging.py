"""The merged file depends on the rows alone, and never on how the list was cut into batches."""

import contextlib
import datetime as dt
import os
import subprocess
import sys
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet
import pytest
from batches import batch_of, merged, record_of, sizes_of, write_all
from hypothesis import given, settings
from hypothesis import strategies as st

from afml_cache.exceptions import CacheConfigError, MergeError, SchemaError
from afml_cache.sweeping import parquet_files
from afml_cache.sweeping.batch_adopting import adopt_batch
from afml_cache.sweeping.batch_files import name_of, write_batch
from afml_cache.sweeping.batch_merging import merge_batches

ZONES = [dt.timezone.utc, ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tokyo")]
UNIX = st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2090, 1, 1))  # noqa: DTZ001 - drawn without
WHOLE = st.integers(-(2**53), 2**53)
LEAVES = {
    "number": WHOLE | st.floats(),
    "whole": st.integers(-(2**63), 2**63 - 1),
    "text": st.text(max_size=3),
    "flag": st.booleans() | st.booleans().map(np.bool_),
    "raw": st.binary(max_size=3),
    "money": st.decimals(-(10**6), 10**6, places=2) | st.integers(0, 9).map(Decimal),
    "day": st.dates(),
    "time": UNIX | UNIX.map(lambda at: np.datetime64(at, "ns")),
    "instant": st.builds(dt.datetime.astimezone, UNIX, st.sampled_from(ZONES)),
    "held": st.timedeltas(dt.timedelta(-9), dt.timedelta(9)),
}
NAMES = st.sampled_from(["a", "b", "c"])
CELLS = {
    **LEAVES,
    "list": st.lists(st.none() | LEAVES["number"], max_size=2),
    "params": st.dictionaries(NAMES, st.none() | WHOLE, max_size=2),
    "deep": st.lists(st.dictionaries(NAMES, st.lists(LEAVES["number"], max_size=1)), max_size=2),
}
ROW = st.fixed_dictionaries(
    {}, optional={name: st.none() | values for name, values in CELLS.items()}
)
FRAME = st.lists(st.floats(width=32) | st.integers(0, 5), min_size=1, max_size=3).map(
    lambda values: pd.DataFrame({"number": values})
)
RESULT = st.none() | ROW | st.lists(ROW, max_size=3) | FRAME | FRAME.map(pl.DataFrame)


@st.composite
def drawn_sizes(draw, count):
    sizes = []
    while sum(sizes) < count:
        sizes.append(draw(st.integers(1, count - sum(sizes))))
    return sizes


def check_cuts(folder, data, results):
    whole = merged(folder, results, [len(results)])
    assert merged(folder, results, data.draw(drawn_sizes(len(results)))) == whole
    assert merged(folder, results, [1] * len(results)) == whole


RESULTS = st.lists(RESULT, min_size=1, max_size=7)


@settings(max_examples=30)
@given(st.data(), RESULTS)
def test_however_the_list_is_cut_the_merged_bytes_are_the_same(tmp_path_factory, data, results):
    check_cuts(tmp_path_factory.mktemp("cut"), data, results)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@settings(max_examples=3000)
@given(st.data(), RESULTS)
def test_thousands_of_lists_may_be_cut_anywhere(tmp_path_factory, data, results):
    check_cuts(tmp_path_factory.mktemp("cut"), data, results)


MIXED = [
    *(None, 1, 2**53 + 1, 0.5, "x", True, [], [1], ["x"], [0.5], {}, {"a": 1}, {"a": "x"}),
    *(Decimal("0.5"), Decimal(10) ** 70, Decimal("1E-20"), dt.date.min, np.datetime64(1, "ns")),
    *(np.datetime64("0001-01-01T00:00:00", "us"), dt.datetime(1, 1, 1, tzinfo=dt.timezone.utc)),
]


@settings(max_examples=50)
@given(st.data(), st.lists(st.sampled_from(MIXED), min_size=2, max_size=5))
def test_what_does_not_go_together_is_refused_however_it_is_cut(tmp_path_factory, data, values):
    folder = tmp_path_factory.mktemp("cut")
    results = [{"x": value} for value in values]

    def told(sizes):
        with contextlib.suppress(SchemaError):
            return merged(folder, results, sizes)

    whole = told([len(values)])
    assert told(data.draw(drawn_sizes(len(values)))) == whole
    assert told([1] * len(values)) == whole


def test_batches_of_200_and_of_50_make_one_file(tmp_path):
    results = [{"id": at, "sharpe": at if at % 7 else at / 3, "p": {"w": at}} for at in range(462)]
    whole = merged(tmp_path, results, sizes_of(462, 200))
    assert merged(tmp_path, results, sizes_of(462, 50)) == whole
    table = pyarrow.parquet.read_table(tmp_path / "merged.parquet")
    assert table.column("id").to_pylist() == [*range(462)]


def test_row_groups_have_one_size_over_all_batches(tmp_path, monkeypatch):
    for module in list(sys.modules.values()):
        if getattr(module, "GROUP", None) == parquet_files.GROUP:
            monkeypatch.setattr(module, "GROUP", 100)
    frames = [pd.DataFrame({"x": np.arange(30) + at, "s": [f"t{at}"] * 30}) for at in range(25)]
    whole = merged(tmp_path, frames, [25])
    assert merged(tmp_path, frames, [3] * 8 + [1]) == whole
    told = pyarrow.parquet.ParquetFile(tmp_path / "merged.parquet").metadata
    assert [told.row_group(at).num_rows for at in range(told.num_row_groups)] == [100] * 7 + [50]


def test_pages_do_not_show_where_batches_end(tmp_path):
    rng = np.random.default_rng(1)
    # Text of several pages: a page has a megabyte.
    words = [[rng.bytes(30).hex() for _ in range(7000)] for _ in range(10)]
    frames = [pd.DataFrame({"s": each}) for each in words]
    assert merged(tmp_path, frames, [10]) == merged(tmp_path, frames, [3, 4, 3])


PEAK = """
import resource, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import pyarrow.parquet, pyarrow.compute, pyarrow.types
from batches import batch_of
from afml_cache.sweeping.batch_merging import merge_batches
files = [(Path({folder!r}, f"results_batch_{{at}}.parquet"), batch_of(at, 1)) for at in range(40)]
merge_batches(files[:2], Path({folder!r}, "few.parquet"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
merge_batches(files, Path({folder!r}, "merged.parquet"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is counted in other units")
def test_a_merge_holds_a_row_group_and_not_all_rows(tmp_path, run_python):
    rng = np.random.default_rng(1)
    for at in range(40):  # 40 MB of floats
        frame = pd.DataFrame(rng.normal(size=(33_000, 4)), columns=list("abcd"))
        write_batch(tmp_path / name_of(at), batch_of(at, 1), [frame])
    script = PEAK.format(tests=os.path.dirname(__file__), folder=str(tmp_path))  # noqa: PTH120
    assert int(run_python(script)) < 20_000  # kB


def test_rows_of_nothing_merge_to_an_empty_file(tmp_path):
    merged(tmp_path, [None, [], {}], [2, 1])
    assert pyarrow.parquet.read_table(tmp_path / "merged.parquet").shape == (0, 0)
    assert merge_batches([], tmp_path / "none.parquet").rows == 0


def test_a_merge_tells_its_rows_and_the_digest_of_its_file(tmp_path):
    files, records = write_all(tmp_path, [{"x": 1}, [{"x": 2}] * 3], [1, 1])
    found = merge_batches(files, tmp_path / "merged.parquet", records)
    assert (found.path, found.rows) == (tmp_path / "merged.parquet", 4)
    assert merge_batches(files, tmp_path / "again.parquet", records).digest == found.digest
    files.reverse()
    assert merge_batches(files, tmp_path / "again.parquet").digest != found.digest


@pytest.mark.parametrize(
    ("hurt", "words"),
    [
        (lambda path: path.unlink(), "is absent: there is no such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "is damaged: it is no whole"),
        (lambda path: write_batch(path, batch_of(2, 2, "other"), [{"x": 1}] * 2), "another list"),
        (lambda path: write_batch(path, batch_of(2, 2), [{"x": 1}] * 2), "were recorded"),
    ],
    ids=["absent", "cut", "other", "changed"],
)
def test_a_hole_is_named_before_anything_is_written(tmp_path, hurt, words):
    files, records = write_all(tmp_path, [{"x": at} for at in range(10)], [2] * 5)
    hurt(files[1][0])
    with pytest.raises(MergeError) as caught:
        merge_batches(files, tmp_path / "out" / "merged.parquet", records)
    message = str(caught.value)
    assert f"batch 2 of 5 can't be merged: `{files[1][0]}`" in message
    assert words in message
    assert not (tmp_path / "out").exists()


def test_a_hole_keeps_the_merged_file_of_before(tmp_path):
    before = merged(tmp_path, [{"x": 1}, {"x": 2}], [1, 1])
    files, records = write_all(tmp_path, [{"x": 1}, {"x": 2}], [1, 1])
    with pytest.raises(MergeError, match=r"batch 2 of 2 .* is unrecorded"):
        merge_batches(files, tmp_path / "merged.parquet", [records[0], None])
    assert (tmp_path / "merged.parquet").read_bytes() == before


def test_many_holes_are_told_in_few_words(tmp_path):
    files = [(tmp_path / name_of(at), batch_of(at, 1)) for at in range(20)]
    with pytest.raises(MergeError, match=r"batch 1 of 20 .*\(nor can 2, 3, 4, 5, 6 and 14 more\)"):
        merge_batches(files, tmp_path / "merged.parquet")


def test_columns_that_do_not_go_together_are_named_with_their_items(tmp_path):
    results = [{"y": 1}, {"x": None}, {"x": 1}, {"x": "text"}]
    with pytest.raises(SchemaError, match="column `x` has int of item 2 and str of item 3"):
        merged(tmp_path, results, [3, 1])


def test_a_number_that_would_lose_digits_is_named_with_its_item(tmp_path):
    results = [None, [{"x": 1}, {"x": 2**53 + 1}], {"x": 0.5}]
    with pytest.raises(SchemaError, match=r"item 1 has a value in the column `x` that is lost"):
        merged(tmp_path, results, [2, 1])
    assert not (tmp_path / "merged.parquet").exists()


def test_a_merge_does_not_overwrite_a_batch(tmp_path):
    files, records = write_all(tmp_path, [{"x": 1}], [1])
    with pytest.raises(CacheConfigError, match="is the file of a batch; merge into another"):
        merge_batches(files, tmp_path / "." / files[0][0].name, records)
    with pytest.raises(CacheConfigError, match="`recorded` has 0 records of 1 files"):
        merge_batches(files, tmp_path / "merged.parquet", [])


def test_a_merge_that_is_killed_leaves_what_was_there(tmp_path):
    before = merged(tmp_path, [{"x": 1}, {"x": 2}], [1, 1])
    script = (
        "import os, signal, sys\n"
        f"sys.path.insert(0, {os.path.dirname(__file__)!r})\n"  # noqa: PTH120
        "from pathlib import Path\n"
        "from batches import batch_of\n"
        "from afml_cache.sweeping import batch_merging\n"
        "def killed(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        "batch_merging.write_groups = killed\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "files = [(folder / 'results_batch_0.parquet', batch_of(0, 1))]\n"
        "batch_merging.merge_batches(files, folder / 'merged.parquet')\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], check=False)
    assert ran.returncode == -9
    assert (tmp_path / "merged.parquet").read_bytes() == before


def test_files_of_an_earlier_tool_are_merged_with_ours(tmp_path):
    old = pd.DataFrame({"x": np.array([1, 2], "int32"), "s": pd.Categorical(["a", None])})
    old.to_parquet(tmp_path / name_of(0))
    written = write_batch(tmp_path / name_of(1), batch_of(2, 1), [{"x": 0.5, "s": "b"}])
    files = [(tmp_path / name_of(0), batch_of(0, 2)), (tmp_path / name_of(1), batch_of(2, 1))]
    adopted = adopt_batch(*files[0])
    records = [
        record_of(batch, one) for (_, batch), one in zip(files, (adopted, written), strict=True)
    ]
    merge_batches(files, tmp_path / "merged.parquet", records)
    rows = pyarrow.parquet.read_table(tmp_path / "merged.parquet").to_pydict()
    assert rows == {"x": [1.0, 2.0, 0.5], "s": ["a", None, "b"]}
