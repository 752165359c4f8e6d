"""What each format of artifacts holds, how it reads back, and what it refuses."""

import enum
import gzip
import json
import re
import sys
from collections import Counter, OrderedDict, defaultdict
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afml_cache import ArtifactError, CacheConfigError
from afml_cache.artifacts.decorator import artifact
from afml_cache.artifacts.formats import compressed, format_of
from afml_cache.artifacts.formats.documents import Document

DAYS = pd.date_range("2024-05-01", periods=3, freq="D", unit="us")
FRAME = pd.DataFrame({"close": [0.1, 1 / 3, np.nan], "n": [1, 2, 3], "s": ["a", "b,c", 'd"e']})
POLARS = pl.DataFrame({"close": [0.1, None], "s": ["a", "b"], "at": [DAYS[0], DAYS[1]]})


def twice(folder, name, value):
    """What the first call gives, and what a second one reads."""
    made = artifact(name, folder=folder, track_code=False)(lambda: value)
    first = made()
    assert made.is_current()
    return first, made.load()


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(PLAIN)
@settings(max_examples=60)
def test_json_reads_back_as_it_was_written(value):
    import io

    file = io.BytesIO()
    Document().write(value, file)
    back = Document().read(io.BytesIO(file.getvalue()), {})
    assert json.dumps(back) == json.dumps(value)
    assert repr(back) == repr(value)


def test_json_is_indented_and_in_order(tmp_path):
    twice(tmp_path, "x.json", {"z": 1, "ä": [None]})
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert text == '{\n  "z": 1,\n  "ä": [\n    null\n  ]\n}\n'


def test_dictionaries_that_count_and_default_are_dictionaries(tmp_path):
    value = {"a": Counter("aab"), "b": defaultdict(list, x=[1]), "c": OrderedDict(y=2)}
    back = twice(tmp_path, "x.json", value)[1]
    assert back == {"a": {"a": 2, "b": 1}, "b": {"x": [1]}, "c": {"y": 2}}
    assert {type(each) for each in back.values()} == {dict}


class Point(NamedTuple):
    x: int
    y: int


class Side(enum.IntEnum):
    BUY = 1


RING: list = [1]
RING.append(RING)
DEEP: list = []
for _ in range(20_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"features": [0, 1, 2, float("nan")]}, '`value["features"][3]`; write `None`'),
        ([float("inf")], "inf, which JSON does not have, at `value[0]`"),
        (
            {"a": {1: 2}},
            'the key 1, which is no text and would be read back as one, at `value["a"]`',
        ),
        ({None: 2}, "the key None"),
        ({10**5000: 2}, "the key <int>"),
        (
            {"a": np.int64(3)},
            '`numpy.int64`, which JSON does not have, at `value["a"]`; write `.tol',
        ),
        ([np.zeros(2)], "`.tolist()`"),
        ([np.float64(2)], "`numpy.float64`"),
        ([[pd.Timestamp("2024-05-01")]], "at `value[0][0]`"),
        (FRAME, "`.to_dict()` of it, or name the artifact `.parquet`"),
        ({"a": {1, 2}}, "a `set`"),
        ([b"bytes"], "a `bytes`"),
        ((Point(1, 2),), "Point`, which JSON does not have, at `value[0]`"),
        ([Side.BUY], "Side`"),
        (["\ud800"], "half of a surrogate pair at `value[0]`"),
        ({"\ud800": 1}, "half of a surrogate pair"),
        (RING, "a value that holds itself at `value[1]`"),
        (DEEP, "can't be written as JSON"),
        ([10**5000], "can't be written as JSON"),
    ],
)
def test_what_json_does_not_hold_is_refused_by_its_place(tmp_path, value, message):
    made = artifact("x.json", folder=tmp_path, track_code=False)(lambda: value)
    path = tmp_path / "x.json"
    artifact("x.json", folder=tmp_path)(lambda: "earlier")()
    with pytest.raises(ArtifactError, match=re.escape(message)):
        made()
    assert json.loads(path.read_text()) == "earlier"
    assert len(list(tmp_path.iterdir())) == 2 + (tmp_path / "cache").exists()


def test_a_value_that_stands_twice_does_not_hold_itself(tmp_path):
    part = [1]
    assert twice(tmp_path, "x.json", {"a": part, "b": [part, part]})[1]["b"] == [[1], [1]]


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        FRAME.set_index(DAYS),
        FRAME.set_index(DAYS.tz_localize("America/New_York").rename("time")),
        FRAME.set_index(pd.MultiIndex.from_product([["EURUSD"], [1, 2, 3]], names=["s", "i"])),
        FRAME.astype({"s": "category", "n": "Int64"}),
        FRAME.iloc[:0],
    ],
    ids=["plain", "times", "zone", "levels", "dtypes", "empty"],
)
def test_frames_of_pandas_keep_index_and_dtypes_in_parquet(tmp_path, frame):
    first, back = twice(tmp_path, "x.parquet", frame)
    pd.testing.assert_frame_equal(first, frame, check_freq=False)
    pd.testing.assert_frame_equal(back, first)


def test_frames_of_polars_and_tables_of_pyarrow_read_back_as_their_own(tmp_path):
    first, back = twice(tmp_path, "x.parquet", POLARS)
    assert first.equals(POLARS)
    assert back.equals(POLARS)
    table = pa.table({"a": [1, None]})
    assert twice(tmp_path, "y.parquet", table) == (table, table)


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        FRAME.set_index(DAYS),
        FRAME.set_index(DAYS.tz_localize("UTC").rename("time")),
        FRAME.set_index(pd.Index([5, 6, 7], name="i")),
        FRAME.assign(at=DAYS),
    ],
    ids=["plain", "times", "utc", "named", "column"],
)
@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_frames_of_pandas_keep_their_index_in_csv(tmp_path, frame, suffix):
    first, back = twice(tmp_path, f"x.{suffix}", frame)
    pd.testing.assert_frame_equal(back, first)
    pd.testing.assert_frame_equal(
        first, frame, check_freq=False, check_index_type=False, check_dtype=False
    )


def test_csv_is_what_any_tool_reads(tmp_path):
    twice(tmp_path, "x.csv", FRAME[["n", "s"]])
    assert (tmp_path / "x.csv").read_text() == 'n,s\n1,a\n2,"b,c"\n3,"d""e"\n'
    first, back = twice(tmp_path, "y.csv", POLARS)
    assert first.equals(back)
    assert first["close"].equals(POLARS["close"])
    assert first["at"].dtype == pl.Datetime


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_what_is_no_table_is_refused(tmp_path, suffix):
    for value, remedy in [([1], "return a"), (FRAME["n"], "`.to_frame()`")]:
        with pytest.raises(ArtifactError, match=re.escape(remedy)):
            twice(tmp_path, f"x.{suffix}", value)


def test_a_frame_that_the_library_cannot_write_is_refused(tmp_path):
    odd = pd.DataFrame({"a": [object(), 1]})
    with pytest.raises(ArtifactError, match=r"can't be written as `x.parquet`"):
        twice(tmp_path, "x.parquet", odd)
    nested = pl.DataFrame({"a": [[1, 2]]})
    with pytest.raises(ArtifactError, match=r"can't be written as `x.csv`"):
        twice(tmp_path, "x.csv", nested)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_table_by_hand_is_read_as_the_program_works(tmp_path, suffix):
    made = artifact(f"x.{suffix}", folder=tmp_path, trust="name")(lambda: None)
    if suffix == "csv":
        FRAME.to_csv(tmp_path / "x.csv", index=False)
        assert made().to_dicts()[1]["s"] == "b,c"
    else:
        FRAME.to_parquet(tmp_path / "x.parquet")
        pd.testing.assert_frame_equal(made(), FRAME)
        POLARS.write_parquet(tmp_path / "x.parquet")
        assert made().equals(POLARS)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.array(3.5),
        np.asfortranarray(np.eye(3)),
        np.array([], "M8[ns]"),
        np.array(["a", "bc"]),
        np.zeros(2, [("a", "i4"), ("b", "f8")]),
    ],
    ids=["matrix", "scalar", "fortran", "empty", "texts", "fields"],
)
def test_arrays_read_back_as_they_were(tmp_path, array):
    for back in twice(tmp_path, "x.npz", array):
        assert back.dtype == array.dtype
        assert np.array_equal(back, array)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as loaded:
        assert np.array_equal(loaded["arr_0"], array)


def test_arrays_by_name_read_back_by_name(tmp_path):
    first, back = twice(
        tmp_path, "x.npz", {"x.npy": np.arange(2), "arr_0": np.eye(2), "ä": np.ones(1)}
    )
    assert list(first) == list(back) == ["x.npy", "arr_0", "ä"]
    assert twice(tmp_path, "y.npz", {"arr_0": np.arange(2)})[1].keys() == {"arr_0"}
    assert twice(tmp_path, "z.npz", {}) == ({}, {})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([object()]), "an array of objects, which takes a pickle, at `value`"),
        ({"a": np.array([None])}, "at `value['a']`"),
        ({"a": [1, 2]}, "a `list`, which is no plain array, at `value['a']`"),
        (np.ma.masked_array([1], [True]), "MaskedArray"),
        ({1: np.ones(1)}, "the name 1"),
        ({"a\0b": np.ones(1)}, "the name"),
        ([1], "no plain array"),
    ],
)
def test_what_is_no_array_is_refused_by_its_place(tmp_path, value, message):
    with pytest.raises(ArtifactError, match=re.escape(message)):
        twice(tmp_path, "x.npz", value)


@pytest.mark.parametrize(
    "name", ["x.json", "x.json.gz", "x.csv.bz2", "x.txt.xz", "x.npz", "x.txt.zst"]
)
def test_the_same_content_gives_the_same_bytes(tmp_path, name):
    kind = name.split(".")[1]
    value = {"json": {"a": 1}, "csv": FRAME, "txt": "text", "npz": np.arange(3)}[kind]
    for folder in ("a", "b"):
        twice(tmp_path / folder, name, value)
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_compressed_file_is_opened_by_any_tool(tmp_path):
    twice(tmp_path, "x.json.gz", {"a": 1})
    with gzip.open(tmp_path / "x.json.gz", "rt") as file:
        assert json.load(file) == {"a": 1}
    pd.testing.assert_frame_equal(twice(tmp_path, "x.csv.zst", FRAME)[1], FRAME)


@pytest.mark.parametrize("text", ["", "a\r\nb\n", "€\0"])
@pytest.mark.parametrize("suffix", ["txt", "txt.bz2"])
def test_texts_read_back_character_for_character(tmp_path, text, suffix):
    assert twice(tmp_path, f"x.{suffix}", text) == (text, text)


@pytest.mark.parametrize("value", [1, b"a", None, "\ud800"])
def test_what_is_no_text_is_refused(tmp_path, value):
    with pytest.raises(ArtifactError, match="at `value`"):
        twice(tmp_path, "x.txt", value)


def test_a_codec_that_is_not_there_is_told_at_decoration(monkeypatch):
    monkeypatch.setitem(compressed._CODECS, "zst", (compressed._zstd, ("no.such.module",)))
    with pytest.raises(CacheConfigError, match=r"can't be compressed as `.zst`"):
        format_of("x.json.zst")


def test_a_frame_of_pandas_without_pyarrow_names_it(tmp_path, monkeypatch) -> None:
    @artifact("bars.parquet", folder=tmp_path)
    def bars():
        return pd.DataFrame({"close": [1.1]})

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ArtifactError, match=r"can't be written without `pyarrow`, .*: pip install"):
        bars()
