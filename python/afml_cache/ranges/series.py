"""One series: what is known of it on disk and in memory, and how it grows."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from afml_cache._native import Series as NativeSeries
from afml_cache.exceptions import CacheCorruptError, CacheStoreError, LoaderError, SchemaError, warn
from afml_cache.ranges.adopting import adopt
from afml_cache.ranges.form_text import bound, read_form, written_form
from afml_cache.ranges.forms import restore, zone_of
from afml_cache.ranges.intervals import joined
from afml_cache.ranges.places import anchor_of, anchored, begun, between, labelled
from afml_cache.ranges.provisional import check_gives_way, in_form, is_provisional, merged
from afml_cache.ranges.reservations import Reservations
from afml_cache.ranges.restatements import Restatements
from afml_cache.ranges.states import EVER, SECOND, Piece
from afml_cache.ranges.storing import Segments
from afml_cache.ranges.windows import Windows, together

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from afml_cache._native import Store
    from afml_cache.ranges.axes import Axis, Request
    from afml_cache.ranges.forming import Tail
    from afml_cache.ranges.forms import Form
    from afml_cache.ranges.intervals import Interval
    from afml_cache.ranges.labels import Labels
    from afml_cache.ranges.windows import Window

_log = logging.getLogger("afml_cache.ranges")

# How long what failed is left alone by a prefetch, and what is due by all requests.
_MOMENT = 60 * SECOND


class Hot(NamedTuple):
    """An interval that is answered without asking anybody, as long as its mark stands."""

    first: int
    stop: int
    until: int
    mark: int
    window: Window
    listed: Interval
    """Between which positions there could be bars."""


class Series:
    """The bars of one key."""

    def __init__(
        self, store: Store, cache: str, values: dict[str, Any], key: str, axis: Axis
    ) -> None:
        self.cache = cache
        self.values = values
        """The parts of the key as a caller wrote them, if one did; else as they are stored."""
        self.is_named = False
        """Whether the loader may be called with them: they are not what they are stored as."""
        self.text = key
        self.axis = axis
        self.name = f"{cache} {' '.join(map(str, values.values()))}"
        self.native = NativeSeries(store, cache, key, "-".join(map(str, values.values())))
        self.windows = Windows()
        self.reservations = Reservations(self.native, str(store.path))
        self.lock = threading.RLock()
        self.form: Form | None = None
        self.hot: Hot | None = None
        self.tail: Tail | None = None
        self.failed: dict[Interval, tuple[int, str]] = {}
        self.rests: int | None = None
        """Since when no more intervals without bars are asked for again."""
        self.appended = 0
        self.collected = -math.inf
        """When files that were replaced were looked for, by the clock that never goes back."""
        self.mark: int | None = None
        """What was counted of changes when it was last seen what they are."""
        self.is_changed = False
        """Whether others have changed what was known, since that was looked at last."""
        self.restated = Restatements()
        self.anchor: int | None = 0
        self.day_labels: Labels | None = None
        """At what times of their days bars are labelled, if any has shown it."""
        self._anchor_known = False
        self._bound: type | None = None
        self._revision: int | None = None
        self._segments = Segments(self.native, cache, key, self.name)
        self._told: set[str] = set()

    def __repr__(self) -> str:
        return f"Series({self.name!r})"

    def positions(self, table: pl.DataFrame) -> np.ndarray[Any, Any]:
        """Give where each row stands on the axis.

        Raises
        ------
        LoaderError
            What is stored has times that this cache refuses: another one of its name stored them.
        """
        import numpy as np

        if self.form is None or self.form.time is None or not table.height:
            return np.empty(0, np.int64)
        try:
            return self.axis.positions(table[self.form.time])
        except ValueError as error:
            message = f"the bars of {self.name} that are stored can't be used: {error}"
            raise LoaderError(message) from error

    def sync(self, *, writes: bool = True) -> None:
        """See what other processes have changed."""
        mark = self.native.mark()
        try:
            revision = self.native.sync()
            if writes and adopt(self.native, self.reservations, self.cache, self.text, revision):
                _log.warning("the catalog of %s was lost: its segments were taken in", self.name)
                revision = self.native.sync()
        except CacheStoreError as error:
            message = f"the bars of {self.name} that are stored can't be looked up: {error}"
            self._warn_once("CacheReadWarning", message)
        else:
            self.mark = mark
            if revision == self._revision:
                return
            self._revision = revision
        self._read_form()
        self.is_changed |= self._drop_changed()

    def catch_up(self, *, writes: bool) -> None:
        """See what other processes have changed, if they have changed anything."""
        if self.mark is None or self.mark != self.native.mark():
            self.sync(writes=writes)

    def _warn_once(self, category: str, message: str) -> None:
        """Warn of what goes wrong each time."""
        if category not in self._told:
            self._told.add(category)
            warn(category, message)

    def _read_form(self) -> None:
        stored = self.native.form()
        if stored is None:
            return
        text, is_ours = stored
        try:
            told = read_form(text)
        except (CacheCorruptError, LookupError, TypeError, ValueError) as error:
            self._shun_all(error)
            return
        if not told.guessed:
            self.anchor, self._anchor_known = told.anchor, True
        self.axis, form = labelled(anchored(self.axis, self.anchor), told.labels), told.form
        if self._bound is not None:
            form = form.bind(self._bound)
        elif is_ours:
            form = bound(form)
        if self._segments.has_held and self.form is not None:
            # What is in memory alone may have columns that nobody stored.
            with contextlib.suppress(SchemaError):
                form = form.merge(self.form)
        self._take_form(form)

    def _shun_all(self, error: Exception) -> None:
        """Do without segments whose form can't be told."""
        message = f"the bars of {self.name} can't be read, and are fetched again: {error}"
        self._warn_once("CacheReadWarning", message)
        for segment, *_ in self.native.segments():
            self.native.shun(segment)

    def _take_form(self, form: Form) -> bool:
        """Make values in a form from now on; says whether it is another than before."""
        old, self.form = self.form, form
        if old is not None and old.to_json() == form.to_json():
            return False
        self.hot = None
        self.windows.reform()
        if old is not None and is_provisional(old):
            self.windows.clear()
        return True

    def learn(self, form: Form, rows: pl.DataFrame) -> None:
        """Know how the values look that the loader gives, by some of its rows.

        Raises
        ------
        SchemaError
            These rows and those that are stored can't be had in one form: nothing is learned.
        """
        learned = merged(self.known_form(), form)
        self._check_form(learned)
        restore(learned, rows)
        if form.bound is not None:
            self._bound = form.bound
        self._take_form(learned)
        if rows.height:
            self.axis = labelled(self.axis, zone_of(form))
            if self.axis.timeframe.unit == "W":
                self.axis = begun(self.axis, self.positions(rows))

    def _check_form(self, form: Form) -> None:
        """See that what is stored stays the same in another form."""
        if self.form is None or self.form.schema.items() <= form.schema.items():
            return
        stored = self.with_bars()
        if stored:
            check_gives_way(self.name, self.form, form)
            in_form(form, self.read_pieces(stored))

    def known_form(self) -> Form | None:
        """Give how the values look; what a file had says nothing when its bars are gone."""
        if self.form is None or not is_provisional(self.form) or self.with_bars():
            return self.form
        return None

    @property
    def knows_begins(self) -> bool:
        """Whether any bar has shown where bars begin within their length."""
        return self._anchor_known

    def learn_anchor(self, at: np.ndarray[Any, Any]) -> bool:
        """See where bars begin; says whether that is elsewhere than it was thought."""
        step = self.axis.timeframe.step
        if self.axis.timeframe.is_dates or self.anchor is None or not step or not len(at):
            return False
        anchor = anchor_of(at, step)
        known = self._anchor_known
        self._anchor_known = True
        if anchor == self.anchor:
            return False
        self.anchor = None if known else anchor
        self.axis = anchored(self.axis, self.anchor)
        return True

    def _drop_changed(self) -> bool:
        """Let go of what is in memory and was changed by another process; say if any was."""
        self.hot = None
        changes = self.native.changes()
        for first, stop in changes:
            self.windows.cut(first, stop)
        return bool(changes)

    def pieces(self, first: int, stop: int) -> list[Piece]:
        """Tell what is known of an interval, in order."""
        return [Piece(*row) for row in self.native.pieces(first, stop)]

    def loaders_form(self) -> Form | None:
        """Give how the values look that the loader has given; a file's names are not its own."""
        return None if self.form is None or is_provisional(self.form) else self.form

    def with_bars(self) -> list[Piece]:
        """Tell of what intervals there are bars that are stored."""
        return [piece for piece in self.pieces(*EVER) if piece.segment is not None]

    def table(self, first: int, stop: int) -> pl.DataFrame:
        """Give the bars of an interval that are known; nothing where none are."""
        self.load(first, stop)
        parts = self.windows.table(first, stop)
        return self.nothing() if parts is None else parts

    def nothing(self) -> pl.DataFrame:
        """Give no bars, with their columns."""
        return pl.DataFrame() if self.form is None else self.form.empty()

    def load(self, first: int, stop: int) -> None:
        """Read into memory what is known of an interval and not there yet."""
        for begin, end in self.windows.missing(first, stop):
            covered = [(piece.first, piece.stop) for piece in self.pieces(begin, end)]
            for part in joined(covered):
                table = self._read(*part)
                self.windows.put(*part, table, self.positions(table))

    def _read(self, first: int, stop: int) -> pl.DataFrame:
        by_segment: dict[int, list[Interval]] = {}
        for piece in self.pieces(first, stop):
            if piece.segment is not None:
                by_segment.setdefault(piece.segment, []).append((piece.first, piece.stop))
        parts = []
        for segment, spans in by_segment.items():
            table = self._segment(segment, spans[0][0], spans[-1][1])
            if table is None:
                return self._read(first, stop)
            at = self.positions(table)
            for span in joined(spans):
                begin, end = at.searchsorted(span)
                parts.append((span[0], table[int(begin) : int(end)]))
        parts.sort(key=lambda part: part[0])
        return together([table for _, table in parts]) if parts else self.nothing()

    def read_pieces(self, pieces: Sequence[Piece]) -> pl.DataFrame:
        """Give the bars of some pieces: from memory where they are there, else from disk."""
        parts = []
        for first, stop, *_ in pieces:
            window = self.windows.whole(first, stop)
            known = None if window is None else window.part(first, stop).table
            parts.append(self._read(first, stop) if known is None else known)
        return together(parts)

    def labels(self, first: int, stop: int) -> np.ndarray[Any, Any]:
        """Give where the bars of an interval stand."""
        return self.positions(self.table(first, stop))

    def between(self, first: int, stop: int) -> Request:
        """Make the request of an interval, with times as bars have them."""
        time = None
        if self.form is not None and self.form.time is not None:
            time = self.form.schema[self.form.time]
        return between(self.axis, first, stop, time)

    def cool(self) -> None:
        """Let go of what is in memory and on disk as well."""
        with self.lock:
            self.hot = None
            self.windows.clear()
            self._segments.cool()

    def failed_lately(self, now: int) -> list[Interval]:
        """Tell what could not be fetched a moment ago."""
        self.failed = {gap: why for gap, why in self.failed.items() if _is_lately(why[0], now)}
        return list(self.failed)

    def rests_from_asking(self, now: int) -> bool:
        """Whether a request a moment ago asked for intervals without bars, and left some."""
        return self.rests is not None and _is_lately(self.rests, now)

    def final(self) -> list[Interval]:
        """Tell of what intervals there are bars that will not be asked for again."""
        return joined([(one.first, one.stop) for one in self.pieces(*EVER) if one.is_final])

    def _segment(self, segment: int, first: int, stop: int) -> pl.DataFrame | None:
        """Read of a segment what an interval needs; `None` where it is gone, and forgotten."""
        try:
            return self._segments.read(segment, first, stop, self.form, self.axis)
        except (CacheCorruptError, SchemaError) as error:
            self._lost(segment, error)
        except CacheStoreError as error:
            self._shun(segment, error)
        return None

    def has(self, segment: int, *, writes: bool = True) -> bool:
        """Whether a segment is still among those there are, as others have left them."""
        self.sync(writes=writes)
        return any(number == segment for number, *_ in self.native.segments())

    def _lost(self, segment: int, error: Exception) -> None:
        """Forget a segment that is gone or damaged, unless it was replaced meanwhile."""
        if not self.has(segment):
            return
        warn("CacheReadWarning", f"{error}; its bars are fetched again")
        try:
            self.native.forget(segment, True)
        except CacheStoreError:
            self.native.shun(segment)
        self.sync()

    def _shun(self, segment: int, error: Exception) -> None:
        """Do without a segment that can't be read now, and leave it alone."""
        message = f"bars of {self.name} can't be read, and are fetched again: {error}"
        self._warn_once("CacheReadWarning", message)
        self.native.shun(segment)

    def keep(
        self,
        pieces: Sequence[Piece],
        table: pl.DataFrame,
        told: dict[str, Any],
        *,
        writes: bool,
        cut: Sequence[Interval] = (),
        expected: int | None = None,
    ) -> bool:
        """Know pieces, and the bars of those that have some, from now on.

        On disk if it can be, else in this process. False where the series was changed since
        `expected`.
        """
        at = self.positions(table)
        if writes:
            try:
                stored = self.commit(pieces, (table, at), told, cut=cut, expected=expected)
            except CacheStoreError as error:
                message = (
                    f"the bars of {self.name} can't be stored, and are kept in memory: {error}"
                )
                self._warn_once("CacheWriteWarning", message)
                self._segments.hold(pieces, table)
            else:
                if not stored:
                    return False
        else:
            self._segments.hold(pieces, table)
        self._remember(pieces, table, at, cut)
        return True

    def commit(
        self,
        pieces: Sequence[Piece],
        bars: tuple[pl.DataFrame, np.ndarray[Any, Any]],
        told: dict[str, Any],
        *,
        cut: Sequence[Interval] = (),
        expected: int | None = None,
    ) -> bool:
        """Know pieces on disk, and the bars of those that are new, with where they stand.

        What is in memory stays. False where the series was changed since `expected`.

        Raises
        ------
        CacheStoreError
            That can't be written.
        """
        form, guessed = None, not self._anchor_known
        if self.form is not None:
            form = written_form(self.form, self.anchor, self.axis, guessed=guessed)
        made = self._segments.write(pieces, bars, told, form, cut=cut, expected=expected)
        return made is not None

    def _remember(
        self,
        pieces: Sequence[Piece],
        table: pl.DataFrame,
        at: np.ndarray[Any, Any],
        cut: Sequence[Interval],
    ) -> None:
        self._drop_changed()
        for first, stop in cut:
            self.windows.cut(first, stop)
        for first, stop in joined([(piece.first, piece.stop) for piece in pieces]):
            begin, end = map(int, at.searchsorted((first, stop)))
            self.windows.put(first, stop, table[begin:end], at[begin:end])


def _is_lately(since: int, now: int) -> bool:
    """Whether it was a moment ago, and not later than now by a clock that was set back."""
    return since <= now < since + _MOMENT
