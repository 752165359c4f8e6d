"""What an object says of itself comes first; then what is known of it; then what pickle makes."""

import collections
import copyreg
import dataclasses
import decimal
import fractions
import functools
import itertools
import pathlib
import threading

import numpy as np
import pandas as pd
import pytest

from afml_cache import (
    CacheConfigError,
    UncacheableArgumentError,
    _apart,
    digest,
    hashers,
    register_hasher,
)


class Feed:
    def __init__(self, symbol):
        self.symbol, self.connection = symbol, threading.Lock()


class FastFeed(Feed):
    pass


class Keyed:
    def __init__(self, key):
        self.key = key

    def __cache_key__(self):
        return self.key() if callable(self.key) else self.key


class Tokenized:
    def __init__(self, token):
        self.token, self.scratch = token, object()

    def __dask_tokenize__(self):
        return self.token


class Both(Tokenized):
    def __cache_key__(self):
        return "key"


class Watchful:
    """Raises when it is compared, hashed or shown."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        raise AssertionError

    def __hash__(self):
        return 1

    def __repr__(self):
        raise AssertionError


class NoHash(type):
    def __eq__(cls, other):
        raise AssertionError

    __hash__ = None


class Odd(metaclass=NoHash):
    def __init__(self, value):
        self.value = value


@pytest.fixture(autouse=True)
def no_hashers(monkeypatch):
    monkeypatch.setattr(hashers, "_hashers", {})


def test_a_cache_key_stands_for_the_object() -> None:
    assert digest(Keyed("a")) == digest(Keyed("a"))
    assert digest(Keyed("a")) != digest(Keyed("b"))
    assert digest(Keyed("a")) != digest("a")
    assert digest(Keyed(np.arange(3))) == digest(Keyed(np.arange(3)))


def test_a_cache_key_comes_before_a_hasher_and_a_hasher_before_a_token() -> None:
    assert digest(Both("a")) == digest(Both("b"))
    register_hasher(Both, lambda both: both.token)
    assert digest(Both("a")) == digest(Both("b"))
    register_hasher(Tokenized, lambda _: 1)
    assert digest(Tokenized("a")) == digest(Tokenized("b"))


def test_a_token_of_dask_stands_for_an_object_that_says_nothing_else() -> None:
    assert digest(Tokenized(("a", 1))) == digest(Tokenized(("a", 1)))
    assert digest(Tokenized(("a", 1))) != digest(Tokenized(("a", 2)))


def test_an_object_counts_with_the_code_of_its_class(module) -> None:
    body = (
        "class Strategy:\n    def __cache_key__(self): return 1\n    def signal(self): return {}\n"
    )
    first = digest(module(body.format(1)).Strategy())
    assert digest(module(body.format(2)).Strategy()) != first
    assert digest(module(body.format(1)).Strategy()) == first


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (itertools.count().__next__, r"`Keyed.__cache_key__` gave two different keys"),
        (lambda: None, r"`Keyed.__cache_key__` gave None"),
        (lambda: NotImplemented, r"`Keyed.__cache_key__` gave NotImplemented"),
        (lambda: iter([]), r"`Keyed.__cache_key__` gave a `list_iterator`"),
        (lambda: 1 / 0, r"`Keyed.__cache_key__` raised ZeroDivisionError"),
    ],
)
def test_a_cache_key_that_is_none_is_told_by_name(key, told: str) -> None:
    with pytest.raises(UncacheableArgumentError, match=told) as caught:
        digest({"model": Keyed(key)})
    assert "value['model']" in str(caught.value)


def test_a_cache_key_that_is_the_object_itself_is_refused() -> None:
    keyed = Keyed(None)
    keyed.key = lambda: keyed
    with pytest.raises(UncacheableArgumentError, match="gave the object itself"):
        digest(keyed)


def test_the_error_of_a_cache_key_is_the_cause() -> None:
    with pytest.raises(UncacheableArgumentError) as caught:
        digest(Keyed(lambda: 1 / 0))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_what_a_cache_key_gave_is_refused_at_its_place() -> None:
    with pytest.raises(UncacheableArgumentError, match=r"cache key>\[1\]"):
        digest(Keyed(lambda: (1, threading.Lock())))


def test_keys_inside_of_keys_are_asked_for_a_few_times_only() -> None:
    asked = []

    def chain(depth):
        inner = chain(depth - 1) if depth else 0
        return Keyed(lambda: asked.append(depth) or (depth, inner))

    assert digest(chain(60)) == digest(chain(60))
    assert len(asked) < 20_000


def test_a_hasher_serves_the_class_and_its_subclasses_and_the_nearest_one_wins() -> None:
    with pytest.raises(UncacheableArgumentError, match=r"\.connection"):
        digest(Feed("EURUSD"))
    register_hasher(Feed, lambda feed: feed.symbol)
    assert digest(Feed("EURUSD")) == digest(Feed("EURUSD"))
    assert digest(Feed("EURUSD")) != digest(Feed("GBPUSD"))
    assert digest(FastFeed("EURUSD")) != digest(Feed("EURUSD"))
    register_hasher(FastFeed, lambda _: "fast")
    assert digest(FastFeed("EURUSD")) == digest(FastFeed("GBPUSD"))
    assert digest(Feed("EURUSD")) != digest(Feed("GBPUSD"))


def test_a_hasher_is_registered_by_a_decorator_and_replaced_by_the_next() -> None:
    @register_hasher(Feed)
    def key_of_feed(feed):
        return feed.symbol

    assert key_of_feed(Feed("a")) == "a"
    first = digest(Feed("a"))
    register_hasher(Feed, lambda feed: (feed.symbol, "second"))
    assert digest(Feed("a")) != first


def test_a_hasher_that_is_not_stable_is_told_by_name() -> None:
    count = itertools.count()

    def key_of_feed(_):
        return next(count)

    register_hasher(Feed, key_of_feed)
    with pytest.raises(UncacheableArgumentError, match="key_of_feed` gave two different keys"):
        digest(Feed("a"))


def test_a_lock_can_have_a_hasher() -> None:
    register_hasher(type(threading.Lock()), lambda _: "lock")
    assert digest(Feed("a")) == digest(Feed("a"))


@pytest.mark.parametrize(
    "kind",
    [
        *(object, int, str, list, dict, type, type(None), type(lambda: 0)),
        *(np.ndarray, np.float64, np.dtype),
        *(pd.DataFrame, pd.Series, pd.DatetimeIndex, pd.Timestamp, pd.Categorical),
    ],
    ids=lambda kind: kind.__name__,
)
def test_what_is_digested_natively_takes_no_hasher(kind: type) -> None:
    with pytest.raises(CacheConfigError, match=kind.__name__):
        register_hasher(kind, lambda _: 1)


def test_a_subclass_of_what_is_digested_natively_takes_a_hasher() -> None:
    class Bars(pd.DataFrame):
        pass

    register_hasher(Bars, len)
    assert digest(Bars({"a": [1]})) == digest(Bars({"a": [2]}))


@pytest.mark.parametrize("arguments", [("Feed", len), (Feed, 3)])
def test_a_hasher_needs_a_class_and_a_function(arguments) -> None:
    with pytest.raises(CacheConfigError, match="register_hasher takes"):
        register_hasher(*arguments)


def test_nothing_is_compared_hashed_or_shown() -> None:
    key, other = Watchful(1), Watchful(2)
    values = [Watchful(1), {key: 1}, collections.OrderedDict({key: 1}), [other], {other}]
    for value in [*values, collections.deque([other]), functools.partial(len, other)]:
        assert digest(value) == digest(value)
    assert digest(Watchful(1)) != digest(Watchful(2))
    with pytest.raises(UncacheableArgumentError):
        digest(Watchful(threading.Lock()))


def test_a_metaclass_is_not_asked_either() -> None:
    assert digest(Odd(1)) == digest(Odd(1))
    assert digest(Odd(1)) != digest(Odd(2))
    assert digest({"a": Odd}) == digest({"a": Odd})


class Items(list):
    def __reduce__(self):
        return Items, (), {"note": 1}, iter([1, 2]), iter([("a", 1)])


class Setter:
    def __init__(self, value=0):
        self.value = value

    def __reduce__(self):
        return Setter, (), self.value, None, None, setattr


class Keywords:
    def __new__(cls, *, width):
        made = object.__new__(cls)
        made.width = width
        return made

    def __getnewargs_ex__(self):
        return (), {"width": self.width}


class Old:
    def __init__(self, value):
        self.value = value

    def __reduce_ex__(self, protocol):
        return object.__reduce_ex__(self, 1)


class Singleton:
    def __reduce__(self):
        return "ONLY"


class Lost:
    def __reduce__(self):
        return "NOWHERE"


ONLY = Singleton()


def test_what_pickle_makes_of_an_object_counts() -> None:
    assert digest(Items()) == digest(Items())
    assert digest(Setter(1)) != digest(Setter(2))
    assert digest(Keywords(width=1)) != digest(Keywords(width=2))
    assert digest(Old(1)) == digest(Old(1)) != digest(Old(2))
    assert digest(ONLY) == digest(ONLY)
    with pytest.raises(UncacheableArgumentError, match="the name `NOWHERE`"):
        digest(Lost())


def test_a_registered_reducer_counts(monkeypatch) -> None:
    monkeypatch.setitem(copyreg.dispatch_table, Feed, lambda feed: (Feed, (feed.symbol,)))
    assert digest(Feed("a")) == digest(Feed("a")) != digest(Feed("b"))


@dataclasses.dataclass(frozen=True, slots=True)
class Costs:
    spread: float


class Noted(Costs):
    """Has a `__dict__`, which the dataclass's own state doesn't know."""


class Dropping(Feed):
    def __getstate__(self):
        return {"symbol": self.symbol}


def test_attributes_beside_the_fields_of_a_dataclass_count() -> None:
    values = [Noted(1.0), Noted(1.0), Noted(2.0)]
    object.__setattr__(values[1], "note", "x")
    assert len({digest(value) for value in values}) == 3


def test_a_state_of_its_own_is_obeyed() -> None:
    assert digest(Dropping("a")) == digest(Dropping("a")) != digest(Dropping("b"))


def test_the_order_of_attributes_counts() -> None:
    first, second = Setting(), Setting()
    first.a = first.b = second.b = second.a = 1
    assert digest(first) != digest(second)


class Setting:
    pass


class OpenTable(dict):
    """Its items are its attributes, and the other way round."""

    def __init__(self, **items):
        super().__init__(items)
        self.__dict__ = self


@dataclasses.dataclass
class Renamed:
    width: int

    def __post_init__(self):
        self.__dict__ = collections.OrderedDict(self.__dict__)


def test_attributes_in_an_unusual_dict_count() -> None:
    assert digest(OpenTable(a=1)) == digest(OpenTable(a=1)) != digest(OpenTable(a=2))
    assert digest(Renamed(1)) == digest(Renamed(1)) != digest(Renamed(2))


def test_memory_that_holds_addresses_is_refused() -> None:
    with pytest.raises(UncacheableArgumentError, match="addresses"):
        digest(memoryview(np.array(["a", None], dtype=object)))


def test_what_a_key_shares_with_its_object_is_not_digested_more_than_once(monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(_apart, "digest", asked.append)
    data = np.zeros(3)
    assert digest(Keyed(lambda: (data, "a"))) == digest(Keyed(lambda: (data, "a")))
    assert asked == []


def test_a_chain_of_100_000_objects_is_walked() -> None:
    chain = None
    for _ in range(100_000):
        chain = Reduced(chain)
    assert len(digest(chain)) == 32
    while chain is not None:
        chain = chain.value


def test_objects_that_lead_back_to_each_other_are_walked() -> None:
    def pair(value):
        first, second = Reduced(None), Reduced(None)
        first.value, second.value = second, [first, value]
        return first

    assert digest(pair(1)) == digest(pair(1)) != digest(pair(2))


class Reduced:
    def __init__(self, value):
        self.value = value


class Price(decimal.Decimal):
    currency: str


class Ratio(fractions.Fraction):
    currency: str


class Place(pathlib.PurePosixPath):
    currency: str


class Marked:
    def __init__(self, cached: int) -> None:
        self._attrs_cached_hash = cached


class Many:
    """A mapping that may have a key twice."""

    def __init__(self, *pairs: tuple[int, int]) -> None:
        self.pairs = pairs

    def __reduce_ex__(self, _: object) -> tuple:
        return Many, (), None, None, iter(self.pairs)


@pytest.mark.parametrize(("kind", "content"), [(Price, "1"), (Ratio, 1), (Place, "a")])
def test_attributes_count_that_an_inherited_pickle_leaves_out(kind: type, content: object) -> None:
    def made(currency: str) -> object:
        value = kind(content)
        value.currency = currency
        return value

    assert digest(made("USD")) == digest(made("USD")) != digest(made("EUR"))


def test_what_a_path_keeps_for_speed_does_not_count() -> None:
    touched, fresh = Place("a/b"), Place("a/b")
    before = digest(fresh)
    assert str(touched)
    assert hash(touched) == hash(Place("a/b"))
    assert touched.parts
    assert digest(touched) == before


def test_what_only_attrs_would_leave_out_counts() -> None:
    assert digest(Marked(1)) != digest(Marked(2))


def test_a_key_that_is_there_twice_counts_twice() -> None:
    assert digest(Many((1, 2), (1, 3))) != digest(Many((1, 3)))


class Nested:
    def __init__(self, parts: list) -> None:
        self.parts = parts

    def __cache_key__(self) -> str:
        return digest(self.parts)


def test_keys_that_digest_what_has_keys_take_no_time_without_end() -> None:
    value = Nested([])
    for _ in range(40):
        value = Nested([value])
    assert digest(value) == digest(value)


def test_exceptions_count_the_same_where_their_pickles_have_tracebacks(run_python) -> None:
    run_python(
        "from afml_cache import digest\n"
        "def raised():\n"
        "    try:\n"
        "        raise ValueError('no bars')\n"
        "    except ValueError as error:\n"
        "        return error\n"
        "before = digest(raised()), digest(KeyError(1))\n"
        "from tblib import pickling_support\n"
        "pickling_support.install()\n"
        "assert (digest(raised()), digest(KeyError(1))) == before\n"
    )
