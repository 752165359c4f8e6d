"""The series of a cache: each is found by its key, and opened once in a process."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from afml_cache._native import current_mode, default_store, series_of
from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.arguments import apart, known_by, refuse_arguments
from afml_cache.ranges.axes import axis_of
from afml_cache.ranges.deriving import lineage, made_of
from afml_cache.ranges.forking import check_polars
from afml_cache.ranges.keys import (
    frame_of,
    key_text,
    kin_of,
    rest_of,
    rest_of_text,
    tells_values,
    values_of,
)
from afml_cache.ranges.modes import WRITING
from afml_cache.ranges.places import name_of
from afml_cache.ranges.series import Series
from afml_cache.ranges.timeframes import timeframe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from afml_cache._native import Store
    from afml_cache.ranges.axes import Axis
    from afml_cache.ranges.calendars import Sessions
    from afml_cache.ranges.deriving import Derived
    from afml_cache.ranges.timeframes import Timeframe


@dataclass(eq=False)
class SeriesOfCache:
    """Finds the series of a cache, and has those that are open."""

    cache: str
    key: tuple[str, ...]
    timeframe: str
    """The part of the key that says how long a bar is, if none is said for all."""
    common: Timeframe | None
    store: Store | None
    sessions: Sessions | None
    naive: str
    zone: str | None
    about: Mapping[str, str | None]
    """What besides key and axis sets series apart."""
    derived: Mapping[str, Derived]
    memory: int
    """Bytes of bars that are kept in memory."""
    opened: OrderedDict[str, Series] = field(default_factory=OrderedDict)
    """By the text of their keys; those that were used latest come last."""
    _known: dict[tuple[Any, ...], Series] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _process: int = field(default_factory=os.getpid)

    def read(self, key: tuple[Any, ...], named: Mapping[str, Any]) -> tuple[Series, Any, Any]:
        """Tell series, start and end from the arguments of a call."""
        count = len(self.key)
        if not named and count < len(key) <= count + 2:
            known = known_by(key[:count]) if self._process == os.getpid() else None
            series = None if known is None else self._known.get(known)
            if series is None:
                series = self.find(dict(zip(self.key, key[:count], strict=True)))
            return series, key[count], key[count + 1] if len(key) > count + 1 else None
        names = (*self.key, "start", "end")
        refuse_arguments(self.cache, names, key, named)
        given = {**dict(zip(names, key, strict=False)), **named}
        values = {name: given[name] for name in self.key}
        return self.find(values), given["start"], given.get("end")

    def written(self, key: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
        """Give the parts of the key as the caller of a request wrote them."""
        given = {**dict(zip(self.key, key, strict=False)), **named}
        return apart({name: given[name] for name in self.key})

    def of(self, key: tuple[Any, ...], named: Mapping[str, Any] | None = None) -> Series:
        """Give the series of a key without times."""
        given = {**dict(zip(self.key, key, strict=False)), **(named or {})}
        if len(key) > len(self.key) or set(given) != set(self.key):
            shown = [
                *map(repr, key),
                *(f"{name}={value!r}" for name, value in (named or {}).items()),
            ]
            message = (
                f"a series of `{self.cache}` is named by {', '.join(self.key)}; "
                f"not by {', '.join(shown) or 'nothing'}"
            )
            raise CacheConfigError(message)
        series = self.find({name: given[name] for name in self.key})
        series.sync(writes=current_mode() in WRITING)
        return series

    def each(self, key: tuple[Any, ...]) -> Iterator[Series]:
        """Give the series of a key, or all that are stored."""
        if key:
            yield self.of(key)
            return
        for text in series_of(self.store or default_store(), self.cache):
            series = self._stored(text)
            if series is not None:
                series.sync(writes=current_mode() in WRITING)
                yield series

    def find(self, values: dict[str, Any]) -> Series:
        """Give the series of a key."""
        check_polars()
        frame = self.common or timeframe(values[self.timeframe])
        axis, about = self._about(frame)
        shown = {**values, self.timeframe: frame.text} if self.common is None else values
        series = self._open(key_text(shown, axis, about), values, axis)
        if not series.is_named:
            series.values, series.is_named = apart(values), True
        known = known_by(tuple(values.values()))
        if known is not None:
            self._known[known] = series
        return series

    def source(self, series: Series) -> Series:
        """Give the series that the vendor gives of what one is made of, or that one."""
        made = self.derived.get(series.axis.timeframe.text)
        if made is None:
            return series
        return self.source(self.find({**series.values, self.timeframe: made.spelled}))

    def longer(self, series: Series) -> Iterator[Series]:
        """Give the series of this cache that are made of one of its own."""
        if self.common is not None or self.opened.get(series.text) is not series:
            return  # the key of such a cache names no others
        for text, made in self.derived.items():
            if made.child == series.axis.timeframe:
                yield self.find({**series.values, self.timeframe: text})

    def longer_of_others(
        self, series: Series, own: Sequence[Series]
    ) -> Iterator[tuple[Series, bool]]:
        """Give the other ones that are stored: made by caches that are set up otherwise.

        And whether their positions mean the same here.
        """
        store, known = self.store or default_store(), {one.text for one in own}
        kin = kin_of(series.text, self.timeframe)
        of = series.axis.timeframe.text, rest_of_text(series.text).get("derived")
        for text in series_of(store, self.cache):
            if '"derived": ' not in text or not all(part in text for part in kin):
                continue
            told = rest_of_text(text)
            if (
                text in known
                or kin_of(text, self.timeframe) != kin
                or made_of(told["derived"]) != of
            ):
                continue
            axis = axis_of(timeframe(told["timeframe"]), self.sessions, self.naive, self.zone)
            made = Series(store, self.cache, values_of(text), text, axis)
            yield made, name_of(axis) == told["axis"]

    def make_room(self, used: Series) -> None:
        """Let go of the bars in memory of those series that were used least lately."""
        with self._lock:
            self.opened.move_to_end(used.text)
            sizes = [(series, series.windows.nbytes) for series in self.opened.values()]
        taken = sum(size for _, size in sizes)
        for series, size in sizes:
            if taken <= self.memory:
                return
            series.cool()
            taken -= size

    def _stored(self, text: str) -> Series | None:
        """Give a series by its key as it is stored; `None` if it is of a cache set up otherwise."""
        values = values_of(text)
        if set(values) != set(self.key):
            return None
        axis, about = self._about(timeframe(frame_of(text)))
        if rest_of(axis, about) != rest_of_text(text):
            return None
        series = self._open(text, {name: values[name] for name in self.key}, axis)
        series.is_named = series.is_named or (self.common is not None and tells_values(text))
        return series

    def _about(self, frame: Timeframe) -> tuple[Axis, dict[str, str | None]]:
        """Give the axis of series of a timeframe, and what besides their keys counts."""
        calendar = None if self.sessions is None else self.sessions.name
        about = {**self.about, "derived": lineage(self.derived, frame, calendar)}
        return axis_of(frame, self.sessions, self.naive, self.zone), about

    def _open(self, text: str, values: dict[str, Any], axis: Axis) -> Series:
        if self._process != os.getpid():
            self._forget()
        with self._lock:
            series = self.opened.get(text)
            if series is None:
                store = self.store or default_store()
                series = Series(store, self.cache, values, text, axis)
                self.opened[text] = series
        return series

    def _forget(self) -> None:
        """Begin anew in a forked child: a lock in what the parent had may be held for ever."""
        self._lock = threading.Lock()
        self._known, self.opened = {}, OrderedDict()
        self._process = os.getpid()
