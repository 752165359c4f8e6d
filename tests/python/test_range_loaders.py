"""The user's loader: how it is called, and what its exceptions mean to the user."""

import asyncio
import functools
from collections.abc import Callable

import pytest
import tenacity
from scripted_vendor import KEY, VALUES, Vendor, failing

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.effects import Call, run
from afml_cache.ranges.loaders import NOTHING, Loader, fetch, make_policy

ASKED = {"symbol": "AAPL", "timeframe": "1D", "start": 1, "end": 2}


def positions(call: Call) -> list:
    return [*call.args, *call.kwargs.items()]


def by_name(symbol, timeframe, start, end): ...
def in_another_order(start, end, timeframe, symbol): ...
def by_keyword_only(*, end, start, symbol, timeframe): ...
def with_a_default(symbol, timeframe, start, end, feed="iex"): ...
def with_options(symbol, **options): ...
def with_any_option(**options): ...


@pytest.mark.parametrize(
    "function",
    [
        by_name,
        in_another_order,
        by_keyword_only,
        with_a_default,
        with_options,
        with_any_option,
        functools.partial(with_a_default, feed="sip"),
        Vendor().load,
    ],
)
def test_a_loader_with_the_names_of_the_key_is_called_by_them(function: Callable) -> None:
    call = Loader(function, KEY).call(VALUES, 1, 2)
    assert call.function is function or call.function == function
    assert positions(call) == list(ASKED.items())


def other_names(ticker, bar, begin, finish): ...
def some_other_names(ticker, bar, start, end): ...
def times_by_default(ticker, bar, begin=None, finish=None): ...
def by_position_only(symbol, timeframe, start, end, /): ...
def whatever(*arguments, **options): ...
def four_of_five(ticker, bar, begin, finish, feed="iex"): ...


@pytest.mark.parametrize(
    "function",
    [
        other_names,
        some_other_names,
        times_by_default,
        by_position_only,
        whatever,
        four_of_five,
        functools.partial(four_of_five, feed="sip"),
    ],
)
def test_a_loader_with_other_names_is_called_by_position(function: Callable) -> None:
    assert positions(Loader(function, KEY).call(VALUES, 1, 2)) == ["AAPL", "1D", 1, 2]


def test_a_function_that_does_not_tell_its_parameters_is_called_by_position() -> None:
    assert positions(Loader(type, ("name",)).call({"name": "x"}, (), {})) == ["x", (), {}]


def test_the_two_times_may_have_other_names() -> None:
    def load(symbol, since, until): ...

    call = Loader(load, ("symbol",), start="since", end="until").call({"symbol": "A"}, 1, 2)
    assert call.kwargs == {"symbol": "A", "since": 1, "until": 2}


def forgets_feed(symbol, feed, start, end): ...
def forgets_a_keyword(symbol, start, end, *, feed): ...
def forgets_by_position(ticker, feed, begin, finish): ...
def forgets_by_name_and_position(ticker, feed, start, end): ...


@pytest.mark.parametrize(
    ("function", "remedy"),
    [
        (forgets_feed, 'key=("symbol", "feed")'),
        (forgets_a_keyword, 'key=("symbol", "feed")'),
        (forgets_by_position, 'key=("ticker", "feed")'),
        (forgets_by_name_and_position, 'key=("ticker", "feed")'),
    ],
)
def test_a_parameter_that_the_key_forgets_is_named(function: Callable, remedy: str) -> None:
    with pytest.raises(CacheConfigError) as caught:
        Loader(function, ("symbol",))
    message = str(caught.value)
    assert message.startswith(f"`{function.__qualname__}` takes ")
    assert "`feed`" in message
    assert remedy in message


def too_few(symbol, start, end): ...
def times_first(start, end, ticker, bar): ...
def feed_between(ticker, bar, feed="iex", begin=None, finish=None): ...


@pytest.mark.parametrize(
    ("function", "remedy"),
    [
        (too_few, 'key=("symbol",)'),
        (times_first, 'key=("ticker", "bar")'),
        (feed_between, "lambda symbol, timeframe, start, end: ..."),
    ],
)
def test_a_loader_that_takes_something_else_is_refused(function: Callable, remedy: str) -> None:
    with pytest.raises(CacheConfigError, match="can't be called with") as caught:
        Loader(function, KEY)
    assert remedy in str(caught.value)


class Engine:
    async def get_bars(self, symbol, timeframe, start, end): ...
    async def __call__(self, symbol, timeframe, start, end): ...


@pytest.mark.parametrize(
    "function",
    [
        Engine(),
        Engine().get_bars,
        functools.partial(Engine().get_bars),
        functools.partial(Engine()),
    ],
)
def test_a_coroutine_function_is_called_in_the_loop(function: Callable) -> None:
    loader = Loader(function, KEY)
    assert loader.awaitable
    assert loader.call(VALUES, 1, 2).inline
    assert loader.name.startswith("Engine")


def test_a_plain_function_is_called_in_a_thread_and_left_there_by_a_cancelled_task() -> None:
    loader = Loader(by_name, KEY)
    assert not loader.awaitable
    call = loader.call(VALUES, 1, 2)
    assert not call.inline
    assert call.abandonable


def test_classify_says_that_an_exception_is_an_empty_answer() -> None:
    vendor = Vendor(failing(404))
    policy = make_policy(classify=lambda error: "empty" if "404" in str(error) else None)
    fetched = vendor.drive(vendor.fetch(policy))
    assert fetched.value is NOTHING
    assert fetched.effort.tries == 1
    assert repr(NOTHING) == "NOTHING"


def test_classify_overrules_the_usual_and_tenacity() -> None:
    never = tenacity.Retrying(stop=tenacity.stop_after_attempt(2), retry=tenacity.retry_never)
    for retries in (1, never):
        vendor = Vendor(ValueError())
        policy = make_policy(retries=retries, classify=lambda _: "retry")
        assert vendor.drive(vendor.fetch(policy)).effort.tries == 2
    always = tenacity.Retrying()
    for retries in (1, always):
        vendor = Vendor(TimeoutError())
        with pytest.raises(TimeoutError):
            vendor.drive(vendor.fetch(make_policy(retries=retries, classify=lambda _: "fatal")))


def test_classify_that_says_none_leaves_it_to_the_usual() -> None:
    vendor = Vendor(TimeoutError())
    policy = make_policy(retries=1, classify=lambda _: None)
    assert vendor.drive(vendor.fetch(policy)).effort.tries == 2


def test_classify_that_says_something_else_is_refused() -> None:
    vendor = Vendor(TimeoutError())
    with pytest.raises(CacheConfigError, match="`classify` gave 'again' for a TimeoutError"):
        vendor.drive(vendor.fetch(make_policy(classify=lambda _: "again")))
    with pytest.raises(CacheConfigError, match="function of an exception"):
        make_policy(classify="retry")


def test_a_coroutine_where_a_loop_is_running_is_said_and_not_classified() -> None:
    async def load(symbol, timeframe, start, end): ...

    async def main() -> None:
        policy = make_policy(retries=3, classify=lambda _: "empty")
        run(fetch(Loader(load, KEY), VALUES, 1, 2, policy))

    with pytest.raises(CacheConfigError, match="event loop is running"):
        asyncio.run(main())
