"""`walk_forward`: train on what came before, test on what comes next, and move on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, overload

import numpy as np

from afml_cache._looks import checked_name, is_name
from afml_cache.exceptions import CacheConfigError
from afml_cache.runs.blocks import Lengths, blocks_of
from afml_cache.runs.cuts import Cut, Part
from afml_cache.runs.fold import Fold
from afml_cache.runs.lengths import Length, length
from afml_cache.runs.purging import Tests, Training
from afml_cache.runs.rows import Rows
from afml_cache.runs.tables import Table, table_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from afml_cache.runs.blocks import Blocks

__all__ = ["Fold", "Folds", "walk_forward"]

_NONE: Final = np.zeros(0, np.int64)

Places = tuple[tuple[int, int, int], ...]


def walk_forward(
    data: Any,
    train: Any,
    test: Any,
    *,
    step: Any = None,
    anchored: bool = False,
    gap: Any = 0,
    purge: Any = 0,
    embargo: Any = 0,
    t1: Any = None,
    partial: bool = False,
    on: str | None = None,
    dataset: str | None = None,
) -> Folds:
    """Give the folds of a walk-forward backtest: train on a window, test on what follows, move on.

    Each length is a number of rows (an int) or a length of time (a timedelta, a `Timedelta`, or a
    text such as "90D"), whatever the others are.

    Parameters
    ----------
    data : DataFrame, Series or dict
        A frame or series of pandas, by its index; a frame of polars, by its first column of
        datetimes or dates; or a dictionary of these by symbol, whose folds are at the same times
        for all, and where rows of `train`, `test`, `step` and `gap` are times at which any symbol
        has a row. Times without a zone are UTC. Labels that are no times do for lengths in rows.
    train : int or timedelta
        The length of the training window.
    test : int or timedelta
        The length of the test that follows it.
    step : int or timedelta, optional
        How far a fold is ahead of the one before; by default the length of the test.
    anchored : bool, default False
        Whether every training window begins at the first row: it grows from `train` on.
    gap : int or timedelta, default 0
        The distance between the training window and the test.
    purge : int or timedelta, default 0
        How far labels reach ahead: a training row is dropped if so many rows on, or so much later,
        is at or after the first row of the test.
    embargo : int or timedelta, default 0
        For how many rows or how long after the last row of a test rows are kept out of the
        training of later folds.
    t1 : Series, str or dict, optional
        When the label of each row ends: a series of pandas with the index of `data`, one of polars
        with as many rows, or the name of a column; of symbols, a dictionary of these, or one name
        for all. Without `purge`, training rows are dropped whose label ends at or after the first
        row of the test. With `purge`, it is that which says what is dropped, and `t1` checks it.
    partial : bool, default False
        Whether the last test may be shorter than `test`. It is whole if the last row and the usual
        distance of rows reach its end.
    on : str, optional
        The column of labels, where they are not the index or the first column of times.
    dataset : str, optional
        What looks at `fold.test` are counted under; by default `data.attrs["dataset"]` or
        `data.attrs["name"]`, else each test is counted under its digest.

    Returns
    -------
    Folds
        A sequence of `Fold`. Nothing is copied to make one.

    Raises
    ------
    CacheConfigError
        A length that is none, or of time where labels are no times; data that are empty, out of
        order, partly without labels, or too short; some with a time zone and some without; `t1`
        with other labels; or a fold of which nothing is left to train on.
    LeakageError
        A fold would train on what it tests: a row of the test's first label stands in the training,
        a label's end is missing in `t1`, or lies in the test although `purge` has been done.

    Notes
    -----
    A window of time is half-open: it has its first instant, and not its last. Tests without rows
    (holidays) are passed over. Purging and embargo are those of M. López de Prado, Advances in
    Financial Machine Learning (Wiley, 2018), sections 7.4.1 and 7.4.2; walking forward is in its
    chapter 12.

    Examples
    --------
    >>> import pandas as pd
    >>> from afml_cache import walk_forward
    >>> days = pd.date_range("2024-01-01", periods=10, tz="UTC")
    >>> folds = walk_forward(pd.DataFrame({"close": 1.0}, index=days), train=5, test="2D", purge=1)
    >>> [(len(fold.train), fold.test_range[0].day) for fold in folds]
    [(4, 6), (4, 8)]
    """
    tables, symbols = _tables(data, on)
    lengths = Lengths(
        length("train", train, least=1),
        length("test", test, least=1),
        length("step", test if step is None else step, least=1),
        length("gap", gap, least=0),
    )
    drops = {
        "purge": length("purge", purge, least=0),
        "embargo": length("embargo", embargo, least=0),
    }
    _check_times(tables, {**lengths._asdict(), **drops})
    axis = _axis(tables)
    is_time = next(iter(tables.values())).is_time
    blocks = blocks_of(axis, is_time, lengths, anchored=anchored, partial=partial)
    tests = Tests(axis[blocks.test_starts], axis[blocks.test_stops - 1])
    laid = {symbol: _laid(table, axis, blocks) for symbol, table in tables.items()}
    ends = _ends(t1, tables, symbols)
    training = {
        symbol: Training(table, laid[symbol], tests, t1=ends[symbol], **drops)
        for symbol, table in tables.items()
    }
    return Folds(tables, laid, training, blocks, symbols=symbols, dataset=_named(dataset, data))


class Folds(Sequence[Fold]):
    """The folds of one walk, each made when it is asked for."""

    def __init__(
        self,
        tables: dict[Any, Table],
        laid: dict[Any, Blocks],
        training: dict[Any, Training],
        blocks: Blocks,
        *,
        symbols: bool,
        dataset: str | None,
    ) -> None:
        self._tables = tables
        self._laid = laid
        self._training = training
        self._blocks = blocks
        self._symbols = symbols
        self._dataset = dataset
        kept = sum(one.kept for one in training.values())
        if not np.all(kept):
            message = (
                f"fold {int(np.argmin(kept))} has nothing left to train on: its window has no "
                "rows, or `purge`, `t1` and `embargo` drop them all; take a longer `train`"
            )
            raise CacheConfigError(message)

    def __len__(self) -> int:
        return len(self._blocks.test_starts)

    @overload
    def __getitem__(self, index: int) -> Fold: ...
    @overload
    def __getitem__(self, index: slice) -> list[Fold]: ...
    def __getitem__(self, index: int | slice) -> Fold | list[Fold]:
        if isinstance(index, slice):
            return [self._fold(number) for number in range(len(self))[index]]
        return self._fold(range(len(self))[index])

    def __iter__(self) -> Iterator[Fold]:
        return map(self._fold, range(len(self)))

    def __repr__(self) -> str:
        return f"<{len(self)} folds: {self[0]} ... {self[-1]}>"

    def _fold(self, number: int) -> Fold:
        train = {symbol: one.rows(number) for symbol, one in self._training.items()}
        test = {
            symbol: Rows(int(one.test_starts[number]), int(one.test_stops[number]), _NONE)
            for symbol, one in self._laid.items()
        }
        test_range = self._range(test)
        is_time = next(iter(self._tables.values())).is_time
        begin, end = self._blocks.test_starts[number], self._blocks.test_stops[number] - 1
        return Fold(
            number=number,
            total=len(self),
            train_range=self._range(train),
            test_range=test_range,
            purged=int(sum(one.purged[number] for one in self._training.values())),
            embargoed=int(sum(one.embargoed[number] for one in self._training.values())),
            dataset=self._dataset,
            _train=self._cut(train),
            _test=self._cut(test),
            _looked_at=test_range if is_time else (f"row {begin}", f"row {end}"),
            _trains_too=_places(test) in self._trained,
        )

    @cached_property
    def _trained(self) -> set[Places]:
        """The rows of each fold's training, where some test has as many."""
        tests = sum(one.test_stops - one.test_starts for one in self._laid.values())
        kept = sum(one.kept for one in self._training.values())
        folds = np.flatnonzero(np.isin(kept, tests))
        return {_places({s: one.rows(int(f)) for s, one in self._training.items()}) for f in folds}

    def _cut(self, rows: dict[Any, Rows]) -> Cut:
        parts = {symbol: Part(self._tables[symbol], each) for symbol, each in rows.items()}
        return Cut(parts, self._symbols)

    def _range(self, rows: dict[Any, Rows]) -> tuple[Any, Any]:
        """Give the first and the last label of some rows, over all tables that have any."""
        found = [(self._tables[symbol], each) for symbol, each in rows.items() if each.count]
        first, begin = min(found, key=lambda one: one[0].values[one[1].start])
        last, end = max(found, key=lambda one: one[0].values[one[1].stop - 1])
        return first.label(begin.start), last.label(end.stop - 1)


def _places(rows: dict[Any, Rows]) -> Places:
    """Tell the rows of a test, or of a training that may be one, from others."""
    found = ((each.start, each.stop, each.count) for each in rows.values())
    return tuple(place if place[2] else (0, 0, 0) for place in found)


def _tables(data: Any, on: str | None) -> tuple[dict[Any, Table], bool]:
    if not isinstance(data, Mapping):
        return {None: table_of("`data`", data, on)}, False
    if not data:
        message = "`data` has no symbols"
        raise CacheConfigError(message)
    return {
        symbol: table_of(f"`data[{symbol!r}]`", frame, on) for symbol, frame in data.items()
    }, True


def _check_times(tables: dict[Any, Table], lengths: dict[str, Length]) -> None:
    for table in tables.values():
        for option, each in lengths.items():
            if each.is_time and each.amount and not table.is_time:
                message = (
                    f"`{option}` is a length of time ({each.given!r}), and the labels of "
                    f"{table.where} are no times ({table.values.dtype}); give it in rows, or give "
                    "the data an index of times"
                )
                raise CacheConfigError(message)


def _axis(tables: dict[Any, Table]) -> npt.NDArray[Any]:
    """Give the labels that folds are laid on: of several tables, each that any of them has."""
    first, *others = tables.values()
    for other in others:
        numbers = all(one.values.dtype.kind in "iuf" for one in (first, other))
        same = numbers or first.values.dtype.kind == other.values.dtype.kind
        if first.is_time != other.is_time or not same:
            message = f"{first.where} and {other.where} have labels of different kinds"
            raise CacheConfigError(message)
        if {first.aware, other.aware} == {True, False}:
            message = (
                f"one of {first.where} and {other.where} has labels with a time zone, and the "
                'other without; give both one, as `tz_localize("UTC")` does'
            )
            raise CacheConfigError(message)
    if not others:
        return first.values
    return np.unique(np.concatenate([table.values for table in tables.values()]))


def _laid(table: Table, axis: npt.NDArray[Any], blocks: Blocks) -> Blocks:
    """Give the blocks as positions in one table."""
    if table.values is axis:
        return blocks
    places = np.append(np.searchsorted(table.values, axis), len(table.values))
    return blocks.on(places)


def _ends(t1: Any, tables: dict[Any, Table], symbols: bool) -> dict[Any, Any]:
    if not symbols or t1 is None or isinstance(t1, str):
        return dict.fromkeys(tables, t1)
    if not isinstance(t1, Mapping) or set(t1) != set(tables):
        message = (
            "`t1` takes a dictionary with the symbols of `data`, or the name of a column of each; "
            f"not {sorted(t1, key=str) if isinstance(t1, Mapping) else type(t1).__name__}"
        )
        raise CacheConfigError(message)
    return dict(t1)


def _named(dataset: str | None, data: Any) -> str | None:
    """Give the name that looks are counted under, if there is one."""
    if dataset is not None:
        return checked_name("dataset", dataset)
    attributes = getattr(data, "attrs", None)
    if not isinstance(attributes, Mapping):
        return None
    names = (attributes.get("dataset"), attributes.get("name"))
    return next((name for name in names if isinstance(name, str) and is_name(name)), None)
