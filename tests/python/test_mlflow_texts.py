"""How values are told as parameters, and numbers found in results."""

import datetime as dt
import enum
import fractions
import pathlib
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as some
from sklearn.linear_model import LinearRegression

from afml_cache import digest
from afml_cache.mlflow.names import legal, without_credentials
from afml_cache.mlflow.parameters import parameters
from afml_cache.mlflow.results import examine, number


class Side(enum.Enum):
    LONG = 1


def told(value):
    described = parameters([("p", value)])
    assert not described.in_full
    return dict(described[0])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (True, "True"),
        (0.02, "0.02"),
        ("both", "both"),
        ("", ""),
        (b"\x00", "b'\\x00'"),
        (Side.LONG, "Side.LONG"),
        (dt.date(2024, 5, 3), "2024-05-03"),
        (pd.Timestamp("2024-05-03 14:30", tz="UTC"), "2024-05-03T14:30:00+00:00"),
        (pd.NaT, "NaT"),
        (pd.Timedelta("5min"), "0 days 00:05:00"),
        (Decimal("0.10"), "0.10"),
        (fractions.Fraction(1, 3), "1/3"),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        (np.float32(0.5), "0.5"),
        (np.int64(3), "3"),
        (np.bool_(True), "True"),
        ([0.02, "a", (1,)], "[0.02, 'a', (1,)]"),
        ({"b", "a"}, "{'a', 'b'}"),
        ([], "[]"),
        ([{"a": 1}], "[{'a': 1}]"),
        ({}, "{}"),
        (range(3), "range(0, 3)"),
    ],
)
def test_plain_values_are_text(value, text):
    assert told(value) == {"p": text}


@pytest.mark.parametrize(
    "value",
    [
        pd.DataFrame({"a": [1.0]}),
        pd.Series([1.0], name="a"),
        pl.DataFrame({"a": [1.0]}),
        np.zeros((3, 4)),
        LinearRegression(),
        list(range(20_000)),
        b"x" * 1000,
        "x" * 2_000_000,
        10**5000,
        told,
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_values_are_told_by_their_digest(value):
    (text,) = told(value).values()
    assert digest(value) in text
    assert len(text) < 200


def test_shapes_and_names_come_with_the_digest():
    assert told(np.zeros((3, 4)))["p"].startswith("ndarray (3, 4) ")
    assert told(LinearRegression())["p"].startswith("LinearRegression ")
    assert told(told)["p"].startswith("test_mlflow_texts.told ")
    assert told(Side)["p"].startswith("test_mlflow_texts.Side ")


def test_containers_of_data_are_taken_apart():
    frame = pd.DataFrame({"a": [1.0]})
    names = list(told({"data": [frame, 1], "grid": {"n": [1, 2]}, 3: None}))
    assert names == ["p.data.0", "p.data.1", "p.grid.n", "p.3"]


def test_what_has_no_end_is_told_all_the_same():
    endless = []
    endless.append(endless)
    (text,) = told({"a": endless}).values()
    assert text
    deep = {}
    for _ in range(50):
        deep = {"a": deep}
    assert len(told(deep)) == 1


class Rude:
    def __getattr__(self, name):
        raise RuntimeError(name)

    def __repr__(self):
        raise RuntimeError


def test_rude_values_are_told_somehow():
    assert told(Rude())["p"].startswith("Rude ")
    assert told({"a": {Rude(): 1}})
    assert number(Rude()) is None


def test_a_thousand_parameters_have_room_and_the_rest_stands_in_full():
    described = parameters([(f"p{n}", n) for n in range(1200)])
    assert len(described.values) == 1000
    assert len(described.in_full) == 200


@given(some.text(max_size=300))
def test_every_name_becomes_one_that_mlflow_takes_and_stays_apart(name):
    from mlflow.utils.validation import path_not_unique, validate_param_and_metric_name

    made = legal(name)
    assert 0 < len(made) <= 250
    assert validate_param_and_metric_name(made)
    assert not path_not_unique(made)
    assert legal(made) == made
    assert made == name or made != legal(f"{name}x")


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://me:pw@host:5000/p@th", "http://host:5000/p@th"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
        ("postgresql://u:p%40@h/db", "postgresql://h/db"),
        ("databricks", "databricks"),
        ("./mlruns", "./mlruns"),
    ],
)
def test_a_uri_is_shown_without_credentials(uri, shown):
    assert without_credentials(uri) == shown


def found(result):
    return examine(result, files=False, rest=False)


def test_numbers_are_found_in_mappings_alone_or_in_a_tuple():
    assert found({"a": 1, "b": {"c": np.float64(2)}, "d": "text", "e": None}).metrics == {
        "a": 1.0,
        "b.c": 2.0,
    }
    assert found((None, {"a": Decimal("0.5")}, {"a": np.array(3)})).metrics == {
        "a": 0.5,
        "a.2": 3.0,
    }
    assert found(0.5).metrics == {"result": 0.5}
    assert found(np.bool_(True)).metrics == {"result": 1.0}
    for nothing in ([{"a": 1}], "text", pd.DataFrame({"a": [1]}), (1, 2), None):
        assert found(nothing).metrics == {}


def test_a_mapping_of_data_is_no_metrics():
    examined = found(dict.fromkeys(range(100_000), 1.0))
    assert examined.metrics == {}
    assert "more than 1000" in examined.left_out[0]


def test_numbers_too_large_for_a_float_are_infinite():
    assert number(10**400) == float("inf")
    assert number(np.timedelta64(5, "s")) is None
