"""What differs between two runs, in words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from afml_cache.explanation import differences
from afml_cache.runs.reading import about_of, parameters_of

if TYPE_CHECKING:
    from afml_cache._native import Run, Runs


@dataclass(frozen=True, slots=True, repr=False)
class RunDifference:
    """What differs between two runs.

    Attributes
    ----------
    first, second : str
        Their ids.
    strategy, data, code, parameters, arguments, packages : tuple of str
        What differs there, in words; empty for what is the same.
    """

    first: str
    second: str
    strategy: tuple[str, ...]
    data: tuple[str, ...]
    code: tuple[str, ...]
    parameters: tuple[str, ...]
    arguments: tuple[str, ...]
    packages: tuple[str, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """All that differs."""
        kinds = ("strategy", "data", "code", "parameters", "arguments", "packages")
        return tuple(reason for kind in kinds for reason in getattr(self, kind))

    def __bool__(self) -> bool:
        return bool(self.reasons)

    def __repr__(self) -> str:
        told = "; ".join(self.reasons) or "nothing differs"
        return f"{self.first[:12]} and {self.second[:12]}: {told}"


def difference_of(runs: Runs, first: Run, second: Run) -> RunDifference:
    """Compare two runs."""
    abouts = about_of(first), about_of(second)
    parameters = parameters_of(runs, first), parameters_of(runs, second)
    strategies = first.strategy, second.strategy
    return RunDifference(
        first.run,
        second.run,
        ()
        if strategies[0] == strategies[1]
        else (f"strategy {strategies[0]!r} and {strategies[1]!r}",),
        _data(first, second),
        _code(runs, first, second),
        () if first.parameters == second.parameters else _items("parameter", *parameters),
        tuple(differences(*(_parts(about.get("others")) for about in reversed(abouts)))),
        _items("package", *(about.get("packages", {}) for about in abouts)),
    )


def _data(first: Run, second: Run) -> tuple[str, ...]:
    if first.data == second.data:
        return ()
    if first.time_range == second.time_range:
        return ("the data has other content within the same times",)
    return ("the data is of other times",)


def _code(runs: Runs, first: Run, second: Run) -> tuple[str, ...]:
    if first.code == second.code:
        return ()
    told = [None if run.code is None else runs.code(run.code) for run in (second, first)]
    if any(parts is None for parts in told):
        return ("the code is another one",)
    reasons = differences(*(_parts(json.loads(parts or "[]")) for parts in told))
    return tuple(reasons) or ("the code is another one",)


def _parts(parts: Any) -> list[tuple[str, str, str]]:
    return [(label, digest, text) for label, digest, text in parts or ()]


def _items(kind: str, first: dict[Any, Any], second: dict[Any, Any]) -> tuple[str, ...]:
    names = list(dict.fromkeys((*first, *second)))
    reasons = []
    for name in names:
        if name not in first:
            reasons.append(f"{kind} {name!r} is {second[name]!r} in the second alone")
        elif name not in second:
            reasons.append(f"{kind} {name!r} is {first[name]!r} in the first alone")
        elif repr(first[name]) != repr(second[name]):
            reasons.append(f"{kind} {name!r}: {first[name]!r} and {second[name]!r}")
    return tuple(reasons)
