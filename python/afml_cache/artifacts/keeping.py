"""What was made, put in place with what it was made from beside it."""

from __future__ import annotations

import datetime as dt
import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from afml_cache import _native, groups
from afml_cache.artifacts import sidecar
from afml_cache.artifacts.placing import Draft, alone_in, set_aside, sync_folder
from afml_cache.artifacts.reading import Saved, digest_of
from afml_cache.artifacts.sidecar import Input, Metadata
from afml_cache.artifacts.standing import look
from afml_cache.exceptions import ArtifactError, CacheError

if TYPE_CHECKING:
    from pathlib import Path

    from afml_cache.artifacts.artifact import Artifact
    from afml_cache.artifacts.formats.model import Written
    from afml_cache.artifacts.identity import Identity


@dataclass(frozen=True, slots=True)
class Made:
    """What a body returned.

    Attributes
    ----------
    value
        That.
    seconds : float
        How long it took.
    seen_ns : int or None
        Up to when it has seen, in nanoseconds UTC.
    open_ended : bool
        Whether it asked for bars up to "now".
    """

    value: Any
    seconds: float
    seen_ns: int | None
    open_ended: bool


def keep(
    artifact: Artifact, path: Path, made: Made, identity: Identity, *, reads: bool
) -> tuple[Saved, Any]:
    """Write the file and what stands beside it, and read it back if that is asked.

    Nothing that is there is touched before both are written and synced.

    Raises
    ------
    ArtifactError
        The format can't hold the value.
    Exception
        Of the disk or of a library.
    """
    with Draft(path) as draft:
        written = artifact.format.write(made.value, draft.file)
        size = draft.sync()
        draft.file.seek(0)
        value = artifact.format.read(draft.file, written.reads_as) if reads else None
        metadata = _metadata(artifact, path, made, identity, written, digest_of(draft.place), size)
        content = sidecar.written(metadata, artifact.store)
        with alone_in(path.parent), Draft(sidecar.place_of(path)) as beside:
            beside.file.write(content)
            beside.sync()
            _make_room(artifact, path)
            _make_room_beside(artifact, beside.path)
            draft.put()
            beside.put()
    sync_folder(path.parent)
    _remember(artifact, path)
    return Saved(path, metadata), value


def _remember(artifact: Artifact, path: Path) -> None:
    """Note where an artifact of a group lies, for whoever clears the group."""
    if artifact.group is None:
        return
    try:
        made_by = artifact.name
        groups.remember(
            "artifact", artifact.group, str(path), made_by=made_by, store=artifact.store
        )
    except CacheError as error:
        message = f'`{path}` is not noted as one of the group "{artifact.group}": {error}'
        artifact.tell("CacheWriteWarning", message)


def held(artifact: Artifact, path: Path, made: Made) -> tuple[Saved, Any]:
    """Hold in memory what would stand in the file, and give what that reads back as.

    Raises
    ------
    ArtifactError
        The format can't hold the value.
    """
    file = io.BytesIO()
    try:
        written = artifact.format.write(made.value, file)
        content = file.getvalue()
        read = artifact.format.read(io.BytesIO(content), written.reads_as)
    except ArtifactError:
        raise
    except ImportError as error:
        message = (
            f"`{path.name}` can't be written without `{error.name}`, which is not installed: "
            "pip install 'afml-cache[runs]'"
        )
        raise ArtifactError(message) from error
    except Exception as error:
        message = (
            f"the result of `{artifact.name}` can't be written as `{path.name}`, or not be read "
            f"back: {type(error).__name__}: {error}"
        )
        raise ArtifactError(message) from error
    return Saved(path, None, (content, written.reads_as), _seen_ns=made.seen_ns), read


def _metadata(
    artifact: Artifact,
    path: Path,
    made: Made,
    identity: Identity,
    written: Written,
    digest: str,
    size: int,
) -> Metadata:
    return Metadata(
        file=path.name,
        function=artifact.name,
        key=identity.key,
        inputs={name: Input(found, text) for name, found, text in identity.inputs},
        code_digest=identity.code_digest,
        code=identity.code,
        rows=written.rows,
        columns=written.columns,
        reads_as=written.reads_as,
        digest=digest,
        size=size,
        seconds=made.seconds,
        created=dt.datetime.now(dt.timezone.utc).isoformat(timespec="microseconds"),
        seen_ns=made.seen_ns,
        open_ended=made.open_ended,
        package_version=_native.__version__,
    )


def _make_room(artifact: Artifact, path: Path) -> None:
    """Move aside what nobody knows how to make again, and say so."""
    there = look(path, artifact.store)
    if path.is_dir():
        raise IsADirectoryError(21, os.strerror(21), str(path))
    if there.wrong is not None:
        aside = set_aside(path)
        artifact.tell(
            "ArtifactWarning",
            f"`{path}` is not what was written there: {there.wrong}; it is made anew, and what "
            f"was there is `{aside.name}` now",
        )
    elif there.metadata is not None and there.metadata.function != artifact.name:
        artifact.tell(
            "ArtifactWarning",
            f"`{path}` was made by `{there.metadata.function}`, and `{artifact.name}` makes it "
            "anew; give them different paths",
        )


def _make_room_beside(artifact: Artifact, place: Path) -> None:
    """Move aside what stands in the place of a sidecar and is none."""
    if os.path.lexists(place) and not sidecar.is_one(place):
        aside = set_aside(place)
        artifact.tell(
            "ArtifactWarning",
            f"`{place}` is damaged, and written anew; what was there is `{aside.name}` now",
        )
