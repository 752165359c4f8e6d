"""Generators for the drivers to drive, and the two drivers."""

import asyncio
from collections.abc import Callable, Generator
from typing import Any

from afml_cache.ranges.effects import arun, run

PATIENCE = 60  # seconds before a test calls it a hang

Drive = Callable[[Generator], Any]


def in_a_loop(generator: Generator) -> Any:
    return asyncio.run(arun(generator))


DRIVERS = {"threads": run, "asyncio": in_a_loop}


def step(*effects: Any) -> Generator:
    """Yield these, and return what came back."""
    given = []
    for effect in effects:
        given.append((yield effect))  # noqa: PERF401 - no comprehension yields
    return given


class Closing:
    """Says what happened, in order."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def step(self, name: str, *effects: Any, last: tuple = ()) -> Generator:
        try:
            for effect in effects:
                yield effect
            self.said.append(f"{name} done")
        except BaseException as error:
            self.said.append(f"{name} {type(error).__name__}")
            raise
        finally:
            for effect in last:
                yield effect
            self.said.append(f"{name} closed")
        return name
