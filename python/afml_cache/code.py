"""The identity of code: a function's own body, and all that the body reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from afml_cache._packages import checked_dependencies, checked_versions
from afml_cache._reached import MISSING, Code, Item
from afml_cache._source import learn_sources, name_of
from afml_cache._values import inside, said_of, unwrap
from afml_cache._walk import Walk, own_functions

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

__all__ = ["MISSING", "Code", "Item", "describe", "learn_sources", "sources_of"]


def describe(
    value: object,
    *,
    own: str = "",
    deps: Iterable[object] = (),
    ignore_deps: Iterable[str] = (),
    track_code: Literal["deep", "own", False] = "deep",
    track_packages: Iterable[str] = (),
) -> Code:
    """Describe the code of a value and of everything in user code that it reaches.

    Parameters
    ----------
    value
        Usually a function or a class; anything is accepted. Of a user's module, every name counts.
    own
        A top-level package that counts as user code wherever it is installed.
    deps
        Functions, classes, modules and values that count too.
    ignore_deps
        Names of helpers, constants, classes and modules to leave out, as `"smooth"` or
        `"features.smooth"`.
    track_code
        `"deep"`; `"own"` for the function's own body, defaults and cells without helpers; `False`
        for no code at all.
    track_packages
        Packages whose full version counts.

    Returns
    -------
    Code
        Its items are equal, in every process, as long as nothing that the function runs has
        changed.

    Raises
    ------
    CacheConfigError
        A name among `deps`, or a package that is not installed.
    UncacheableArgumentError
        A function that numba compiled from what is no longer there.
    """
    root = unwrap(value)
    walk = Walk(own, tuple(ignore_deps), own_functions(root) if track_code == "own" else None)
    if track_code:
        walk.begin(root)
    # Where a cached function is a value, what it says goes with it.
    said = () if value is root else said_of(value)
    walk.depend((*checked_dependencies(deps), *said))
    for package, version in checked_versions(track_packages):
        label = f"version of `{package}`"
        walk.add(label, label, "version", version, text=version)
    return walk.run()


def sources_of(value: object) -> dict[bytes, tuple[object, ...]]:
    """Give what is known of the sources of the functions that `value` reaches.

    Returns
    -------
    dict
        Plain values, for `learn_sources` in a process that has the code but not its source.
    """
    found: dict[bytes, tuple[object, ...]] = {}
    pending, seen = [unwrap(value)], set[int]()
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        walk = Walk("", ())
        walk.begin(current)
        code = walk.run(check=False)
        seen.update(id(walked.function) for walked in walk.functions)
        for walked in walk.functions:
            if walked.body is not None:
                found[name_of(walked.function.__code__)] = tuple(walked.body)
        for _, mutable in code.mutables:
            pending.extend(inside(mutable))
    return found
