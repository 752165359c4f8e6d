"""What is known of a series, and what a request would take, to be looked at."""

from __future__ import annotations

import datetime as dt
import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from afml_cache.instants import as_datetime
from afml_cache.ranges.places import times
from afml_cache.ranges.states import NEVER, REASONS, STATES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from afml_cache.ranges.axes import Axis
    from afml_cache.ranges.states import Piece

_MARKS: Final = {"data": "█", "empty": "·", "suspect": "?", "volatile": "▒", "missing": " "}
_WIDTH: Final = 60
_COLORS: Final = {
    "data": "#2f6f4e",
    "empty": "#c9d3cd",
    "suspect": "#d9822b",
    "volatile": "#7fb59a",
    "missing": "#ffffff",
}


@dataclass(frozen=True)
class Known:
    """What is known of one interval, half-open; dates for daily bars, else instants in UTC."""

    start: Any
    end: Any
    state: str
    reason: str
    attempt: int
    fetched_at: Any
    recheck_after: Any
    """When it is asked for again; `None` for never."""


@dataclass(frozen=True)
class Coverage:
    """What is known of a series: its intervals in order."""

    name: str
    intervals: tuple[Known, ...]
    rows: int
    segments: int
    nbytes: int
    picture: str
    """The whole of it on one line: a mark for each part that is as long as the others."""

    def __iter__(self) -> Iterator[Known]:
        return iter(self.intervals)

    def __len__(self) -> int:
        return len(self.intervals)

    def __str__(self) -> str:
        if not self.intervals:
            return f"{self.name}: nothing is known yet"
        head = f"{self.name}: {self.rows:,} bars in {self.segments} segments, {self.nbytes:,} bytes"
        legend = "  ".join(f"{mark} {state}" for state, mark in _MARKS.items() if mark.strip())
        first, last = self.intervals[0].start, self.intervals[-1].end
        return f"{head}\n{shown(first)} |{self.picture}| {shown(last)}\n{legend}"

    def __rich__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        head, *_ = map(html.escape, str(self).split("\n", maxsplit=1))
        if not self.intervals:
            return f"<div>{head}</div>"
        drawn = [
            next(state for state, own in _MARKS.items() if own == mark) for mark in self.picture
        ]
        cells = "".join(_cell(state, "8px") for state in drawn)
        first, last = (
            f'<td style="padding:0 8px">{html.escape(shown(time))}</td>'
            for time in (self.intervals[0].start, self.intervals[-1].end)
        )
        legend = "".join(
            f'{_cell(state, "18px")}<td style="padding:0 12px 0 4px">{state}</td>'
            for state in _MARKS
            if state in drawn
        )
        return (
            f"<div>{head}</div>"
            f'<table style="border-collapse:collapse"><tr>{first}{cells}{last}</tr></table>'
            f'<table style="border-collapse:collapse"><tr>{legend}</tr></table>'
        )

    def to_pandas(self) -> Any:
        """Give the intervals as a frame."""
        import pandas as pd

        return pd.DataFrame([vars(one) for one in self.intervals])


@dataclass(frozen=True)
class PlannedCall:
    """One call that a request would make: from when to when, and how many rows to expect."""

    start: Any
    end: Any
    rows: int
    cost: float | None


@dataclass(frozen=True)
class Plan:
    """What a request would take; nothing was asked for."""

    name: str
    calls: tuple[PlannedCall, ...]
    missing: tuple[tuple[Any, Any], ...]
    rows: int
    """Rows to be expected of all calls."""
    cost: float | None

    def __str__(self) -> str:
        if not self.calls:
            return f"{self.name}: no call, all of it is there"
        lines = [
            f"  {shown(call.start)} .. {shown(call.end)}  about {call.rows:,} rows"
            + ("" if call.cost is None else f", {call.cost:g}")
            for call in self.calls
        ]
        cost = "" if self.cost is None else f", {self.cost:g} in all"
        head = f"{self.name}: {len(self.calls)} calls, about {self.rows:,} rows{cost}"
        return "\n".join([head, *lines])


@dataclass(frozen=True)
class Explanation:
    """Why there is, or is not, a bar at a time."""

    kind: str
    """One of "bar", "holiday", "closed", "vendor-empty", "file-empty", "pre-listing", "delisted",
    "never asked", "suspect", "volatile", "future"."""
    text: str

    def __str__(self) -> str:
        return self.text


def _cell(state: str, width: str) -> str:
    style = f"background:{_COLORS[state]};padding:0;width:{width};height:18px"
    return f'<td title="{state}" style="{style}"></td>'


def known(axis: Axis, piece: Piece) -> Known:
    """Show a piece."""
    start, end = times(axis, piece.first, piece.stop)
    return Known(
        start,
        end,
        STATES[piece.state],
        REASONS[piece.reason],
        piece.attempt,
        as_datetime(piece.fetched_at),
        None if piece.recheck_after == NEVER else as_datetime(piece.recheck_after),
    )


def picture(pieces: Sequence[Piece]) -> str:
    """Draw what is known on one line."""
    if not pieces:
        return ""
    first, stop = pieces[0].first, pieces[-1].stop
    width = min(_WIDTH, max(1, stop - first))
    marks = []
    for place in range(width):
        begin = first + (stop - first) * place // width
        end = first + (stop - first) * (place + 1) // width
        marks.append(_MARKS[_most(pieces, begin, end)])
    return "".join(marks)


def _most(pieces: Sequence[Piece], first: int, stop: int) -> str:
    """Tell what is known of most of an interval."""
    lengths = dict.fromkeys(_MARKS, 0)
    for piece in pieces:
        length = min(piece.stop, stop) - max(piece.first, first)
        if length > 0:
            lengths[STATES[piece.state]] += length
    lengths["missing"] = stop - first - sum(lengths.values())
    if lengths["suspect"]:
        return "suspect"
    return max(lengths, key=lambda state: lengths[state])


def shown(time: Any) -> str:
    """Write a time, to the second."""
    text = str(time.replace(microsecond=0)) if isinstance(time, dt.datetime) else str(time)
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
