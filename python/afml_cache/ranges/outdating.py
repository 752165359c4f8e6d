"""Longer bars that are forgotten because those that they were made of change."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from afml_cache.exceptions import CacheStoreError, LoaderError, warn
from afml_cache.ranges.axes import DateAxis
from afml_cache.ranges.deriving import around
from afml_cache.ranges.intervals import common, joined
from afml_cache.ranges.rewriting import drop
from afml_cache.ranges.states import CALENDAR, DAY, EVER, VOLATILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from afml_cache.ranges.axes import Axis
    from afml_cache.ranges.intervals import Interval
    from afml_cache.ranges.series import Series
    from afml_cache.ranges.series_of_cache import SeriesOfCache

_log = logging.getLogger("afml_cache.ranges")

# How far from its instants the session date may lie that a calendar gives a bar.
_FAR: Final = 7 * DAY


@dataclass(frozen=True)
class Longer:
    """The bars that are made of those of a series, and of those in turn."""

    cache: SeriesOfCache
    series: Series

    @contextlib.contextmanager
    def outdated(
        self, changed: Sequence[Interval], filled: Sequence[Interval] = ()
    ) -> Iterator[None]:
        """Forget what was made of some intervals before those change, and when they have.

        Who is killed in between leaves nothing that is made of bars that are no more; and what
        another makes meanwhile is made of them.

        Parameters
        ----------
        changed
            Where bars that are stored may become others: all that was made of them is forgotten,
            of caches of the name that are set up otherwise, too. All of them are meant by `EVER`.
        filled
            Where bars come that were not there: what is taken for final around them is forgotten.
        """
        self._forget(changed, filled)
        yield
        self._forget(changed, filled)

    def _forget(self, changed: Sequence[Interval], filled: Sequence[Interval]) -> None:
        for span in changed:
            self._forget_all(self.series, span)
        for span in filled:
            self._forget_final(self.series, span)

    def _forget_all(self, series: Series, span: Interval) -> None:
        own = list(self.cache.longer(series))
        for made in own:
            self._forget_made(made, span if span == EVER else around(made.axis, *span))
        for made, is_alike in self._of_others(series, own):
            is_told = is_alike and span != EVER
            self._forget_made(made, _widened(made.axis, *span) if is_told else EVER)

    def _of_others(self, series: Series, own: Sequence[Series]) -> list[tuple[Series, bool]]:
        try:
            return list(self.cache.longer_of_others(series, own))
        except CacheStoreError as error:
            # It comes with what is stored itself, or fails with it, which is warned of.
            what = "%s: what other caches made of its bars can't be looked up: %s"
            _log.warning(what, series.name, error)
            return []

    def _forget_made(self, made: Series, span: Interval) -> None:
        if span[0] >= span[1]:
            return
        made.sync()
        if made.tail is not None or made.pieces(*span):
            _drop(made, span)
        self._forget_all(made, span)

    def _forget_final(self, series: Series, span: Interval) -> None:
        for made in self.cache.longer(series):
            bars = around(made.axis, *span)
            if bars[0] >= bars[1]:
                continue
            made.catch_up(writes=True)
            # What may still change is made again by its own clock.
            final = [
                (one.first, one.stop)
                for one in made.pieces(*bars)
                if one.state != VOLATILE and one.reason != CALENDAR
            ]
            for part in common(joined(final), [bars]):
                _drop(made, part)
            self._forget_final(made, bars)


def _drop(made: Series, span: Interval) -> None:
    try:
        drop(made, *span)
    except (CacheStoreError, LoaderError) as error:
        message = (
            f"bars of {made.name} were made of some that are changed, and can't be forgotten; "
            f"refresh them: {error}"
        )
        warn("CacheWriteWarning", message)


def _widened(axis: Axis, first: int, stop: int) -> Interval:
    """Give all bars that may have a part in an interval of shorter ones by any calendar."""
    if isinstance(axis, DateAxis):
        return axis.floor(first // DAY * DAY - _FAR), axis.ceil(stop // DAY * DAY + _FAR)
    return first - (axis.timeframe.step or 1), stop
