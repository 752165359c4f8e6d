"""The frame among the arguments of a call that is cut into periods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheConfigError
from afml_cache.incremental.timelines import Timeline, has_rows_in_time, is_frame, read

if TYPE_CHECKING:
    import inspect
    from collections.abc import Iterator

__all__ = ["Given", "given"]

_Place = tuple[str, Any]
"""The name of a parameter, and which of its values, if it takes several."""


@dataclass(frozen=True, eq=False)
class Given:
    """The arguments of a call.

    Attributes
    ----------
    bound
        All of them, by parameter.
    place
        Where the frame is.
    timeline
        Its rows.
    """

    bound: inspect.BoundArguments
    place: _Place
    timeline: Timeline

    def seeing(self, first: int, end: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Give the arguments with some rows of the frame in its place."""
        name, which = self.place
        rows: Any = self.timeline.rows(first, end)
        whole = self.bound.arguments[name]
        if isinstance(whole, tuple) and which is not None:
            rows = (*whole[:which], rows, *whole[which + 1 :])
        elif which is not None:
            rows = {**whole, which: rows}
        changed = type(self.bound)(self.bound.signature, {**self.bound.arguments, name: rows})
        return changed.args, changed.kwargs


def given(name: str, bound: inspect.BoundArguments) -> Given | None:
    """Find the frame; `None` where all frames are empty.

    Raises
    ------
    CacheConfigError
        There is none with times, or its rows are not in their order.
    """
    frames = [(place, value) for place, value in _values(bound) if is_frame(value)]
    timed = [(place, value) for place, value in frames if has_rows_in_time(value)]
    if not timed:
        if frames and not any(len(value) for _, value in frames):
            return None
        message = (
            f"`{name}` is computed by periods, and none of its arguments is a frame or series of "
            "pandas with an index of instants or periods, or a frame of polars with a column of "
            "times; set_index(pandas.to_datetime(...)) gives one to a frame of pandas, and "
            "collect() makes a frame of a lazy one"
        )
        raise CacheConfigError(message)
    place, frame = timed[0]
    if not len(frame):
        return None
    return Given(bound, place, read(f"`{place[0]}` of `{name}`", frame))


def _values(bound: inspect.BoundArguments) -> Iterator[tuple[_Place, Any]]:
    """Give the arguments in the order of the parameters."""
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is kind.VAR_POSITIONAL:
            yield from (((name, place), part) for place, part in enumerate(value))
        elif kind is kind.VAR_KEYWORD:
            yield from (((name, key), part) for key, part in value.items())
        else:
            yield (name, None), value
