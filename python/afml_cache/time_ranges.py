"""The time range that a call looks at: of its time-indexed arguments, and of its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import CacheConfigError, warn
from afml_cache.instants import EARLIEST, LATEST, Span, length_of, span
from afml_cache.timed_values import DAY, is_table, polars_times, time_index

_STARTS: Final = ("start", "start_date", "from_")
_ENDS: Final = ("end", "end_date", "to")
_BAR: Final = 60 * 10**9
_SEVERAL: Final = 2

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Arguments = list[tuple[str, object]]


@dataclass(frozen=True, slots=True)
class Timing:
    """How a function's time range is found, and how long an unfinished one is kept.

    Attributes
    ----------
    starts, ends
        Names of the parameters that bound the range.
    settle
        Nanoseconds after which what happened is known for good.
    ttl
        Nanoseconds that an unfinished result is kept in memory; `None` for one bar.
    """

    starts: tuple[str, ...]
    ends: tuple[str, ...]
    settle: int
    ttl: int | None

    @property
    def chosen(self) -> dict[str, tuple[str, ...]]:
        """Names of parameters that were chosen by `start` and `end`."""
        chosen = {"start": self.starts, "end": self.ends}
        return {role: names for role, names in chosen.items() if names not in {_STARTS, _ENDS}}

    def range_of(self, function: str, arguments: Arguments) -> tuple[int, int] | None:
        """Give the first and the last instant that a call looks at, open ends as the extremes."""
        found = [each for _, value in arguments for each in spans_of(value)]
        lower = self._bound(function, arguments, self.starts)
        upper = self._bound(function, arguments, self.ends)
        if not found and lower is None and upper is None:
            return None
        firsts = [each.first for each in found] + ([lower.first] if lower else [])
        lasts = [each.last for each in found] + ([upper.last] if upper else [])
        return min(firsts, default=EARLIEST), max(lasts, default=LATEST)

    def expires_after(self, function: str, arguments: Arguments, now: int) -> int | None:
        """Give the nanoseconds that a result may be kept whose end is yet to come, else `None`."""
        upper = self._bound(function, arguments, self.ends)
        if upper is None or upper.last <= now - self.settle:
            return None
        return self.kept_for(arguments)

    def kept_for(self, arguments: Arguments) -> int:
        """Give the nanoseconds that an unfinished result may be kept."""
        if self.ttl is not None:
            return self.ttl
        bars = (_bar(value) for _, value in arguments)
        return next((bar for bar in bars if bar), _BAR)

    def _bound(self, function: str, arguments: Arguments, names: tuple[str, ...]) -> Span | None:
        for name, value in arguments:
            if name in names and value is not None:
                bound = span(value)
                if bound is not None:
                    return bound
                if not is_table(value):
                    _tell(function, name, value)
        return None


@dataclass(frozen=True, slots=True)
class Unfinished(Timing):
    """That of calls whose results are unfinished, whatever their end."""

    @classmethod
    def of(cls, timing: Timing) -> Unfinished:
        """Make it of the timing of the same function."""
        return cls(timing.starts, timing.ends, timing.settle, timing.ttl)

    def expires_after(self, function: str, arguments: Arguments, now: int) -> int | None:  # noqa: ARG002
        """Give the nanoseconds that a result may be kept."""
        return self.kept_for(arguments)


_told: set[tuple[str, str]] = set()


def _tell(function: str, name: str, value: object) -> None:
    if (function, name) not in _told:
        _told.add((function, name))
        warn(
            "TimeRangeWarning",
            f"`{function}` was given {value!r} as `{name}`, which is no instant, so its result has "
            "no bound there for `entries` and `invalidate`; pass a date, a datetime, or a text "
            'such as "2024-05-03", or name other parameters with start= and end=',
        )


def make_timing(options: dict[str, Any]) -> Timing:
    """Check the options of `time_aware_cacheable`."""
    settle = length_of("settle", options.get("settle", 0))
    ttl = options.get("volatile_ttl")
    return Timing(
        starts=_named("start", options.get("start"), _STARTS),
        ends=_named("end", options.get("end"), _ENDS),
        settle=settle,
        ttl=None if ttl is None else length_of("volatile_ttl", ttl),
    )


def _named(option: str, name: object, usual: tuple[str, ...]) -> tuple[str, ...]:
    if name is None:
        return usual
    if not isinstance(name, str):
        message = f"`{option}` takes the name of a parameter, not {name!r}"
        raise CacheConfigError(message)
    return (name,)


def spans_of(value: object, *, inside: bool = True) -> Iterator[Span]:
    """Give the spans of a time-indexed value, or of those in a list, tuple or dictionary."""
    if inside and type(value) in {list, tuple, dict}:
        parts: Any = value.values() if isinstance(value, dict) else value
        for part in parts:
            yield from spans_of(part, inside=False)
    elif is_table(value):
        whole = _of_pandas(value) or _of_polars(value)
        if whole is not None:
            yield whole


def _of_pandas(value: object) -> Span | None:
    index = time_index(value)
    if index is None:
        return None
    first, last = span(index.min()), span(index.max())
    return Span(first.first, last.last) if first and last else None


def _of_polars(value: object) -> Span | None:
    times = polars_times(value)
    if times is None or times.null_count() == len(times):
        return None
    counted = times.dt.epoch("ns")
    days = type(times.dtype).__name__ == "Date"
    return Span(counted.min(), counted.max() + (DAY - 1 if days else 0))


def _bar(value: object) -> int | None:
    """Give the usual distance of a value's instants, in nanoseconds."""
    index = time_index(value) if is_table(value) else None
    if index is None or len(index) < _SEVERAL:
        return None
    instants = index.to_timestamp() if hasattr(index, "to_timestamp") else index
    counted = instants.as_unit("ns").asi8
    distance = int(sorted(abs(counted[1:] - counted[:-1]))[(len(counted) - 1) // 2])
    return distance or None


def whole_span(value: object) -> Span | None:
    """Give the first and the last instant of a time-indexed value, or of several."""
    found = list(spans_of(value))
    if not found:
        return None
    return Span(min(each.first for each in found), max(each.last for each in found))


def first_table(values: Iterable[object]) -> tuple[Span, tuple[int, ...] | None] | None:
    """Give the span of the first time-indexed of some values, and its shape."""
    for value in values:
        whole = whole_span(value)
        if whole is not None:
            shape: Any = getattr(value, "shape", None)
            return whole, shape
    return None


def bounds_of(arguments: Mapping[str, object]) -> Span | None:
    """Give what arguments with the usual names bound, open ends as the extremes."""
    lower = next((arguments[name] for name in _STARTS if arguments.get(name) is not None), None)
    upper = next((arguments[name] for name in _ENDS if arguments.get(name) is not None), None)
    first, last = span(lower), span(upper)
    if first is None and last is None:
        return None
    return Span(first.first if first else EARLIEST, last.last if last else LATEST)
