"""Groups of sweeps and artifacts, and the switches that turn them off: `CACHE_CONFIG` and flags."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from afml_cache import config, modes
from afml_cache._native import Journal, default_store
from afml_cache.exceptions import CacheConfigError
from afml_cache.store import checked_store

if TYPE_CHECKING:
    import os

    from afml_cache._native import Store

__all__ = ["Cleared", "Kind", "clear_group", "clear_label_cache", "looks_up", "remember", "writes"]

Kind = Literal["artifact", "sweep"]

_KIND: Final = "member"
_LABELS: Final = "labeling"


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


def checked_group(group: object) -> str | None:
    """Give a group, or that there is none.

    Raises
    ------
    CacheConfigError
        It is no name.
    """
    if group is not None and (not isinstance(group, str) or not group):
        message = f'`group` is a name such as "labeling", not {group!r}'
        raise CacheConfigError(message)
    return group


def is_on(group: str | None) -> bool:
    """Whether a group is used at all: `cache_labeling=False` turns "labeling" off."""
    return bool(config.settings().get(f"cache_{group}", True))


def remember(
    kind: Kind, group: str, name: str, *, made_by: str | None = None, store: Store | None = None
) -> None:
    """Note what belongs to a group: the path of an artifact, or the function of a sweep.

    Parameters
    ----------
    kind, group, name
        What it is, of which group, and its path or function.
    made_by : str, optional
        The function of an artifact.
    store : Store, optional
        Where it is noted; the default store if it is left out.

    Raises
    ------
    CacheStoreError
        The store can't be opened or changed.
    """
    body = json.dumps({"kind": kind, "name": name, "made_by": made_by})
    Journal(store or default_store()).put(_KIND, [(f"{group} {kind} {name}", group, body)])


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was removed of a group.

    Attributes
    ----------
    entries : int
        Results of sweeps.
    artifacts : int
        Files.
    """

    entries: int
    artifacts: int


def clear_group(group: str, *, store: Store | str | os.PathLike[str] | None = None) -> Cleared:
    """Remove all that sweeps and artifacts of a group have left.

    Parameters
    ----------
    group : str
        Its name, such as "labeling", "universes" or "regimes".
    store : Store, str or os.PathLike, optional
        Of which store; the default store if it is left out.

    Returns
    -------
    Cleared
        How much there was. Files that somebody else has written or edited are left, and those
        that a function of no or another group has made meanwhile.

    Raises
    ------
    CacheConfigError
        `group` is no name.
    CacheStoreError
        The store can't be opened or changed.
    OSError
        A file can't be removed; those behind it are still there, and of the group.

    Examples
    --------
    >>> from afml_cache import clear_group, sweep
    >>> _ = sweep(abs, [-1, -2], group="labeling", progress=False)
    >>> clear_group("labeling").entries
    2
    """
    if checked_group(group) is None:
        message = '`group` is a name such as "labeling", not None'
        raise CacheConfigError(message)
    place = checked_store(store) or default_store()
    journal = Journal(place)
    rows = journal.list(_KIND, group)
    members = [json.loads(body) for _, _, _, body in rows]
    functions = [member["name"] for member in members if member["kind"] == "sweep"]
    entries = sum(len(place.select(None, name, remove=True)) for name in functions)
    artifacts = sum(_remove(member, place) for member in members if member["kind"] == "artifact")
    journal.remove(_KIND, [name for name, *_ in rows])
    return Cleared(entries, artifacts)


def _remove(artifact: dict[str, str], store: Store) -> bool:
    from afml_cache.artifacts.standing import remove

    return remove(Path(artifact["name"]), store, artifact.get("made_by"))


def clear_label_cache() -> Cleared:
    """Remove all that is in the group "labeling", as `clear_group` does."""
    return clear_group(_LABELS)
