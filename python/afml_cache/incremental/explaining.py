"""Why the periods of a call hit or miss, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from afml_cache.explanation import Explanation

__all__ = ["PeriodState", "PeriodsExplanation"]


@dataclass(frozen=True, slots=True)
class PeriodState:
    """One period of a call.

    Attributes
    ----------
    period : str
        What it is called, as "2024-05".
    first, last
        Labels of the first and the last of its own rows.
    is_complete : bool
        Whether its rows and its look-ahead are all there: else its result is in memory only.
    explanation : Explanation
        Why its call hits or misses.
    """

    period: str
    first: Any
    last: Any
    is_complete: bool
    explanation: Explanation

    def __str__(self) -> str:
        reasons = list(self.explanation.reasons)
        if not self.is_complete:
            reasons.append("not complete yet, so it is kept in memory only")
        return f"{self.period} ({'; '.join(reasons)})" if reasons else self.period


@dataclass(frozen=True, slots=True, repr=False)
class PeriodsExplanation:
    """Why the periods of a call hit or miss.

    Attributes
    ----------
    function : str
        `module.qualname`.
    key : str
        The key of the call with the whole frame.
    periods : tuple of PeriodState
        In order of time.
    """

    function: str
    key: str
    periods: tuple[PeriodState, ...]

    @property
    def missing(self) -> tuple[PeriodState, ...]:
        """The periods whose results are not stored."""
        return tuple(one for one in self.periods if not one.explanation.cached)

    @property
    def cached(self) -> bool:
        """Whether the results of all periods are stored."""
        return not self.missing

    @property
    def reasons(self) -> tuple[str, ...]:
        """What is missing, and why."""
        return tuple(map(str, self.missing))

    def __repr__(self) -> str:
        if self.cached:
            return f"{self.function}: all of {len(self.periods)} periods are cached"
        count = f"{len(self.missing)} of {len(self.periods)} periods are not cached"
        return f"{self.function}: {count}: {', '.join(self.reasons)}"
