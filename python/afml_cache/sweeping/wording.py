"""Numbers of things, ranges, sizes and lengths of time as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_MINUTE: Final = 60
_THOUSAND: Final = 1000
_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")


def counted(count: int, noun: str) -> str:
    """Give a number of things.

    Examples
    --------
    >>> counted(1, "batch"), counted(2, "batch"), counted(4620, "strategy")
    ('1 batch', '2 batches', '4,620 strategies')
    """
    return f"{count:,} {noun if count == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """Give the plural of an English noun.

    Examples
    --------
    >>> plural("strategy"), plural("batch"), plural("day")
    ('strategies', 'batches', 'days')
    """
    if noun.endswith("y") and noun[-2:-1] not in set("aeiou"):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "z", "ch", "sh")) else f"{noun}s"


def ranges(numbers: Sequence[int]) -> str:
    """Give numbers in rising order as ranges.

    Examples
    --------
    >>> ranges([1, 2, 3, 5, 7, 8])
    '1-3, 5, 7-8'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def time_text(seconds: float) -> str:
    """Give a length of time in minutes and seconds, and hours where there are any.

    Examples
    --------
    >>> time_text(50), time_text(59.6), time_text(6.5 * 3600)
    ('0m 50s', '1m 0s', '6h 30m 0s')
    """
    minutes, rest = divmod(round(seconds), _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}h {minutes}m {rest}s" if hours else f"{minutes}m {rest}s"


def size_text(size: int) -> str:
    """Give a number of bytes in a unit that suits it.

    Examples
    --------
    >>> size_text(100), size_text(18 * 10**9), size_text(1_680_000_000_000)
    ('100 B', '18.0 GB', '1.7 TB')
    """
    value, unit = float(size), 0
    # What would be rounded up to a thousand is one of the next unit.
    while value >= _THOUSAND - (0.05 if unit else 0) and unit < len(_UNITS) - 1:
        value, unit = value / _THOUSAND, unit + 1
    return f"{value:.1f} {_UNITS[unit]}" if unit else f"{size} B"
