"""What the options of a decorated function add to its code: packages, and other objects."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import TYPE_CHECKING

from afml_cache.exceptions import CacheConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable


@lru_cache(maxsize=1024)
def version(package: str) -> str | None:
    """Give the version of a package by the name that it is imported by; `None` if it has none."""
    # Takes milliseconds to import, and code that reaches no package never needs it.
    from importlib import metadata

    try:
        return metadata.version(package)
    except (metadata.PackageNotFoundError, ValueError):
        pass
    # A module whose distribution has another name, or none.
    stated = getattr(sys.modules.get(package), "__version__", None)
    if isinstance(stated, str):
        return stated
    names = metadata.packages_distributions().get(package)
    return metadata.version(names[0]) if names else None


def checked_versions(packages: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Give the full versions of packages, sorted.

    Raises
    ------
    CacheConfigError
        One of them is not installed, or has no version.
    """
    found = []
    for package in sorted({packages} if isinstance(packages, str) else set(packages)):
        stated = version(package) if isinstance(package, str) else None
        if stated is None:
            message = f"`track_packages` names {package!r}, which is not an installed package"
            raise CacheConfigError(message)
        found.append((package, stated))
    return tuple(found)


def checked_dependencies(dependencies: object) -> tuple[object, ...]:
    """Give the objects of `deps`.

    Raises
    ------
    CacheConfigError
        A name stands among them, or they are no list.
    """
    given = dependencies if isinstance(dependencies, str) else _listed(dependencies)
    for dependency in (given,) if isinstance(given, str) else given:
        if issubclass(type(dependency), str):  # an object may answer for another class
            message = (
                f"`deps` takes objects, not names: pass `{dependency}` itself instead of "
                f"{dependency!r}, or a text of your own as `version`"
            )
            raise CacheConfigError(message)
    return tuple(given)


def _listed(dependencies: object) -> tuple[object, ...]:
    try:
        return tuple(dependencies)  # type: ignore[arg-type]
    except TypeError as error:
        message = f"`deps` takes a list of objects, not {dependencies!r}"
        raise CacheConfigError(message) from error
