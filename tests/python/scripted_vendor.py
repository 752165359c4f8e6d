"""A vendor that answers as it was told to, on a clock that only pauses move."""

import asyncio
import functools
from collections.abc import Generator
from typing import Any

import httpx

from afml_cache.ranges.effects import Pause
from afml_cache.ranges.loaders import Loader, fetch

KEY = ("symbol", "timeframe")
VALUES = {"symbol": "AAPL", "timeframe": "1D"}


class Vendor:
    """Answers what it was told to, in order, and then `"bars"`; its clock moves by pauses only."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.now = 100.0
        self.pauses: list[float] = []
        self.calls: list[tuple[float, dict]] = []

    def load(self, symbol: str, timeframe: str, start: Any, end: Any) -> object:  # noqa: ARG002
        self.calls.append((self.now, {"symbol": symbol, "start": start, "end": end}))
        answer = self.answers.pop(0) if self.answers else "bars"
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def fetch(self, policy: Any, values: dict = VALUES, **options: Any) -> Generator:
        loader = options.pop("loader", None) or Loader(self.load, KEY)
        clocks = {"clock": lambda: self.now, "wall": lambda: 1_700_000_000.0 + self.now}
        return fetch(loader, values, 1, 2, policy, **clocks, **options)

    def drive(self, generator: Generator) -> Any:
        """Do what a driver does, without waiting."""
        resume = functools.partial(next, generator)
        while True:
            try:
                effect = resume()
            except StopIteration as over:
                return over.value
            if isinstance(effect, Pause):
                self.pauses.append(effect.seconds)
                self.now += effect.seconds
                resume = functools.partial(next, generator)
                continue
            try:
                value = effect.now()
                if asyncio.iscoroutine(value):
                    value = asyncio.run(value)
                resume = functools.partial(generator.send, value)
            except Exception as error:  # noqa: BLE001 - thrown in
                resume = functools.partial(generator.throw, error)


def failing(status: int, headers: dict | None = None) -> httpx.HTTPStatusError:
    request = httpx.Request("GET", "https://vendor.example/bars")
    response = httpx.Response(status, headers=headers, request=request)
    return httpx.HTTPStatusError(f"{status}", request=request, response=response)


def with_attributes(**attributes: Any) -> Exception:
    error = Exception()
    vars(error).update(attributes)
    return error
