"""Files of earlier tools are taken as they are, once they are seen to be what they should."""

import random

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from batches import batch_of, record_of

from afml_cache.exceptions import MergeError, SchemaError
from afml_cache.sweeping.batch_adopting import adopt_batch
from afml_cache.sweeping.batch_checks import check_batch
from afml_cache.sweeping.batch_files import name_of, write_batch
from afml_cache.sweeping.batch_merging import merge_batches

BATCH = batch_of(0, 2)
ROWS = [{"x": 1.5, "s": "a", "l": [1]}, {"x": 2.5, "s": "b", "l": []}]


@pytest.fixture
def path(tmp_path):
    return tmp_path / name_of(0)


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
        assert check_batch(path, BATCH, None).state in {
            "unrecorded",
            "damaged",
            "of another list",
            "of other columns",
        }
        try:
            adopt_batch(path, BATCH)
            merge_batches([(path, BATCH)], path.with_name("merged.parquet"))
        except (MergeError, SchemaError) as error:
            assert str(path) in str(error)  # noqa: PT017 - most of the changes are refused


@pytest.mark.parametrize("write", FOREIGN, ids=["ours", "pandas", "polars", "gzip"])
def test_a_file_of_another_tool_is_adopted_as_it_is(path, write):
    write(path)
    before = path.read_bytes()
    assert check_batch(path, BATCH, None).state == "unrecorded"
    written = adopt_batch(path, BATCH)
    assert path.read_bytes() == before
    assert (written.rows, written.size) == (2, len(before))
    assert check_batch(path, BATCH, record_of(BATCH, written)).is_done


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
        assert check_batch(path, BATCH, None).state == "damaged", text
        with pytest.raises(MergeError, match="what it says of the rows of its 2 items can't be"):
            adopt_batch(path, BATCH)
