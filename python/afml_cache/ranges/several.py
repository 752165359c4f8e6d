"""A request for several symbols: what it takes, and the answers to it as one value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import (
    BasisChangedError,
    CacheConfigError,
    CacheMissError,
    PartialCoverageError,
)
from afml_cache.ranges.answering import Partial
from afml_cache.ranges.effects import Done, Parallel
from afml_cache.ranges.many import Batch
from afml_cache.ranges.shapes import shaped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from afml_cache.ranges.answering import Answerer
    from afml_cache.ranges.effects import Step
    from afml_cache.ranges.requests import Request
    from afml_cache.ranges.series import Series

MOST_TOGETHER = 256
"""How many symbols a call is for at most: each has a lock among processes, an open file."""
# So many symbols are named in a message.
_SHOWN = 10
# What a request for one symbol is refused by, whatever comes of the others.
_REFUSALS = (BasisChangedError, CacheMissError)
# They have parts, and are no lists of symbols.
_ONE = (str, bytes, bytearray, memoryview)


class Several:
    """Answers requests for several symbols, each a series of its own.

    Parameters
    ----------
    answerer
        Answers each of them.
    name
        The part of the key that is the symbol.
    many
        The loader of many, if there is one.
    """

    def __init__(self, answerer: Answerer, name: str, many: Callable[..., Any] | None) -> None:
        self._answerer = answerer
        self._options = answerer.filler.options
        self._name = name
        self._many = many

    def answered(
        self, requests: Mapping[Any, Request], shape: str, output: Any, allow_partial: bool | None
    ) -> Step[Any]:
        """Fetch what the requests of some symbols lack, and put their bars together."""
        yield from self._together(requests)
        steps = [self._answerer.answered(one, output, allow_partial) for one in requests.values()]
        outcomes = yield Parallel(steps, self._options.concurrency)
        takes_partial = self._answerer.takes_partial(allow_partial)
        parts: dict[Any, Any] = {}
        refused: dict[Any, Exception] = {}
        for symbol, outcome in zip(requests, outcomes, strict=True):
            if isinstance(outcome, Done):
                parts[symbol] = outcome.value if takes_partial else Partial(outcome.value, [])
            elif isinstance(outcome.exception, PartialCoverageError):
                parts[symbol] = outcome.exception
            elif isinstance(outcome.exception, _REFUSALS):
                refused[symbol] = outcome.exception
            else:
                raise outcome.exception
        if refused:
            raise _refusal(refused, len(requests))
        data = {symbol: one.data for symbol, one in parts.items()}
        whole = Partial(
            shaped(data, self._name, shape, self._options.time),
            [(symbol, *gap) for symbol, one in parts.items() for gap in one.missing],
        )
        if any(isinstance(one, PartialCoverageError) for one in parts.values()):
            raise _failure(parts, whole)
        return whole if takes_partial else whole.data

    def _together(self, requests: Mapping[Any, Request]) -> Step[None]:
        """Ask for symbols together, as far as that goes."""
        if self._many is None:
            return
        asked = [*requests.values()]
        for first in range(0, len(asked), MOST_TOGETHER):
            some = asked[first : first + MOST_TOGETHER]
            yield from Batch(self._many, self._name, some).steps()


def _failure(parts: Mapping[Any, Any], whole: Partial) -> PartialCoverageError:
    """Say which symbols could not be fetched, and why the first of them."""
    failed = {symbol: one for symbol, one in parts.items() if isinstance(one, PartialCoverageError)}
    message = _message(failed, len(parts))
    failure = PartialCoverageError(message, data=whole.data, missing=whole.missing)
    failure.__cause__ = next(iter(failed.values())).__cause__
    return failure


def _refusal(refused: Mapping[Any, Exception], count: int) -> Exception:
    """Say which of so many symbols are refused, and why the first of them."""
    first = next(iter(refused.values()))
    return first if len(refused) == 1 else type(first)(_message(refused, count))


def _message(failed: Mapping[Any, Exception], count: int) -> str:
    """Name those of so many symbols that could not be fetched, and why the first could not."""
    message = str(next(iter(failed.values())))
    if len(failed) == 1:
        return message
    shown = ", ".join(map(str, [*failed][:_SHOWN]))
    more = f" and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
    return (
        f"of {count} symbols, {len(failed)} could not be fetched: {shown}{more}; of the first of "
        f"them, {message}"
    )


def symbols_of(symbols: Any, shape: str) -> list[Any]:
    """Check the symbols of a request for several.

    Raises
    ------
    CacheConfigError
        They are one text, or none, or one of them is what no dictionary of bars could have, or what
        no column of a frame could.
    """
    if isinstance(symbols, _ONE) or not hasattr(symbols, "__iter__"):
        message = f"`get_many` takes a list of symbols, not {symbols!r}; `get` takes one"
        raise CacheConfigError(message)
    found = list(symbols)
    for symbol in found:
        _check_hash(symbol)
        if isinstance(symbol, tuple) and shape != "dict":
            message = (
                f"a frame of several symbols has each in one cell, which {symbol!r} can't be; ask "
                'for shape="dict", or name these series by a text'
            )
            raise CacheConfigError(message)
    if not found:
        message = "`get_many` takes at least one symbol"
        raise CacheConfigError(message)
    return found


def _check_hash(symbol: Any) -> None:
    try:
        hash(symbol)
    except TypeError as error:
        message = (
            f"`get_many` tells bars apart by their symbol, which {symbol!r} can't do ({error}); "
            "ask for it by `get`, or name this series by a text"
        )
        raise CacheConfigError(message) from error


def check_apart(symbol: Any, series: Series, requests: Mapping[Any, Request]) -> None:
    """See that a symbol has a place of its own among others.

    Raises
    ------
    CacheConfigError
        It is equal to one of them that names another series, as `True` is to 1.
    """
    if symbol in requests and requests[symbol].series is not series:
        other = next(one for one in requests if one == symbol)
        message = (
            f"`get_many` tells bars apart by their symbol, and {symbol!r} and {other!r} are equal "
            "although they name two series; ask for them one after the other"
        )
        raise CacheConfigError(message)
