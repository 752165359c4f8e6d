"""Sparse matrices and distributions of SciPy, estimators of scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from afml_cache._kinds.instances import instance, items, reduced
from afml_cache._kinds.model import Apart

if TYPE_CHECKING:
    from collections.abc import Callable

    from afml_cache._kinds.model import Part

# What the formats keep, and what was found out about it on the way.
_SPARSE: Final = frozenset(
    {
        *("_shape", "data", "indices", "indptr", "coords", "row", "col", "offsets", "rows"),
        *("_dict", "dtype", "maxprint", "_maxprint", "has_canonical_format"),
        *("_has_canonical_format", "has_sorted_indices", "_has_sorted_indices"),
    }
)
# Elements of the state of a `KDTree` or a `BallTree`.
_TREE: Final = 13
_FRESH: Final = frozenset({"__doc__"})


def sparse(value: Any) -> Apart:
    """Describe a sparse matrix or array as it is stored, in whichever format."""
    shape, dtype = (".shape", tuple(map(int, value.shape))), (".dtype", value.dtype)
    return instance(value, shape, dtype, *_STORED[value.format](value), without=_SPARSE)


def _compressed(value: Any) -> tuple[Part, ...]:
    used = int(value.indptr[-1])
    return (
        (".indptr", value.indptr),
        (".indices", value.indices[:used]),
        (".data", value.data[:used]),
    )


def _coordinates(value: Any) -> tuple[Part, ...]:
    coords = getattr(value, "coords", None)
    return (".coords", (value.row, value.col) if coords is None else tuple(coords)), (
        ".data",
        value.data,
    )


_STORED: Final[dict[str, Callable[[Any], tuple[Part, ...]]]] = {
    **dict.fromkeys(("csr", "csc", "bsr"), _compressed),
    "coo": _coordinates,
    "dia": lambda value: ((".offsets", value.offsets), (".data", value.data)),
    "lil": lambda value: ((".rows", value.rows), (".data", value.data)),
    "dok": lambda value: (("", tuple(value.items())),),
}


def distribution(value: Any) -> Apart:
    """Describe a distribution without its methods, which are made anew in every process."""
    return reduced(value, without=_FRESH)


def estimator(value: Any) -> Apart:
    """Describe an estimator by parameters and fitted state.

    Left out are the version that pickles note, and the address that vectorizers keep.
    """
    return reduced(value, without=("_sklearn_version", "_stop_words_id"))


def tree(value: Any) -> Apart:
    """Describe a tree of neighbours without its counts of what was asked of it."""
    state = value.__getstate__()
    if len(state) != _TREE:
        return reduced(value)
    counts = slice(7, 11)
    kept = (*state[: counts.start], *state[counts.stop :])
    return Apart("object", ((".__class__", type(value)), (".__getstate__()", kept)))


def bunch(value: Any) -> Apart:
    """Describe a dictionary of scikit-learn's, without what copies of it lose."""
    content = ("", items(tuple(dict.items(value))))
    return instance(value, content, without=("_deprecated_key_to_warnings",))


TYPES: Final[dict[str, Callable[[Any], Apart]]] = {
    "_spbase": sparse,
    "spmatrix": sparse,
    "rv_generic": distribution,
    "BaseEstimator": estimator,
    "Bunch": bunch,
    "KDTree": tree,
    "BallTree": tree,
    "BinaryTree64": tree,
    "BinaryTree32": tree,
}
