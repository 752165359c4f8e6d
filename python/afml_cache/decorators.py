"""The decorators: what they take, and how they put a cached function together."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, overload

from afml_cache import _packages, info
from afml_cache._native import Function, Store
from afml_cache.bar_ends import make_bars
from afml_cache.exceptions import CacheConfigError
from afml_cache.policy import make_policy
from afml_cache.store import checked_store
from afml_cache.time_ranges import make_timing

if TYPE_CHECKING:
    import os

    from typing_extensions import Unpack

    from afml_cache.incremental.rules import Rules
    from afml_cache.observers import Observer

__all__ = ["cacheable", "robust_cacheable", "time_aware_cacheable"]

# Options that name parameters, and say how these take part in the key.
_ROLES = ("ignore", "unordered", "files")
# Options that say how bars are labelled.
_BARS = ("label", "timeframe", "calendar")

F = TypeVar("F", bound=Callable[..., Any])
Observe = Callable[[Any, str, dict[str, Any]], "Observer"]


class CodeOptions(TypedDict, total=False):
    """Options that say what code is, and how the bars are labelled that it is given."""

    version: str
    ignore: str | Iterable[str]
    unordered: str | Iterable[str]
    files: str | Iterable[str]
    ignore_deps: str | Iterable[str]
    deps: Iterable[object]
    track_code: Literal["deep", "own", False]
    track_packages: str | Iterable[str]
    label: Literal["left", "right"]
    timeframe: Any
    calendar: Any


class Options(CodeOptions, total=False):
    """Options of the decorators, all by keyword; `robust_cacheable` says what they mean."""

    on_uncacheable: str
    store: Store | str | os.PathLike[str] | None
    ttl: Any
    key: Callable[..., object] | None
    memory: bool | int | str
    compress: Literal["lz4", "zstd"] | None
    min_seconds: float
    spot_check: float


class TimeOptions(Options, total=False):
    """Options of `time_aware_cacheable`, which says what they mean."""

    start: str
    end: str
    settle: Any
    volatile_ttl: Any
    by: str
    lookback: Any
    lookahead: Any


@overload
def robust_cacheable(function: F, /) -> F: ...
@overload
def robust_cacheable(**options: Unpack[Options]) -> Callable[[F], F]: ...
def robust_cacheable(function: Any = None, /, **options: Any) -> Any:
    """Keep the results of a function by the content of its arguments and its code.

    Works with and without parentheses; on functions, methods, static and class methods, and
    coroutine functions. Options go by keyword.

    Parameters
    ----------
    function : callable
        What to decorate.
    version : str, default ""
        Part of the key: another text, and every call misses.
    ignore : str or iterable of str, default ()
        Parameters that are left out of the key.
    unordered : str or iterable of str, default ()
        Parameters whose dictionaries count without their order.
    files : str or iterable of str, default ()
        Parameters that name a file, or a list of files, whose content counts with the name.
    deps : iterable, default ()
        Functions, classes, modules and values that count as part of the code.
    ignore_deps : str or iterable of str, default ()
        Helpers, constants, classes and modules that are left out of the code, by their names.
    track_code : {"deep", "own", False}, default "deep"
        The function's code with all that it reaches; its own body, defaults and closure alone; or
        no code at all.
    track_packages : str or iterable of str, default ()
        Packages whose full version is part of the key, and not their major version alone.
    key : callable, optional
        Called as the function is, and what it returns is keyed in place of the arguments; its code
        counts as the function's.
    ttl : timedelta, float or str, optional
        How long a result may be used, as a timedelta, in seconds, or as a text of pandas such as
        "5min"; for ever if it is left out. A result of the future counts as too old.
    min_seconds : float, default 0
        Calls that took less are not stored.
    memory : bool, int or str, default True
        Whether results are kept in memory too, or those of up to so many bytes: a number, or a
        text such as "10 MiB".
    compress : {None, "lz4", "zstd"}, default None
        How stored results are made smaller. What is compressed is read whole at each hit, and not
        mapped.
    spot_check : float, default 0
        The share of hits, from 0 to 1, that are computed again and compared. A difference is told
        (`SpotCheckWarning`) and counted, and what was computed is stored and returned.
    label : {"left", "right"}, default "left"
        Which edge of a bar its label is, in frames and series among the arguments: up to when these
        have seen is kept with the result, for `as_of`. It is no part of the key, nor are the next
        two.
    timeframe : str, timedelta or offset, optional
        How long a bar is; by default as its index says, or the median distance of labels.
    calendar : str or exchange_calendars.ExchangeCalendar, optional
        By whose closes daily and longer bars end, such as "XNYS"; by default they end at midnight.
    on_uncacheable : {"warn", "raise"}, default "warn"
        What to do with an argument that can't be keyed: run without the cache and say so once, or
        raise `UncacheableArgumentError`.
    store : Store, str or os.PathLike, optional
        Where the results go; the default store, of `configure`, if it is left out.

    Returns
    -------
    callable
        The cached function. It is called as before, and has `__wrapped__`, and beside it

        - `cache_info()`: what it has done in this process, a `CacheInfo`;
        - `explain(...)`: why a call hits or misses, in words;
        - `cache_key(...)`, `is_cached(...)`: the key of a call, and whether its result is stored;
        - `refresh(...)`: compute a call whatever is stored, and store the new result;
        - `put(value, ...)`: store a value as the result of a call;
        - `invalidate(...)`: remove the result of a call;
        - `cache_clear()`: remove every result, and set the counters to zero;
        - joblib's `check_call_in_cache(...)` and `call(...)`.

    Raises
    ------
    TypeError
        What is decorated is not a function that returns a result (a class, a generator function),
        or an option is unknown.
    CacheConfigError
        An option has a value that can't be right.

    Notes
    -----
    What the function raises is not stored, and goes to the caller. A call raises nothing of the
    cache's own but `CacheMissError` in mode "frozen", `LookAheadError` inside of `as_of` for a
    stored result that has seen beyond it, and `UncacheableArgumentError` with
    `on_uncacheable="raise"`: where the cache fails, the function runs and a `CacheWarning` says
    what is wrong.

    Examples
    --------
    >>> from afml_cache import robust_cacheable
    >>> @robust_cacheable
    ... def add(x, y):
    ...     return x + y
    >>> add(1, 2), add(1, y=2)
    (3, 3)
    >>> add.cache_info().misses
    1

    >>> @robust_cacheable(ignore="verbose", ttl="1h", version="2")
    ... def scaled(x, factor=10, verbose=False):
    ...     return factor * x
    >>> scaled(2), scaled(2, verbose=True), scaled.cache_info().hits
    (20, 20, 1)
    """
    return decorate("robust_cacheable", function, options)


@overload
def cacheable(function: F, /) -> F: ...
@overload
def cacheable(**options: Unpack[Options]) -> Callable[[F], F]: ...
def cacheable(function: Any = None, /, **options: Any) -> Any:
    """Keep the results of a function by the content of its arguments and its code.

    The same as `robust_cacheable`, whose help has the options, what the cached function has, and
    what is raised. Existing scripts have both names.

    Examples
    --------
    >>> from afml_cache import cacheable
    >>> @cacheable(min_seconds=0.5)
    ... def quick(x):
    ...     return x + 1
    >>> quick(1), quick.is_cached(1)
    (2, False)
    """
    return decorate("cacheable", function, options)


@overload
def time_aware_cacheable(function: F, /) -> F: ...
@overload
def time_aware_cacheable(**options: Unpack[TimeOptions]) -> Callable[[F], F]: ...
def time_aware_cacheable(function: Any = None, /, **options: Any) -> Any:
    """Keep the results of a function, and with each the time range that it looked at.

    The key is that of `robust_cacheable`: another time range is other content. The range is the
    first and last instant of time-indexed arguments (pandas objects with an index of instants or
    periods, polars objects with a column of datetimes or dates, or lists, tuples and dictionaries
    of these), and of the parameters that name its bounds. Without a zone, times are UTC; a text
    covers its whole period, a date its day. `entries` lists results by it, and `invalidate` removes
    those that looked at restated data.

    A result whose `end` had not come yet when it was computed is kept in memory only, and for
    `volatile_ttl`, so that a call for "until today" does not freeze today.

    Parameters
    ----------
    function : callable
        What to decorate.
    start, end : str, optional
        Names of the parameters that bound the time range; without them those named `start`,
        `start_date` or `from_`, and `end`, `end_date` or `to`.
    settle : timedelta, float or str, default 0
        How long after an instant what happened is known for good, as a timedelta, in seconds, or
        as a text of pandas such as "5min".
    volatile_ttl : timedelta, float or str, optional
        How long a result is kept whose `end` is yet to come; by default one bar, which is the
        usual distance of the instants of a time-indexed pandas argument, else one minute.
    by : str, optional
        Compute and keep each "day", "week", "month", "quarter" or "year" of the first frame or
        series among the arguments by itself, so that new bars compute new periods alone; or what
        pandas calls such a period ("M", "W-FRI"). Periods are those of the labels' own zone.
    lookback, lookahead : int, timedelta, str or float
        With `by`, how far before and behind a row the function looks to compute it: in bars, as an
        int, or in time, as a timedelta, a text such as "5D", or seconds as a float. 0 says that it
        does not.
    **options
        Those of `robust_cacheable`.

    Returns
    -------
    callable
        The cached function, as `robust_cacheable` gives it; with `by`, it has `check(...)` too,
        and no `put`.

    Raises
    ------
    TypeError, CacheConfigError
        As `robust_cacheable` does; and where `by`, `lookback` or `lookahead` is given alone.

    Notes
    -----
    A call whose range can't be told is cached without one, and a `TimeRangeWarning` says why.

    With `by`, the function gives rows that are labelled as those of its frame are, all or some of
    them: with labels of the frame's index, or with its column of times in polars. It is called
    with each period's rows and margins, and the periods' own rows are put together. Each period is
    an entry by the content of the rows that it sees and the other arguments; one that is not over
    yet, or whose look-ahead is not all there, is kept in memory for `volatile_ttl`. Margins in time
    are measured from the first and the last row of a period. Where margins are too short, rows at
    the ends of periods are other ones: `check(...)` compares with the function of the whole frame.
    A call raises `CacheConfigError` for a frame that is not in order of time, and `SchemaError` for
    results that can't be put together.

    Examples
    --------
    >>> from afml_cache import entries, invalidate, time_aware_cacheable
    >>> @time_aware_cacheable
    ... def volume(symbol, start, end):
    ...     return 1000
    >>> volume("EURUSD", "2024-05-01", "2024-05-31"), volume("EURUSD", "2024-06", "2024-06")
    (1000, 1000)
    >>> [str(entry.start) for entry in invalidate(("2024-05-03", "2024-05-04"))]
    ['2024-05-01 00:00:00+00:00']
    >>> len(entries(("2024", "2024"), function=volume))
    1

    >>> import pandas as pd
    >>> @time_aware_cacheable(by="month", lookback=0, lookahead=5)
    ... def rises(bars):
    ...     return bars["close"].shift(-5) > bars["close"]
    >>> days = pd.date_range("2024-01-01", "2024-06-30")
    >>> bars = pd.DataFrame({"close": range(len(days))}, index=days)
    >>> len(rises(bars.loc[:"2024-05"])), len(rises(bars)), rises.cache_info().misses
    (152, 182, 7)
    >>> bool(rises.check(bars))
    True
    """
    return decorate("time_aware_cacheable", function, options, TimeOptions)


def decorate(
    decorator: str,
    function: Any,
    options: dict[str, Any],
    kind: type = Options,
    observe: Observe | None = None,
) -> Any:
    """Do a decorator's work: check its options, those that `kind` names, and wrap the function.

    `observe` makes the observer of a function of the function, its name and its settings.
    """
    _refuse_unknown(decorator, options, kind)
    settings = _settings(options)
    rules = None
    if kind is TimeOptions:
        settings["timing"] = make_timing(options)
        rules = _rules(options)
    if function is None:
        return lambda function: _wrap(decorator, function, settings, observe, rules)
    return _wrap(decorator, function, settings, observe, rules)


def _rules(options: dict[str, Any]) -> Rules | None:
    """Check the options that have a function computed by periods, if any is given."""
    if all(options.get(name) is None for name in ("by", "lookback", "lookahead")):
        return None
    from afml_cache.incremental.rules import make_rules

    return make_rules(options)


def _refuse_unknown(decorator: str, options: dict[str, Any], kind: type) -> None:
    unknown = [f"`{name}`" for name in options if name not in kind.__annotations__]
    if unknown:
        known = ", ".join(f"`{name}`" for name in kind.__annotations__)
        message = f"{decorator} has no option {', '.join(unknown)}; it has {known}"
        raise TypeError(message)


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    """Check the options, and bring them into the form of the native function's."""
    reaction = options.get("on_uncacheable", "warn")
    if reaction not in {"warn", "raise"}:
        message = f'`on_uncacheable` is "warn" or "raise", not {reaction!r}'
        raise CacheConfigError(message)
    version = options.get("version", "")
    if not isinstance(version, str):
        message = f"`version` must be a text, not {version!r}"
        raise CacheConfigError(message)
    return {
        "version": version,
        "options": _code_options(options),
        "raises": reaction == "raise",
        "timing": None,
        "bars": make_bars(**{name: options[name] for name in _BARS if name in options}),
        "store": checked_store(options.get("store")),
        "policy": make_policy(options),
        "key": _key(options),
        "observer": None,
    }


def code_settings(decorator: str, options: dict[str, Any]) -> dict[str, Any]:
    """Check options that say what code is, for a decorator that has others of its own.

    Raises
    ------
    TypeError
        An option is unknown.
    CacheConfigError
        One has a value that can't be right.
    """
    _refuse_unknown(decorator, options, CodeOptions)
    settings = _settings(options)
    return {name: settings[name] for name in ("version", "options", "bars")}


def native_settings(**chosen: Any) -> dict[str, Any]:
    """Give the settings of a native function: the usual ones, but for those that are chosen."""
    return {**_settings({}), **chosen}


def _code_options(options: dict[str, Any]) -> dict[str, Any]:
    """Check the options that say what the code is."""
    checked: dict[str, Any] = {
        name: _names(name, options.get(name, ()))
        for name in (*_ROLES, "ignore_deps", "track_packages")
    }
    _packages.checked_versions(checked["track_packages"])
    tracked = options.get("track_code", "deep")
    if tracked is not False and tracked not in ("deep", "own"):
        message = f'`track_code` is "deep", "own" or False, not {tracked!r}'
        raise CacheConfigError(message)
    dependencies = _packages.checked_dependencies(options.get("deps", ()))
    key = _key(options)
    if key is not None:
        checked["by_key"] = True
        dependencies = (*dependencies, key)
    return {**checked, "track_code": tracked, "deps": dependencies}


def _key(options: dict[str, Any]) -> Callable[..., object] | None:
    key = options.get("key")
    if key is None or callable(key):
        return key
    message = f"`key` is a function of the call's arguments, not {key!r}"
    raise CacheConfigError(message)


def _names(option: str, names: Any) -> tuple[str, ...]:
    given: tuple[str, ...] = (names,) if isinstance(names, str) else tuple(names)
    wrong = [name for name in given if not isinstance(name, str)]
    if wrong:
        message = f"`{option}` takes names, not {wrong[0]!r}"
        raise CacheConfigError(message)
    return given


def _wrap(
    decorator: str,
    function: Any,
    settings: dict[str, Any],
    observe: Observe | None,
    rules: Rules | None,
) -> Any:
    if isinstance(function, staticmethod | classmethod):
        return type(function)(_wrap(decorator, function.__func__, settings, observe, rules))
    chosen = {} if settings["timing"] is None else settings["timing"].chosen
    check_function(decorator, function, {**settings["options"], **chosen}, (*_ROLES, *chosen))
    observer = None if observe is None else observe(function, name_of(function), settings)
    native = assemble(function, {**settings, "observer": observer})
    if rules is not None:
        from afml_cache.incremental.calls import by_periods

        return by_periods(decorator, native, rules)
    if inspect.iscoroutinefunction(function):
        # asyncio takes longer to import than all of this package.
        from afml_cache.coroutines import awaitable

        return awaitable(native, function, observer)
    return native


def assemble(function: Any, settings: dict[str, Any]) -> Function:
    """Make the cached function, with the manners of the one that it wraps."""
    native = Function(function, name_of(function), **settings)
    functools.update_wrapper(native, function)
    info.track(native)
    return native


def check_function(
    decorator: str, function: Any, options: dict[str, Any], roles: Iterable[str] = _ROLES
) -> None:
    """Refuse what can't be decorated, and options that name parameters that it has not.

    Raises
    ------
    TypeError
        It is no function that returns a result.
    CacheConfigError
        An option names a parameter that is not there.
    """
    _check(decorator, function)
    try:
        parameters = inspect.signature(function, follow_wrapped=False).parameters
    except ValueError as error:
        message = (
            f"{decorator} can't decorate {function!r}: it does not tell its parameters; decorate "
            "what it wraps, or a function that calls it"
        )
        raise TypeError(message) from error
    for role in roles:
        for name in options[role]:
            if name not in parameters:
                message = (
                    f"`{role}` names `{name}`, and `{name_of(function)}` has no such parameter"
                )
                raise CacheConfigError(message)


def _check(decorator: str, function: Any) -> None:
    reason = None
    if isinstance(function, Function):
        reason = "is cached already"
    elif isinstance(function, type):
        reason = "is a class; decorate its methods"
    elif not callable(function):
        reason = (
            f"is of type {type(function).__name__}, which is not callable; options go by keyword"
        )
    elif inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        reason = "is a generator function, whose result can be read only once; return a list"
    if reason is not None:
        message = f"{decorator} can't decorate {function!r}: it {reason}"
        raise TypeError(message)


def name_of(function: Any) -> str:
    """Give `module.qualname`; the main module is one, whatever a worker process calls it."""
    module = getattr(function, "__module__", None) or "builtins"
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{'__main__' if module == '__mp_main__' else module}.{name}"
