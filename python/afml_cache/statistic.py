"""A figure, or why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Statistic"]


class Statistic(float):
    """A float that knows why it is NaN.

    Attributes
    ----------
    reason : str or None
        Why there is no figure; `None` where there is one.

    Examples
    --------
    >>> from afml_cache import sharpe_ratio
    >>> sharpe_ratio([0.01, 0.01, 0.01])
    nan (the returns do not vary)
    """

    reason: str | None

    def __new__(cls, value: float, reason: str | None = None) -> Self:  # noqa: D102
        made = super().__new__(cls, value)
        made.reason = reason
        return made

    @property
    def value(self) -> float:
        """The figure as a plain float."""
        return float(self)

    def __repr__(self) -> str:
        plain = float.__repr__(self)
        return plain if self.reason is None else f"{plain} ({self.reason})"

    __str__ = __repr__
