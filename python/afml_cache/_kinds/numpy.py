"""Objects of NumPy and numba other than plain arrays, scalars and dtypes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from afml_cache._kinds.instances import attributes, instance, library_class
from afml_cache._kinds.model import Apart, code, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

_MASKED: Final = frozenset(
    {
        *("_mask", "_fill_value", "_hardmask", "_sharedmask", "_isfield", "_baseclass"),
        *("_optinfo", "_basedict"),
    }
)


def array(value: Any) -> Apart:
    """Describe an array of a subclass by what it is as an `ndarray`."""
    ndarray = sys.modules["numpy"].ndarray
    content = ("", ndarray.view(value, ndarray))
    return Apart("array", (library_class(value, "numpy"), content, *attributes(value)))


def masked(value: Any) -> Apart:
    """Describe a masked array; what lies under the mask does not count."""
    numpy = sys.modules["numpy"]
    data, mask = numpy.ma.getdata(value, subok=False), numpy.ma.getmask(value)
    if data.dtype.names is None and mask is not numpy.ma.nomask:
        data = data.copy()
        data[mask] = None if data.dtype == object else numpy.zeros((), data.dtype)
    hidden = (
        (".mask", mask),
        (".fill_value", value.view().fill_value),
        (".hardmask", bool(value.hardmask)),
    )
    own = attributes(value, _MASKED)
    return Apart("array", (library_class(value, "numpy"), ("", data), *hidden, *own))


def scalar(value: Any) -> Apart:
    """Describe a user's kind of scalar."""
    return instance(value, ("", sys.modules["numpy"].asarray(value)[()]))


def generator(value: Any) -> Apart:
    """Describe a random generator by the state that it draws from."""
    return instance(value, (".bit_generator", value.bit_generator))


def bit_generator(value: Any) -> Apart:
    """Describe a source of random bits: its state, and how often others were spawned from it.

    The entropy that it began with is in the state. By itself it would tell apart what draws alike:
    a jumped stream, or a copy that NumPy 1 has pickled, begin with another one each time.
    """
    found = getattr(value, "seed_seq", None)
    spawned = getattr(found, "spawn_key", ()), getattr(found, "n_children_spawned", 0)
    return instance(value, (".state", value.state), (".spawned", spawned))


def seeds(value: Any) -> Apart:
    """Describe a sequence of seeds, and how many were spawned."""
    return instance(value, (".state", value.state))


def random_state(value: Any) -> Apart:
    """Describe a random state of its own; the one of the process stands for itself."""
    if value is getattr(sys.modules.get("numpy.random.mtrand"), "_rand", None):
        return Apart("global random state", ((".__class__", type(value)),))
    return instance(value, ("", value.get_state(legacy=False)))


def calendar(value: Any) -> Apart:
    """Describe a calendar of business days."""
    return instance(value, (".weekmask", value.weekmask), (".holidays", value.holidays))


def function(value: Any) -> Apart:
    """Describe a universal function by the name under which it is offered."""
    name: str = value.__name__
    for module in ("numpy", "scipy.special"):
        offered: object = getattr(sys.modules.get(module), name, None)
        if offered is value:
            return Apart("ufunc", ((".__class__", type(value)), ("", f"{module}.{name}")))
    raise refusal(
        value,
        f"`{name}`, whose code is not at hand",
        "pass the Python function that it was made from",
    )


def vectorize(value: Any) -> Apart:
    """Describe a function made to take arrays, without what its first call leaves behind."""
    return instance(value, without=("_ufunc",))


def compiled(value: Any) -> Apart:
    """Describe a function that numba compiles, by its Python code."""
    return code(value)


def vectorized(value: Any) -> Apart:
    """Describe a universal function that numba compiles, by its Python code."""
    dispatcher = value._dispatcher  # noqa: SLF001 - numba has no public way to the code
    python = (".py_func", dispatcher.py_func)
    return Apart("ufunc", ((".__class__", type(value)), python))


TYPES: Final[dict[str, Callable[[Any], Apart]]] = {
    "ndarray": array,
    "MaskedArray": masked,
    "generic": scalar,
    "Generator": generator,
    "BitGenerator": bit_generator,
    "SeedSequence": seeds,
    "RandomState": random_state,
    "busdaycalendar": calendar,
    "ufunc": function,
    "vectorize": vectorize,
    "Dispatcher": compiled,
    "DUFunc": vectorized,
}
