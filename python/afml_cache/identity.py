"""What the native call path asks of Python about a function, once per state of its code."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING

from afml_cache import code

if TYPE_CHECKING:
    from collections.abc import Callable

Row = tuple[str, int, object, bool, str]


def describe(
    function: Callable[..., object],
    *,
    ignore: tuple[str, ...] = (),
    unordered: tuple[str, ...] = (),
    files: tuple[str, ...] = (),
    ignore_deps: tuple[str, ...] = (),
) -> tuple[code.Code, list[Row]]:
    """Describe a function's code and its parameters.

    Returns
    -------
    tuple
        The code, and per parameter: name, kind as `inspect.Parameter` numbers it, default, whether
        it has one, and the option that names it, or the empty string.
    """
    parameters = inspect.signature(function, follow_wrapped=False).parameters.values()
    roles = dict.fromkeys(unordered, "unordered") | dict.fromkeys(files, "files")
    roles |= dict.fromkeys(ignore, "ignore")
    rows: list[Row] = []
    for parameter in parameters:
        has_default = parameter.default is not parameter.empty
        default = parameter.default if has_default else None
        role = roles.get(parameter.name, "")
        rows.append((parameter.name, int(parameter.kind), default, has_default, role))
    return code.describe(function, ignore_deps=ignore_deps, decorated=True), rows


def major(package: str) -> str:
    """Give the major version of an installed package; the empty string where it has none."""
    # Takes milliseconds to import, and code that reaches no package never needs it.
    import importlib.metadata

    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        # A module whose distribution has another name, or none.
        version = str(getattr(sys.modules.get(package), "__version__", ""))
    return version.split(".", maxsplit=1)[0]
