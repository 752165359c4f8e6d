"""What tells a run from others: parameters, data, and every other argument."""

import collections
import dataclasses
import datetime as dt
import enum
import pathlib
import types

import numpy as np
import pandas as pd
import polars as pl
import pytest
from backtests import bars, nothing, polars_bars

from afml_cache import BacktestCache, CacheConfigError, UndeclaredFileWarning, cached_backtest

DATA = bars(40)


class Side(enum.Enum):
    LONG = 1


@cached_backtest("plain")
def plain(data, params):
    return {"sharpe_ratio": 1.0}


def run_of(parameters, data=DATA):
    return plain.run_id(data, parameters)


@pytest.mark.parametrize(
    ("numpy", "python"),
    [
        (np.int64(20), 20),
        (np.uint8(20), 20),
        (np.float64(0.02), 0.02),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("long"), "long"),
        (np.array(20), 20),
        (np.array(0.02), 0.02),
        ([np.int64(1), np.float64(2.0)], [1, 2.0]),
        ((np.int64(1), "x"), (1, "x")),
        ({"inner": {"window": np.int64(3)}}, {"inner": {"window": 3}}),
        ({np.int64(3)}, {3}),
    ],
    ids=str,
)
def test_numpy_scalars_are_their_python_equals(numpy, python):
    assert run_of({"value": numpy}) == run_of({"value": python})


def test_a_grid_of_arange_and_its_json_copy_are_one_run():
    from_numpy = [{"lookback": each, "on": np.bool_(each > 10)} for each in np.arange(10, 30, 10)]
    from_json = [{"on": False, "lookback": 10}, {"on": True, "lookback": 20}]
    assert list(map(run_of, from_numpy)) == list(map(run_of, from_json))


def test_the_order_of_parameters_does_not_count():
    one = {"lookback": 20, "stops": {"loss": 0.01, "gain": 0.02}}
    other = {"stops": {"gain": 0.02, "loss": 0.01}, "lookback": 20}
    assert run_of(one) == run_of(other)


def test_every_other_difference_of_parameters_counts():
    values = [
        *(1, 1.0, True, "1", None, -1, 2, b"1", 1 + 0j),
        *([1], (1,), [[1]], [1, 2], [2, 1], {"a": 1}, {"b": 1}, {1}, frozenset({1})),
        *(0.0, -0.0, float("nan"), float("inf")),
        *(np.datetime64("2024-01-01"), np.datetime64("2024-01-01", "ns"), np.timedelta64(1, "D")),
        *(dt.date(2024, 1, 1), dt.datetime(2024, 1, 1), pd.Timestamp("2024-01-01")),  # noqa: DTZ001
        *(np.array([1]), np.array([1.0]), pd.Series([1]), Side.LONG, Side),
    ]
    ids = [run_of({"value": value}) for value in values]
    ids += [run_of({}), run_of({"other": 1}), run_of({"value": 1, "other": None})]
    assert len(set(ids)) == len(ids)


class Settings(dict):
    side = "long"

    def stop(self):
        return self["stop"] * 2


class OtherSettings(dict):
    def stop(self):
        return self["stop"] * 3


def with_side(settings, side):
    settings.side = side
    return settings


def zero():
    return 0


def one():
    return 1


def test_a_mapping_of_a_class_of_ones_own_counts_with_its_class_and_all_that_it_holds():
    mappings = [
        *({"stop": 1}, Settings(stop=1), OtherSettings(stop=1), Settings(stop=2)),
        *(with_side(Settings(stop=1), "short"), with_side(Settings(stop=1), "both")),
        *(collections.defaultdict(zero, stop=1), collections.defaultdict(one, stop=1)),
        *(collections.Counter(stop=1), collections.UserDict(stop=1), collections.UserDict(stop=2)),
    ]
    ids = [run_of(each) for each in mappings] + [run_of({"inner": each}) for each in mappings]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("kind", [Settings, collections.Counter, collections.UserDict])
def test_of_such_a_mapping_too_the_order_does_not_count_and_numpy_scalars_are_pythons(kind):
    assert run_of(kind({"a": np.int64(1), "b": 2})) == run_of(kind({"b": 2, "a": 1}))


@pytest.mark.parametrize("kind", [collections.OrderedDict, types.MappingProxyType])
def test_mappings_that_hold_their_items_alone_are_dictionaries(kind):
    assert run_of({"inner": kind({"a": 1, "b": 2})}) == run_of({"inner": {"b": 2, "a": 1}})


def test_the_key_of_a_mapping_that_says_it_by_itself_is_its_own():
    class Keyed(dict):
        def __cache_key__(self):
            return self["a"]

    assert run_of(Keyed(a=1, b=1)) == run_of(Keyed(a=1, b=2)) != run_of(Keyed(a=2, b=1))


def test_an_edited_method_of_the_parameters_misses(monkeypatch):
    before = run_of(Settings(stop=1))
    monkeypatch.setattr(Settings, "stop", lambda self: self["stop"] * 4)
    assert run_of(Settings(stop=1)) != before


def test_names_of_parameters_count_with_their_type():
    assert run_of({1: "a"}) != run_of({"1": "a"})
    assert run_of({np.int64(1): "a"}) == run_of({1: "a"})


def test_nan_is_itself():
    assert run_of({"stop": float("nan")}) == run_of({"stop": np.float64("nan")})


def with_cell(frame):
    frame = frame.copy()
    frame.iloc[20, 0] += 1e-9
    return frame


def with_attrs(frame):
    frame = frame.copy()
    frame.attrs["symbol"] = "EURUSD"
    return frame


@pytest.mark.parametrize(
    "change",
    [
        with_cell,
        with_attrs,
        lambda frame: frame.rename(columns={"close": "Close"}),
        lambda frame: frame.astype({"volume": float}),
        lambda frame: frame.rename_axis("when"),
        lambda frame: frame.assign(extra=1),
        lambda frame: frame.iloc[:-1],
        lambda frame: frame.tz_localize("UTC"),
    ],
    ids=["cell", "attrs", "column", "dtype", "index name", "new column", "row", "zone"],
)
def test_one_change_of_the_data_is_another_run(change):
    assert run_of({}, DATA.copy()) == run_of({}, DATA)
    assert run_of({}, change(DATA)) != run_of({}, DATA)


def test_one_changed_cell_of_a_polars_frame_is_another_run():
    data = polars_bars(40)
    same = pl.concat([data[:10], data[10:]], rechunk=False)
    other = data.with_columns(close=pl.when(pl.arange(0, 40) == 20).then(1.0).otherwise("close"))
    assert run_of({}, same) == run_of({}, data)
    assert run_of({}, other) != run_of({}, data)
    assert run_of({}, data) != run_of({}, DATA)


def test_data_by_symbol_counts_in_any_order():
    one, other = bars(40, seed=1), bars(40, seed=2)
    run = run_of({}, {"EURUSD": one, "GBPUSD": other})
    assert run_of({}, {"GBPUSD": other.copy(), "EURUSD": one}) == run
    assert run_of({}, {"GBPUSD": one, "EURUSD": other}) != run
    assert run_of({}, {"EURUSD": one}) != run
    assert run_of({}, {1: one}) != run_of({}, {"1": one})


def test_several_frames_count_in_their_order():
    one, other = bars(40, seed=1), bars(40, seed=2)
    assert run_of({}, [one, other]) == run_of({}, [one.copy(), other])
    assert run_of({}, [one, other]) != run_of({}, [other, one])
    assert run_of({}, [one]) != run_of({}, one)


def test_an_empty_frame_is_data():
    metrics = plain(DATA.iloc[:0], {})
    assert plain(DATA.iloc[:0].copy(), {}) == metrics
    assert plain.cache_info().hits == 1
    found = BacktestCache().get_cached_backtest("plain", {}, DATA.iloc[:0], code=plain)
    assert found.metadata.start_date is None
    assert run_of({}, pd.DataFrame()) != run_of({}, DATA.iloc[:0])


def test_arguments_bind_by_name_place_and_default():
    @cached_backtest("bound")
    def backtest(data, params=None, *, fee=0.1):
        return {"sharpe_ratio": 1.0}

    run = backtest.run_id(DATA, {"a": 1}, fee=0.1)
    assert backtest.run_id(data=DATA, params={"a": 1}) == run
    assert backtest.run_id(params={"a": 1}, data=DATA) == run
    assert backtest.run_id(DATA, {"a": 1}, fee=0.2) != run


def test_every_other_argument_counts():
    @cached_backtest("model")
    def backtest(data, model, params, **options):
        return {"sharpe_ratio": 1.0}

    run = backtest.run_id(DATA, [0.1, 0.2], {"a": 1}, verbose=False)
    assert backtest.run_id(DATA, [0.1, 0.3], {"a": 1}, verbose=False) != run
    assert backtest.run_id(DATA, [0.1, 0.2], {"a": 1}, verbose=True) != run
    assert backtest.run_id(DATA, [0.1, 0.2], {"a": 1}) != run


def test_ignored_arguments_do_not():
    @cached_backtest("ignoring", ignore=("verbose",))
    def backtest(data, params, verbose):
        return {"sharpe_ratio": 1.0}

    assert backtest.run_id(DATA, {}, verbose=True) == backtest.run_id(DATA, {}, verbose=False)


def test_without_usual_names_the_first_frame_is_the_data_and_the_first_mapping_the_parameters():
    @cached_backtest("unnamed")
    def backtest(fee, prices, settings, limits):
        return {"sharpe_ratio": 1.0}

    backtest(0.1, DATA, {"lookback": np.int64(20)}, {"loss": 5})
    told = BacktestCache().get_run_metadata(backtest.last_run_id)
    assert told.parameters == {"lookback": 20}
    assert told.data_hash == BacktestCache().get_run_metadata(_run_plain()).data_hash


def _run_plain():
    plain(DATA, {})
    return plain.last_run_id


def test_data_and_params_name_their_arguments():
    @cached_backtest("named", data=("prices", "volumes"), params="settings")
    def backtest(prices, volumes, other, settings):
        return {"sharpe_ratio": 1.0}

    prices, volumes = DATA["close"], DATA["volume"]
    backtest(prices, volumes, {"b": 2}, {"a": 1})
    run = backtest.last_run_id
    assert BacktestCache().get_run_metadata(run).parameters == {"a": 1}
    assert backtest.run_id(prices, volumes, {"b": 3}, {"a": 1}) != run
    assert backtest.run_id(prices, volumes + 1, {"b": 2}, {"a": 1}) != run


@pytest.mark.parametrize("option", [{"data": "bars"}, {"params": "settings"}, {"ignore": "x"}])
def test_options_that_name_no_argument_are_refused(option):
    with pytest.raises(CacheConfigError, match="has no such parameter"):
        cached_backtest("wrong", **option)(nothing)


def test_without_a_mapping_all_plain_arguments_are_the_parameters():
    @cached_backtest("keywords")
    def backtest(data, lookback, model, *, windows=(5, 10), **options):
        return {"sharpe_ratio": 1.0}

    model = np.arange(3.0)
    backtest(DATA, np.int64(20), model, stop=0.1)
    assert BacktestCache().get_run_metadata(backtest.last_run_id).parameters == {
        "lookback": 20,
        "windows": (5, 10),
        "stop": 0.1,
    }
    assert backtest.run_id(DATA, 20, model, stop=0.1) == backtest.last_run_id
    assert backtest.run_id(DATA, 20, model, stop=0.2) != backtest.last_run_id


def test_parameters_of_a_dataclass_are_its_fields():
    @dataclasses.dataclass
    class Settings:
        lookback: int
        stop: float = 0.1

    plain(DATA, Settings(20))
    assert BacktestCache().get_run_metadata(plain.last_run_id).parameters == {
        "lookback": 20,
        "stop": 0.1,
    }
    assert run_of(Settings(21)) != plain.last_run_id


def test_a_strategys_name_counts():
    def backtest(data, params):
        return {"sharpe_ratio": 1.0}

    one, other = (cached_backtest(name)(backtest) for name in ("one", "other"))
    assert one.run_id(DATA, {}) != other.run_id(DATA, {})


def test_parameters_that_hold_themselves_run_uncached(recwarn):
    parameters = {"a": 1}
    parameters["self"] = parameters
    assert plain(DATA, parameters) == {"sharpe_ratio": 1.0}
    assert "hold themselves" in str(recwarn.pop().message)
    assert not len(BacktestCache().index)


def test_data_that_is_named_by_files_counts_by_their_content(tmp_path):
    @cached_backtest("read", files=("data",))
    def read(data, params):
        return {"sharpe_ratio": float(pathlib.Path(data).read_text())}

    path = tmp_path / "bars.csv"
    for sharpe in (1.0, 2.0, 1.0):
        path.write_text(str(sharpe))
        assert read(path, {}) == {"sharpe_ratio": sharpe}
    assert (read.cache_info().misses, read.cache_info().hits) == (2, 1)


@pytest.mark.parametrize("options", [{}, {"files": ("data",)}, {"ignore": ("data",)}], ids=str)
def test_the_name_of_a_file_is_told_unless_it_is_declared(options, tmp_path, recwarn):
    @cached_backtest(f"named {options}", **options)
    def named(data, params):
        return {"sharpe_ratio": 1.0}

    path = tmp_path / "bars.csv"
    path.write_text("1.0")
    for window in (1, 2, 2):
        named(str(path), {"window": window})
    assert [each.category for each in recwarn] == ([] if options else [UndeclaredFileWarning])


def test_data_may_be_any_number_of_arguments():
    @cached_backtest("many")
    def many(*data, params=None):
        return {"frames": float(len(data))}

    @cached_backtest("by_symbol")
    def by_symbol(params=None, **data):
        return {"frames": float(len(data))}

    other = bars(40, seed=1)
    assert (many(DATA), many(DATA, other)) == ({"frames": 1.0}, {"frames": 2.0})
    assert many.run_id(DATA, other) != many.run_id(other, DATA)
    assert by_symbol(a=DATA, b=other) == {"frames": 2.0}
    assert by_symbol.run_id(b=other, a=DATA) == by_symbol.run_id(a=DATA, b=other)
    assert by_symbol.run_id(b=DATA, a=other) != by_symbol.run_id(a=DATA, b=other)
