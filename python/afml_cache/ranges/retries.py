"""Which of a vendor's errors pass, and how long to wait before it is asked again."""

from __future__ import annotations

import asyncio
import concurrent.futures
import email.utils
import logging
import math
import sys
from dataclasses import dataclass
from datetime import timezone
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.extras import load, require
from afml_cache.ranges.steps import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from afml_cache.ranges.steps import Step

_log = logging.getLogger("afml_cache.ranges")

Kind: TypeAlias = Literal["empty", "retry", "fatal"]

# Too Early, Too Many Requests and the like: the same request may do a little later.
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
# Distinct classes before Python 3.11.
_TIMEOUTS: Final = (TimeoutError, asyncio.TimeoutError, concurrent.futures.TimeoutError)
# Errors of the network that are no `ConnectionError` of Python's, by the package that has them.
_NETWORK: Final = {
    "aiohttp": {"ClientConnectionError", "ClientPayloadError"},
    "httpx": {"NetworkError", "RemoteProtocolError", "TimeoutException"},
    "requests": {"ChunkedEncodingError", "ConnectionError", "Timeout"},
    "urllib3": {"MaxRetryError", "ProtocolError", "TimeoutError"},
}
_FIRST: Final = 0.5
_LONGEST: Final = 60.0
# Nobody sits and waits for longer than this: the answer to the user is what the vendor says.
_PATIENCE: Final = 3600.0


def classify(error: BaseException) -> Literal["retry", "fatal"]:
    """Tell what passes from what does not, where the user's own `classify` says nothing.

    Connections that break or time out pass, and the HTTP statuses 408, 425, 429, 500, 502, 503 and
    504, whether requests, httpx, aiohttp or urllib raised them; whatever else is fatal.
    """
    reason = _read(error, "reason")  # urllib wraps what went wrong
    for each in (error, reason):
        if isinstance(each, (ConnectionError, *_TIMEOUTS)) or _of_network(type(each)):
            return "retry"
    return "retry" if any(status in _PASSING for status in _statuses(error)) else "fatal"


def retry_after(error: BaseException, wall: Callable[[], float]) -> float:
    """Give the seconds that the vendor asks to wait in `Retry-After`, 0 where it does not."""
    for holder in (_read(error, "response"), error):
        text = _header(_read(holder, "headers"), "Retry-After")
        if text is not None:
            return _seconds(text, wall)
    return 0.0


def _of_network(kind: type) -> bool:
    return any(
        base.__name__ in _NETWORK.get(base.__module__.partition(".")[0], ())
        for base in kind.__mro__
    )


def _statuses(error: BaseException) -> Iterator[int]:
    for holder in (error, _read(error, "response")):
        for name in ("status", "status_code", "code"):
            value = _read(holder, name)
            if isinstance(value, int) and not isinstance(value, bool):
                yield value


def _read(holder: object, name: str) -> Any:
    try:
        return getattr(holder, name, None)
    except Exception:  # noqa: BLE001 - a property of somebody's exception
        return None


def _header(headers: Any, name: str) -> str | None:
    try:
        pairs = {str(key).lower(): value for key, value in headers.items()}
    except Exception:  # noqa: BLE001 - whatever the exception has there
        return None
    value = pairs.get(name.lower())
    return None if value is None else str(value).strip()


def _seconds(text: str, wall: Callable[[], float]) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = _until(text, wall)
    return max(seconds, 0.0) if math.isfinite(seconds) else 0.0


def _until(text: str, wall: Callable[[], float]) -> float:
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.timestamp() - wall()


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a call is tried again, and when.

    Attributes
    ----------
    most
        How many further tries; counts where there are no strategies of the user's.
    strategies
        A `Retrying` or `AsyncRetrying` of tenacity's, whose `stop`, `wait` and `retry` decide.
    """

    most: int
    strategies: Any = None

    def build(self) -> Any:
        """Give the object with the strategies."""
        if self.strategies is not None:
            return self.strategies
        tenacity = load("retries", "tenacity")
        doubling = tenacity.wait_exponential(multiplier=_FIRST, max=_LONGEST)
        return tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.most + 1),
            wait=doubling + tenacity.wait_random(0, _FIRST),
        )


def make_retries(retries: object) -> Retries:
    """Check the option `retries`.

    Raises
    ------
    CacheConfigError
        It is neither a number nor an object of tenacity's, or tenacity is not installed.
    """
    if isinstance(retries, int) and not isinstance(retries, bool) and retries >= 0:
        if retries:
            require("retries", "tenacity")
        return Retries(retries)
    tenacity = sys.modules.get("tenacity")
    if tenacity is not None and isinstance(retries, tenacity.BaseRetrying):
        return Retries(0, retries if getattr(retries, "enabled", True) else None)
    message = (
        "`retries` takes how many further tries a failed call gets, such as 3, or a "
        f"`tenacity.Retrying` with strategies of its own; not {retries!r}"
    )
    raise CacheConfigError(message)


class Tries:
    """The tries of one call."""

    def __init__(
        self, retries: Retries, call: Call, clock: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self._retries = retries
        self._call = call
        self._clock = clock
        self._wall = wall
        self._begun = clock()
        self._state: Any = None

    def pause_after(self, error: Exception, kind: Kind | None) -> Step[float | None]:
        """Give the seconds until the next try after an error, `None` where it is final.

        `kind` is what the user's `classify` said of it.
        """
        own = self._retries.strategies is not None
        if kind is None and not own:
            kind = classify(error)
        if kind == "fatal" or not (own or self._retries.most):
            return None
        state = self._next()
        state.set_exception((type(error), error, error.__traceback__))
        if kind is None and not _asked_again(error):
            again = yield Call(state.retry_object.retry, (state,), inline=True)
            if not again:
                return None
        least = retry_after(error, self._wall)
        if least > _PATIENCE and not own:
            _log.warning("a call is not tried again: the vendor says to wait for %.0f s", least)
            return None
        return (yield from self._pause(state, least))

    def pause_instead_of(self, value: object) -> Step[float | None]:
        """Give the seconds until the next try where tenacity's `retry` refuses a result.

        Raises
        ------
        tenacity.RetryError
            It refused the last one too.
        """
        if self._retries.strategies is None:
            return None
        state = self._next()
        state.set_result(value)
        again = yield Call(state.retry_object.retry, (state,), inline=True)
        if not again:
            return None
        pause = yield from self._pause(state, 0.0)
        if pause is None:
            raise state.retry_object.retry_error_cls(state.outcome)
        return pause

    def _next(self) -> Any:
        if self._state is not None:
            self._state.prepare_for_next_attempt()
            return self._state
        tenacity = load("retries", "tenacity")
        call = self._call
        self._state = tenacity.RetryCallState(
            self._retries.build(), call.function, tuple(call.args), dict(call.kwargs)
        )
        self._state.start_time = self._begun
        return self._state

    def _pause(self, state: Any, least: float) -> Step[float | None]:
        state.outcome_timestamp = self._clock()
        wait = state.retry_object.wait
        pause = (yield Call(wait, (state,), inline=True)) if callable(wait) else 0.0
        state.upcoming_sleep = max(pause, least)
        stop = yield Call(state.retry_object.stop, (state,), inline=True)
        if stop:
            return None
        state.idle_for += state.upcoming_sleep
        return float(state.upcoming_sleep)


def _asked_again(error: Exception) -> bool:
    tenacity: Any = sys.modules.get("tenacity")
    return tenacity is not None and isinstance(error, tenacity.TryAgain)
