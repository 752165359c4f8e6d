"""Times of several frames as of one kind: the finest unit, and one zone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.forms import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_UNITS: Final = ("s", "ms", "us", "ns")


class _Kind(NamedTuple):
    """The unit and the zone of a column of times; dates have no unit."""

    unit: str
    zone: Any


def with_like_times(answers: Mapping[Any, Any], time: str | None) -> dict[Any, Any]:
    """Give frames of pandas or polars, by symbol, whose times are in one unit and one zone.

    The unit is the finest that one of them has. The zone is UTC where theirs differ.

    Parameters
    ----------
    answers
        All of them of pandas, or all of polars.
    time
        The column of times, where the user says it.

    Raises
    ------
    CacheConfigError
        Some have times with a zone, and some without.
    """
    is_polars = all(type(one).__module__.startswith("polars") for one in answers.values())
    way: Any = _OfPolars if is_polars else _OfPandas
    frames = {symbol: way(one, time) for symbol, one in answers.items()}
    kinds = {symbol: one.kind for symbol, one in frames.items() if one.kind is not None}
    if len(set(kinds.values())) < 2 or len(kinds) < len(frames):  # noqa: PLR2004
        return dict(answers)
    like = _Kind(_finest(kinds.values()), _zone(kinds))
    return {symbol: one.of(like) for symbol, one in frames.items()}


def _finest(kinds: Iterable[_Kind]) -> str:
    return max((kind.unit for kind in kinds), key=_UNITS.index)


def _zone(kinds: Mapping[Any, _Kind]) -> Any:
    zones = {symbol: kind.zone for symbol, kind in kinds.items()}
    bare = [symbol for symbol, zone in zones.items() if zone is None]
    if bare and len(bare) < len(zones):
        other = next(symbol for symbol, zone in zones.items() if zone is not None)
        message = (
            f"the times of {bare[0]!r} have no zone, and those of {other!r} are of "
            f'{zones[other]}; have the loader give both alike, or ask for shape="dict"'
        )
        raise CacheConfigError(message)
    return next(iter(zones.values())) if len(set(map(str, zones.values()))) == 1 else "UTC"


class _OfPolars:
    """A frame of polars, and its column of times."""

    def __init__(self, frame: Any, time: str | None) -> None:
        import polars as pl

        self._frame = frame
        self._name = read(frame.head(1), time=time)[0].time
        dtype = None if self._name is None else frame.schema[self._name]
        self.kind = None
        if isinstance(dtype, pl.Datetime):
            self.kind = _Kind(dtype.time_unit, dtype.time_zone)
        elif dtype == pl.Date:
            self.kind = _Kind("s", None)

    def of(self, kind: _Kind) -> Any:
        """Give the frame with times of a kind."""
        import polars as pl

        if kind.unit == "s":
            return self._frame
        times = pl.col(self._name or "")
        if self._frame.schema[self._name] == pl.Date:
            times = times.cast(pl.Datetime(kind.unit))  # type: ignore[arg-type]
        times = times.dt.cast_time_unit(kind.unit)  # type: ignore[arg-type]
        return self._frame.with_columns(
            times if kind.zone is None else times.dt.convert_time_zone(kind.zone)
        )


class _OfPandas:
    """A frame or a series of pandas, and its index or column of times."""

    def __init__(self, frame: Any, time: str | None) -> None:
        self._frame = frame
        self._label = _label(frame, time)
        self._times = frame.index if self._label is None else frame[self._label]
        dtype = self._times.dtype
        is_time = getattr(dtype, "kind", "") == "M" and not hasattr(dtype, "pyarrow_dtype")
        unit = getattr(dtype, "unit", None) or str(dtype)[len("datetime64[") : -1]
        self.kind = _Kind(unit, getattr(dtype, "tz", None)) if is_time else None

    def of(self, kind: _Kind) -> Any:
        """Give the frame with times of a kind."""
        times = self._times if self._label is None else self._times.dt
        if kind.zone is not None:
            times = times.tz_convert(kind.zone)
            times = times if self._label is None else times.dt
        times = times.as_unit(kind.unit)
        if self._label is None:
            return self._frame.set_axis(times)
        frame = self._frame.copy(deep=False)
        frame[self._label] = times
        return frame


def _label(frame: Any, time: str | None) -> Any:
    """Tell which column of a frame of pandas has its times, `None` where its index has them."""
    if time is None and getattr(frame.index.dtype, "kind", "") == "M":
        return None
    form, _ = read(frame.iloc[:1], time=time)
    column = next((one for one in form.columns if one.inner == form.time), None)
    return None if column is None or column.role == "index" else column.label
