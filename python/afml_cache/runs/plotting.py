"""Pictures of equity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from afml_cache.runs.rankings import parameters_shown

if TYPE_CHECKING:
    from afml_cache._native import Run


def plot(runs: list[Run], returns: Any, ax: Any) -> Any:
    """Draw what one unit becomes in each run."""
    if ax is None:
        from matplotlib.figure import Figure

        # Of no window: it is shown where it is returned, and saved by `ax.figure.savefig`.
        ax = Figure(figsize=(8.0, 4.5), layout="constrained").subplots()
    for run in runs:
        if run.run not in returns.columns:
            continue
        grown = (1.0 + returns[run.run].dropna().astype("float64")).cumprod()
        ax.plot(grown.index, grown.to_numpy(), label=f"{run.strategy} {parameters_shown(run)}")
    ax.set_ylabel("equity, from 1")
    ax.axhline(1.0, color="gray", linewidth=0.8)
    ax.grid(visible=True, alpha=0.3)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="best", fontsize="small")
    return ax
