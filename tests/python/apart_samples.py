"""Values that are taken apart, by name; each is made anew at every call."""

import array
import collections
import dataclasses
import datetime as dt
import enum
import functools
import inspect
import logging
import math
import operator
import re
import types
import typing

import attrs
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pydantic
import scipy.sparse
import scipy.stats
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import KFold, TimeSeriesSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


class Side(enum.Enum):
    LONG = 1
    SHORT = -1


class Level(enum.IntEnum):
    LOW = 1


class Known(enum.Flag):
    OPEN = 1
    CLOSE = 2


class Strategy:
    def __init__(self, window=5):
        self.window = window

    def signal(self, price):
        return price * self.window

    @classmethod
    def make(cls):
        return cls()


class Slots:
    __slots__ = ("first", "second")

    def __init__(self, first):
        self.first = first


class MoreSlots(Slots):
    __slots__ = ("__dict__", "third")

    def __init__(self, first):
        super().__init__(first)
        self.third, self.fourth = 3, 4


@dataclasses.dataclass
class Window:
    length: int
    labels: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Costs:
    spread: float


Bar = collections.namedtuple("Bar", "open close")  # noqa: PYI024


class Table(dict):
    pass


class Rows(list):
    pass


class Pair(tuple):
    __slots__ = ()


class Name(str):
    __slots__ = ()


class Count(int):
    pass


class Price(float):
    pass


class Names(set):
    pass


class Day(dt.date):
    pass


class Moment(dt.datetime):
    pass


class Prices(np.ndarray):
    pass


class Bars(pd.DataFrame):
    _metadata: typing.ClassVar = ["source"]

    @property
    def _constructor(self):
        return Bars


class Stateful:
    """Says itself what counts of it."""

    def __init__(self, kept):
        self.kept, self.scratch = kept, object()

    def __getstate__(self):
        return {"kept": self.kept}

    def __setstate__(self, state):
        self.__init__(**state)


class Reduced:
    def __init__(self, value):
        self.value = value

    def __reduce__(self):
        return Reduced, (self.value,)


class Keyed:
    def __init__(self, name):
        self.name, self.scratch = name, object()

    def __cache_key__(self):
        return self.name


class PurgedKFold(KFold):
    def __init__(self, n_splits, ends):
        super().__init__(n_splits)
        self.ends = ends


class Estimator(BaseEstimator):
    def __init__(self, depth=1):
        self.depth = depth


@attrs.define
class Order:
    size: int
    tags: list = attrs.Factory(list)


@attrs.frozen(slots=False, cache_hash=True)
class Quote:
    symbol: str


class Config(pydantic.BaseModel):
    model_config: typing.ClassVar = {"extra": "allow"}
    span: int = 1
    names: list[str] = []
    _secret: int = pydantic.PrivateAttr(default=2)


def smooth(prices, span=3):
    return prices, span


def hashed(value):
    hash(value)
    return value


def bars():
    value = Bars({"close": [1.0, 2.0]})
    value.source = "broker"
    return value


def moved():
    value = collections.OrderedDict(a=1, b=2)
    value.move_to_end("a")
    return value


def noted():
    value = Rows([1])
    value.note = "x"
    return value


FEATURES = np.random.RandomState(0).rand(40, 3)
LABELS = (FEATURES[:, 0] > FEATURES[:, 1]).astype(int)
MATRIX = scipy.sparse.random(10, 8, 0.3, format="csr", random_state=0)


def fitted(model):
    return model.fit(FEATURES, LABELS)


PLAIN = {
    "enum": lambda: Side.LONG,
    "enum, another member": lambda: Side.SHORT,
    "int enum": lambda: Level.LOW,
    "flag": lambda: Known.OPEN,
    "flags": lambda: Known.OPEN | Known.CLOSE,
    "no flag": lambda: Known(0),
    "instance": Strategy,
    "instance, another attribute": lambda: Strategy(6),
    "method": lambda: Strategy().signal,
    "method of another instance": lambda: Strategy(6).signal,
    "class method": lambda: Strategy.make,
    "slots": lambda: Slots(1),
    "slots of a subclass": lambda: MoreSlots(1),
    "dataclass": lambda: Window(5),
    "dataclass with slots": lambda: Costs(0.1),
    "named tuple": lambda: Bar(1, 2),
    "dict subclass": lambda: Table(a=1),
    "dict subclass, odd keys": lambda: Table({("a", 1): 2}),
    "list subclass": lambda: Rows([1]),
    "list subclass with an attribute": noted,
    "tuple subclass": lambda: Pair((1, 2)),
    "str subclass": lambda: Name("a"),
    "int subclass": lambda: Count(3),
    "float subclass": lambda: Price(-0.0),
    "float subclass, the other zero": lambda: Price(0.0),
    "set subclass": lambda: Names({"a", "b", "c"}),
    "date subclass": lambda: Day(2024, 1, 1),
    "datetime subclass": lambda: Moment(2024, 10, 27, 2, 30),
    "datetime subclass, second hour": lambda: Moment(2024, 10, 27, 2, 30, fold=1),
    "state of its own": lambda: Stateful(1),
    "reduced": lambda: Reduced(1),
    "cache key": lambda: Keyed("a"),
    "pattern": lambda: re.compile("a"),
    "pattern, a flag": lambda: re.compile("a", re.IGNORECASE),
    "pattern of bytes": lambda: re.compile(b"a"),
    "partial": lambda: functools.partial(smooth, span=5),
    "partial, another argument": lambda: functools.partial(smooth, span=6),
    "function of C": lambda: math.sqrt,
    "method of C": lambda: "a".upper,
    "method of C, another object": lambda: "b".upper,
    "unbound method of C": lambda: str.upper,
    "class method of C": lambda: dict.fromkeys,
    "itemgetter": lambda: operator.itemgetter("a", 1),
    "attrgetter": lambda: operator.attrgetter("a.b"),
    "methodcaller": lambda: operator.methodcaller("a", 1, k=2),
    "module": lambda: math,
    "module of a package": lambda: np,
    "namespace": lambda: types.SimpleNamespace(a=1),
    "mapping proxy": lambda: types.MappingProxyType({"a": 1}),
    "ordered dict": lambda: collections.OrderedDict(a=1, b=2),
    "ordered dict, moved": moved,
    "default dict": lambda: collections.defaultdict(list, a=[1]),
    "default dict, another factory": lambda: collections.defaultdict(dict, a=[1]),
    "counter": lambda: collections.Counter("abca"),
    "deque": lambda: collections.deque([1, 2]),
    "deque, bounded": lambda: collections.deque([1, 2], 3),
    "chain map": lambda: collections.ChainMap({"a": 1}, {"b": 2}),
    "keys": {"a": 1}.keys,
    "values": {"a": 1}.values,
    "generic": lambda: list[int],
    "generic of typing": lambda: typing.List[int],  # noqa: UP006
    "union": lambda: int | str,
    "literal": lambda: typing.Literal[1, "a"],
    "annotated": lambda: typing.Annotated[int, "x"],
    "callable": lambda: typing.Callable[[int], str],
    "signature": lambda: inspect.signature(smooth),
    "memory": lambda: memoryview(b"abcdef"),
    "memory, every second byte": lambda: memoryview(b"abcdef")[::2],
    "array": lambda: array.array("d", [1.0]),
    "array, another type": lambda: array.array("f", [1.0]),
    "logger": lambda: logging.getLogger("a.b"),
    "exception": lambda: ValueError("a", 1),
    "property": lambda: vars(Strategy)["make"],
}

LIBRARIES = {
    "attrs": lambda: Order(1),
    "attrs, hashed": lambda: hashed(Quote("EURUSD")),
    "pydantic": lambda: Config(span=2, more=3),
    "offset": lambda: pd.offsets.BusinessDay(2),
    "offset with holidays": lambda: pd.offsets.CustomBusinessDay(holidays=["2024-01-01"]),
    "offset, weekly": lambda: pd.offsets.Week(weekday=4),
    "offset, a day": pd.offsets.Day,
    "offset, an hour": lambda: pd.offsets.Hour(2),
    "offset, relative": lambda: pd.DateOffset(months=1),
    "offset, easter": pd.offsets.Easter,
    "dtype, period": lambda: pd.PeriodDtype("D"),
    "dtype, zone": lambda: pd.DatetimeTZDtype("ns", "UTC"),
    "dtype, category": lambda: pd.CategoricalDtype([1, 2]),
    "dtype, interval": lambda: pd.IntervalDtype("int64", "right"),
    "dtype, string": lambda: pd.StringDtype("python"),
    "dtype, nullable": pd.Int64Dtype,
    "dtype, arrow": lambda: pd.ArrowDtype(pa.int64()),
    "frame subclass": bars,
    "array subclass": lambda: np.zeros(3).view(Prices),
    "matrix": lambda: np.zeros((2, 2)).view(np.matrix),
    "masked array": lambda: np.ma.masked_array([1.0, 2.0], [True, False]),
    "records": lambda: np.rec.array([(1, 2.0)], dtype=[("a", "i8"), ("b", "f8")]),
    "generator": lambda: np.random.default_rng(0),
    "bit generator": lambda: np.random.MT19937(3),
    "random state": lambda: np.random.RandomState(3),
    "seed sequence": lambda: np.random.SeedSequence(3),
    "polynomial": lambda: np.poly1d([1, 2]),
    "ufunc": lambda: np.sqrt,
    "ufunc of scipy": lambda: scipy.special.expit,
    "function of numpy": lambda: np.dot,
    "vectorized": lambda: np.vectorize(smooth),
    **{
        f"sparse matrix, {form}": lambda form=form: MATRIX.asformat(form)
        for form in ("csr", "csc", "bsr", "coo", "dia", "lil", "dok")
    },
    **{
        f"sparse array, {form}": lambda form=form: scipy.sparse.csr_array(MATRIX).asformat(form)
        for form in ("csr", "csc", "bsr", "coo", "dia", "lil", "dok")
    },
    "kernel density": lambda: scipy.stats.gaussian_kde([1.0, 2.0, 3.0]),
    "estimator": lambda: RandomForestClassifier(5),
    "estimator, another parameter": lambda: RandomForestClassifier(6),
    "forest": lambda: fitted(RandomForestClassifier(5, random_state=0)),
    "boosting": lambda: fitted(HistGradientBoostingClassifier(max_iter=3, random_state=0)),
    "neighbours": lambda: fitted(KNeighborsClassifier(algorithm="kd_tree")),
    "pipeline": lambda: fitted(make_pipeline(StandardScaler(), LogisticRegression())),
    "estimator of the user's": Estimator,
    "scorer": lambda: make_scorer(f1_score),
    "splitter": lambda: TimeSeriesSplit(3),
    "splitter of the user's": lambda: PurgedKFold(3, pd.Series([1, 2])),
    "lazy frame": lambda: pl.DataFrame({"a": [1, 2]}).lazy().filter(pl.col("a") > 1),
    "expression": lambda: (pl.col("a").rolling_mean(3) * 2).alias("b"),
    "polars schema": lambda: pl.Schema({"a": pl.Int64, "b": pl.Datetime("ns", "UTC")}),
    "polars dtype": lambda: pl.Enum(["a", "b"]),
    "arrow type": lambda: pa.timestamp("ns", "UTC"),
    "arrow struct": lambda: pa.struct([("a", pa.int8())]),
    "arrow field": lambda: pa.field("a", pa.int8(), metadata={"k": "v"}),
    "arrow schema": lambda: pa.schema([("a", pa.int8())], metadata={"a": "b"}),
    "arrow scalar": lambda: pa.scalar(5, pa.timestamp("ns")),
    "arrow scalar, null": lambda: pa.scalar(None, pa.int64()),
}

# What draws on the random state of the process: a copy has a state of its own.
DISTRIBUTIONS = {
    "frozen": lambda: scipy.stats.norm(0, 1),
    "frozen, another argument": lambda: scipy.stats.norm(0, 2),
    "frozen, by keyword": lambda: scipy.stats.t(3, loc=1),
    "frozen, discrete": lambda: scipy.stats.poisson(3),
    "distribution": lambda: scipy.stats.norm,
    "histogram": lambda: scipy.stats.rv_histogram(np.histogram([1, 2, 2, 3], density=False)),
    "normals": lambda: scipy.stats.multivariate_normal([0, 0]),
}

ALL = PLAIN | LIBRARIES | DISTRIBUTIONS
