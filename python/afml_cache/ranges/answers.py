"""What a loader gave, looked at before anything of it counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from afml_cache.exceptions import LoaderError
from afml_cache.ranges.axes import DateAxis
from afml_cache.ranges.forms import read, zone_of
from afml_cache.ranges.frame_times import midnights_of
from afml_cache.ranges.labels import Written, label_of, labels_of
from afml_cache.ranges.places import labelled
from afml_cache.ranges.states import DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from afml_cache.ranges.axes import Axis
    from afml_cache.ranges.forms import Form
    from afml_cache.ranges.labels import Labels
    from afml_cache.ranges.timeframes import Timeframe

    Mask = NDArray[np.bool_]

_FEW = 3
_HOUR = 3_600_000_000_000


@dataclass
class Answer:
    """The bars of one answer: in order, each once, and none outside of what was asked for."""

    form: Form
    table: pl.DataFrame
    at: np.ndarray[Any, Any]
    given: int
    conflicts: int = 0
    notes: list[str] = field(default_factory=list)
    labels: Labels | None = None
    """Of bars that are dates, at what times of their days they are labelled."""
    fault: LoaderError | None = None

    @property
    def times(self) -> pl.Series:
        """The column of labels."""
        return self.table[self.form.time or ""]


class Told(NamedTuple):
    """What a loader was told: start and end as they were written, and which positions they are."""

    begin: int
    until: int
    start: Any
    end: Any


@dataclass(frozen=True)
class Asked:
    """What a loader was asked for, and how its answer is to be read."""

    name: str
    axis: Axis
    first: int
    stop: int
    closed: str
    time: str | None
    form: Form | None
    precision: tuple[int, int] = (1, 1)
    """Nanoseconds to which start and end were rounded: the loader was told no later start, and no
    earlier end."""
    told: Told | None = None
    """`None` for a file."""

    @property
    def naive(self) -> str:
        """The zone of labels without one."""
        return "UTC" if self.axis.naive == "raise" else self.axis.naive

    @property
    def is_exact(self) -> bool:
        """Whether the loader was told that very end."""
        return self.stop % self.precision[1] == 0

    def __str__(self) -> str:
        return f"the loader of {self.name}, asked for {self.axis.describe(self.first, self.stop)},"

    def worded(self, error: Exception) -> str:
        """Give the text of an error, whose remedy is one for the giver."""
        return str(error)


def checked(value: object, asked: Asked) -> Answer:
    """Read a loader's answer.

    Raises
    ------
    LoaderError
        It is nothing that holds the bars of one series: the message says what, and what the loader
        should give.
    """
    try:
        form, table = read(value, time=asked.time, default=asked.form)
        at = np.empty(0, np.int64)
        if table.height and form.time is not None:
            at = _positions(asked, form, table[form.time])
    except (LoaderError, ValueError, TypeError) as error:
        message = f"{asked} gave what can't be used: {asked.worded(error)}"
        raise LoaderError(message) from error
    answer = Answer(form, table, at, len(at))
    if len(at) and isinstance(asked.axis, DateAxis):
        answer.labels = _labels(answer, asked)
    _put_in_order(answer, asked)
    _clip(answer, asked)
    if asked.axis.timeframe.unit != "tick":
        _keep_one_each(answer, asked)
    return answer


def _positions(asked: Asked, form: Form, times: pl.Series) -> np.ndarray[Any, Any]:
    """Give where rows stand; see that a midnight is the date that begins then where it is one."""
    _check_dates(asked.axis.timeframe, times)
    own = zone_of(form)
    axis = labelled(asked.axis, own)
    at = axis.positions(times)
    if own is None or not isinstance(axis, DateAxis):
        return at
    midnights, dates = midnights_of(times, own)
    others = np.flatnonzero(at[midnights] != dates)
    if len(others):
        date, taken = dates[others[0]], at[midnights[others[0]]]
        shown = own if isinstance(own, str) else f"{own / _HOUR:+g} hours from UTC"
        message = (
            f"its labels are midnights of a zone that is {shown}; the one of "
            f"{axis.describe(int(date), int(date))} would be taken for "
            f"{axis.describe(int(taken), int(taken))}: name the zone whose dates are meant, as by "
            'zone="Europe/Berlin", or a calendar'
        )
        raise LoaderError(message)
    return at


def _check_dates(frame: Timeframe, times: pl.Series) -> None:
    """See that bars of less than a day have more than a date for their time."""
    if times.dtype != pl.Date or frame.is_dates or (frame.step or 0) >= DAY:
        return
    message = (
        f'column "{times.name}" holds dates, and {frame.text} bars begin at times of day: put both '
        'into one column, as by pd.to_datetime(frame["date"].astype(str) + " " + '
        'frame["time"].astype(str)), or name the column that has both by time='
    )
    raise LoaderError(message)


def _labels(answer: Answer, asked: Asked) -> Labels:
    """Tell how bars are labelled on their days, and whether it heeds more than dates."""
    labels = labels_of(answer.form, answer.times, answer.at, asked.axis)
    if asked.told is None or not labels.spans:
        return labels
    start, end = (Written.of(asked.axis, one) for one in asked.told[-2:])
    seen = []
    for row in np.flatnonzero(answer.at == asked.told.begin):
        seen += [start] * (label_of(answer.times, int(row), asked.naive) < start.instant)
    if not end.is_date:
        for row in np.flatnonzero(answer.at == asked.told.until - DAY):
            seen += [end] * (label_of(answer.times, int(row), asked.naive) > end.instant)
    return labels._replace(by_dates=frozenset(one.has_zone for one in seen))


def _put_in_order(answer: Answer, asked: Asked) -> None:
    if len(answer.at) > 1 and (np.diff(answer.at) < 0).any():
        _take(answer, np.argsort(answer.at, kind="stable"))
        answer.notes.append(f"{asked} gave rows that are not in the order of time: they are sorted")


def _clip(answer: Answer, asked: Asked) -> None:
    inside = (answer.at >= asked.first) & (answer.at < asked.stop)
    if inside.all():
        return
    down, up = asked.precision
    first, stop = (asked.first, asked.stop) if asked.told is None else asked.told[:2]
    begin = first // down * down
    end = stop if asked.is_exact else stop + -stop % up + 1
    if _is_before_end(answer, asked, stop):
        end += 1
    elif asked.is_exact and asked.closed == "left" and (answer.at == stop).any():
        message = (
            f"{asked} gave a row at the end of the range, which is excluded: if its ends are "
            'inclusive, say loader_closed="both" (the rows before that end are kept)'
        )
        answer.fault = LoaderError(message)
    outside = answer.at[((answer.at < begin) | (answer.at >= end)) & ~_are_told(answer, asked)]
    if len(outside):
        where = asked.axis.describe(int(outside[0]), asked.axis.next(int(outside[-1])))
        answer.notes.append(
            f"{asked} gave {len(outside)} rows outside of that, in {where}: they are left out; see "
            "that it heeds start and end, and in which zone its times are"
        )
    _take(answer, np.flatnonzero(inside))


def _is_before_end(answer: Answer, asked: Asked, stop: int) -> bool:
    """Tell whether the day at the end has a label that comes before the end that was told."""
    rows = np.flatnonzero(answer.at == stop)
    if not len(rows) or asked.told is None or not isinstance(asked.axis, DateAxis):
        return False
    if answer.times.dtype == pl.Date:
        return False
    end = Written.of(asked.axis, asked.told.end).instant
    return label_of(answer.times, int(rows[-1]), asked.naive) < end


def _are_told(answer: Answer, asked: Asked) -> Mask:
    """Tell which days next to those that were asked for have labels between the ends all the same.

    The ends are midnights of the caller's, and not theirs.
    """
    told = np.zeros(len(answer.at), dtype=bool)
    if asked.told is None or not isinstance(asked.axis, DateAxis):
        return told
    start, end = (Written.of(asked.axis, one).instant for one in asked.told[-2:])
    near = (answer.at >= asked.told.begin - DAY) & (answer.at <= asked.told.until)
    for row in np.flatnonzero(near & ((answer.at < asked.first) | (answer.at >= asked.stop))):
        told[row] = start <= label_of(answer.times, int(row), asked.naive) <= end
    return told


def _keep_one_each(answer: Answer, asked: Asked) -> None:
    """Keep the last row of each time; rows of one time that differ are counted."""
    if len(answer.at) < 2 or (np.diff(answer.at) > 0).all():  # noqa: PLR2004
        return
    last = np.append(np.diff(answer.at) > 0, True)
    doubled = np.flatnonzero(~last)
    differ = doubled[_differs(answer.table[doubled], answer.table[doubled + 1])].tolist()
    if differ:
        answer.conflicts = len(differ)
        if len(differ) > _FEW and 2 * int(last.sum()) < len(last):
            raise _not_one_each(answer, asked, len(last), int(last.sum()))
        times = ", ".join(
            asked.axis.describe(int(answer.at[one]), int(answer.at[one]) + 1).split(" ")[0]
            for one in differ[:_FEW]
        )
        answer.notes.append(
            f"{asked} gave {len(differ)} times with rows that differ ({times}): the last counts"
        )
    _take(answer, np.flatnonzero(last))


def _differs(left: pl.DataFrame, right: pl.DataFrame) -> Mask:
    """Tell which rows of two tables differ; NaN is equal to NaN."""
    differs = np.zeros(left.height, dtype=bool)
    for name in left.columns:
        differs |= left[name].ne_missing(right[name]).to_numpy()
    return differs


def _not_one_each(answer: Answer, asked: Asked, rows: int, times: int) -> LoaderError:
    """Say that rows are no bars of one series: of most times there are several that differ."""
    message = (
        f'{asked} gave {rows} rows of no more than {times} times by its "{answer.form.time}", and '
        "rows of one time differ: a bar is one row. Leave other symbols and shorter bars out in "
        "the loader, and put a date and a time of day into one column"
    )
    return LoaderError(message)


def _take(answer: Answer, rows: np.ndarray[Any, Any]) -> None:
    answer.table = answer.table[rows]
    answer.at = answer.at[rows]
