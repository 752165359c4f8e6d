"""Whatever a caller does to a frame, the next caller gets what was stored."""

import contextlib
import copy
import gc
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from afml_cache import Store, robust_cacheable

pd = pytest.importorskip("pandas")
alike = pytest.importorskip("alike")

ROWS = 200
INSTANTS = pd.date_range("2024", periods=ROWS, freq="min", name="t")


def frame(rows: int) -> "pd.DataFrame":
    """A column of each kind that a block can have; enough of them to be stored in a file."""
    index = INSTANTS[:rows]
    made = pd.DataFrame(
        {
            "a": np.linspace(0, 1, rows),
            "b": np.linspace(1, 2, rows),
            "n": np.arange(rows),
            "flag": np.arange(rows) % 2 == 0,
            "masked": pd.array(np.arange(rows), dtype="Int64"),
            "text": pd.array(["x", "y"] * (rows // 2), dtype="str"),
            "time": index,
            "zoned": index.tz_localize("UTC"),
            "span": index - index[0],
            "period": pd.period_range("2024", periods=rows, freq="D"),
            "kind": pd.Categorical(["u", "v"] * (rows // 2)),
            "wide": np.zeros(rows),
        },
        index=index,
    )
    made.columns.name = "what"
    made.attrs["k"] = [1]
    return made


def numbered(rows: int) -> "pd.DataFrame":
    """Labels that are numbers, and rows that are counted."""
    return pd.DataFrame(np.arange(rows * 3.0).reshape(rows, 3), columns=[10, 20, 30])


def labelled(rows: int) -> "pd.DataFrame":
    """Labels that are objects."""
    index = pd.Index([("r", row) for row in range(rows)], dtype=object, tupleize_cols=False)
    return pd.DataFrame({"a": np.arange(rows), "b": 1.5}, index=index)


def levelled(rows: int) -> "pd.DataFrame":
    """Labels in levels, of each kind that an index can share."""
    index = pd.MultiIndex.from_arrays(
        [
            INSTANTS[:rows],
            np.arange(rows) % 7,
            pd.array(["x", "y"] * (rows // 2), dtype="str"),
            pd.Index([("o", row % 3) for row in range(rows)], dtype=object, tupleize_cols=False),
        ],
        names=["t", "n", "s", ("o", 1)],
    )
    columns = pd.MultiIndex.from_product([["a", "b"], [1, 2]])
    made = pd.DataFrame(np.arange(rows * 4.0).reshape(rows, 4), index=index)
    return made.set_axis(columns, axis=1)


def series(rows: int) -> "pd.Series":
    return pd.Series(np.arange(rows * 10.0), name="s", index=pd.Index(np.arange(rows * 10) * 2))


WRITES = """
c.index.name = "x"
c.index.names = ["x"]
c.columns.name = "x"
c.index.freq = None
c.index.freq = "60s"
c.index.array.freq = None
c.index.array[0] = c.index.array[5]
c.index.values[0] = c.index.values[5]
v = c.index.values; v.flags.writeable = True; v[0] = v[5]
v = c.index.to_numpy(); v.flags.writeable = True; v[0] = v[5]
v = np.asarray(c.index); v.flags.writeable = True; v[0] = v[5]
v = c.index.values.base; v.flags.writeable = True; v[0] = v[1]
v = c.columns.to_numpy().base; v.flags.writeable = True; v[0] = v[1]
v = c.index.asi8; v.flags.writeable = True; v[0] = 7
v = np.asarray(c.index); v.shape = (v.size, 1)
v = np.asarray(c.index); v.dtype = "f8"
v = np.asarray(c.index.array); v.dtype = "i2"
v = c.index.array._ndarray; v.shape = (v.size, 1)
v = np.asarray(c.columns); v.shape = (v.size, 1)
for level in c.index.levels: v = np.asarray(level); v.shape = (v.size, 1)
for level in c.index.levels: v = level.array._ndarray; v.shape = (v.size, 1)
c.index.set_names("zz", inplace=True)
c.index.rename("zz", inplace=True)
c.rename_axis("zz", inplace=True)
c.columns.array[0] = "zz"
v = c.columns.values; v.flags.writeable = True; v[0] = "zz"
v = np.asarray(c.columns); v.flags.writeable = True; v[0] = "zz"
v = np.asarray(c.columns); v.flags.writeable = True; v[0] = 11
c.columns = list(range(c.shape[1]))
c.attrs["k"].append(1)
c.attrs["new"] = 1
c.flags.allows_duplicate_labels = False
for name in c: c[name].array[0] = c[name].array[5]
for name in c: c[name].iloc[0] = c[name].iloc[5]
for name in c: c.loc[c.index[0], name] = c[name].iloc[5]
for place in range(c.shape[1]): c.iloc[0, place] = c.iloc[5, place]
for name in c: v = c[name].values; v[0] = v[5]
for name in c: v = c[name].to_numpy(); v[0] = v[5]
for name in c: v = np.asarray(c[name]); v.flags.writeable = True; v[0] = v[5]
for name in c: v = c[name].values; v.flags.writeable = True; v[0] = v[5]
for name in c: v = c[name].values.base; v.flags.writeable = True; v[:] = 0
v = c.values; v.flags.writeable = True; v[0] = v[5]
v = c.to_numpy(); v.flags.writeable = True; v[0] = v[5]
v = np.asarray(c); v.flags.writeable = True; v[0] = v[5]
v = c[["a", "b"]].values; v.flags.writeable = True; v[0] = 9
v = c[["a", "b"]].values.base; v.flags.writeable = True; v[0] = 9
memoryview(c["a"].to_numpy())[0] = 9.0
np.add(c["a"], 1, out=c["a"])
np.add(c["a"].to_numpy(), 1, out=c["a"].to_numpy())
np.frombuffer(c["a"].to_numpy().data)[0] = 9
c["n"].values.sort()
c["masked"].array._data[0] = 4
c["masked"].array._mask[0] = True
c["time"].array.freq = "min"
c["period"].array.asi8[0] = 5
c["kind"].cat.categories.name = "x"
c["kind"].dtype.categories.name = "x"
c["kind"].array.categories.name = "x"
c["kind"].cat.categories.array[0] = "q"
v = np.asarray(c["kind"].cat.categories); v.flags.writeable = True; v[0] = "q"
v = c["kind"].cat.codes; v.iloc[0] = 1
v = c["kind"].array.codes; v.flags.writeable = True; v[0] = 1
c["kind"] = c["kind"].cat.rename_categories(["p", "q"])
c._mgr.blocks[0].values[:] = 0
for block in c._mgr.blocks: block.values[:] = block.values[::-1]
c.index._data[0] = c.index._data[5]
c["a"] += 1
c *= 2
c["new"] = 1
del c["a"]
c.pop("b")
c.insert(0, "new", 1)
c.drop(columns="a", inplace=True)
c.sort_values("a", ascending=False, inplace=True)
c.sort_index(ascending=False, inplace=True)
c.reset_index(inplace=True)
c.set_index("a", inplace=True)
c.fillna(0, inplace=True)
c.replace(1, 2, inplace=True)
c[["a", "b"]].clip(upper=0.1, inplace=True)
c["a"].where(c["a"] > 0.5, 0, inplace=True)
c["a"].mask(c["a"] > 0.5, 0, inplace=True)
c["a"].update(pd.Series([9.0], index=c.index[:1]))
c.update(c[["a"]] * 2)
c.eval("a = b", inplace=True)
c.query("a > 0.5", inplace=True)
c.dropna(inplace=True)
c.drop_duplicates("n", inplace=True)
c.at[c.index[0], "a"] = 2; c.iat[1, 1] = 2
c.loc[c["a"] > 0.5, "a"] = 0
c[c.columns[0]].array.to_numpy()[0] = 4
c.iloc[0] = c.iloc[5]
c.iloc[:] = c.iloc[::-1].values
c[0:5] = c.iloc[5]
c.loc[:] = 0
c.T.iloc[0, 0] = 5
c.T.values[0, 0] = 5
c.__dict__["_mgr"].axes[0].name = "x"
for part in c.items(): part[1].values[0] = 0
for block in c.to_dict("series").values(): block.iloc[0] = block.iloc[5]
v = c.index.array; v._ndarray[0] = v._ndarray[5]
v = c.index.to_series(); v.iloc[0] = v.iloc[5]; v.index.name = "x"
v = c.index.to_frame(); v.iloc[0, 0] = v.iloc[5, 0]
v = c.reset_index(); v.iloc[0, 0] = v.iloc[5, 0]
v = c.copy(deep=False); v.iloc[0, 0] = v.iloc[5, 0]; v.index.name = "x"
v = copy.copy(c); v.iloc[0, 0] = v.iloc[5, 0]; v.index.name = "x"
v = c.view() if hasattr(c, "view") else c.iloc[:]; v.iloc[0] = v.iloc[5]
"""


WRITES_OF_LEVELS = """
for i in c.index.codes: i.flags.writeable = True; i[0] = i[5]
for i in c.index.codes: i.base.flags.writeable = True; i.base[0] = i.base[5]
for i in c.index.codes: i.shape = (-1, 2)
for i in c.index._codes: i.shape = (-1, 2)
for i in c.index.codes: i.dtype = "u1"
list.pop(c.index.codes)
list.pop(c.index.levels)
list.reverse(c.index._levels)
for i in c.index.levels: i.values.flags.writeable = True; i.values[0] = i.values[1]
for i in c.index.levels: v = i.to_numpy(); v.flags.writeable = True; v[0] = v[1]
for i in c.index._levels: v = i._data; v.flags.writeable = True; v[0] = v[1]
for i in c.index._levels: v = np.asarray(i); v.flags.writeable = True; v[0] = v[1]
c.index.levels[0].array[0] = c.index.levels[0].array[5]
c.index.levels[0].array.freq = None
c.index.levels[0].asi8[0] = 1
c.index.levels[2].array[0] = "q"
c.index.levels[2]._data._pa_array = None
c.index.levels[3].array[0] = "q"
c.index.levels[3].values[0] = "q"
for i in c.index.levels: i.name = "q"
for i in c.index._levels: i._name = "q"; i.name = "q"
for i in c.index._levels: i.set_names("q", inplace=True); i.rename("q", inplace=True)
c.index.names = list("pqrs")
c.index.set_names(list("pqrs"), inplace=True)
c.index._names[0] = "q"
c.index.sortorder = 3
v = c.index.values; v[0] = v[5]
v = c.index.to_numpy(); v[0] = v[5]
v = c.index._values; v.flags.writeable = True; v[:] = None
for n in range(4): v = c.index.get_level_values(n).values; v.flags.writeable = True; v[0] = v[5]
for n in range(4): v = c.index.get_level_values(n); v.name = "q"
c.index._engine; c.index._cache.clear(); c.index.levels[1]._engine.clear_mapping()
c.index._cache["levels"] = 5
for i in c.index._levels: i._cache["_engine"] = 5; i._cache["is_unique"] = False
c.columns.names = ["p", "q"]
c.columns.codes[0].flags.writeable = True; c.columns.codes[0][:] = 0
c.columns._levels[0]._data[0] = "q"
c[("a", 1)] = 5
c[("z", 1)] = 5
c.loc[c.index[0]] = 1
c.index = c.index.droplevel(0)
c.index = c.index.remove_unused_levels()
v = c.sort_index(); v.iloc[0] = 5
v = c.unstack(1); v.iloc[0] = 5
v = c.xs(1, level="n"); v.iloc[0] = 5
v = c.index.copy(); v.codes[0].flags.writeable = True
v = c.index.view(); v.names = list("pqrs"); v._levels[0]._name = "q"
v = c.index.set_levels([9, 8, 7, 6, 5, 4, 3], level=1)
"""


@pytest.mark.parametrize(
    "make", [frame, numbered, labelled, series, levelled], ids=lambda make: make.__name__
)
def test_no_write_reaches_the_next_caller(store: Store, make: Callable) -> None:
    cached = robust_cacheable(store=store)(make)
    cached(ROWS)
    fresh = make(ROWS)
    assert alike.same(cached(ROWS), fresh)
    writes = WRITES + WRITES_OF_LEVELS if make is levelled else WRITES
    for write in writes.strip().splitlines():
        c = cached(ROWS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with contextlib.suppress(Exception):  # to be refused is as good
                exec(write, {"c": c, "np": np, "pd": pd, "copy": copy})  # noqa: S102
        assert alike.same(cached(ROWS), fresh), write
        assert cached(ROWS).flags.allows_duplicate_labels, write
        kind = getattr(cached(ROWS).dtypes, "kind", None) if make is frame else None
        assert kind is None or kind.categories.name is None, write
    assert cached.cache_info().misses == 1


def test_labels_in_levels_are_shared_until_they_are_written(store: Store) -> None:
    cached = robust_cacheable(store=store)(levelled)
    cached(ROWS)
    left, right = cached(ROWS), cached(ROWS)
    for one, other in zip(left.index.codes, right.index.codes, strict=True):
        assert one is not other
        assert np.shares_memory(one, other) == (pd.__version__ >= "3")
    assert left.index.get_loc(left.index[7]) == 7
    assert left.loc[left.index[7]].equals(right.loc[right.index[7]])
    assert left.index is not right.index


DERIVED = """
d = c
d = c.copy()
d = copy.deepcopy(c)
d = c.reset_index()
d = c.iloc[3:50]
d = c.rename(columns={"a": "A"})
d = c.assign(z=1)
d = c[["a", "b"]]
d = c[["a"]]
d = c["a"].to_frame()
d = pd.concat([c, c])
d = pd.concat([c[["a"]], c[["b"]]], axis=1)
d = c.set_index("n")
d = c.set_index("n").reset_index()
d = c.astype({"n": "float64"})
d = c.astype({"n": "int64"})
d = c.index.to_frame()
d = c.shift(1)
d = c.infer_objects()
d = c.T
d = pd.DataFrame(c)
d = pd.DataFrame(c["a"].array)
d = pd.DataFrame({"x": c["a"].to_numpy()})
d = pd.DataFrame(c[["a", "b"]].to_numpy())
d = c.sort_values("b")
d = c.head(20).tail(10)
d = c.select_dtypes("number")
"""


@pytest.mark.parametrize("derive", DERIVED.strip().splitlines())
def test_what_is_made_of_a_result_may_be_written_wherever_it_came_from(
    store: Store, derive: str
) -> None:
    cached = robust_cacheable(store=store)(frame)
    cached(ROWS)
    cached(ROWS)
    names = {"c": cached(ROWS), "pd": pd, "copy": copy}
    store.clear()  # memory lets go of what it has
    exec(derive, names)  # noqa: S102
    written = names.pop("d")
    names.clear()
    gc.collect()
    for place in range(written.shape[1]):
        value = written.iloc[5, place]
        written.iloc[0, place] = value
        assert written.iloc[0, place] == value or pd.isna(value)
    if "a" in written:
        written["a"] = written["a"].fillna(0) + 1
        written.loc[written.index[0], "a"] = 7
        assert written["a"].iloc[0] == 7


def test_copies_are_held_and_written_while_others_are_taken(store: Store) -> None:
    cached = robust_cacheable(store=store)(frame)
    fresh, held = cached(ROWS), []
    for number in range(50):
        taken = cached(ROWS)
        taken.iloc[0, 0] = float(number)
        held.append(taken)
    assert [taken.iloc[0, 0] for taken in held] == list(range(50))
    assert alike.same(cached(ROWS), fresh)


@pytest.fixture(params=[100, 20_000, 400_000], ids=["inline", "file", "mapped"])
def rows(request: pytest.FixtureRequest) -> Iterator[int]:
    return request.param


def test_parts_of_a_container_are_each_callers_own(store: Store, rows: int) -> None:
    def split(rows: int) -> tuple:
        x = pd.DataFrame({"a": np.arange(rows), "b": np.arange(rows) * 0.5})
        return x, x["a"].rename("y"), {"names": ["a", "b"], "fold": (1, 2)}, np.arange(10)

    cached = robust_cacheable(store=store)(split)
    fresh = cached(rows)
    for _ in range(3):
        x, y, facts, array = cached(rows)
        assert alike.same((x, y, facts, array), fresh if fresh[3][0] == 0 else split(rows))
        x.iloc[0, 0] = 9
        y.iloc[0] = 9
        y.index.name = "spoilt"
        facts["names"].append("spoilt")
        facts["new"] = 1
        array[:] = 5
    assert alike.same(cached(rows), split(rows))


def test_an_object_met_twice_is_one_object_in_every_copy(store: Store) -> None:
    @robust_cacheable(store=store)
    def twice(size: int) -> list:
        one = np.arange(size)
        return [one, one, {"again": one}]

    for _ in range(3):
        left, right, rest = twice(100)
        assert left is right is rest["again"]
        left[0] = 5


POLARS_WRITES = """
c[0, 0] = -1.0
c.columns = list("pqr")
c.replace_column(0, c.to_series(1).alias("z"))
c.insert_column(0, c.to_series(1).alias("z"))
c.drop_in_place("a")
c.extend(c)
c.vstack(c, in_place=True)
c.get_column("a").set_sorted()
s = c["a"]; s[0] = -1.0
s = c["a"]; s.scatter([0], [-1.0])
s = c["a"]; s.append(s)
s = c["a"]; s.extend(s)
s = c["a"]; s.rename("z"); s.shrink_to_fit(in_place=True)
v = c["a"].to_numpy(); v[0] = -1.0
v = c["a"].to_numpy(); v.flags.writeable = True; v[0] = -1.0
v = c["a"].to_numpy(); v.base.flags.writeable = True; v.base[0] = -1.0
v = c["a"].to_numpy(writable=True); v[0] = -1.0
v = c["a"].__array__(); v.flags.writeable = True; v[0] = -1.0
v = np.asarray(c["a"]); v.flags.writeable = True; v[0] = -1.0
v = c.select("a").to_numpy(); v.flags.writeable = True; v[0] = -1.0
v = c.to_numpy(allow_copy=True); v[0] = v[1]
v = np.asarray(c["a"].to_arrow()); v.flags.writeable = True; v[0] = -1.0
v = np.frombuffer(c["a"].to_arrow().buffers()[1]); v[0] = -1.0
memoryview(c["a"].to_arrow().buffers()[1])[0] = 1
v = c.to_pandas(); v.iloc[0, 0] = -1.0
c["a"].to_list().clear()
c["l"][0].to_numpy().setflags(write=True)
"""

ARROW_WRITES = """
v = c["a"].chunk(0).to_numpy(); v[0] = -1.0
v = c["a"].chunk(0).to_numpy(); v.flags.writeable = True; v[0] = -1.0
v = c["a"].to_numpy(); v.flags.writeable = True; v[0] = -1.0
v = np.asarray(c["a"].chunk(0)); v.flags.writeable = True; v[0] = -1.0
v = np.frombuffer(c["a"].chunk(0).buffers()[1]); v[0] = -1.0
memoryview(c["a"].chunk(0).buffers()[1])[0] = 1
v = c.to_pandas(); v.iloc[0, 0] = -1.0
v = c.to_pandas(zero_copy_only=False, split_blocks=True); v["a"].array[0] = -1.0
v = c["a"].to_pandas(zero_copy_only=True); v.iloc[0] = -1.0
c["a"].chunk(0).buffers()[1].to_pybytes()
c.schema.metadata["k"] = "v"
"""


@pytest.mark.parametrize("rows", [1_000, 50_000])
@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_no_write_reaches_buffers_that_are_shared(store: Store, library: str, rows: int) -> None:
    imported = pytest.importorskip(library)
    writes = {"polars": POLARS_WRITES, "pyarrow": ARROW_WRITES}[library]

    def table(rows: int) -> object:
        columns = {"a": np.arange(rows) * 0.5, "t": ["text"] * rows, "l": [[1, 2]] * rows}
        make = imported.DataFrame if library == "polars" else imported.table
        return make(columns)

    cached = robust_cacheable(store=store)(table)
    cached(rows)
    fresh = table(rows)
    for write in writes.strip().splitlines():
        with warnings.catch_warnings(), contextlib.suppress(Exception):
            warnings.simplefilter("ignore")
            exec(write, {"c": cached(rows), "np": np})  # noqa: S102
        assert cached(rows).equals(fresh), write
        assert cached(rows).schema == fresh.schema, write
    assert cached.cache_info().misses == 1
