"""How many calls a vendor takes: token buckets, and a distance between identical calls."""

from __future__ import annotations

import os
import re
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import CacheConfigError
from afml_cache.instants import length_of
from afml_cache.ranges.extras import load
from afml_cache.ranges.steps import Call, Pause

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from afml_cache.ranges.steps import Step

_TEXT: Final = r"\s*(\d+)\s*/\s*(\d+(?:\.\d+)?|)\s*([a-z]+)\s*"
_UNITS: Final = {
    1: ("ms",),
    1000: ("s", "sec", "second", "seconds"),
    60_000: ("m", "min", "minute", "minutes"),
    3_600_000: ("h", "hour", "hours"),
    86_400_000: ("d", "day", "days"),
}
_MILLISECONDS: Final = {name: size for size, names in _UNITS.items() for name in names}


class RateLimit:
    """Lets calls through as a vendor takes them; shared by all series of a cache.

    Parameters
    ----------
    rates
        Rates of pyrate_limiter's for buckets of this one's own. No thread leaks them: each call
        does. A forked child begins with buckets of its own.
    limiter
        A `Limiter` of the user's, which others may use as well, instead of own buckets. A forked
        child takes its rates, where its bucket is in memory: the thread that leaks it, and perhaps
        one that holds its lock, are not there.
    identical
        Seconds between two calls with the same arguments.
    """

    def __init__(self, rates: list[Any], limiter: Any = None, *, identical: float = 0.0) -> None:
        self._rates = rates
        self._limiter = limiter
        self._identical = identical
        self._maker = os.getpid()
        self._local: dict[int, _Local] = {}

    def admit(self, name: str, arguments: object, clock: Callable[[], float]) -> Step[float]:
        """Wait until a call may be made, and count it; give the seconds waited for it.

        Parameters
        ----------
        name
            What is called, for a limiter that tells calls apart.
        arguments
            What it is called with.
        clock
            Seconds that only grow.
        """
        local = self._here()
        same = _hashable(arguments)
        waited = 0.0
        while pause := local.too_early(same, self._identical, clock):
            yield Pause(pause)
            waited += pause
        while pause := (yield from self._take(local, name, clock)):
            yield Pause(pause)
            waited += pause
        # Another with these arguments may have gone while this one waited for a token.
        if pause := local.claim(same, self._identical, clock):
            yield Pause(pause)
            waited += pause
        return waited

    def _here(self) -> _Local:
        process = os.getpid()
        local = self._local.get(process)
        # Of threads that come here together, one's is kept.
        return local or self._local.setdefault(process, _Local(self._rates))

    def _take(self, local: _Local, name: str, clock: Callable[[], float]) -> Step[float]:
        if self._limiter is None or (self._rates and os.getpid() != self._maker):
            return local.take(clock)
        return (yield from _ask(self._limiter, name))


class _Local:
    """What one process has counted."""

    def __init__(self, rates: list[Any]) -> None:
        self._lock = threading.Lock()
        self._last: dict[Hashable, float] = {}
        self._bucket: Any = None
        if rates:
            self._bucket = load("rate_limit", "pyrate_limiter").InMemoryBucket(rates)

    def take(self, clock: Callable[[], float]) -> float:
        """Take a token, or give the seconds until there may be one."""
        if self._bucket is None:
            return 0.0
        pyrate_limiter = load("rate_limit", "pyrate_limiter")
        with self._lock:
            now = int(clock() * 1000)
            self._bucket.leak(now)
            item = pyrate_limiter.RateItem("call", now)
            if self._bucket.put(item):
                return 0.0
            return _in_seconds(self._bucket.waiting(item))

    def too_early(self, same: Hashable, distance: float, clock: Callable[[], float]) -> float:
        """Give the seconds until a call may follow the last one that was identical."""
        last = self._last.get(same)
        return 0.0 if last is None else max(last + distance - clock(), 0.0)

    def claim(self, same: Hashable, distance: float, clock: Callable[[], float]) -> float:
        """Give the seconds until a call may be made, which no identical one gets now."""
        if not distance:
            return 0.0
        with self._lock:
            now = clock()
            for call, last in list(self._last.items()):
                if last + distance > now:
                    break
                del self._last[call]
            begins = max(now, self._last.pop(same, now - distance) + distance)
            self._last[same] = begins
            return begins - now


def _ask(limiter: Any, name: str) -> Step[float]:
    """Take a token of a user's limiter, which may be kept elsewhere, or give the seconds to it."""
    taken = yield Call(limiter.try_acquire, (name,), {"blocking": False})
    if taken:
        return 0.0
    item = yield Call(limiter.bucket_factory.wrap_item, (name,))
    bucket = yield Call(limiter.bucket_factory.get, (item,))
    waiting = yield Call(bucket.waiting, (item,))
    return _in_seconds(waiting)


def _in_seconds(waiting: int) -> float:
    if waiting < 0:
        message = "`rate_limit` lets no call through at all: its bucket holds less than one call"
        raise CacheConfigError(message)
    return max(waiting, 1) / 1000  # 0 where another thread held the bucket's lock


def _hashable(arguments: object) -> Hashable:
    try:
        hash(arguments)
    except TypeError:
        return repr(arguments)
    return arguments


def make_rate_limit(rate_limit: object, identical: object = None) -> RateLimit | None:
    """Check the options `rate_limit` and `identical`; `None` for no limit.

    Raises
    ------
    CacheConfigError
        One of them can't be right, or pyrate-limiter is not installed.
    """
    distance = 0.0 if identical is None else length_of("identical", identical) / 1e9
    if rate_limit is None:
        return RateLimit([], identical=distance) if distance else None
    given = list(rate_limit) if isinstance(rate_limit, list | tuple) else [rate_limit]
    loaded: Any = sys.modules.get("pyrate_limiter")
    if loaded is not None and isinstance(rate_limit, loaded.Limiter):
        return RateLimit(_rates_of(rate_limit), rate_limit, identical=distance)
    rates = [_rate(each, rate_limit) for each in given]
    rates.sort(key=lambda rate: int(rate.interval))
    if not rates:
        raise _refused(rate_limit)
    if not load("rate_limit", "pyrate_limiter").validate_rate_list(rates):
        message = (
            f"`rate_limit` has rates that say the same or contradict each other: {rate_limit!r}; "
            "of two rates, the one for the longer time allows more calls, and fewer per second, "
            'such as ["6/2s", "60/10min"]'
        )
        raise CacheConfigError(message)
    return RateLimit(rates, identical=distance)


def _rates_of(limiter: Any) -> list[Any]:
    pyrate_limiter = load("rate_limit", "pyrate_limiter")
    bucket: Any = getattr(limiter.bucket_factory, "bucket", None)
    return list(bucket.rates) if type(bucket) is pyrate_limiter.InMemoryBucket else []


def _rate(given: object, option: object) -> Any:
    pyrate_limiter: Any = sys.modules.get("pyrate_limiter")
    if pyrate_limiter is not None and isinstance(given, pyrate_limiter.Rate):
        return given
    found = re.fullmatch(_TEXT, given) if isinstance(given, str) else None
    if found is None or found[3] not in _MILLISECONDS:
        raise _refused(option)
    calls, interval = int(found[1]), round(float(found[2] or 1) * _MILLISECONDS[found[3]])
    if not calls or not interval:
        raise _refused(option)
    return load("rate_limit", "pyrate_limiter").Rate(calls, interval)


def _refused(option: object) -> CacheConfigError:
    return CacheConfigError(
        '`rate_limit` takes calls by time, such as "60/10min", "5/s" or "1000/day", a list of such '
        'texts, such as ["6/2s", "60/10min"], or a `Rate`, a list of them, or a `Limiter` of '
        f"pyrate_limiter; not {option!r}"
    )
