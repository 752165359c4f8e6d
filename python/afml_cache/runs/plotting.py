"""Pictures of equity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from afml_cache.runs.rankings import parameters_shown

if TYPE_CHECKING:
    from collections.abc import Collection

    from afml_cache._native import Run


def plot(runs: list[Run], returns: Any, profits: Collection[str], ax: Any) -> Any:
    """Draw what one unit becomes in each run; of those in `profits`, what they add up to."""
    ax = _axes() if ax is None else ax
    for run in runs:
        own = returns[run.run].dropna().astype("float64")
        grown = own.cumsum() if run.run in profits else (1.0 + own).cumprod()
        ax.plot(grown.index, grown.to_numpy(), label=f"{run.strategy} {parameters_shown(run)}")
    ax.set_ylabel("profit" if profits else "equity, from 1")
    ax.axhline(0.0 if profits else 1.0, color="gray", linewidth=0.8)
    ax.grid(visible=True, alpha=0.3)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="best", fontsize="small")
    return ax


def _axes() -> Any:
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        message = "plot_equity needs matplotlib: pip install matplotlib"
        raise ImportError(message, name="matplotlib") from error
    # Of no window: it is shown where it is returned, and saved by `ax.figure.savefig`.
    return Figure(figsize=(8.0, 4.5), layout="constrained").subplots()
