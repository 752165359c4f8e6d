"""Settings: their names, what they may be, and where they stand beside `configure`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from afml_cache.exceptions import CacheConfigError
from afml_cache.sizes import as_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

_MODES: Final = ("normal", "fresh", "frozen", "readonly", "off")
_YES: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_TABLE: Final = "afml-cache"
# A file that was written within so many nanoseconds may be written again in the same tick of its
# file system's clock.
_SETTLED: Final = 2 * 10**9

_Stamp = tuple[int, int, int, int, int]
_tables: dict[str, tuple[_Stamp, dict[str, Any]]] = {}


def read(name: str, value: object) -> dict[str, Any]:
    """Check one setting, and give what it comes to.

    Raises
    ------
    CacheConfigError
        There is no such setting, or its value can't be right.
    """
    if name in _READERS:
        return {name: _READERS[name](name, value)}
    if name == "enabled":
        return {} if _flag(name, value) else {"mode": "off"}
    if name.startswith(("cache_", "skip_existing_")):
        # Switches of groups, as `CACHE_CONFIG` of existing scripts has them.
        return {name: _flag(name, value)}
    known = ", ".join(f"`{each}`" for each in _READERS)
    switches = "`enabled`, `cache_<group>`, `skip_existing_<group>`"
    message = f"there is no setting `{name}`; there are {known}, and the switches {switches}"
    raise CacheConfigError(message)


def of_environment() -> dict[str, Any]:
    """Read the settings that the environment has."""
    found: dict[str, Any] = {}
    for name in _READERS:
        variable = "AFML_CACHE" if name == "cache_dir" else f"AFML_CACHE_{name.upper()}"
        text = os.environ.get(variable)
        if text:
            found[name] = _told(f"${variable}", name, _typed(name, text))
    return found


def of_project() -> dict[str, Any]:
    """Read the table of the nearest `pyproject.toml`, from the working directory upwards.

    What it gives is shared: nobody may change it.
    """
    for path in _nearest():
        try:
            stamp = _stamp(os.stat(path))  # noqa: PTH116 - each look-up of an artifact comes here
            known = _tables.get(path)
            if known is not None and known[0] == stamp:
                return known[1]
            text = Path(path).read_text(encoding="utf-8")
        except OSError:
            continue
        table = _table(Path(path), text) if _TABLE in text else {}
        if time.time_ns() - stamp[0] > _SETTLED:
            _tables[path] = stamp, table
        return table
    return {}


def _nearest() -> Iterator[str]:
    """Give where the file may be, the nearest place first."""
    try:
        folder = os.getcwd()  # noqa: PTH109 - as above
    except OSError:  # a folder that was removed under us
        return
    while True:
        yield os.path.join(folder, "pyproject.toml")  # noqa: PTH118 - as above
        above = os.path.dirname(folder)  # noqa: PTH120 - as above
        if above == folder:
            return
        folder = above


def _stamp(found: os.stat_result) -> _Stamp:
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev


def _table(path: Path, text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"`{path}` can't be read: {error}"
        raise CacheConfigError(message) from error
    found: dict[str, Any] = {}
    for given, value in parsed.get("tool", {}).get(_TABLE, {}).items():
        name = given.replace("-", "_")
        found |= _told(f"[tool.{_TABLE}] of `{path}`", name, value, whole=True)
    if "cache_dir" in found:
        found["cache_dir"] = path.parent / found["cache_dir"]
    return found


def _told(where: str, name: str, value: object, *, whole: bool = False) -> Any:
    """Check a setting, and say where it stands if it is wrong."""
    try:
        checked = read(name, value)
    except CacheConfigError as error:
        message = f"{where}: {error}"
        raise CacheConfigError(message) from None
    return checked if whole else checked[name]


def _typed(name: str, text: str) -> object:
    if _READERS[name] is _flag:
        return _YES.get(text.lower(), text)
    return int(text) if text.isdecimal() else text


def _path(name: str, given: object) -> Path:
    if not isinstance(given, str | os.PathLike) or not os.fspath(given):
        message = f"`{name}` must be a path, not {given!r}"
        raise CacheConfigError(message)
    return Path(given).expanduser()


def _flag(name: str, given: object) -> bool:
    if not isinstance(given, bool):
        message = f"`{name}` must be true or false, not {given!r}"
        raise CacheConfigError(message)
    return given


def _count(name: str, given: object) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        message = f"`{name}` must be a whole number from 1, not {given!r}"
        raise CacheConfigError(message)
    return given


def _mode(name: str, given: object) -> str:
    if given not in _MODES:
        known = ", ".join(f'"{mode}"' for mode in _MODES)
        message = f"`{name}` is one of {known}, not {given!r}"
        raise CacheConfigError(message)
    return str(given)


_READERS: Final = {
    "cache_dir": _path,
    "max_size": as_bytes,
    "memory": as_bytes,
    "allow_pickle": _flag,
    "network": _flag,
    "mode": _mode,
    "scratch_dir": _path,
    "checkpoint_interval": _count,
    "skip_existing": _flag,
    "force_rerun": _flag,
}
