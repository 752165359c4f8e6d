"""Pickles of results that nothing else can hold."""

from __future__ import annotations

import io
import pickle
from typing import Any

PROTOCOL = 5


def dumps(value: object) -> bytes:
    """Pickle a value: plainly where that works, with `cloudpickle` where it refuses.

    Raises
    ------
    Exception
        Whatever plain pickle raised, where `cloudpickle` is missing or refuses too.
    """
    try:
        return pickle.dumps(value, protocol=PROTOCOL)
    except Exception:
        try:
            return _by_value(value)
        except Exception:  # noqa: BLE001, S110 (the plain refusal is the one to tell)
            pass
        raise


def _by_value(value: object) -> bytes:
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        """Open files are refused: `cloudpickle` would give back a copy of their content."""

        def reducer_override(self, obj: Any) -> Any:
            if isinstance(obj, io.IOBase):
                message = f"can't pickle an open file: {obj!r}"
                raise pickle.PicklingError(message)
            return super().reducer_override(obj)

    target = io.BytesIO()
    Pickler(target, protocol=PROTOCOL).dump(value)
    return target.getvalue()
