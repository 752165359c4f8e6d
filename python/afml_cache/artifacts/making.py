"""The body of an artifact's function, and what becomes of its result."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from typing import TYPE_CHECKING, Any

from afml_cache._native import digest
from afml_cache.artifacts.identity import Identity
from afml_cache.artifacts.keeping import Made, held, keep
from afml_cache.artifacts.lazies import resolved
from afml_cache.exceptions import ArtifactError, UncacheableArgumentError
from afml_cache.explanation import differences
from afml_cache.look_ahead import note_seen, simulation, watched

if TYPE_CHECKING:
    from afml_cache._native import Watched
    from afml_cache.artifacts.calls import Call
    from afml_cache.artifacts.reading import Saved


def made(call: Call, *, reads: bool, writes: bool) -> tuple[Saved, Any]:
    """Make an artifact, and put it in place where that is allowed.

    Scratch is let go of when the file and what stands beside it are in place.

    Raises
    ------
    ArtifactError
        The format can't hold the result; what was there before is untouched.
    Exception
        Of the body.
    """
    before = call.identity()
    _tell_files(call)
    with _consumer(call, before) as around:
        result = _run(call)
        identity = _unchanged(call, before) if writes else None
        # What asked for bars up to now within `as_of` is true of that time alone.
        is_of_then = result.open_ended and simulation() is not None
        if identity is not None and not is_of_then:
            kept = _kept(call, result, identity, reads=reads)
            if kept is not None:
                if around is not None:
                    around.commit()
                    call.artifact.note_freed(around.freed)
                return kept
    return held(call.artifact, call.path, result)


def _consumer(call: Call, identity: Identity | None) -> Any:
    """Give what lets go of the scratch that is opened within, once it is told to.

    What a call that failed has left is found by the same call alone.
    """
    names = call.artifact.scratch
    if not names:
        return contextlib.nullcontext()
    from afml_cache.scratch_space import consumer

    key = secrets.token_hex(16) if identity is None else identity.key
    return consumer(digest((os.fsencode(call.path), key)), names, f"artifact {call.artifact.name}")


def _run(call: Call) -> Made:
    with watched() as seen:
        start = time.perf_counter()
        args, kwargs = resolved(call.bound.args, call.bound.kwargs)
        value = call.artifact.function(*args, **kwargs)
        seconds = time.perf_counter() - start
    until = _seen_until(call, seen)
    note_seen(until, open_ended=seen.open_ended)
    return Made(value, seconds, until, seen.open_ended)


def _seen_until(call: Call, seen: Watched) -> int | None:
    """Give the last instant that the arguments and all that was read have seen, in ns UTC."""
    try:
        given = call.artifact.calls.bars.seen_until(call.bound.arguments.values())
    except Exception as error:  # noqa: BLE001 - of values of any kind; the caller has the result
        message = f"up to when the artifact `{call.artifact.name}` has seen can't be told: {error}"
        call.artifact.tell_once("TimeRangeWarning", message)
        given = None
    return max((until for until in (given, seen.until) if until is not None), default=None)


def _unchanged(call: Call, before: Identity | None) -> Identity | None:
    """Tell what the result was made from; `None` where that has changed meanwhile."""
    if before is None:
        return Identity(None, [])
    try:
        after = call.artifact.calls.identity(call.bound)
    except UncacheableArgumentError as error:
        changes = [f"an argument has changed: {error}"]
    else:
        if after.key == before.key:
            return before
        changes = differences(after.parts, before.parts) or ["what it is made from has changed"]
    call.artifact.tell(
        "CacheWriteWarning",
        f"`{call.path}` was not written: while `{call.artifact.name}` ran, {'; '.join(changes)}; "
        "work on copies of arguments and globals, or leave globals out with ignore_deps=(...)",
    )
    return None


def _kept(call: Call, result: Made, identity: Identity, *, reads: bool) -> tuple[Saved, Any] | None:
    """Put what was made in place; `None` where the disk or the store can't take it."""
    try:
        return keep(call.artifact, call.path, result, identity, reads=reads)
    except ArtifactError:
        raise
    except Exception as error:  # noqa: BLE001 - of the disk, or of a library over the value
        held(call.artifact, call.path, result)  # raises where the value is at fault
        call.artifact.tell("CacheWriteWarning", f"`{call.path}` was not written: {error}")
        return None


def _tell_files(call: Call) -> None:
    """Warn of arguments that name a file whose content is not looked at."""
    for name in call.artifact.calls.undeclared(call.bound):
        call.artifact.tell_once(
            "UndeclaredFileWarning",
            f"the artifact `{call.artifact.name}` is given the name of a file as `{name}`, and "
            f"the name alone counts: an edit of the file would not be seen; name it in "
            f'files=("{name}",), or filter this warning if the file is not read',
        )
