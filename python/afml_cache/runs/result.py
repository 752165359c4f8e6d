"""A backtest as the cache gives it back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from afml_cache.exceptions import PrunedError

if TYPE_CHECKING:
    import datetime as dt

__all__ = ["BacktestMetadata", "BacktestResult"]


@dataclass(frozen=True)
class BacktestMetadata:
    """What is known of a run beside what it returned.

    Attributes
    ----------
    strategy_name : str
    parameters : dict
        As they were given, NumPy scalars as their Python equals.
    data_hash : str
        The digest of the data: 32 hexadecimal digits.
    start_date, end_date : datetime or None
        The first and the last instant of the data, aware, in UTC.
    timestamp : datetime
        When it was computed first, aware, in UTC.
    run_id : str
        32 hexadecimal digits.
    splits : int or None
        How many folds it had, where that was told.
    performance_summary : dict
        Metrics that are numbers.
    seconds : float
        How long the backtest took.
    git_commit : str or None
        The commit that was checked out where the code lies, or, of a run that was noted without
        its function, in the working directory; `None` outside of a repository of git.
    git_dirty : bool or None
        Whether there were changes that were not committed.
    host : str
        The machine's name.
    notes : str
    tags : dict
    costs : dict
        Named costs, such as commission and slippage.
    no_parquet : dict
        Of trades, equity and positions, which have no Parquet file for other tools, and why.

    Notes
    -----
    Fields are items too, as in `metadata["parameters"]`.
    """

    strategy_name: str
    parameters: dict[str, Any]
    data_hash: str
    start_date: dt.datetime | None
    end_date: dt.datetime | None
    timestamp: dt.datetime
    run_id: str
    splits: int | None = None
    performance_summary: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    git_commit: str | None = None
    git_dirty: bool | None = None
    host: str = ""
    notes: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    costs: dict[str, Any] = field(default_factory=dict)
    no_parquet: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        return getattr(self, name)

    def keys(self) -> list[str]:
        """Give the names of the fields."""
        return list(self.__dataclass_fields__)


@dataclass
class BacktestResult:
    """What a backtest gave.

    Attributes
    ----------
    metadata : BacktestMetadata
    metrics : dict
    trades : DataFrame or None
    equity_curve : Series or None
    positions : DataFrame or None
    diagnostics : object
        What else the backtest returned.
    """

    metadata: BacktestMetadata | None
    metrics: dict[str, Any]
    trades: Any = None
    equity_curve: Any = None
    positions: Any = None
    diagnostics: Any = None


class PrunedResult(BacktestResult):
    """A run of which the metrics are left: reading anything else raises `PrunedError`."""

    def __init__(self, metadata: BacktestMetadata, metrics: dict[str, Any]) -> None:
        self.metadata = metadata
        self.metrics = metrics

    def __repr__(self) -> str:
        return f"PrunedResult(metadata={self.metadata!r}, metrics={self.metrics!r})"

    def __getattribute__(self, name: str) -> Any:
        if name in {"trades", "equity_curve", "positions", "diagnostics"}:
            metadata: Any = super().__getattribute__("metadata")
            raise_pruned(metadata.run_id, name)
        return super().__getattribute__(name)


def raise_pruned(run_id: str, what: str) -> NoReturn:
    """Say that a run was pruned.

    Raises
    ------
    PrunedError
        Always.
    """
    message = (
        f"the run {run_id} was pruned (keep_top): it has its metrics, and no "
        f"{what.replace('_', ' ')} any more; call the backtest again to restore it, and pin the "
        "runs to keep"
    )
    raise PrunedError(message)
