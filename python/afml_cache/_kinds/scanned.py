"""The files that a path of polars stands for: a file, all of a folder, or what fits a pattern."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_WILD: Final = frozenset("*?[")


def files_of(path: str) -> list[str]:
    """Give every file that polars may read for `path`, and perhaps more, in a fixed order."""
    found = {path} if os.path.isfile(path) else set[str]()  # noqa: PTH113 - paths stay text
    if os.path.isdir(path):  # noqa: PTH112
        found.update(_below(path))
    elif not _WILD.isdisjoint(path):
        head, names = _split(path)
        found.update(_fitting(head, names))
    return sorted(found)


def _split(path: str) -> tuple[str, list[str]]:
    """Split a pattern into the folder before the first wildcard, and the names after it."""
    names = path.split("/")
    first = next(place for place, name in enumerate(names) if not _WILD.isdisjoint(name))
    head = "/".join(names[:first])
    return head or ("/" if path.startswith("/") else "."), [name for name in names[first:] if name]


def _fitting(folder: str, names: list[str]) -> Iterator[str]:
    if "**" in names[0]:  # any depth: more than fits, which costs a miss at most
        yield from _below(folder)
        return
    with os.scandir(folder) as entries:
        fitting = [entry for entry in entries if fnmatchcase(entry.name, names[0])]
    for entry in fitting:
        if not entry.is_dir():
            yield from () if names[1:] else (entry.path,)
        elif names[1:]:
            yield from _fitting(entry.path, names[1:])
        else:
            yield from _below(entry.path)


def _below(folder: str) -> Iterator[str]:
    for place, _, names in os.walk(folder, followlinks=True):
        for name in names:
            yield os.path.join(place, name)  # noqa: PTH118 - paths stay text
