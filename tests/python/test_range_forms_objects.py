"""Lists of bars come back as objects of the same class, with cells of the same types."""

import copy
import dataclasses
import datetime as dt
import decimal
import json
import zoneinfo

import forms_bars as bars
import numpy as np
import pandas as pd
import polars as pl
import pytest
from alike import same
from forms_trips import read, stored, through, together
from hypothesis import given
from hypothesis import strategies as st

from afml_cache import CacheConfigError, CacheCorruptError, LoaderError
from afml_cache.ranges import forms

NEW_YORK = zoneinfo.ZoneInfo("America/New_York")
CLASSES = [
    *(bars.Plain, bars.Frozen, bars.Slotted, bars.Named, bars.Model),
    *(bars.Defined, bars.Fixed, bars.Bare, bars.Slots),
]
NOON = dt.datetime(2024, 1, 2, 12, tzinfo=NEW_YORK)


def some(cls: type) -> list:
    later = NOON + dt.timedelta(180)
    return [
        cls(time=NOON, close=1.5, volume=100, side=bars.Side.BUY),
        cls(time=later, close=2.0, volume=None, side=None),
    ]


@pytest.mark.parametrize("cls", CLASSES)
def test_objects_of_a_class_come_back(cls):
    given = some(cls)
    back = through(given)
    assert back == given
    for one, other in zip(back, given, strict=True):
        assert type(one) is cls
        assert one.time.tzinfo is other.time.tzinfo
        assert [type(one.close), type(one.volume)] == [type(other.close), type(other.volume)]
        assert one.side is other.side


@pytest.mark.parametrize("cls", CLASSES)
def test_rows_of_objects_are_made_of_what_is_held(cls):
    given = some(cls)
    form, table = read(given)
    held = forms.hold(form, table)
    assert held.rows == 2
    assert held.slice(1, 2) == given[1:]
    assert held.slice(0, 2)[0] is not held.slice(0, 2)[0]


def test_a_tuple_comes_back_as_a_tuple():
    assert through(tuple(some(bars.Named))) == tuple(some(bars.Named))


def test_checks_do_not_run_again():
    given = [bars.Checked(NOON, 1.0, made=True)]
    assert through(given) == given


def test_what_a_class_computed_is_not_stored():
    given = some(bars.Frozen)
    assert given[0].twice == 3
    back = through(given)
    assert "twice" not in vars(back[0])
    assert back[0].twice == 3


def test_a_model_knows_which_fields_were_given():
    given = [bars.Model(time=NOON, c=1.0), bars.Model(time=NOON, c=1.0, volume=None)]
    back = through(given)
    assert [row.model_fields_set for row in back] == [row.model_fields_set for row in given]
    extra = [bars.Frugal(time=NOON, vw=1.5), bars.Frugal(time=NOON)]
    back = through(extra)
    assert back == extra
    assert [row.model_dump() for row in back] == [row.model_dump() for row in extra]


ZONES = [
    *(None, dt.timezone.utc, NEW_YORK, zoneinfo.ZoneInfo("UTC")),
    *(dt.timezone(dt.timedelta(hours=-3)), dt.timezone(dt.timedelta(minutes=90), "here")),
]
CELLS = st.one_of(
    *(
        st.lists(st.one_of(st.none(), kind), min_size=3, max_size=3)
        for kind in (
            st.booleans(),
            st.integers(-(2**63), 2**63 - 1),
            st.integers(2**63, 2**64 - 1),
            st.floats(),
            st.one_of(st.integers(-(2**53), 2**53), st.floats()),
            st.text(),
            st.binary(),
            st.dates(),
            st.times().map(lambda time: time.replace(fold=0)),
            st.timedeltas(dt.timedelta(-(10**6)), dt.timedelta(10**6)),
            st.decimals(),
            st.lists(st.one_of(st.integers(), st.text(), st.none(), st.floats(allow_nan=False))),
            st.dictionaries(st.text(), st.one_of(st.booleans(), st.lists(st.integers()))),
            st.tuples(st.integers(), st.text()),
            st.floats().map(np.float64),
            st.integers(-100, 100).map(np.int16),
            st.booleans().map(np.bool_),
        )
    ),
    *(
        st.lists(st.one_of(st.none(), kind), min_size=3, max_size=3)
        for kind in (
            st.datetimes(dt.datetime(1970, 1, 1)).map(  # noqa: DTZ001
                lambda time, zone=zone: time.replace(tzinfo=zone, fold=0)
            )
            for zone in (None, dt.timezone.utc, ZONES[4], ZONES[5], ZONES[3])
        )
    ),
)


@given(CELLS)
def test_cells_keep_their_types(cells):
    given = [{"t": NOON, "x": cell} for cell in cells]
    assert same(through(given), given)


@pytest.mark.parametrize("zone", ZONES)
def test_times_keep_their_zone(zone):
    summer = dt.datetime(2024, 7, 2, 12, 0, 0, 1, tzinfo=zone)
    given = [{"t": NOON.replace(tzinfo=zone)}, {"t": summer}]
    assert same(through(given), given)


def test_an_hour_that_comes_twice_stays_the_hour_it_was():
    given = [{"t": dt.datetime(2024, 11, 3, 1, 30, tzinfo=NEW_YORK, fold=fold)} for fold in (0, 1)]
    back = through(given)
    assert [row["t"].fold for row in back] == [0, 1]
    assert [row["t"].utcoffset() for row in back] == [row["t"].utcoffset() for row in given]


def test_zones_of_pytz_come_back():
    pytz = pytest.importorskip("pytz")
    for zone in (pytz.timezone("America/New_York"), pytz.utc, pytz.FixedOffset(90)):
        winter, summer = (dt.datetime(2024, month, 2) for month in (1, 7))  # noqa: DTZ001
        given = [{"t": zone.localize(winter)}, {"t": zone.localize(summer)}]
        assert same(through(given), given)


def test_timestamps_of_pandas_keep_unit_and_zone():
    for zone in (None, "UTC", "America/New_York"):
        for unit in ("s", "ms", "us", "ns"):
            first = pd.Timestamp("2024-01-02 12:00", tz=zone).as_unit(unit)
            second = (first + pd.Timedelta(1, "D")).as_unit(unit)
            given = [{"t": first, "x": None}, {"t": second, "x": first.as_unit("ms")}]
            given += [{"t": second.as_unit("us"), "x": first.as_unit("ns")}]
            assert same(through(given), given)


def test_a_key_that_is_missing_stays_missing():
    given = [{"t": NOON, "a": 1}, {"t": NOON, "a": None}, {"t": NOON, "b": 1.5}, {"t": NOON}]
    assert same(through(given), given)


def test_whole_numbers_among_floats_stay_whole_in_several_parts():
    whole = [{"t": NOON, "c": 1}]
    mixed = [{"t": NOON, "c": 2}, {"t": NOON, "c": 2.5}]
    floats = [{"t": NOON, "c": 3.5}]
    for first, second in ((whole, mixed), (mixed, floats), (mixed, copy.deepcopy(mixed))):
        assert same(together(first, second), first + second)
    assert together(whole, floats) == whole + floats  # promoted, and said so
    _, messages = forms.unite([read(whole)[1], read(floats)[1]])
    assert messages == ["column `c` is Int64 and Float64 in different parts: Float64"]


def test_no_rows_are_of_the_known_form():
    form, _ = read(some(bars.Plain))
    again, table = forms.read([], default=form)
    assert again == form
    assert table.schema == form.schema
    assert forms.write(again, table) == []
    unknown, nothing = forms.read([])
    assert unknown is forms.Form.unknown
    assert forms.write(unknown, nothing) == []
    assert forms.hold(unknown, nothing).slice(0, 0) == []
    assert form.merge(unknown) == unknown.merge(form) == form


def test_objects_become_a_frame():
    frame = through(some(bars.Plain), "polars")
    assert frame.schema["time"] == pl.Datetime("us", "America/New_York")
    assert frame["side"].to_list() == ["BUY", None]
    assert through(some(bars.Plain), "pandas").index.tz is not None
    prices = [{"t": NOON, "p": decimal.Decimal("1.50")}, {"t": NOON, "p": decimal.Decimal("1E-7")}]
    assert through(prices, "polars")["p"].to_list() == [row["p"] for row in prices]


def test_a_frame_becomes_objects_of_a_class():
    frame = pl.DataFrame({"time": [NOON], "close": [1.5], "side": ["SELL"], "more": [1]})
    (bar,) = through(frame, bars.Plain)
    assert bar == bars.Plain(NOON, 1.5, None, bars.Side.SELL)
    assert through(some(bars.Plain), bars.Named) == some(bars.Named)
    assert through(frame, bars.Model)[0].close == 1.5
    form, table = read(frame)
    assert forms.hold(form, table, bars.Slots).slice(0, 1)[0].close == 1.5
    with pytest.raises(CacheConfigError, match=r"`Named` needs `close`.*`time`, `side`"):
        through(frame.select("time", "side"), bars.Named)


@pytest.mark.parametrize("output", [list, int, pd.DataFrame, pl.DataFrame])
def test_a_class_that_bars_are_not_made_of_is_refused(output):
    with pytest.raises(CacheConfigError, match=r'takes a class of bars.*"pandas"'):
        through(some(bars.Plain), output)


def test_a_class_that_is_not_bound_has_to_be_passed():
    form, table = read(some(bars.Plain))
    unbound = form.bind(None)
    for ask in (forms.write, forms.hold):
        with pytest.raises(CacheConfigError, match=r"`forms_bars\.Plain`.*pass it as output="):
            ask(unbound, table)
    assert forms.write(unbound, table, bars.Plain) == some(bars.Plain)
    assert unbound.to_json() == form.to_json()


def test_a_form_holds_names_and_no_code():
    form, _ = read(some(bars.Plain))
    written = json.loads(form.to_json())
    assert written["details"]["class"] == ["forms_bars", "Plain", "object"]
    assert written["details"]["fields"] == ["time", "close", "volume", "side"]


REFUSED = {
    "numbers": ([1, 2], "a list of `builtins.int` can't be kept"),
    "seconds": ([{"t": 1704067200, "c": 1.0}], r'column "t" .* holds Int64 and no times'),
    "texts": ([{"time": "2024-01-02", "c": 1.0}], r"datetime.fromisoformat"),
    "no time": ([{"c": 1.0}], r'has no column of times.*"c" \(Float64\)'),
    "two classes": ([*some(bars.Plain), *some(bars.Named)], "several classes, `Named` and `Plain`"),
    "two types": (
        [{"t": NOON, "x": 1}, {"t": NOON, "x": "a"}],
        "`builtins.int` and `builtins.str`",
    ),
    "huge": ([{"t": NOON, "x": 2**70}], "beyond 64 bits"),
    "huge among floats": ([{"t": NOON, "x": 2**60}, {"t": NOON, "x": 0.5}], r"beyond 2\*\*53"),
    "objects": ([{"t": NOON, "x": object()}], 'field "x" of the list of `dict`'),
    "objects in lists": ([{"t": NOON, "x": [object()]}], "`builtins.list` objects"),
    "surrogates": ([{"t": NOON, "x": "\ud800"}], 'field "x" .* can\'t be kept'),
    "an enumeration": ([{"t": NOON, "x": bars.Side.BUY}], "annotate the field"),
    "two zones": (
        [{"t": NOON}, {"t": NOON.astimezone(dt.timezone.utc)}],
        r"times of several zones \(America/New_York, UTC\)",
    ),
    "with and without": ([{"t": NOON}, {"t": NOON.replace(tzinfo=None)}], "several zones"),
    "a skipped hour": ([{"t": dt.datetime(2024, 3, 10, 2, 30, tzinfo=NEW_YORK)}], "zone skips"),
    "no time of one": ([{"t": NOON}, {"t": None}], "1 of 2 rows without a time"),
    "a frame's rows": ([(NOON, 1.0)], "a list of `builtins.tuple`"),
}


@pytest.mark.parametrize(("value", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cant_be_kept_is_refused_with_the_remedy(value, message):
    with pytest.raises(LoaderError, match=message):
        forms.read(value)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"kind": "pickle"},
        {"time": "nowhere"},
        {"columns": [{}]},
        {"columns": 3},
        {"details": 3},
    ],
)
def test_a_damaged_form_is_told(change):
    form, _ = read(some(bars.Plain))
    with pytest.raises(CacheCorruptError, match="form of a stored series"):
        forms.Form.from_json(json.dumps(json.loads(form.to_json()) | change))
    with pytest.raises(CacheCorruptError):
        forms.Form.from_json("{")


def test_a_field_of_times_can_be_named():
    given = [{"at": NOON, "time": 3}]
    form, table = forms.read(given, time="at")
    assert form.time == "at"
    assert forms.write(form, stored(table)) == given
    with pytest.raises(LoaderError, match='column "time" of the list of `dict` holds Int64'):
        forms.read(given)


def test_a_renamed_member_is_told():
    form, table = read(some(bars.Plain))
    renamed = table.with_columns(side=pl.lit("HOLD"))
    with pytest.raises(CacheConfigError, match="'HOLD' is no member of"):
        forms.write(form, renamed)


def test_a_class_defined_anew_is_taken_by_its_name():
    form, table = read(some(bars.Plain))
    again = dataclasses.make_dataclass("Plain", ["time", "close", "volume", "side"])
    again.__module__ = "forms_bars"
    again.__annotations__ = dict(bars.Plain.__annotations__)
    assert type(forms.write(form, table, again)[0]) is again
