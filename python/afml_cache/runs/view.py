"""The runs of a store, as whoever looks at them sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from afml_cache._native import Runs, default_store
from afml_cache.runs.families import Ledger
from afml_cache.runs.index import RunIndex
from afml_cache.runs.reading import tell_of_damage
from afml_cache.store import checked_store

if TYPE_CHECKING:
    from afml_cache._native import Store


class View:
    """A view of the runs of a store, or of the default one."""

    def __init__(self, store: Any = None) -> None:
        self._store = checked_store(store)
        self._runs: tuple[Store, Runs] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_runs": None}

    @property
    def store(self) -> Store:
        """The store that the runs are in."""
        return self._store or default_store()

    @property
    def native(self) -> Runs:
        """The runs, as the core has them."""
        store = self.store
        if self._runs is None or self._runs[0] is not store:
            self._runs = store, Runs(store)
            tell_of_damage(self._runs[1])
        return self._runs[1]

    @property
    def index(self) -> RunIndex:
        """The runs by id: strategy, parameters, data hash, timestamp and metrics of each.

        `index[...]` is the id of the run that this thread recorded or hit last.
        """
        return RunIndex(self.native)

    @property
    def ledger(self) -> Ledger:
        """What was tried."""
        return Ledger(self.native)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.store.path)!r})"
