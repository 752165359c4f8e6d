"""The life of a call: look whether the file is what the call would make, and only else make it."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from afml_cache import groups
from afml_cache._native import Runs, current_mode, digest
from afml_cache.artifacts import reading, sidecar, standing
from afml_cache.artifacts.explaining import reasons
from afml_cache.artifacts.making import made
from afml_cache.artifacts.reading import Saved
from afml_cache.exceptions import (
    ArtifactError,
    CacheMissError,
    CacheStoreError,
    UncacheableArgumentError,
)
from afml_cache.look_ahead import note_seen, refuse_future, simulation

if TYPE_CHECKING:
    from afml_cache.artifacts.artifact import Artifact
    from afml_cache.artifacts.identity import Identity
    from afml_cache.artifacts.sidecar import Metadata


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call comes to: where its file is, and what that reads back as, if that was asked."""

    saved: Saved
    value: Any = None


class Call:
    """One call of an artifact's function."""

    def __init__(self, artifact: Artifact, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.artifact = artifact
        self.bound = artifact.calls.bind(args, kwargs)
        self.path = artifact.template.path(self.bound.arguments)
        self._identity: Identity | None = None
        self._is_identified = False

    def answer(self, *, reads: bool, anew: bool = False) -> Answer:
        """Give where the file is, and what it reads back as if that is asked; made if it must be.

        Raises
        ------
        CacheMissError
            It is not there, and the mode is "frozen".
        ArtifactError
            What was made can't be written in its format.
        """
        group = self.artifact.group
        looks = not anew and groups.looks_up("artifact", group)
        found = self.found(reads=reads) if looks else None
        if found is not None:
            return found
        if current_mode() == "frozen":
            raise self.missing()
        if not groups.writes(group):
            if looks:
                self._tell_of_damage()
            return Answer(*made(self, reads=reads, writes=False))
        turn = self._turn(reads=reads, looks=looks)
        if isinstance(turn, Answer):
            return turn
        with turn:
            return Answer(*made(self, reads=reads, writes=True))

    def _turn(self, *, reads: bool, looks: bool) -> Any:
        """Wait for whoever makes a file at the same place, in this process or another.

        Gives what the other one made, or the turn to make it.
        """
        from afml_cache.runs import flights  # brings asyncio, which no hit needs

        place = os.path.realpath(self.path.parent), self.path.name
        waiting = flights.Waiting(
            Runs(self.artifact.store),
            digest(("afml-cache artifact", *map(os.fsencode, place))),
            lambda: self.found(reads=reads) if looks else None,
            threading.get_ident(),
        )
        return flights.awaited(waiting)

    def identity(self) -> Identity | None:
        """Tell what it is made from; `None` where an argument can't be keyed, which is told."""
        if not self._is_identified:
            self._is_identified = True
            try:
                self._identity = self.artifact.calls.identity(self.bound)
            except UncacheableArgumentError as error:
                self.artifact.tell_once(
                    "UncacheableArgumentWarning",
                    f"the artifact `{self.artifact.name}` is made at each call: {error}; pass "
                    "plain values, or leave arguments out with identified_by=(...) or ignore=(...)",
                )
        return self._identity

    def metadata(self) -> Metadata | None:
        """Give what stands beside the file if that is of this call; its content is not looked at.

        A file of another size than was written has none.
        """
        known = self._beside()
        if known is None or _is_of_another_time(known):
            return None
        if self.artifact.trust != "name":
            identity = self.identity()
            if identity is None or identity.key != known.key:
                return None
        return known

    def _beside(self) -> Metadata | None:
        """Give what genuinely stands beside the file, if it is about a file of this size."""
        try:
            known = sidecar.read(self.path, self.artifact.store)
            if known is None or self.path.stat().st_size != known.size:
                return None
        except (OSError, sidecar.NotGenuineError):  # of the store too: nothing can be believed
            return None
        return known

    def found(self, *, reads: bool) -> Answer | None:
        """Give what is there if it is what this call would make."""
        if not reading.is_file(self.path):
            return None
        trusted = self.artifact.trust == "name"
        known = self._beside() if trusted else self.metadata()
        if known is None and not trusted:
            return None
        if known is not None:
            if _is_of_another_time(known):
                return None
            refuse_future(f"artifact {self.artifact.name}", known.seen_ns)
        try:
            value = self._read(known) if reads else None
            if not reads:
                self._check(known)
        except ArtifactError:  # not what was written: told when it is made anew
            return None
        except Exception as error:  # noqa: BLE001 - of any library; what is there is of no use
            message = f"`{self.path}` can't be read ({error}), and is not used"
            self.artifact.tell("ArtifactWarning", message)
            return None
        if known is not None:
            note_seen(known.seen_ns, open_ended=known.open_ended)
        return Answer(Saved(self.path, known, None, trusted), value)

    def _read(self, known: Metadata | None) -> Any:
        return reading.read(self.path, known, trusted=self.artifact.trust == "name")

    def _check(self, known: Metadata | None) -> None:
        """Raise as reading would where that takes no rows."""
        if self.artifact.trust == "name":
            with self.path.open("rb") as file:
                self.artifact.format.check(file)
        elif known is not None and (wrong := reading.damage(self.path, known)) is not None:
            raise ArtifactError(wrong)

    def _tell_of_damage(self) -> None:
        """Say that a file is not used, where it is not made anew either."""
        try:
            there = standing.look(self.path, self.artifact.store)
        except CacheStoreError as error:
            there = standing.Standing(exists=True, wrong=str(error))
        if there.wrong is not None:
            message = f"`{self.path}` is not used: {there.wrong}"
            self.artifact.tell("ArtifactWarning", message)

    def missing(self) -> CacheMissError:
        """Make the error for what is not there where nothing may be made."""
        try:
            why = "; ".join(reasons(self)) or "it is asked to be made anew"
        except UncacheableArgumentError as error:
            why = str(error)
        return CacheMissError(
            f"the artifact `{self.artifact.name}` has no file for this call ({why}), and nothing "
            f'is made by `load`, nor in mode "frozen"'
        )


def _is_of_another_time(known: Metadata) -> bool:
    """Whether it asked for what there is up to now, and now is as of another time."""
    return known.open_ended and simulation() is not None
