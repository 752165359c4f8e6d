"""Values that are kept in memory, of which rows are handed out in little time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from afml_cache.ranges.forms import objects
from afml_cache.ranges.forms.converting import check_output, is_of, restore, write

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from afml_cache.ranges.forms.converting import Output
    from afml_cache.ranges.forms.form import Form


class Held:
    """A value kept in memory.

    Attributes
    ----------
    rows
        How many rows it has.
    slice
        Gives the rows from a first up to another as a value of the caller's own.
    """

    __slots__ = ("rows", "slice")

    slice: Callable[[int, int], Any]

    def __init__(self, rows: int, give: Callable[[int, int], Any]) -> None:
        self.rows = rows
        self.slice = give


def hold(form: Form, table: pl.DataFrame, output: Output = None) -> Held:
    """Make of a table once what `write` would make of any of its rows.

    Parameters
    ----------
    form, table, output
        As for `write`.

    Returns
    -------
    Held
        Whatever a caller does to the rows that it gives reaches neither it nor another caller.

    Raises
    ------
    CacheConfigError
        There is no such output, or the class of the objects is not known in this process.
    SchemaError
        The table holds values that the form has no place for.
    """
    check_output(output)
    given = restore(form, table.rechunk())
    if isinstance(output, type) and not is_of(form, output):
        return _of_class(form, given, output)
    if isinstance(output, type) or (output is None and form.kind == "objects"):
        bound = form if output is None or not isinstance(output, type) else form.bind(output)
        rows = objects.Writer(bound, given).rows
        return Held(given.height, rows)
    value = write(form, given, output)
    library = type(value).__module__.partition(".")[0]
    if library == "pandas":
        from afml_cache.ranges.forms import pandas_hot

        return Held(len(value), pandas_hot.slicer(value))
    if library == "polars":
        return _of_polars(value)
    if library == "pyarrow":
        return _of_arrow(value)
    return Held(0, lambda _first, _stop: [])


def _of_class(form: Form, table: pl.DataFrame, cls: type) -> Held:
    def give(first: int, stop: int) -> Any:
        return write(form, table.slice(first, stop - first), cls)

    return Held(table.height, give)


def _of_polars(frame: pl.DataFrame) -> Held:
    frame = frame.rechunk()

    def give(first: int, stop: int) -> pl.DataFrame:
        return frame.slice(first, stop - first)

    return Held(frame.height, give)


def _of_arrow(table: Any) -> Held:
    table = table.combine_chunks() if hasattr(table, "combine_chunks") else table

    def give(first: int, stop: int) -> Any:
        return table.slice(first, stop - first)

    return Held(table.num_rows, give)
