"""Groups of sweeps and artifacts, and the switches that turn them off: `CACHE_CONFIG` and flags."""

from __future__ import annotations

from typing import Literal

from afml_cache import config, modes

__all__ = ["Kind", "looks_up", "writes"]

Kind = Literal["artifact", "sweep"]


def looks_up(kind: Kind, group: str | None = None) -> bool:
    """Whether what is there may be used.

    Parameters
    ----------
    kind : {"artifact", "sweep"}
        Artifacts and files of batches, which `--no-skip-existing` makes anew, or sweeps, which
        `--force-rerun` computes again with them.
    group : str, optional
        The group that it belongs to, such as "universes": the settings `cache_<group>` and
        `skip_existing_<group>` are about it.
    """
    chosen = config.settings()
    if not modes.looks_up() or chosen.get("force_rerun", False) or not is_on(group):
        return False
    return kind == "sweep" or (
        chosen.get("skip_existing", True) and chosen.get(f"skip_existing_{group}", True)
    )


def writes(group: str | None = None) -> bool:
    """Whether anything of the group may be stored."""
    return modes.writes() and is_on(group)


def is_on(group: str | None) -> bool:
    """Whether a group is used at all: `cache_labeling=False` turns "labeling" off."""
    return bool(config.settings().get(f"cache_{group}", True))
