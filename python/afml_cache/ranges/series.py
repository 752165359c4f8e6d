"""One series: what is known of it on disk and in memory, and how it grows."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import logging
import math
import operator
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from afml_cache._native import Series as NativeSeries
from afml_cache.exceptions import CacheCorruptError, CacheStoreError, SchemaError, warn
from afml_cache.ranges import zones
from afml_cache.ranges.adopting import adopt
from afml_cache.ranges.axes import DateAxis
from afml_cache.ranges.forms import Form, restore, zone_of
from afml_cache.ranges.importing import follows, in_form, is_provisional
from afml_cache.ranges.intervals import common, joined, without
from afml_cache.ranges.places import anchor_of, anchored, between, labelled, within
from afml_cache.ranges.reservations import Reservations
from afml_cache.ranges.segments import ROWS, about, made_of, packed, unpacked
from afml_cache.ranges.states import DAY, EVER, NEW, Piece
from afml_cache.ranges.windows import Windows, together

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from afml_cache._native import Store
    from afml_cache.ranges.axes import Axis, Request
    from afml_cache.ranges.intervals import Interval
    from afml_cache.ranges.windows import Window

_log = logging.getLogger("afml_cache.ranges")


class Hot(NamedTuple):
    """An interval that is answered without asking anybody, as long as its mark stands."""

    first: int
    stop: int
    until: int
    mark: int
    window: Window


class Tail(NamedTuple):
    """Bars that are still forming: in memory alone, and for a while."""

    first: int
    stop: int
    until: int
    table: pl.DataFrame


class Series:
    """The bars of one key."""

    def __init__(
        self, store: Store, cache: str, values: dict[str, Any], key: str, axis: Axis
    ) -> None:
        self.cache = cache
        self.values = values
        self.text = key
        self.axis = axis
        self.name = f"{cache} {' '.join(map(str, values.values()))}"
        self.native = NativeSeries(store, cache, key, "-".join(map(str, values.values())))
        self.windows = Windows()
        self.reservations = Reservations(self.native)
        self.lock = threading.RLock()
        self.form: Form | None = None
        self.hot: Hot | None = None
        self.tail: Tail | None = None
        self.failed: dict[Interval, tuple[int, str]] = {}
        self.appended = 0
        self.collected = -math.inf
        """When files that were replaced were looked for, by the clock that never goes back."""
        self.mark: int | None = None
        """What was counted of changes when it was last seen what they are."""
        self.restated: deque[tuple[int, int, int]] = deque(maxlen=10_000)
        self.anchor: int | None = 0
        self._anchor_known = False
        self._bound: type | None = None
        self._revision: int | None = None
        self._unsaved: dict[int, pl.DataFrame] = {}
        self._reads: dict[int, int] = {}
        self._told: set[str] = set()

    def __repr__(self) -> str:
        return f"Series({self.name!r})"

    def positions(self, table: pl.DataFrame) -> np.ndarray[Any, Any]:
        """Give where each row stands on the axis."""
        import numpy as np

        if self.form is None or self.form.time is None or not table.height:
            return np.empty(0, np.int64)
        return self.axis.positions(table[self.form.time])

    def sync(self, *, writes: bool = True) -> None:
        """See what other processes have changed."""
        mark = self.native.mark()
        try:
            revision = self.native.sync()
            if writes and self._adopt(revision):
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
        self._drop_changed()

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
            told = json.loads(text)
            form = Form.from_json(json.dumps(told["form"]))
            anchor, labels = told["anchor"], told.get("labels")
            if labels is not None:
                zones.zone_of(labels, "labels")
        except (CacheCorruptError, LookupError, TypeError, ValueError) as error:
            self._shun_all(error)
            return
        self.anchor, self._anchor_known = anchor, True
        self.axis = labelled(anchored(self.axis, self.anchor), labels)
        if self._bound is not None:
            form = form.bind(self._bound)
        elif is_ours:
            form = bound(form)
        if self._unsaved and self.form is not None:
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
        merged = self._merged(form)
        self._check_form(merged)
        restore(merged, rows)
        if form.bound is not None:
            self._bound = form.bound
        self._take_form(merged)
        if rows.height:
            self.axis = labelled(self.axis, zone_of(form))

    def _merged(self, form: Form) -> Form:
        if self.form is None or self.form.says_nothing:
            return form
        if is_provisional(self.form) and not is_provisional(form) and not form.says_nothing:
            return follows(form, self.form)
        return self.form.merge(form)

    def _check_form(self, form: Form) -> None:
        """See that what is stored stays the same in another form."""
        if self.form is None or self.form.schema.items() <= form.schema.items():
            return
        stored = [piece for piece in self.pieces(*EVER) if piece.segment is not None]
        if stored:
            in_form(form, self.read_pieces(stored))

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

    def _written_form(self) -> tuple[str, bool] | None:
        """Give how values look, as it is stored, and whether we vouch for it."""
        if self.form is None:
            return None
        told = {"form": json.loads(self.form.to_json()), "anchor": self.anchor}
        if isinstance(self.axis, DateAxis) and self.axis.labels is not None:
            told["labels"] = self.axis.labels
        # A class that only the disk names is never sealed: whoever reads the seal imports it.
        return json.dumps(told), self.form.kind != "objects" or self.form.bound is not None

    def _drop_changed(self) -> None:
        """Let go of what is in memory and was changed by another process."""
        self.hot = None
        for first, stop in self.native.changes():
            self.windows.cut(first, stop)

    def pieces(self, first: int, stop: int) -> list[Piece]:
        """Tell what is known of an interval, in order."""
        return [Piece(*row) for row in self.native.pieces(first, stop)]

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

    def forming(
        self, first: int, stop: int, opened: int, failed: Sequence[Interval]
    ) -> pl.DataFrame:
        """Give the bars of an interval that were still forming, labelled from `opened` on.

        Those are left out that could not be fetched again.
        """
        tail = self.tail
        first = first if tail is None else max(first, tail.first, opened)
        if tail is None or not tail.table.height or first >= stop:
            return self.nothing()
        closed = [(piece.first, piece.stop) for piece in self.pieces(first, stop)]
        at = self.positions(tail.table)
        parts = without([(first, stop)], joined([*closed, *failed]))
        rows = [tail.table[slice(*map(int, at.searchsorted(part)))] for part in parts]
        return together(rows) if rows else self.nothing()

    def cool(self) -> None:
        """Let go of what is in memory and on disk as well."""
        with self.lock:
            self.hot = None
            self.windows.clear()
            self._reads.clear()

    def failed_lately(self, now: int) -> list[Interval]:
        """Tell what could not be fetched a moment ago."""
        self.failed = {gap: why for gap, why in self.failed.items() if now < why[0]}
        return list(self.failed)

    def final(self) -> list[Interval]:
        """Tell of what intervals there are bars that will not be asked for again."""
        return joined([(one.first, one.stop) for one in self.pieces(*EVER) if one.is_final])

    def seams(self, gaps: Sequence[Interval], sessions: int, *, each: bool) -> list[Interval]:
        """Give what is fetched again with gaps: the last sessions, where newer bars come.

        With `each`, a session that is stored is fetched again wherever bars come.
        """
        spans = self.final()
        if not spans or common(gaps, spans):
            return []
        if spans[-1][1] <= gaps[-1][0]:
            return common([self._last(spans[-1], sessions)], spans)
        if not each:
            return []
        before, after = min(
            ((span, gap) for span in spans for gap in gaps),
            key=lambda pair: max(pair[1][0] - pair[0][1], pair[0][0] - pair[1][1]),
        )
        return [self._last(before, 1) if before[1] <= after[0] else self._first(before)]

    def _last(self, span: Interval, sessions: int) -> Interval:
        """Give the last sessions of what is stored."""
        first, stop = span
        at = self.labels(max(first, stop - (10 + 2 * sessions) * DAY), stop)
        at = at if len(at) else self.labels(first, stop)
        days = sorted(set((at // DAY).tolist()))[-sessions:]
        begin = at[at // DAY >= days[0]][0] if days else first
        return max(self.axis.floor(int(begin)), first), stop

    def _first(self, span: Interval) -> Interval:
        """Give the first session of what is stored."""
        first, stop = span
        at = self.labels(first, min(stop, first + 12 * DAY))
        at = at if len(at) else self.labels(first, stop)
        last = at[at // DAY == at[0] // DAY][-1] if len(at) else stop - 1
        return first, min(self.axis.next(int(last)), stop)

    def drop(self, first: int, stop: int) -> None:
        """Forget an interval; what a segment has of it is taken out of the segment too.

        Raises
        ------
        CacheStoreError
            That can't be written.
        """
        made = None
        while made is None:
            expected = self.native.sync()
            self.sync()
            met = [one for one in self.pieces(first, stop) if one.segment is not None]
            touched = {one.segment for one in met}
            rest = [
                part
                for one in self.pieces(*EVER)
                if one.segment in touched
                for part in _outside(one, first, stop)
            ]
            table = self.read_pieces(rest) if rest else self.nothing()
            moved = [one._replace(segment=NEW) for one in rest]
            told = {**made_of(self.native, touched), "rows": table.height}
            bars = table, self.positions(table)
            made = self._commit(moved, bars, told, [(first, stop)], expected)
        self.windows.cut(first, stop)
        self.hot = self.tail = None
        self.sync()

    def check(self, segment: int) -> None:
        """Read a segment whole."""
        unpacked(self.native.read(segment))

    def move(
        self, pieces: Sequence[Piece], table: pl.DataFrame, told: dict[str, Any], expected: int
    ) -> bool:
        """Have pieces lie in another segment; their bars stay the same, and what is in memory."""
        made = self._commit(pieces, (table, self.positions(table)), told, expected=expected)
        self.hot = None
        return made is not None

    def _segment(self, segment: int, first: int, stop: int) -> pl.DataFrame | None:
        """Read of a segment what an interval needs; `None` where it is gone, and forgotten."""
        if segment in self._unsaved:
            return self._unsaved[segment]
        try:
            return self._read_segment(segment, first, stop)
        except (CacheCorruptError, SchemaError) as error:
            self._lost(segment, error)
        except CacheStoreError as error:
            self._shun(segment, error)
        return None

    def _read_segment(self, segment: int, first: int, stop: int) -> pl.DataFrame:
        content = self.native.read(segment)
        form = self.form
        self._reads[segment] = self._reads.get(segment, 0) + 1
        if self._reads[segment] > 1:
            return self._whole(content)
        told = about(content)
        if told is None or (told.get("cache"), told.get("key")) != (self.cache, self.text):
            message = f"a segment in the folder of {self.name} is none of its own"
            raise CacheCorruptError(message)
        if form is None or form.time is None or "imported" in form.details:
            return self._whole(content)
        inside = within(self.axis, form.time, form.schema[form.time], first, stop)
        return restore(form, unpacked(content, inside))

    def _whole(self, content: bytes) -> pl.DataFrame:
        table = unpacked(content)
        return table if self.form is None else in_form(self.form, table)

    def _lost(self, segment: int, error: Exception) -> None:
        """Forget a segment that is gone or damaged, unless it was replaced meanwhile."""
        self.sync()
        if all(number != segment for number, *_ in self.native.segments()):
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
                made = self._commit(pieces, (table, at), told, cut, expected)
            except CacheStoreError as error:
                message = (
                    f"the bars of {self.name} can't be stored, and are kept in memory: {error}"
                )
                self._warn_once("CacheWriteWarning", message)
                self._hold(pieces, table)
            else:
                if made is None:
                    return False
        else:
            self._hold(pieces, table)
        self._remember(pieces, table, at, cut)
        return True

    def _commit(
        self,
        pieces: Sequence[Piece],
        bars: tuple[pl.DataFrame, np.ndarray[Any, Any]],
        told: dict[str, Any],
        cut: Sequence[Interval] = (),
        expected: int | None = None,
    ) -> list[int] | None:
        table, at = bars
        form = self._written_form()
        whose = {"cache": self.cache, "key": self.text, **told}
        if form is not None:
            whose |= {"form": form[0], "seal": self.native.seal(form[0]) if form[1] else None}
        files, rows = [], []
        edges = [(piece.first, piece.stop) for piece in pieces if piece.segment == NEW]
        parts = self._parts(edges, at)
        for place, (first, stop) in enumerate(parts):
            begin, end = map(int, at.searchsorted((first, stop)))
            mine = [
                piece.within(first, stop)._replace(segment=NEW - place)
                for piece in pieces
                if piece.segment == NEW and piece.first < stop and first < piece.stop
            ]
            rows += mine
            length = sum(piece.stop - piece.first for piece in mine)
            about_it = {**whose, "length": length, "pieces": [list(piece) for piece in mine]}
            content = packed(table[begin:end], about_it)
            shown = json.dumps({**told, "length": length})
            files.append((content, first, stop, end - begin, shown))
        rows += [piece for piece in pieces if piece.segment != NEW]
        stored = self.native.form()
        if form is not None and stored is not None and stored[0] == form[0]:
            form = None
        return self.native.commit(
            rows, files=files, cut=list(cut), form=form, expected=expected, adopts=True
        )

    def _parts(self, edges: Sequence[Interval], at: np.ndarray[Any, Any]) -> list[Interval]:
        """Cut what is to be written into segments that are not too long."""
        if not edges:
            return []
        first, stop = edges[0][0], max(end for _, end in edges)
        cuts = [int(at[place]) for place in range(ROWS, len(at), ROWS)]
        # Ticks of one instant stay together.
        bounds = sorted({first, *cuts, stop})
        return list(itertools.pairwise(bounds))

    def _hold(self, pieces: Sequence[Piece], table: pl.DataFrame) -> None:
        number = -(2**40) - len(self._unsaved)
        self._unsaved[number] = table
        for piece in pieces:
            segment = number if piece.segment == NEW else piece.segment
            self.native.hold(piece._replace(segment=segment))

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

    def _adopt(self, revision: int) -> int:
        """Take in what lies there although the catalog was lost; give how many segments.

        While another process fetches, it may have written what it is about to enter.
        """
        strays = self.native.strays()
        if strays is None or not strays[0] or self.reservations.lock() is None:
            return 0
        try:
            return adopt(self.native, self.cache, self.text, revision)
        finally:
            self.reservations.unlock()


def bound(form: Form) -> Form:
    """Give a form with the class of its objects, for which its seal vouches."""
    if form.kind != "objects" or form.bound is not None:
        return form
    module, name = form.details["class"][:2]
    try:
        found = operator.attrgetter(name)(importlib.import_module(module))
    except (ImportError, AttributeError):
        return form
    return form.bind(found) if isinstance(found, type) else form


def _outside(piece: Piece, first: int, stop: int) -> list[Piece]:
    """Give what of a piece lies outside of an interval."""
    rest = without([(piece.first, piece.stop)], [(first, stop)])
    return [piece.within(*part) for part in rest]
