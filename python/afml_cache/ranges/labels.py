"""At what times of their days bars are labelled, which says up to where a loader is to be asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from afml_cache.ranges.axes import DateAxis
from afml_cache.ranges.forms import zone_of
from afml_cache.ranges.frame_times import instants_of, walls_of
from afml_cache.ranges.moments import moment
from afml_cache.ranges.states import DAY
from afml_cache.ranges.zones import instant_of_wall, midnight

if TYPE_CHECKING:
    import numpy as np

    from afml_cache.ranges.axes import Axis
    from afml_cache.ranges.forms import Form
    from afml_cache.ranges.series import Series

    Instants = np.ndarray[Any, Any]

# Labels are looked for among what is stored last: those of two months tell of most.
_LAST = 60 * DAY
_UTC = frozenset({"UTC", "Etc/UTC", "GMT"})


class Span(NamedTuple):
    """How far labels are from the midnights of their dates, on the clocks of a zone."""

    zone: str
    earliest: int
    latest: int


class Labels(NamedTuple):
    """How early and how late bars are labelled on their days.

    Attributes
    ----------
    spans
        By the clocks of each zone that labels may go by: their own, and where that is UTC or an
        offset, the one that is named for the days. None for labels that are dates.
    by_dates
        Whether times are written with a zone of which the loader has been seen to heed the date,
        and not the time: it gave a bar whose label is earlier than the start, or later than the
        end.
    """

    spans: tuple[Span, ...]
    by_dates: frozenset[bool] = frozenset()

    def with_more(self, other: Labels | None) -> Labels:
        """Give what both say."""
        if other is None:
            return self
        spans = {span.zone: span for span in other.spans}
        for zone, earliest, latest in self.spans:
            known = spans.get(zone, Span(zone, earliest, latest))
            spans[zone] = Span(zone, min(earliest, known.earliest), max(latest, known.latest))
        return Labels(tuple(spans.values()), self.by_dates | other.by_dates)

    def begin(self, date: int) -> int:
        """Give the first instant that may be the label of a date, of which there is one."""
        return min(instant_of_wall(date + one.earliest, one.zone) for one in self._likely)

    def end(self, date: int) -> int:
        """Give the last instant that may be the label of a date, of which there is one."""
        return max(instant_of_wall(date + one.latest, one.zone) for one in self._likely)

    @property
    def _likely(self) -> tuple[Span, ...]:
        """The zones on whose clocks all labels show midnight, or else one time, or else all."""
        steady = tuple(span for span in self.spans if span.earliest == span.latest)
        return tuple(span for span in steady if not span.latest) or steady or self.spans


class Written(NamedTuple):
    """A start or an end as a loader is told it."""

    instant: int
    has_zone: bool
    is_date: bool

    @classmethod
    def of(cls, axis: Axis, value: Any) -> Written:
        """Read it."""
        found = moment(value, "end")
        naive = "UTC" if axis.naive == "raise" else axis.naive
        return cls(found.instant(naive), found.offset is not None, found.until is not None)


def labels_of(form: Form, times: pl.Series, at: Instants, axis: Axis) -> Labels:
    """Tell from bars, of which there is one at least, how early and how late they are labelled."""
    if times.dtype == pl.Date:
        return Labels(())
    spans = []
    for zone in _zones(form, axis):
        offsets = walls_of(times, zone) - at
        spans.append(Span(zone, int(offsets.min()), int(offsets.max())))
    return Labels(tuple(spans))


def _zones(form: Form, axis: Axis) -> list[str]:
    """Name the zones by whose clocks labels may go."""
    own = zone_of(form)
    if own is None:
        return ["UTC" if axis.naive == "raise" else axis.naive]
    if isinstance(own, str) and own not in _UTC:
        return [own]
    named = axis.named_zone if isinstance(axis, DateAxis) else None
    return ["UTC"] if named is None or named in _UTC else ["UTC", named]


def label_of(times: pl.Series, row: int, naive: str) -> int:
    """Give one label as an instant."""
    counted = int(instants_of(times[row : row + 1], "UTC", unique=False)[0])
    zone = getattr(times.dtype, "time_zone", None)
    return counted if zone or naive in {"UTC", "raise"} else instant_of_wall(counted, naive)


def is_early(series: Series, first: int, start: Any) -> bool:
    """Tell whether the label of a date may come before the start that a loader is told.

    Before any bar has shown it, the zone that is named for the days says whether it may.
    """
    told, labels = Written.of(series.axis, start), _known(series)
    if labels is not None:
        heeds = told.has_zone not in labels.by_dates
        return bool(labels.spans) and heeds and labels.begin(first) < told.instant
    zone = named_zone(series)
    return zone is not None and not told.is_date and midnight(first, zone) < told.instant


def is_late(series: Series, last: int, end: Any, *, inclusive: bool) -> bool | None:
    """Tell whether the label of a date may come after the end that a loader is told.

    `None` where there is no bar yet that shows it.
    """
    told, labels = Written.of(series.axis, end), _known(series)
    if labels is None:
        return None
    if not labels.spans or told.has_zone in labels.by_dates or (told.is_date and inclusive):
        return False
    return labels.end(last) >= told.instant + inclusive


def named_zone(series: Series) -> str | None:
    """Give the zone that is named for the days, if one is."""
    return series.axis.named_zone if isinstance(series.axis, DateAxis) else None


def _known(series: Series) -> Labels | None:
    if series.day_labels is None and series.form is not None and series.form.time is not None:
        stored = series.final()
        if stored:
            first, stop = stored[-1]
            table = series.table(max(first, stop - _LAST), stop)
            if table.height:
                times, at = table[series.form.time], series.positions(table)
                series.day_labels = labels_of(series.form, times, at, series.axis)
    return series.day_labels
