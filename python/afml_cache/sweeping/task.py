"""What a worker does: work through items, and tell of each."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from afml_cache import _native, config, modes
from afml_cache.exceptions import warn
from afml_cache.ranges.simulation import as_of, simulation
from afml_cache.scratch_space import consumer, current_budget, enter_token, token_of_context
from afml_cache.scratch_space.ties import ties_to
from afml_cache.sweeping.checkpoint import Checkpoint
from afml_cache.sweeping.messages import Apart, Busy, Failed, Gave, Peak, Stored, raised
from afml_cache.sweeping.work import Begun, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from afml_cache.scratch_space import Consumer
    from afml_cache.scratch_space.ties import Ties
    from afml_cache.sweeping.items import Shape
    from afml_cache.sweeping.messages import Message
    from afml_cache.sweeping.work import Call, Work

# An item, the key that it has where the sweep is, and whether its result is to be sent.
Given = tuple[Any, str | None, bool]
_LONGEST_SEED: Final = 2**32


class Task:
    """The work of a sweep, for one worker or for several threads.

    Parameters
    ----------
    work, shape
        What is done, and how items become calls.
    interval
        After how many items results are committed.
    anew
        Whether to compute whatever is there.
    keeps
        Whether anything may be stored.
    owns_process
        Whether a worker is a process that does nothing else: it has the settings of this one, and
        the generators of `random` and NumPy are seeded before each item.
    scratch
        Names of the folders that the sweep itself keeps.
    """

    def __init__(
        self,
        work: Work,
        shape: Shape,
        interval: int,
        *,
        anew: bool,
        keeps: bool,
        owns_process: bool,
        scratch: frozenset[str],
    ) -> None:
        self.work = work
        self.shape = shape
        self.interval = interval
        self.anew = anew
        self.keeps = keeps
        self.owns_process = owns_process
        self.scratch = scratch
        self.mode = _native.current_mode()
        self.settings = _settings() if owns_process else None
        self.token = token_of_context()
        around = simulation()
        self.time = None if around is None else around.time
        self._checkpoint: Checkpoint | None = None
        # A call that had its key here, and the key: all threads of a process have it together.
        self._agreed: list[tuple[Call, str]] = []
        self._has_warned = False
        self._peak = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_checkpoint": None, "_agreed": []}

    def __copy__(self) -> Task:
        """Give one for another thread, which commits by itself, and shares what has agreed."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, _checkpoint=None)
        return other

    def __call__(
        self,
        chunk: list[tuple[int, Given]],
        emit: Callable[[Message], None],
        begin: Callable[[int], None],
    ) -> None:
        """Work through some items, and commit what they gave."""
        if self._checkpoint is None:
            self._checkpoint = Checkpoint(self.work, self.interval, emit)
            if self.settings is not None:
                config.configure(self.settings)
        with self._around():
            for number, given in chunk:
                begin(number)
                self._run(self._checkpoint, number, given)
            self._checkpoint.commit()

    def close(self) -> None:
        """Commit what waits."""
        if self._checkpoint is not None:
            with self._around():
                self._checkpoint.close()

    @contextlib.contextmanager
    def _around(self) -> Iterator[None]:
        with contextlib.ExitStack() as around:
            if _native.current_mode() != self.mode:
                around.enter_context(modes.mode(self.mode))
            if self.time is not None and simulation() is None:
                around.enter_context(as_of(self.time))
            if self.token is not None:
                around.enter_context(enter_token(self.token))
            yield

    def _run(self, checkpoint: Checkpoint, number: int, given: Given) -> None:
        start = time.perf_counter()
        try:
            self._work_through(checkpoint, number, given)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - an item may raise what it likes
            self._tell_peak(checkpoint)
            checkpoint.tell(Failed(number, time.perf_counter() - start, raised(error)))

    def _work_through(self, checkpoint: Checkpoint, number: int, given: Given) -> None:
        item, key, inline = given
        key_call = self.shape.key_call(item)
        begun = self._begun(key_call, inline)
        if not inline and key is not None and begun.key is not None:
            if begun.key == key:
                self._agree(key_call, key)
            elif not self._has_changed():
                checkpoint.tell(Apart(number, self.work.code_parts(key_call), _place()))
                return
            else:
                inline, begun = True, self._begun(key_call, True)
        if begun.step == "busy":
            checkpoint.tell(Busy(number))
            return
        if begun.step == "hit":
            checkpoint.tell(Stored({number: 0.0}))
            return
        call = self.shape.call(item) if self.shape.seeded else key_call
        if self.owns_process:
            self._seed(item)
        # Scratch in it is its own: another item's, or what one of other data left, is not found.
        owner = begun.key or key or secrets.token_hex(16)
        with consumer(owner, (), f"an item of `{self.work.name}`") as around:
            value, seconds = self._computed(begun.turn, call)
        self._tell_peak(checkpoint)
        ties = self._ties(key_call, around)
        if begun.turn is None or inline or ties is None:
            checkpoint.tell(Gave(number, seconds, value))
        else:
            checkpoint.add(number, Result(key_call, value, seconds, begun.turn, ties))

    def _ties(self, call: Call, around: Consumer) -> Ties | None:
        """Give the folders that were made for what is around, and that the item may have filled.

        Its result is of use as long as they are there. `None` if one of them is gone.
        """
        written = {place.path for place in around.outer if place.name not in self.scratch}
        return ties_to(written | self.work.folders(call))

    def _tell_peak(self, checkpoint: Checkpoint) -> None:
        """Tell of the most scratch that was seen, for the budget of another process."""
        budget = current_budget()
        if budget is not None and budget.peak > self._peak:
            self._peak = budget.peak
            checkpoint.tell(Peak(self._peak))

    def _begun(self, call: Call, inline: bool) -> Begun:
        return self.work.begin(call, self.anew or inline) if self.keeps else Begun("compute")

    def _agree(self, call: Call, key: str) -> None:
        if not self._agreed:
            self._agreed.append((call, key))

    def _has_changed(self) -> bool:
        """Whether what a call had its key by was changed here since; that is told once."""
        if not self._agreed:
            return False
        call, key = self._agreed[0]
        if self.work.keys([call]) == [key]:
            return False
        if not self._has_warned:
            self._warn_of_change()
        return True

    def _warn_of_change(self) -> None:
        self._has_warned = True
        message = (
            f"the items of `{self.work.name}` share an argument, or a value that the code reads, "
            f"which was changed while they ran in {_place()}: what they give from there on is not "
            "stored; have the function work on a copy of what it changes, or name the value in "
            "`ignore_deps` if results do not depend on it"
        )
        warn("SweepWarning", message)

    def _computed(self, turn: Any, call: Any) -> tuple[Any, float]:
        """Compute a call within its turn, which goes on until the result is stored."""
        if turn is not None:
            turn.__enter__()
        start = time.perf_counter()
        try:
            value = self.work.compute(call, self.anew)
        except BaseException:
            if turn is not None:
                turn.__exit__()
            raise
        seconds = time.perf_counter() - start
        if turn is not None:
            turn.pause()
        return value, seconds

    def _seed(self, item: Any) -> None:
        with contextlib.suppress(Exception):  # an item that can't be keyed has no seed
            seed = self.shape.seed_of(item)
            random.seed(seed)
            numpy = sys.modules.get("numpy")
            if numpy is not None:
                numpy.random.seed(seed % _LONGEST_SEED)


def _settings() -> dict[str, Any]:
    """Give what has another process use the same store, in the same way."""
    return {**config.settings(), "cache_dir": config.cache_dir().absolute()}


def _place() -> str:
    """Name this process: where it is, and what runs it."""
    python = ".".join(map(str, sys.version_info[:2]))
    return f"process {os.getpid()} on {socket.gethostname()} (Python {python})"
