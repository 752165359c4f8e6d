"""What other caches are known to get wrong, one test for each."""

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bodies import RAN, Bodies, counted
from mlflow_like import BarsModel

from afml_cache import digest, robust_cacheable


@pytest.fixture
def bodies() -> Iterator[Bodies]:
    with counted() as seen:
        yield seen


def bars(rows: int = 500) -> pd.DataFrame:
    index = pd.date_range("2024-01-01", periods=rows, freq="h", tz="UTC")
    prices = np.linspace(1.0, 2.0, rows)
    return pd.DataFrame({"open": prices, "close": prices + 0.001}, index=index)


@robust_cacheable
def total(value: object) -> str:
    """Say what it was given, after it ran."""
    RAN.warning("total")
    return digest(value)


@robust_cacheable
def pair(a: object, b: object = 7, **options: object) -> str:
    """Put two values side by side."""
    RAN.warning("pair")
    return repr((a, b, options))


def differ(*values: object) -> bool:
    """Whether each of the values runs the body once, and none is answered for another."""
    with counted() as seen:
        for value in values:
            assert total(value) == digest(value)
        first = len(seen)
        for value in values:
            total(value)
        return first == len(values) == len(seen)


def test_afml_cache_samples_about_a_hundred_rows() -> None:
    """One cell in a million rows, wherever it is."""
    frame = pd.DataFrame(np.zeros((1_000_000, 5)), columns=list("ohlcv"))
    digests = {digest(frame)}
    for row, column in ((1, 0), (499_999, 2), (999_998, 4)):
        frame.iloc[row, column] = 1e-300
        digests.add(digest(frame))
    assert len(digests) == 4


def test_afml_cache_samples_a_thousand_points_of_an_array() -> None:
    array = np.zeros(1_000_000)
    changed = array.copy()
    changed[123_457] = 1e-300
    assert differ(array, changed)


def test_afml_cache_cuts_its_digests_to_32_bits() -> None:
    """A hundred thousand digests of 32 bits would have met by chance."""
    assert len({digest(number)[:32] for number in range(200_000)}) == 200_000
    assert re.fullmatch("[0-9a-f]{32}", digest(0))


def test_afml_cache_sends_strings_through_hash(run_python: Callable) -> None:
    """A string argument hits in the next session, whatever `PYTHONHASHSEED`."""
    script = """
import sys
from afml_cache import robust_cacheable
@robust_cacheable
def f(symbol, **options):
    print("ran")
    return symbol
f("EURUSD", timeframe="M5")
"""
    shown = [run_python(script, hashseed=seed) for seed in (1, 2, 3)]
    assert shown == ["ran\n", "", ""]


def test_afml_cache_hashes_the_pointers_of_a_mixed_frame(run_python: Callable) -> None:
    script = """
import pandas as pd, afml_cache
padding = [object() for _ in range({0})]
text = "".join(["EUR", "USD"])
frame = pd.DataFrame({{"symbol": [text, "GBPUSD"], "price": [1.1, 1.2], "lots": [1, 2]}})
print(afml_cache.digest(frame), afml_cache.digest(frame.to_numpy()))
"""
    assert run_python(script.format(1), hashseed=1) == run_python(script.format(9999), hashseed=2)


def test_mlflow_cached_keys_every_frame_as_the_word_dataframe() -> None:
    frame = bars()
    assert differ(frame, frame + 1, frame[["open"]], BarsModel(frame), BarsModel(frame + 1))


def test_a_cv_splitter_is_more_than_its_first_and_last_timestamp() -> None:
    class PurgedKFold:
        def __init__(self, ends: pd.Series, splits: int = 5) -> None:
            self.ends, self.splits = ends, splits

    ends = pd.Series(bars().index + pd.Timedelta("3h"), index=bars().index)
    other = ends.copy()
    other.iloc[250] += pd.Timedelta("1h")
    assert differ(PurgedKFold(ends), PurgedKFold(other), PurgedKFold(ends, splits=6))


def test_the_labelling_cache_takes_length_and_first_and_last_price() -> None:
    prices = bars()["close"]
    other = prices.copy()
    other.iloc[1:-1] += 0.5
    assert differ(prices, other)


def test_cacheout_44_arguments_that_look_alike_side_by_side(bodies: Bodies) -> None:
    calls = [(1, 23), (12, 3), ("1", 23), (1, "23"), ("1, 23", 7), ((1, 23), 7)]
    assert [pair(*call) for call in calls] == [repr((*call, {})) for call in calls]
    assert len(bodies) == len(calls)


def test_pandas_46705_and_prefect_drop_or_sort_the_column_names() -> None:
    frame = bars()
    assert differ(
        frame,
        frame.rename(columns={"open": "low"}),
        frame[["close", "open"]],
        frame.set_axis(["close", "open"], axis=1),
    )


def test_diskcache_264_and_240_spellings_of_one_call(bodies: Bodies) -> None:
    assert len({pair(1), pair(a=1), pair(1, 7), pair(1, b=7), pair(b=7, a=1)}) == 1
    assert len(bodies) == 1
    pair(1, c=2, d=3)
    pair(1, d=3, c=2)
    assert len(bodies) == 3  # a function sees the order of **options


EDITS = {
    "joblib 1287, a helper": ("return x + 1", "return x + 2"),
    "freqtrade 13508, a constant": ("PIP = 1", "PIP = 2"),
}
SAME = {
    "joblib 680, a comment": ("# why", "# why not"),
    "joblib 1533, a docstring": ('"""Old."""', '"""New, and\n    longer."""'),
    "joblib 1710, a moved line": ("\nPIP = 1", "\n\n\n\n# moved\nPIP = 1"),
}
SOURCE = '''
from afml_cache import robust_cacheable
from bodies import RAN
PIP = 1
def helper(x):
    """Old."""
    return x + 1  # why
@robust_cacheable
def f(x):
    RAN.warning("f")
    return helper(x) * PIP
'''


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_that_counts_misses(module: Callable, bodies: Bodies, edit: str) -> None:
    assert module(SOURCE).f(1) == 2
    changed = module(SOURCE.replace(*EDITS[edit]))
    assert changed.f(1) == changed.f.__wrapped__(1) != 2
    assert bodies.ran == ["f", "f", "f"]


@pytest.mark.parametrize("edit", SAME)
def test_an_edit_that_does_not_count_hits(module: Callable, bodies: Bodies, edit: str) -> None:
    assert module(SOURCE).f(1) == 2
    assert module(SOURCE.replace(*SAME[edit])).f(1) == 2
    assert bodies.ran == ["f"]


def test_joblib_129_switching_a_branch_and_back_keeps_good_results(
    module: Callable, bodies: Bodies
) -> None:
    branches = [SOURCE, SOURCE.replace("x + 1", "x + 2")] * 3
    assert [module(branch).f(1) for branch in branches] == [2, 3] * 3
    assert bodies.ran == ["f", "f"]


def test_joblib_1498_and_1035_functions_of_the_main_script(
    run_python: Callable, tmp_path: Path
) -> None:
    script = """
from afml_cache import robust_cacheable
@robust_cacheable
def f(x):
    print("ran")
    return x * {0}
print(f(2))
"""
    other = tmp_path / "other"
    other.mkdir()
    assert run_python(script.format(3)) == "ran\n6\n"
    assert run_python(script.format(3)) == "6\n"
    assert run_python(script.format(3), cwd=other) == "6\n"
    assert run_python(script.format(5), cwd=other) == "ran\n10\n"


def test_joblib_1611_and_1283_equal_frames_of_other_blocks() -> None:
    frame = bars()
    apart = pd.DataFrame(index=frame.index)
    for name in frame:
        apart[name] = frame[name].to_numpy().copy()
    turned = pd.DataFrame(
        np.asfortranarray(frame.to_numpy()), index=frame.index, columns=frame.columns
    )
    one, other = (str(b"ab", encoding) for encoding in ("ascii", "utf-8"))
    assert digest(frame) == digest(apart) == digest(turned) == digest(frame.copy())
    assert digest([one, one]) == digest([one, other])


def test_streamlit_14622_large_inputs_are_sampled() -> None:
    text = "x" * 5_000_000
    items = list(range(1_000_000))
    other = items.copy()
    other[777_777] = -1
    assert differ(text, text[:2_500_000] + "y" + text[2_500_001:])
    assert differ(items, other)


def test_no_two_of_a_million_argument_tuples_meet() -> None:
    parts = [0, 1, 12, 23, 123, "", "a", "b", "ab", "c", "bc", None, True, 1.0, -0.0, 0.0]
    parts += [(), (1,), [], [1], [[1], 2], [[1, 2]], {}, {"a": 1}, b"", b"a", 2**70, ("a", "b")]
    threes = itertools.product(parts, repeat=3)
    named = (("f", number, str(number % 1000)) for number in range(500_000))
    nested = ((number // 700, [number % 700, [number]]) for number in range(480_000))
    count, seen = 0, set()
    for call in itertools.chain(threes, named, nested):
        seen.add(digest(call))
        count += 1
    assert count > 1_000_000
    assert len(seen) == count


@pytest.mark.parametrize(
    ("left", "right"),
    [((1, 23), (12, 3)), (("ab", "c"), ("a", "bc")), ([[1], 2], [[1, 2]]), ({1: 2}, [(1, 2)])],
)
def test_neighbours_are_kept_apart(left: object, right: object) -> None:
    assert digest(left) != digest(right)
    assert digest([left]) != digest([right])
