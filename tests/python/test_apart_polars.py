"""Lazy frames: their plan, the frames in it by content, and the files that they read."""

import polars as pl
import pytest

from afml_cache import UncacheableArgumentError, digest


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "b"):
        write(tmp_path / f"{name}.csv", 1.0)
    return tmp_path


def write(path, *prices):
    path.write_text("price\n" + "".join(f"{price}\n" for price in prices), encoding="utf-8")


def plan(frame):
    return frame.lazy().filter(pl.col("price") > 1).select(pl.col("price").rolling_mean(2))


def test_a_plan_and_the_cells_in_it_count() -> None:
    frame, other = pl.DataFrame({"price": [1.0, 2.0]}), pl.DataFrame({"price": [1.0, 3.0]})
    assert digest(plan(frame)) == digest(plan(frame.clone()))
    lazy = [plan(frame), plan(other), frame.lazy(), frame.lazy().tail(1), frame.lazy().tail(2)]
    assert len({digest(each) for each in lazy}) == len(lazy)
    assert digest(frame.lazy()) != digest(frame)


def test_how_a_frame_in_a_plan_came_to_be_does_not_count() -> None:
    whole = pl.DataFrame({"price": [1.0, 2.0, 3.0]})
    pieces = pl.concat([whole[:1], whole[1:]], rechunk=False)
    assert pieces.n_chunks() == 2
    assert digest(plan(pieces)) == digest(plan(whole))
    assert digest(plan(whole.set_sorted("price"))) == digest(plan(whole))


def test_a_large_frame_in_a_plan_counts_to_the_last_cell() -> None:
    def lazy(last):
        return pl.DataFrame({"n": [*range(100_000), last]}).lazy()

    assert digest(lazy(1)) == digest(lazy(1)) != digest(lazy(2))


def test_codes_of_categories_do_not_count(run_python) -> None:
    code = """
import polars as pl, afml_cache
{}
frame = pl.DataFrame({{"a": pl.Series(["p", "q"], dtype=pl.Categorical)}})
print(afml_cache.digest(frame.lazy().head(1)))
"""
    before = 'pl.Series(["q", "x", "p"], dtype=pl.Categorical)'
    assert run_python(code.format("")) == run_python(code.format(f"kept = {before}"))


def test_a_scanned_file_counts_by_content(folder) -> None:
    lazy = pl.scan_csv(folder / "a.csv").filter(pl.col("price") > 0)
    first = digest(lazy)
    write(folder / "b.csv", 5.0)
    assert digest(lazy) == first
    write(folder / "a.csv", 2.0)
    assert digest(lazy) != first
    write(folder / "a.csv", 1.0)
    assert digest(lazy) == first


@pytest.mark.parametrize("pattern", ["*.csv", "", "**/*.csv", "[ab].csv"])
def test_every_file_of_a_folder_or_a_pattern_counts(folder, pattern: str) -> None:
    lazy = pl.scan_csv(f"{folder}/{pattern}")
    first = digest(lazy)
    write(folder / "b.csv", 5.0)
    changed = digest(lazy)
    assert changed != first
    (folder / "b.csv").unlink()
    assert digest(lazy) not in {first, changed}


def test_a_new_file_that_fits_counts(folder) -> None:
    lazy = pl.scan_csv(f"{folder}/*.csv")
    first = digest(lazy)
    write(folder / "other.txt", 1.0)
    assert digest(lazy) == first
    write(folder / "c.csv", 1.0)
    assert digest(lazy) != first


def test_both_sides_of_a_join_count(folder) -> None:
    left, right = pl.scan_csv(folder / "a.csv"), pl.scan_csv(folder / "b.csv")
    joined = left.join(right, on="price")
    first = digest(joined)
    write(folder / "b.csv", 3.0)
    assert digest(joined) != first


@pytest.mark.parametrize(
    "make",
    [
        lambda: pl.scan_parquet("s3://bucket/a.parquet"),
        lambda: pl.scan_csv("missing.csv"),
        lambda: pl.LazyFrame({"a": [1]}).map_batches(lambda frame: frame),
        lambda: pl.LazyFrame({"a": [1]}).with_columns(
            pl.col("a").map_elements(repr, return_dtype=pl.String)
        ),
        lambda: pl.LazyFrame({"a": [1]}).group_by("a").map_groups(lambda frame: frame, None),
        lambda: pl.LazyFrame({"a": [1]}).select(pl.col("a").rolling_map(sum, 2)),
    ],
)
def test_what_a_plan_only_names_is_refused(make) -> None:
    with pytest.raises(UncacheableArgumentError, match=r"pass `\.collect\(\)`"):
        digest(make())


def test_an_expression_is_what_it_computes() -> None:
    price = pl.col("price")
    made = [price, price + 1, price + 2, price.alias("p"), price.is_in([1, 2]), price.is_in([1, 3])]
    assert len({digest(each) for each in made}) == len(made)
    assert digest(pl.col("price") + 1) == digest(price + 1)
    with pytest.raises(UncacheableArgumentError, match="runs functions"):
        digest(price.map_elements(repr, return_dtype=pl.String))


class Bars(pl.DataFrame):
    pass


def test_a_frame_of_a_subclass_keeps_its_class() -> None:
    assert digest(Bars({"a": [1]})) == digest(Bars({"a": [1]})) != digest(Bars({"a": [2]}))
    assert digest(Bars({"a": [1]})) != digest(pl.DataFrame({"a": [1]}))


def test_parameters_of_types_count() -> None:
    types = [
        *(pl.Int64, pl.Int32, pl.Datetime("ns"), pl.Datetime("us"), pl.Datetime("ns", "UTC")),
        *(pl.List(pl.Int8), pl.List(pl.Int16), pl.Enum(["a"]), pl.Enum(["b"]), pl.Categorical()),
        *(pl.Struct({"a": pl.Int8}), pl.Struct({"b": pl.Int8}), pl.Decimal(10, 2)),
        *(pl.Schema({"a": pl.Int8}), pl.Schema({"b": pl.Int8})),
    ]
    assert len({digest(each) for each in types}) == len(types)
