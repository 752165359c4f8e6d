"""Tensors of torch on the CPU."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from afml_cache._kinds.instances import instance
from afml_cache._kinds.model import Apart, Part, refusal

if TYPE_CHECKING:
    from collections.abc import Callable


def tensor(value: Any) -> Apart:
    """Describe a tensor by its values in row order, whatever its strides are."""
    _check(value)
    parts: list[Part] = [
        (".dtype", str(value.dtype)),
        (".shape", tuple(map(int, value.shape))),
        ("", _bytes_of(value)),
        (".requires_grad", value.requires_grad),
        (".is_leaf", value.is_leaf),
    ]
    if value.is_leaf and value.grad is not None:
        parts.append((".grad", value.grad))
    return instance(value, *parts)


def _check(value: Any) -> None:
    if value.device.type != "cpu":
        where = f"which lies on the device `{value.device.type}`"
        remedy = "pass real values" if value.is_meta else "pass `.cpu()`"
        raise refusal(value, where, remedy)
    if value.layout is not sys.modules["torch"].strided:
        raise refusal(value, f"of the layout `{value.layout}`", "pass `.to_dense()`")
    if value.grad_fn is not None:
        raise refusal(value, "which stands in a graph of gradients", "pass `.detach()`")
    if value.is_quantized or value.is_nested:
        raise refusal(value, "which is quantized or nested", "pass `.dequantize()` or its parts")


def _bytes_of(value: Any) -> object:
    """Give a tensor's bytes; NumPy has no name for some of torch's dtypes."""
    torch = sys.modules["torch"]
    dense = torch.Tensor.detach(value).as_subclass(torch.Tensor)
    flat = dense.resolve_conj().resolve_neg().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy()


TYPES: Final[dict[str, Callable[[Any], Apart]]] = {"Tensor": tensor}
