"""`scratch`: a folder for intermediates that goes away when they have been used."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import ScratchError
from afml_cache.scratch_space.consumers import Consumer, consumers
from afml_cache.scratch_space.context import budget_of_context, open_folders
from afml_cache.scratch_space.folders import Hold, hold, size_of
from afml_cache.scratch_space.holders import claim_of
from afml_cache.scratch_space.identities import identity
from afml_cache.scratch_space.places import Place, name_of, root_of
from afml_cache.scratch_space.records import largest, record
from afml_cache.scratch_space.removal import let_go, note_peak
from afml_cache.sizes import as_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

__all__ = ["Scratch", "scratch"]


class Scratch:
    """A scratch folder, while a `with` statement has it; see `scratch`.

    Attributes
    ----------
    freed : int
        The bytes that its removal freed; 0 while it is there, and where a consumer keeps it.
    """

    def __init__(self, name: str, root: Path | None, of: object, needs: int | None) -> None:
        self.freed = 0
        self._name, self._root, self._of, self._needs = name, root, of, needs
        self._hold: Hold | None = None
        self._keeper: Consumer | None = None
        self._process = 0

    def __enter__(self) -> Path:
        if self._hold is not None and self._process == os.getpid():
            message = f"scratch `{self._name}` is open already; make another object for it"
            raise ScratchError(message)
        around = [each for each in consumers() if not each.committed]
        named = [each for each in around if self._name in each.names]
        owner = next(reversed(named or around), None)
        key = None if owner is None else owner.key
        place = Place(self._root or root_of(None), self._name, identity(key, self._of))
        if owner is not None:
            owner.join(place.root)
        what = "" if owner is None else owner.what
        with self._admitted(place) as expects:
            self._hold = hold(place, key or "", what, expects)
        self._keeper = named[-1] if named else None
        if self._keeper is not None:
            for inner in around[around.index(self._keeper) + 1 :]:
                inner.outer.add(place)
        self._process = os.getpid()
        open_folders.set((*open_folders.get(), place.path))
        return place.files

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        held, self._hold = self._hold, None
        if held is None:
            return
        _close(held.place.path)
        if self._process != os.getpid():
            return  # a forked child: it is its parent's
        if self._keeper is not None and not self._keeper.committed:
            _keep(held)
        elif kind is not None:
            _keep(held, failed=True)
        else:
            self.freed = let_go(held) or 0
            if self._keeper is not None:
                self._keeper.add(self.freed)

    @contextlib.contextmanager
    def _admitted(self, place: Place) -> Iterator[int]:
        """Wait for room under a budget, for what is not there yet; give all that is expected."""
        budget = budget_of_context()
        if budget is None or budget.root != place.root:
            yield 0
            return
        needs = largest(place.root, place.name) if self._needs is None else self._needs
        missing = max(0, needs - claim_of(place))
        if not missing:
            yield needs
            return
        with budget.admitting(missing, f"scratch `{place.name}`"):
            yield needs


def _close(path: Path) -> None:
    """Take a folder from those that this context has open, once."""
    found = list(open_folders.get())
    if path in found:
        found.remove(path)
        open_folders.set(tuple(found))


def _keep(held: Hold, *, failed: bool = False) -> None:
    try:
        if failed:
            record(held.place.root, held.place.name, size_of(held.place))
        note_peak(held.place.root)
    finally:
        held.lock.close()


def scratch(
    name: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    of: Any = None,
    needs: int | str | None = None,
) -> Scratch:
    """Make a folder for intermediates, which goes away when they have been used.

    It is removed at the end of the `with` statement. Where an exception ends that, or the process
    is killed, it is kept, and the next `with` statement of the same has it again with all that is
    in it. In an artifact or a sweep that names it, it is kept until that is stored. Each artifact,
    each sweep that names it, and each item of other sweeps has a folder of its own.

    Parameters
    ----------
    name : str
        Such as "labels" or "labels/long": a relative path.
    root : str or os.PathLike, optional
        Where; by default the setting `scratch_dir`, else `scratch` in the folder of the cache.
    of : optional
        What the folder is of, such as a pair or a data frame, by content: another value, another
        folder. Items of a sweep that names the folder share it without this.
    needs : int or str, optional
        What it is expected to take, such as "10 GB", for `disk_budget`; by default as much as the
        largest folder of this name so far.

    Returns
    -------
    Scratch
        A context manager that gives a `pathlib.Path`; `freed` are the bytes of its removal. Only
        the user can read the folder.

    Raises
    ------
    ScratchError
        The name leads out of the root, there is a link on the way, or a folder there that this
        library did not make.
    CacheStoreError
        The folder can't be made; raised when it is entered, as the others below are.
    DiskBudgetError
        There is no room for it.
    UncacheableArgumentError
        `of` has no content to tell it by.

    Examples
    --------
    >>> from afml_cache import scratch
    >>> labels = scratch("labels", of="EURUSD")
    >>> with labels as folder:
    ...     written = (folder / "long.csv").write_text("1,0,1")
    >>> folder.exists(), labels.freed > 0
    (False, True)
    """
    needed = None if needs is None else as_bytes("needs", needs)
    return Scratch(name_of(name), None if root is None else root_of(root), of, needed)
