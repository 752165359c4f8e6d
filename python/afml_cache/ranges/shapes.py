"""The bars of several symbols as one value: below one another, side by side, or each by itself."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.forms import read
from afml_cache.ranges.like_times import with_like_times
from afml_cache.ranges.options import one_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from afml_cache.ranges.timeframes import Timeframe

_SHAPES = ("long", "wide", "dict")


def check_shape(shape: Any, timeframe: Timeframe) -> None:
    """See that the bars of several symbols can be had in a shape.

    Raises
    ------
    CacheConfigError
        There is no such shape, or it is wide, which ticks can't be: several may have one time, and
        nothing says which of one symbol stands beside which of another.
    """
    one_of("shape", shape, _SHAPES)
    if shape == "wide" and timeframe.unit == "tick":
        message = (
            "several ticks may have one time, so those of several symbols can't stand side by "
            'side; ask for them with shape="long" or "dict"'
        )
        raise CacheConfigError(message)


def shaped(answers: Mapping[Any, Any], name: str, shape: str, time: str | None) -> Any:
    """Give the bars of several symbols as one value.

    Parameters
    ----------
    answers
        The bars of each symbol.
    name
        The part of the key that is the symbol.
    time
        The column of times, where the user says it.

    Returns
    -------
    DataFrame, dict or list
        Without the symbols of which neither bars nor columns are known; of none but such, what one
        of them gives alone.

    Raises
    ------
    CacheConfigError
        They are of a kind, or have columns, that can't be put together so.
    """
    if shape == "dict":
        return dict(answers)
    # A loader that gave nothing yet has not said what it gives.
    said = {symbol: one for symbol, one in answers.items() if not _is_unsaid(one)}
    if not said:
        return next(iter(answers.values()))
    answers, kinds = said, {type(one).__module__.partition(".")[0] for one in said.values()}
    if kinds in ({"pandas"}, {"polars"}):
        answers = with_like_times(answers, time)
        if shape == "long":
            answers = {symbol: _without(one, name, symbol) for symbol, one in answers.items()}
    if kinds == {"pandas"}:
        return _wide_of_pandas(answers, name, time) if shape == "wide" else _long(answers, name)
    if kinds == {"polars"}:
        return _wide_of_polars(answers, time) if shape == "wide" else _long_of_polars(answers, name)
    message = (
        f'bars of several symbols can be put together as frames: ask for output="pandas" or '
        f'"polars", or for shape="dict"; these are of {", ".join(sorted(kinds))}'
    )
    raise CacheConfigError(message)


def _is_unsaid(value: Any) -> bool:
    """Tell whether there are neither bars nor what would be told of them."""
    if isinstance(value, list):
        return not value
    columns = getattr(value, "columns", None)
    return columns is not None and not len(columns) and not len(value)


def _without(frame: Any, name: str, symbol: Any) -> Any:
    """Leave out the loader's own column with the symbol: it is in the first one."""
    # Of pairs of names, none is this one.
    if name not in list(getattr(frame, "columns", ())):
        return frame
    others = [one for one in values_in(frame[name]) if one != symbol and str(one) != str(symbol)]
    if others:
        message = f'{not_repeated(name, others[0], symbol)}, or ask for shape="dict"'
        raise CacheConfigError(message)
    return frame.drop(columns=name) if hasattr(frame, "loc") else frame.drop(name)


def values_in(column: Any) -> list[Any]:
    """Give the values that a column of pandas or polars has, each once."""
    values = column.dropna() if hasattr(column, "dropna") else column.drop_nulls()
    return list(values.unique())


def not_repeated(name: str, value: object, part: object) -> str:
    """Say what is wrong with bars that have a column of their own called as a part of their key."""
    return (
        f"bars have a column `{name}` of their own with {value!r}, which would stand beside the "
        f"`{name}` of their key, {part!r}; rename it in the loader, or that part of the key"
    )


def _long(answers: Mapping[Any, Any], name: str) -> Any:
    import pandas as pd

    index = next(iter(answers.values())).index.name
    return pd.concat(answers, names=[name, index]).reset_index(level=0)


def _long_of_polars(answers: Mapping[Any, pl.DataFrame], name: str) -> pl.DataFrame:
    import polars as pl

    named = [one.select(pl.lit(symbol).alias(name), pl.all()) for symbol, one in answers.items()]
    try:
        return pl.concat(named, how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        raise _differ(error) from error


def _wide_of_pandas(answers: Mapping[Any, Any], name: str, time: str | None) -> Any:
    """Put frames side by side by their times, which stay a column where they are one."""
    import pandas as pd

    answers = {symbol: pd.DataFrame(one) for symbol, one in answers.items()}  # or a series
    by_time = {symbol: _by_time(one, time) for symbol, one in answers.items()}
    wide = pd.concat(by_time, axis=1, names=[name], sort=True)
    wide = wide.swaplevel(axis=1).sort_index(axis=1)
    is_index = all(one is answers[symbol] for symbol, one in by_time.items())
    return wide if is_index else wide.reset_index()


def _by_time(frame: Any, time: str | None) -> Any:
    """Give a frame of pandas whose index is its time."""
    form, _ = read(frame.iloc[:1], time=time)
    column = next((one for one in form.columns if one.inner == form.time), None)
    if column is None or column.role == "index":
        return frame
    whole = frame if frame.index.name is None else frame.reset_index()
    return whole.set_index(column.label)


def _wide_of_polars(answers: Mapping[Any, pl.DataFrame], time: str | None) -> pl.DataFrame:
    import polars as pl

    first, *others = answers.values()
    form, _ = read(first.head(1), time=time)
    on = form.time or first.columns[0]
    _check_names(answers, on)
    wide, *others = [
        one.rename({column: f"{column}_{symbol}" for column in one.columns if column != on})
        for symbol, one in answers.items()
    ]
    try:
        for one in others:
            wide = wide.join(one, on=on, how="full", coalesce=True)
    except pl.exceptions.PolarsError as error:
        raise _differ(error) from error
    return wide.sort(on)


def _differ(error: Exception) -> CacheConfigError:
    return CacheConfigError(
        f"the bars of these symbols differ so that they can't be put together ({error}); have the "
        'loader give all alike, or ask for shape="dict"'
    )


def _check_names(answers: Mapping[Any, pl.DataFrame], time: str) -> None:
    """See that no two columns of a wide frame of polars are called the same."""
    names = [
        f"{column}_{symbol}"
        for symbol, one in answers.items()
        for column in one.columns
        if column != time
    ]
    doubled = [name for name, count in Counter([time, *names]).items() if count > 1]
    if doubled:
        message = (
            f"side by side, two columns of these bars would be called `{doubled[0]}`, by field and "
            'symbol; ask for shape="long" or "dict", or output="pandas", whose columns are pairs'
        )
        raise CacheConfigError(message)
