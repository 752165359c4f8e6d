"""What a process does to runs while something happens to it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runs import KINDS


def record(user: Any, number: int) -> None:
    for step in range(len(KINDS)):
        user.record(number + step)


def record_again(user: Any, number: int) -> None:
    for step in range(len(KINDS)):
        user.record(number + step, number)


def record_many(user: Any, number: int) -> None:
    for step in range(12):
        user.record(number * 100 + 3 * step)


def record_until_moved(user: Any, number: int) -> None:
    """Small runs until SQLite has moved its log into the database, and more."""
    for step in range(330):
        user.record(number * 1000 + 3 * step)


def delete(user: Any, number: int) -> None:
    for step in range(len(KINDS)):
        user.change("delete", number + step)


def delete_and_record(user: Any, number: int) -> None:
    delete(user, number)
    record_again(user, number)


def prune(user: Any, number: int) -> None:
    user.change("pin", number)
    user.change("prune", number)


def prune_and_record(user: Any, number: int) -> None:
    prune(user, number)
    record_again(user, number)


def index(root: Path) -> Path:
    return root / "v1/runs/runs.sqlite3"


def lose(root: Path) -> None:
    for path in root.glob("v1/runs/runs.sqlite3*"):
        path.unlink()


def halve(root: Path) -> None:
    os.truncate(index(root), index(root).stat().st_size // 2)


def drafts(root: Path) -> list[Path]:
    """What is left of runs on their way."""
    return [path for path in root.glob("v1/tmp/run.*") if path.is_dir()]


def strays(root: Path, known: set[str]) -> Iterator[Path]:
    """Folders of runs that are not there."""
    for path in root.glob("v1/runs/*"):
        if path.is_dir() and path.name not in known | {"frames"}:
            yield path


def age(root: Path, then: float) -> None:
    """Have what killed processes left be as old as what is removed."""
    for path in (*root.glob("v1/runs/*"), *drafts(root)):
        if path.is_dir():
            os.utime(path, (then, then))
