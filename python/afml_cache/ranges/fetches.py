"""One fetch: the loader is called when the vendor takes it, and again where that may help."""

from __future__ import annotations

import enum
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.rates import make_rate_limit
from afml_cache.ranges.retries import Retries, Tries, make_retries
from afml_cache.ranges.steps import Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from afml_cache.ranges.loaders import Loader
    from afml_cache.ranges.many import LoaderOfMany
    from afml_cache.ranges.rates import RateLimit
    from afml_cache.ranges.retries import Kind
    from afml_cache.ranges.steps import Step

_log = logging.getLogger("afml_cache")

_KINDS: Final = ("empty", "retry", "fatal")


class Nothing(enum.Enum):
    """The one value of `NOTHING`."""

    NOTHING = "nothing"

    def __repr__(self) -> str:
        return self.name


NOTHING: Final = Nothing.NOTHING
"""Stands for an answer without rows, where `classify` says that an exception means that."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for all calls of a loader; `make_policy` checks the options."""

    retries: Retries
    limit: RateLimit | None = None
    classify: Callable[[Exception], Kind | None] | None = None

    def kind_of(self, error: Exception) -> Kind | None:
        """Ask the user's `classify` what an exception means; `None` for the usual."""
        kind = None if self.classify is None else self.classify(error)
        if kind is not None and kind not in _KINDS:
            message = (
                f"`classify` gave {kind!r} for a {type(error).__qualname__}; it gives "
                '"empty", "retry", "fatal", or None for the usual rules'
            )
            raise CacheConfigError(message) from error
        return kind


def make_policy(
    *,
    retries: object = 0,
    rate_limit: object = None,
    identical: object = None,
    classify: Any = None,
) -> Policy:
    """Check the options of a cache that say how its loader is called.

    Parameters
    ----------
    retries
        How many further tries a failed call gets, after 0.5 s and then twice as long each time, up
        to a minute, with some jitter; or a `Retrying` of tenacity's, whose `stop`, `wait` and
        `retry` are used, and no callback.
    rate_limit
        "60/10min", a list of such texts, or what pyrate-limiter makes.
    identical
        Time between two calls with the same arguments, in seconds or as a timedelta.
    classify
        Says what an exception means: "empty" that there are no rows, "retry", "fatal", or `None`
        for the usual rules.

    Raises
    ------
    CacheConfigError
        One of them can't be right, or needs a package that is not installed.
    """
    if classify is not None and not callable(classify):
        message = f"`classify` takes a function of an exception, not {classify!r}"
        raise CacheConfigError(message)
    return Policy(make_retries(retries), make_rate_limit(rate_limit, identical), classify)


@dataclass(slots=True)
class Effort:
    """What a fetch has taken so far: tries of the loader, and seconds waited between them."""

    tries: int = 0
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """What the loader gave, or `NOTHING`, and what it took."""

    value: object
    effort: Effort


def fetch(
    loader: Loader | LoaderOfMany,
    values: Mapping[str, object],
    start: object,
    end: object,
    policy: Policy,
    *,
    effort: Effort | None = None,
    clock: Callable[[], float] = time.monotonic,
    wall: Callable[[], float] = time.time,
) -> Step[Fetched]:
    """Call the loader, as soon as the rate limit lets it, and again where that may help.

    Parameters
    ----------
    loader, values, start, end
        What is called, and with what.
    policy
        How it is called.
    effort
        Kept up to date, so that it can be told of a fetch that failed too.
    clock, wall
        Seconds that only grow, and since 1970.

    Raises
    ------
    Exception
        What the last call raised.
    """
    effort = effort or Effort()
    call = loader.call(values, start, end)
    tries = Tries(policy.retries, call, clock, wall)
    while True:
        if policy.limit is not None:
            same = (*values.items(), start, end)
            effort.waited += yield from policy.limit.admit(loader.name, same, clock)
        effort.tries += 1
        try:
            value = yield call
        except CacheConfigError:  # said to who wrote it, and no answer of the vendor's
            raise
        except Exception as error:
            kind = policy.kind_of(error)
            if kind == "empty":
                return Fetched(NOTHING, effort)
            pause = yield from tries.pause_after(error, kind)
            if pause is None:
                raise
            _log.info("`%s` is tried again in %.1f s after %r", loader.name, pause, error)
        else:
            pause = yield from tries.pause_instead_of(value)
            if pause is None:
                return Fetched(value, effort)
            del value
        yield Pause(pause)
        effort.waited += pause
