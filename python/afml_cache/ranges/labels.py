"""At what times of their days bars are labelled, which says up to where a loader is to be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from afml_cache.ranges.axes import DateAxis
from afml_cache.ranges.frame_times import instants_of
from afml_cache.ranges.moments import moment
from afml_cache.ranges.states import DAY
from afml_cache.ranges.zones import instant_of_wall, midnight

if TYPE_CHECKING:
    import numpy as np

    from afml_cache.ranges.callers import Caller
    from afml_cache.ranges.series import Series

    Instants = np.ndarray[Any, Any]

# Labels are looked for among what is stored last: those of two months tell of most.
_LAST = 60 * DAY


class Labels(NamedTuple):
    """How early and how late bars are labelled on their days.

    Attributes
    ----------
    earliest, latest
        The date and the label, in UTC, of the bar that is labelled earliest, or latest, on its day.
    goes_by_dates
        Whether a bar was given whose label is earlier than the start that the loader was told: it
        heeds the date of it, and not the time.
    """

    earliest: tuple[int, int]
    latest: tuple[int, int]
    goes_by_dates: bool = False

    def with_more(self, other: Labels | None) -> Labels:
        """Give what both say."""
        if other is None:
            return self
        return Labels(
            min(self.earliest, other.earliest, key=_offset),
            max(self.latest, other.latest, key=_offset),
            self.goes_by_dates or other.goes_by_dates,
        )


def labels_of(times: pl.Series, at: Instants, naive: str) -> Labels:
    """Tell from bars, of which there is one at least, how early and how late they are labelled."""
    if times.dtype == pl.Date:
        date = int(at[0])
        return Labels((date, date), (date, date - 2 * DAY), goes_by_dates=True)
    offsets = instants_of(times, "UTC", unique=False) - at
    low, high = int(offsets.argmin()), int(offsets.argmax())
    earliest, latest = ((int(at[row]), label_of(times, row, naive)) for row in (low, high))
    return Labels(earliest, latest)


def label_of(times: pl.Series, row: int, naive: str) -> int:
    """Give one label as an instant."""
    counted = int(instants_of(times[row : row + 1], "UTC", unique=False)[0])
    zone = getattr(times.dtype, "time_zone", None)
    return counted if zone or naive in {"UTC", "raise"} else instant_of_wall(counted, naive)


def is_late(series: Series, caller: Caller) -> bool | None:
    """Tell whether a day's label comes after the midnight that a caller writes for it.

    `None` where there is no bar yet that shows it.
    """
    labels = _known(series)
    if labels is None:
        return None
    date, instant = labels.latest
    return instant > _instant(series, caller.last(date, dates=True, inclusive=True))


def is_early(series: Series, caller: Caller, first: int) -> bool:
    """Tell whether a day's label may come before the midnight that a caller writes for it.

    What a loader is asked for from there on would lack the first of its bars. Before any bar has
    shown it, the zone that is named for the days says whether the label of `first` may.
    """
    axis = series.axis
    if not isinstance(axis, DateAxis):
        return False
    labels = _known(series)
    if labels is None:
        zone = axis.named_zone
        if zone is None or moment(caller.start, "start").until is not None:
            return False
        return midnight(first, zone) < _instant(series, caller.first(first, dates=True))
    date, instant = labels.earliest
    is_before = instant < _instant(series, caller.first(date, dates=True))
    return is_before and not labels.goes_by_dates


def _known(series: Series) -> Labels | None:
    if series.day_labels is None and series.form is not None and series.form.time is not None:
        stored = series.final()
        if stored:
            first, stop = stored[-1]
            table = series.table(max(first, stop - _LAST), stop)
            if table.height:
                times, at = table[series.form.time], series.positions(table)
                series.day_labels = labels_of(times, at, series.axis.naive)
    return series.day_labels


def _instant(series: Series, written: Any) -> int:
    naive = series.axis.naive
    return moment(written, "end").instant("UTC" if naive == "raise" else naive)


def _offset(pair: tuple[int, int]) -> int:
    return pair[1] - pair[0]
