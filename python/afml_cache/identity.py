"""What the native call path asks of Python about a function, once per state of its code."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from afml_cache import code
from afml_cache._origin import module_name, origin, top_level
from afml_cache._packages import version
from afml_cache._values import attribute, unwrap

if TYPE_CHECKING:
    from collections.abc import Callable

Row = tuple[str, int, object, bool, str]


def describe(
    function: Callable[..., object],
    *,
    ignore: tuple[str, ...] = (),
    unordered: tuple[str, ...] = (),
    files: tuple[str, ...] = (),
    by_key: bool = False,
    **options: Any,
) -> tuple[code.Code, list[Row], str]:
    """Describe a function's code and its parameters; `options` are those of `code.describe`.

    Returns
    -------
    tuple
        The code, and per parameter: name, kind as `inspect.Parameter` numbers it, default, whether
        it has one, and the option that names it, or the empty string; and the package that counts
        as user code wherever it is installed.
    """
    parameters = inspect.signature(function, follow_wrapped=False).parameters.values()
    roles = dict.fromkeys(unordered, "unordered") | dict.fromkeys(files, "files")
    roles |= dict.fromkeys(ignore, "ignore")
    rows: list[Row] = []
    for parameter in parameters:
        has_default = parameter.default is not parameter.empty
        default = parameter.default if has_default else None
        role = "ignore" if by_key else roles.get(parameter.name, "")
        rows.append((parameter.name, int(parameter.kind), default, has_default, role))
    if by_key:
        # In no call, and so at its default, which the native function replaces.
        rows.append(("key()", int(inspect.Parameter.KEYWORD_ONLY), None, True, ""))
    own = own_package(function)
    return code.describe(function, own=own, **options), rows, own


def own_package(function: object) -> str:
    """Give the package of a decorated function, which is user code wherever it is installed."""
    module = module_name(attribute(unwrap(function), "__module__"))
    return "" if origin(module) == "standard" else top_level(module)


def installed(package: str) -> str:
    """Give the version of an installed package; the empty string where it has none."""
    return version(package) or ""


def major(package: str) -> str:
    """Give the major version of an installed package; the empty string where it has none."""
    return (version(package) or "").split(".", maxsplit=1)[0]
