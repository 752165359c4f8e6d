"""Which periods a function is computed by, and what each sees beside its own rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import CacheConfigError
from afml_cache.incremental.periods import Calendar, make_calendar
from afml_cache.instants import nanoseconds
from afml_cache.runs.lengths import Length, length

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Rules", "make_rules"]

_MARGINS: Final = {
    "lookback": "how far before a row the function looks to compute it",
    "lookahead": "how far behind a row the function looks to compute it",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """How a call is cut into periods.

    Attributes
    ----------
    calendar
        Which periods there are.
    lookback, lookahead
        What a period sees before and behind its own rows.
    """

    calendar: Calendar
    lookback: Length
    lookahead: Length

    def said(self) -> tuple[Any, ...]:
        """Give them as plain values."""
        margins = ((margin.amount, margin.is_time) for margin in (self.lookback, self.lookahead))
        return ("by", self.calendar.unit, self.calendar.shift, *margins)


def make_rules(options: Mapping[str, Any]) -> Rules:
    """Check `by`, `lookback` and `lookahead`, one of which is given.

    Raises
    ------
    CacheConfigError
        One of them is missing, or has a value that can't be right.
    """
    if options.get("by") is None:
        name = next(name for name in _MARGINS if options.get(name) is not None)
        message = (
            f"`{name}` says what a period sees beside its own rows, and there are no periods; give "
            '`by` too, such as by="month"'
        )
        raise CacheConfigError(message)
    calendar = make_calendar(options["by"])
    return Rules(calendar, *(_margin(name, options.get(name)) for name in _MARGINS))


def _margin(name: str, value: Any) -> Length:
    if value is None:
        message = (
            f"`by` needs `{name}`: {_MARGINS[name]}, in bars, as an int, or in time, as a "
            'timedelta, a text such as "5D", or seconds as a float; 0 says that it does not'
        )
        raise CacheConfigError(message)
    if isinstance(value, float):
        counted = nanoseconds(value)
        if counted is not None and counted >= 0:
            return Length(counted, is_time=True, given=value)
    return length(name, value, least=0)
