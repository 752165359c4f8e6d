"""Frames as a walk sees them: the labels of their rows, and how rows are cut out."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheConfigError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from afml_cache.runs.rows import Rows


class Table(ABC):
    """A frame whose rows are in the order of their labels.

    Attributes
    ----------
    where
        How a message names it.
    frame
        The frame.
    values
        One value a row that orders them: nanoseconds since 1970-01-01 UTC where labels are times,
        else the labels.
    is_time
        Whether labels are times.
    aware
        Whether they have a zone; `None` where that means nothing.
    """

    values: npt.NDArray[Any]
    is_time: bool
    aware: bool | None

    def __init__(self, where: str, frame: Any) -> None:
        self.where = where
        self.frame = frame

    @abstractmethod
    def cut(self, rows: Rows) -> Any:
        """Give some rows: a view where they are neighbours, else a copy."""

    @abstractmethod
    def label(self, row: int) -> Any:
        """Give the label of a row; aware and in UTC where it is an instant."""

    @abstractmethod
    def ends(self, t1: Any) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
        """Give when each row's label ends, comparable with `values`, and where that is missing."""

    def check(self) -> None:
        """Refuse a frame without rows, or out of order."""
        if not len(self.values):
            message = f"{self.where} has no rows"
            raise CacheConfigError(message)
        late = self.values[1:] < self.values[:-1]
        if late.any():
            row = int(late.argmax()) + 1
            message = (
                f"{self.where} is not in the order of its labels: {self.label(row)} (row {row}) "
                f"comes after {self.label(row - 1)}; sort it first"
            )
            raise CacheConfigError(message)

    def check_ends(self, ends: npt.NDArray[Any], missing: npt.NDArray[np.bool_]) -> None:
        """Refuse labels that end before they begin."""
        early = (ends < self.values) & ~missing
        if early.any():
            row = int(early.argmax())
            message = (
                f"`t1` has the label of {self.label(row)} (row {row} of {self.where}) end before "
                "it begins: its values are to be the ends of the labels, not lengths or other times"
            )
            raise CacheConfigError(message)

    def refuse_length(self, length: int) -> None:
        """Refuse ends that are not one a row."""
        if length != len(self.values):
            message = (
                f"`t1` has {length} values, and {self.where} has {len(self.values)} rows: it takes "
                "one for each row"
            )
            raise CacheConfigError(message)

    def refuse_awareness(self, aware: bool | None) -> None:
        """Refuse ends with a zone for labels without one, and the other way round."""
        if aware != self.aware and self.aware is not None:
            ours, theirs = ("a", "no") if self.aware else ("no", "a")
            message = (
                f"{self.where} has labels with {ours} time zone, and `t1` values with {theirs} "
                'time zone; give both one, as `tz_localize("UTC")` does'
            )
            raise CacheConfigError(message)


def table_of(where: str, frame: Any, on: str | None) -> Table:
    """Read a frame; `on` names the column of its labels.

    Raises
    ------
    CacheConfigError
        It is no frame, has no rows, or is out of order.
    """
    library = type(frame).__module__.partition(".")[0]
    table: Table | None = None
    if "pandas" in sys.modules:
        from afml_cache.runs.tables_of_pandas import PandasTable, is_pandas

        if is_pandas(frame):
            table = PandasTable(where, frame, on)
    if table is None and library == "polars":
        from afml_cache.runs.tables_of_polars import PolarsTable

        table = PolarsTable(where, frame, on)
    if table is None:
        message = (
            f"{where} takes a frame or series of pandas, a frame of polars, or a dictionary of "
            f"these by symbol; not {type(frame).__name__}"
        )
        raise CacheConfigError(message)
    table.check()
    return table


def refuse_missing(where: str) -> None:
    """Refuse labels of which some are missing."""
    message = f"{where} has rows without a label (NaT, NaN or null); drop them first"
    raise CacheConfigError(message)


def refuse_column(where: str, on: str) -> None:
    """Refuse a column that is not there."""
    message = f"{where} has no column {on!r}"
    raise CacheConfigError(message)
