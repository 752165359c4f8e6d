"""The memory of torch's tensors as arrays: torch itself would write it into the pickle."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def reduce(value: Any) -> Any:
    """Reduce a storage in the memory of this machine; nothing for other objects."""
    torch = sys.modules.get("torch")
    if torch is None:
        return NotImplemented
    kind = type(value)
    if kind is torch.storage.TypedStorage:
        return typed, (value._untyped_storage, value.dtype)  # noqa: SLF001 - what is public warns
    if kind is torch.UntypedStorage and value.device.type == "cpu":
        return untyped, (torch.empty(0, dtype=torch.uint8).set_(value).numpy(),)
    return NotImplemented


def untyped(content: np.ndarray[Any, Any]) -> Any:
    """Make a storage over these bytes."""
    torch: Any = importlib.import_module("torch")
    if not len(content):
        return torch.UntypedStorage(0)
    return torch.from_numpy(content).untyped_storage()


def typed(storage: Any, dtype: Any) -> Any:
    """Make the storage that rebuilds a tensor."""
    torch: Any = importlib.import_module("torch")
    return torch.storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)
