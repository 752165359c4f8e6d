"""What can go wrong, and how it is told."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt

__all__ = [
    "ArtifactError",
    "ArtifactWarning",
    "BasisChangedError",
    "CacheConfigError",
    "CacheCorruptError",
    "CacheError",
    "CacheMissError",
    "CacheReadWarning",
    "CacheStoreError",
    "CacheWarning",
    "CacheWriteWarning",
    "DiskBudgetError",
    "ItemError",
    "LeakageError",
    "LoaderError",
    "LookAheadError",
    "MergeError",
    "PartialCoverageError",
    "PrunedError",
    "RankingWarning",
    "RunNotFoundError",
    "SchemaError",
    "ScratchError",
    "SpotCheckWarning",
    "SweepWarning",
    "TimeRangeWarning",
    "TrackingError",
    "TrackingWarning",
    "UncacheableArgumentError",
    "UncacheableArgumentWarning",
    "UndeclaredFileWarning",
]

_log = logging.getLogger("afml_cache")
# This package, and what stands between a `with` statement and it.
_OURS = ("afml_cache.", "contextlib")


class CacheError(Exception):
    """Base of every exception of this package.

    Each of the others is also an exception of Python's own, such as `ValueError`. A cached
    function raises only `CacheMissError` (mode "frozen"), `LookAheadError` (inside of `as_of`) and
    `UncacheableArgumentError` (`on_uncacheable="raise"`) of them; one that is computed by periods
    raises `CacheConfigError` and `SchemaError` for frames and results that have none.
    """


class UncacheableArgumentError(CacheError, TypeError):
    """A value can't be keyed by its content; the message has the path to it.

    Raised by `digest`, by methods that need the key of a call (`cache_key`, `is_cached`, `put`),
    and by calls of functions with `on_uncacheable="raise"`. Leave the parameter out of the key
    (`ignore`), say what counts of it (`key`, `register_hasher`, `__cache_key__`), or pass plain
    values.
    """


class CacheConfigError(CacheError, ValueError):
    """An option, setting or argument that can't be right; the message says what it takes."""


class CacheStoreError(CacheError, OSError):
    """The cache folder or its index can't be used: no permission, not private, locked, too new.

    Raised by what asks or changes a store (`entries`, `verify`, `gc`, `len(store)`). Calls of
    cached functions run without the cache instead, and warn.
    """


class CacheCorruptError(CacheError, ValueError):
    """A stored result fails its checks, and something other than a call asked for it.

    A call sets such a result aside, computes it again, and warns with `CacheReadWarning`.
    """


class CacheMissError(CacheError, LookupError):
    """Nothing is stored for a call, and nothing may be computed: mode "frozen".

    `f.explain(...)` says what differs from earlier calls.
    """


class ArtifactError(CacheError, ValueError):
    """A result can't be written as the file that an artifact names; the message says where."""


class ScratchError(CacheError, ValueError):
    """A scratch folder can't be where it is asked for: outside of its root, or not made by us."""


class DiskBudgetError(CacheError, OSError):
    """What is to be written does not fit onto the disk or into the budget, and nobody frees any.

    Attributes
    ----------
    needed, free : int
        Bytes.
    holders : list of (str, int)
        The largest scratch folders, and their bytes.
    """

    def __init__(
        self,
        message: str,
        *,
        needed: int = 0,
        free: int = 0,
        holders: list[tuple[str, int]] | None = None,
    ) -> None:
        super().__init__(message)
        self.needed = needed
        self.free = free
        self.holders = holders or []


class ItemError(CacheError, RuntimeError):
    """An item of a sweep failed; its cause is what it raised.

    Attributes
    ----------
    position : int
        Which item, from 0.
    item
        The item.
    kind : str
        The class of what it raised, "TimeoutError" where it took too long, or "WorkerDied" where
        its process was killed or broke down.
    """

    def __init__(
        self, message: str, *, position: int = -1, item: Any = None, kind: str = ""
    ) -> None:
        super().__init__(message)
        self.position = position
        self.item = item
        self.kind = kind

    def __reduce__(self) -> Any:
        return _item_error, (*self.args, self.position, self.item, self.kind)


def _item_error(message: str, position: int, item: Any, kind: str) -> ItemError:
    return ItemError(message, position=position, item=item, kind=kind)


class MergeError(CacheError, RuntimeError):
    """The files of batches can't be merged: one is missing or not whole; the message names it."""


class LeakageError(CacheError, ValueError):
    """A fold of `walk_forward` would train on what it tests; the message names the row."""


class LookAheadError(CacheError, ValueError):
    """A stored result has seen what lies beyond the time that a simulation has reached.

    Raised inside of `as_of` by a call that would be answered with it. Where the function asks for
    all that there is up to now, `refresh` computes it as of that time.

    Attributes
    ----------
    function : str
        `module.qualname` of the function.
    seen, as_of : datetime
        Up to when its inputs have seen, and the time of `as_of`: aware, UTC, cut to microseconds.
    """

    def __init__(
        self,
        message: str,
        *,
        function: str = "",
        seen: dt.datetime | None = None,
        as_of: dt.datetime | None = None,
    ) -> None:
        super().__init__(message)
        self.function = function
        self.seen = seen
        self.as_of = as_of


class LoaderError(CacheError, ValueError):
    """What a loader of bars gave can't be used; the message names what and the remedy."""


class SchemaError(CacheError, TypeError):
    """Parts of a series don't fit together: a column is text in one and a number in another.

    Raised too where whole numbers of one part would lose digits as another's floats. Make the
    loader give the column one dtype, then invalidate the parts that have the other. Of a function
    that is computed by periods, results that are not labelled as its input is, or differ in their
    columns or dtypes.
    """


class BasisChangedError(CacheError, ValueError):
    """The prices of an adjusted series are on another basis than those that are stored.

    A split or a dividend came in between, or nothing tells whether one did.
    `on_basis_change="rebuild"` fetches all of the series again; `invalidate` forgets it.
    """


class PrunedError(CacheError, LookupError):
    """What a run returned is gone, and its metrics are left: `keep_top` said so.

    Calling the backtest again computes it and restores the run; `pin` spares runs.
    """


class RunNotFoundError(CacheError, KeyError):
    """There is no run of that id; the message says where it was looked for."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class PartialCoverageError(CacheError, RuntimeError):
    """Some bars of a request could not be fetched; its cause is why.

    Attributes
    ----------
    data
        The bars that there are; `None` where nobody asked for any.
    missing : list of (start, end)
        The intervals that are missing, half-open: dates for daily bars, else instants in UTC; of
        several symbols, each comes with its symbol before it. What was fetched is kept, and the
        next request asks for these alone.
    """

    def __init__(
        self, message: str, *, data: Any = None, missing: list[tuple[Any, ...]] | None = None
    ) -> None:
        super().__init__(message)
        self.data = data
        self.missing = missing or []


class TrackingError(CacheError, RuntimeError):
    """A question to the tracking server has no answer: nobody is there, or there is no such run.

    Raised by `get_best_run`, `load_model_from_run` and `compare_runs`. Calls of tracked functions
    run and are cached instead, and warn.
    """


class CacheWarning(UserWarning):
    """Base of every warning of this package: the result is right, and the cache is not in order.

    Each cause is told once by function or store. Where warnings are errors, they are logged under
    "afml_cache" instead, so that no call fails for the cache's sake.
    """


class CacheWriteWarning(CacheWarning):
    """A result could not be stored, or the store not be opened; the caller has it all the same."""


class CacheReadWarning(CacheWarning):
    """A stored result could not be read; it was computed again."""


class UncacheableArgumentWarning(CacheWarning):
    """A call runs without the cache, since an argument can't be keyed; the message has its path.

    See `UncacheableArgumentError` for what to do.
    """


class SpotCheckWarning(CacheWarning):
    """A spot check found a stored result that is not what the function gives now.

    The function depends on something that is not in its key, such as a random state, a file or the
    clock, or the stored bytes were damaged.
    """


class RankingWarning(CacheWarning):
    """A ranking or a comparison of runs leaves some out, or compares what can't be compared."""


class ArtifactWarning(CacheWarning):
    """The file of an artifact is not what was written there, and is made anew."""


class SweepWarning(CacheWarning):
    """Some of a sweep's state could not be kept or used; the results are right."""


class TimeRangeWarning(CacheWarning):
    """The time range that a call looks at, or up to when it has seen, can't be told.

    `invalidate` does not find such a result by the time that it looked at, and `as_of` does not
    refuse it.
    """


class TrackingWarning(CacheWarning):
    """Not all of a call was logged: the tracking server is away, or refused something.

    The call has its result, and the cache as well.
    """


class UndeclaredFileWarning(CacheWarning):
    """An argument names a file whose content is no part of the key: an edit would not be seen.

    Name the parameter in `files=`, pass a `File`, or filter the warning where the file isn't read.
    """


def warn(category: str, message: str) -> None:
    """Warn the caller of a cached function; log it where warnings are errors.

    Parameters
    ----------
    category
        Name of one of the warning classes here.
    message
        What happened, where, why, and what to do.
    """
    try:
        warnings.warn(message, globals()[category], stacklevel=_outside())
    except Warning:
        _log.warning(message)


def _outside() -> int:
    """Count the frames up to the nearest one that is the user's, for `stacklevel`."""
    level, frame = 2, sys._getframe(2)  # noqa: SLF001 - warnings count frames, and name no package
    while frame.f_back and str(frame.f_globals.get("__name__")).startswith(_OURS):
        level, frame = level + 1, frame.f_back
    return level
