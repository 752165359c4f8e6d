"""Pickles of results that nothing else can hold."""

from __future__ import annotations

import io
import pickle
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

PROTOCOL = 5


class Outside:
    """What stands outside of a pickle; the native module has one that writes it to a payload."""

    def __call__(self, value: object) -> int | None:
        """Give the number of an object that stands outside, or nothing."""
        raise NotImplementedError

    def take(self, buffer: pickle.PickleBuffer) -> bool:
        """Take a large buffer."""
        raise NotImplementedError

    def restart(self) -> None:
        """Forget it all."""
        raise NotImplementedError


def dumps(value: object, outside: Outside) -> bytes:
    """Pickle a value: plainly where that works, with `cloudpickle` where it refuses.

    Arrays, frames and large buffers go to `outside`.

    Raises
    ------
    Exception
        Whatever plain pickle raised, where `cloudpickle` is missing or refuses too.
    """
    try:
        return _written(_plain(), value, outside)
    except Exception:
        outside.restart()
        try:
            return _written(_by_value(), value, outside)
        except Exception:  # noqa: BLE001, S110 (the plain refusal is the one to tell)
            pass
        raise


def loads(pickled: bytes, outside: Sequence[object], buffers: Sequence[Any]) -> object:
    """Load what `dumps` wrote; the caller has checked that it is our own."""

    # As methods of a class: from 3.13 on the attributes of an instance can't be set.
    class Unpickler(pickle.Unpickler):
        """What stands beside the pickle comes by its number."""

        def persistent_load(self, number: int) -> object:
            return outside[number]

    views = [memoryview(buffer) for buffer in buffers]
    return Unpickler(io.BytesIO(pickled), buffers=views).load()


def _written(pickler: type[Any], value: object, outside: Outside) -> bytes:
    class Pickler(pickler):  # type: ignore[misc]
        """What stands beside the pickle goes by its number."""

        def persistent_id(self, obj: object) -> int | None:
            return outside(obj)

    target = io.BytesIO()
    Pickler(target, PROTOCOL, buffer_callback=lambda buffer: not outside.take(buffer)).dump(value)
    return target.getvalue()


def _plain() -> type[Any]:
    if "torch" not in sys.modules:
        return pickle.Pickler
    from afml_cache import _storages

    class Pickler(pickle.Pickler):
        """The memory of tensors stays outside."""

        def reducer_override(self, obj: Any) -> Any:
            return _storages.reduce(obj)

    return Pickler


def _by_value() -> type[Any]:
    import cloudpickle

    from afml_cache import _storages

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        """Open files are refused: `cloudpickle` would give back a copy of their content."""

        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, io.IOBase):
                message = f"can't pickle an open file: {obj!r}"
                raise pickle.PicklingError(message)
            reduced = _storages.reduce(obj)
            return super().reducer_override(obj) if reduced is NotImplemented else reduced

    return Pickler
