"""Consumers: what scratch is made for, and when it may go.

A consumer is an artifact or a sweep. While it lives, the process that owns it holds a lock in the
root of its folders, so that what it keeps is not collected. Its workers lock only what they have
open.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from afml_cache.exceptions import CacheError, ScratchError, warn
from afml_cache.scratch_space.context import budget_of_context, entered, open_folders
from afml_cache.scratch_space.folders import (
    OWNERS,
    Hold,
    belongs,
    descended,
    make_root,
    opened_root,
    told,
)
from afml_cache.scratch_space.identities import short
from afml_cache.scratch_space.locks import Lock, is_free, locked
from afml_cache.scratch_space.marker import MARKER, read_marker
from afml_cache.scratch_space.places import Place, chosen_root, names_of, root_of
from afml_cache.scratch_space.removal import let_go
from afml_cache.scratch_space.tokens import Seat, Token
from afml_cache.scratch_space.trees import entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["Consumer", "Token", "consumer", "consumers", "enter_token"]

_chain: ContextVar[tuple[Consumer, ...]] = ContextVar("chain", default=())
_living: Final = weakref.WeakValueDictionary[str, "Consumer"]()


class Consumer:
    """Keeps the scratch folders of some names until it commits; see `consumer`.

    Attributes
    ----------
    freed : int
        The bytes of the folders that were removed.
    committed : bool
        Whether `commit` was called.
    outer : set of Place
        Folders that were opened within, and that a consumer around this one keeps.
    """

    def __init__(self, key: str, names: frozenset[str], what: str, nonce: str = "") -> None:
        self.key, self.names, self.what = key, names, what
        self.freed = 0
        self.committed = False
        self.outer = set[Place]()
        self._nonce = nonce or secrets.token_hex(8)
        self._process = None if nonce else os.getpid()
        self._guard = threading.Lock()
        self._locks: dict[Path, Lock] = {}

    def __enter__(self) -> Self:
        _chain.set((*_chain.get(), self))
        if self._is_owner:
            _living[self._nonce] = self
            if self.names and os.path.lexists(root_of(None)):
                # What an earlier try has left is this one's from here on.
                try:
                    self.join(root_of(None))
                except (CacheError, OSError) as error:
                    warn("SweepWarning", f"scratch of {self.what} is not kept together: {error}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _chain.set(tuple(each for each in _chain.get() if each is not self))
        if self._is_owner:
            _living.pop(self._nonce, None)
            self._leave()

    @property
    def _is_owner(self) -> bool:
        return self._process == os.getpid()

    def commit(self) -> None:
        """Remove the folders of the names: what they were made for is kept elsewhere by now.

        Folders that are open, here or in another process, go when they are closed, or are
        collected. In a worker this does nothing.
        """
        if not self._is_owner or self.committed:
            return
        self.committed = True
        roots = {*self._locks, root_of(None)} if self.names else set(self._locks)
        alone = self._leave()
        for root in sorted(roots & alone):
            for held in _kept(root, self.key, self.names):
                self.add(let_go(held, owner=short(self.key)))

    def token(self) -> Token:
        """Give what takes a worker of this process into this consumer and those around it.

        Raises
        ------
        ScratchError, CacheStoreError, DiskBudgetError
            The root can't be used.
        """
        seats = []
        for each in (*_chain.get(),) if self in _chain.get() else (*_chain.get(), self):
            if each.names:
                each.join(root_of(None))
            seats.append(Seat(each._nonce, each.key, each.names, each.what))  # noqa: SLF001
        return Token(root_of(None), tuple(seats), budget_of_context(), open_folders.get())

    def join(self, root: Path) -> None:
        """Keep what this consumer has under a root from being collected.

        Raises
        ------
        ScratchError, CacheStoreError, DiskBudgetError
            The root can't be used.
        """
        if not self._is_owner or self.committed:
            return  # the lock here may be one that was held when this process was forked
        with self._guard:
            if root in self._locks:
                return
            make_root(root)
            with opened_root(root) as opened, told(root), locked(opened):
                with descended(opened, (OWNERS,), make=True) as folder:
                    lock = Lock(short(self.key), folder)
                lock.take(shared=True)
            self._locks[root] = lock

    def add(self, freed: int | None) -> None:
        """Count what was freed."""
        if self._is_owner:
            with self._guard:
                self.freed += freed or 0

    def _leave(self) -> set[Path]:
        """Let others have what this consumer kept; give the roots where nobody shared it."""
        with self._guard:
            locks, self._locks = self._locks, {}
        return {root for root, lock in locks.items() if _left(root, lock, short(self.key))}


def _left(root: Path, lock: Lock, name: str) -> bool:
    try:
        with opened_root(root) as opened, locked(opened):
            lock.close()
            with descended(opened, (OWNERS,)) as folder:
                alone = is_free(name, folder)
                if alone:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=folder)
                return alone
    except (CacheError, OSError):
        return True
    finally:
        lock.close()


def _kept(root: Path, key: str, names: frozenset[str]) -> Iterator[Hold]:
    """Find the folders of a consumer; their locks are open and not taken."""
    for name in sorted(names):
        with contextlib.suppress(FileNotFoundError, CacheError):
            with opened_root(root) as opened, descended(opened, tuple(name.split("/"))) as parent:
                found = entries(parent)
            for each in found:
                held = _of_consumer(root, name, each, key)
                if held is not None:
                    yield held


def _of_consumer(root: Path, name: str, identity: str, key: str) -> Hold | None:
    parts = (*name.split("/"), identity)
    try:
        with opened_root(root) as opened, descended(opened, parts) as folder:
            said = read_marker(folder)
            if said is None or said.consumer != key or identity != said.identity:
                return None
            if not belongs(said, name, identity):
                return None
            return Hold(Place(root, name, identity), Lock(MARKER, folder, make=False))
    except (OSError, CacheError):
        return None  # another process removed it, or it is no folder


def token_of_context() -> Token | None:
    """Give what takes a worker into the consumers, the budget and the folders around, if any.

    Raises
    ------
    ScratchError, CacheStoreError, DiskBudgetError
        The root can't be used.
    """
    around, budget, opened = _chain.get(), budget_of_context(), open_folders.get()
    if around:
        return around[-1].token()
    if budget is None and not opened:
        return None
    return Token(root_of(None), (), budget, opened)


def consumer(key: str, names: Iterable[str], what: str) -> Consumer:
    """Say what scratch is made for, and which of it goes when that is done.

    Inside of the `with` statement, a scratch folder of one of the names outlives its own: `commit`
    removes it, and without that, or where an exception ends the statement, it is kept for the next
    consumer of the same key.

    Parameters
    ----------
    key : str
        What tells this consumer from others, such as the key of a call.
    names : iterable of str
        Names of scratch folders; "labels/" is "labels".
    what : str
        What is made, in words, for listings.

    Raises
    ------
    ScratchError
        A name is not one that `scratch` takes, or there is no key.

    Examples
    --------
    >>> from afml_cache.scratch_space import consumer, scratch
    >>> with consumer("5f" * 16, ["labels"], "patterns of EURUSD") as patterns:
    ...     with scratch("labels") as folder:
    ...         (folder / "1.bin").touch()
    ...     print(folder.exists())
    ...     patterns.commit()
    ...     print(folder.exists(), patterns.freed > 0)
    True
    False True
    """
    if not isinstance(key, str) or not key:
        message = f"a consumer of scratch has a key that is text, not {key!r}"
        raise ScratchError(message)
    return Consumer(key, names_of(names), what)


def consumers() -> tuple[Consumer, ...]:
    """Give the consumers that this context is in, the innermost last."""
    return _chain.get()


@contextlib.contextmanager
def enter_token(token: Token) -> Iterator[None]:
    """Put a worker, a thread or a process, into the consumers of its parent.

    Parameters
    ----------
    token : Token
        As `Consumer.token` gave it. Its root and its budget count here too.
    """
    seats = [
        _living.get(seat.nonce) or Consumer(seat.key, seat.names, seat.what, seat.nonce)
        for seat in token.seats
    ]
    before = _chain.get(), chosen_root.get(), entered.get(), open_folders.get()
    _chain.set(tuple(seats))
    chosen_root.set(token.root)
    open_folders.set(token.open)
    if token.budget is not None:
        entered.set(token.budget)
    try:
        yield
    finally:
        _chain.set(before[0])
        chosen_root.set(before[1])
        entered.set(before[2])
        open_folders.set(before[3])
