"""Which run computed a result: kept with the results, for hits of this and every later process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from afml_cache._native import Function
from afml_cache.decorators import code_settings, native_settings
from afml_cache.exceptions import CacheError
from afml_cache.modes import mode

if TYPE_CHECKING:
    from collections.abc import Callable

    from afml_cache._native import Store

_MODULE: Final = "afml_cache.mlflow"


class Record(NamedTuple):
    """What a run logged of a result.

    Attributes
    ----------
    run_id : str or None
        The run that computed it; `None` where that is not known.
    parameters : dict
        Names to texts.
    metrics : dict
        Names to numbers.
    """

    run_id: str | None
    parameters: dict[str, str]
    metrics: dict[str, float]


def internal(function: Callable[..., Any], store: Store | None) -> Function:
    """Give a function of this package's own whose results are put, and never computed."""
    name = f"{_MODULE}.{function.__name__}"
    chosen = code_settings(name, {"version": "1", "track_code": False})
    return Function(function, name, **native_settings(**chosen, raises=True, store=store))


class Records:
    """The records in a store.

    Parameters
    ----------
    store : Store, optional
        Where the results are; the default store if it is left out.
    """

    def __init__(self, store: Store | None) -> None:
        self._recorded = internal(record, store)

    def find(self, key: str, place: str) -> Record | None:
        """Give what is known of a result at a place, which `Server.place_of` names."""
        try:
            with mode("frozen"):
                found = self._recorded(key, place)
        except CacheError:
            return None
        return Record(*found)

    def keep(self, key: str, place: str, known: Record, how: str) -> None:
        """Keep what is known of a result; a mode that writes nothing keeps nothing."""
        with mode(how):
            self._recorded.put(tuple(known), key, place)


def record(key: str, place: str) -> tuple[Any, ...]:
    """Stand for the records: they are put, and never computed."""
    raise LookupError(key, place)
