"""Why a call uses what is there, or makes it anew, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from afml_cache import groups
from afml_cache._native import current_mode
from afml_cache.artifacts import standing
from afml_cache.exceptions import CacheStoreError
from afml_cache.explanation import Explanation, differences
from afml_cache.instants import as_datetime
from afml_cache.look_ahead import simulation

if TYPE_CHECKING:
    from afml_cache.artifacts.calls import Call
    from afml_cache.artifacts.sidecar import Metadata

_OF_ANOTHER_TIME: Final = "it asked for what there is up to now, and was made as of another time"


def explained(call: Call) -> Explanation:
    """Say why a call uses the file that is there, or makes it anew.

    Raises
    ------
    UncacheableArgumentError
        An argument can't be keyed.
    """
    identity = call.artifact.calls.identity(call.bound)
    found = tuple(reasons(call))
    known = None if found else call.metadata()
    seen = None if known is None or known.seen_ns is None else as_datetime(known.seen_ns)
    return Explanation(call.artifact.name, str(identity.key), not found, found, seen=seen)


def reasons(call: Call) -> list[str]:
    """Say what keeps a call from using what is there; nothing where it is used."""
    artifact = call.artifact
    if not groups.looks_up("artifact", artifact.group):
        return [_switched_off(artifact.group)]
    try:
        there = standing.look(call.path, artifact.store)
    except CacheStoreError as error:
        return [f"nothing says whether it is genuine: {error}"]
    if not there.exists:
        return [f"there is no file `{call.path}`"]
    if artifact.trust == "name":
        return _of_a_name(call, there.metadata)
    if there.metadata is None or there.wrong is not None:
        return [f"`{call.path}` is not what was written there: {there.wrong}"]
    return _changes(call, there.metadata)


def _of_a_name(call: Call, known: Metadata | None) -> list[str]:
    if known is not None and _is_of_another_time(known):
        return [_OF_ANOTHER_TIME]
    return [] if call.found(reads=False) else [f"`{call.path}` can't be read"]


def _changes(call: Call, known: Metadata) -> list[str]:
    if known.function != call.artifact.name:
        return [f"`{known.function}` made it"]
    if known.key is None:
        return ["it was made with an argument that can't be keyed"]
    identity = call.artifact.calls.identity(call.bound)
    if identity.key != known.key:
        changes = differences(identity.parts, known.parts)
        return changes or ["its version= or its options changed"]
    return [_OF_ANOTHER_TIME] if _is_of_another_time(known) else []


def _is_of_another_time(known: Metadata) -> bool:
    return known.open_ended and simulation() is not None


def _switched_off(group: str | None) -> str:
    of_group = "" if group is None else f", `cache_{group}` or `skip_existing_{group}`"
    return (
        f'what is there is not to be used: the mode is "{current_mode()}", and the settings are '
        f"`force_rerun` and `skip_existing`{of_group}"
    )
