"""Why a call hits or misses, in words."""

from __future__ import annotations

from dataclasses import dataclass

Part = tuple[str, str, str]
"""Label, digest, and a short text for values that fit one."""


@dataclass(frozen=True, slots=True, repr=False)
class Explanation:
    """Why a call hits or misses.

    Attributes
    ----------
    function
        `module.qualname`.
    key
        The key of the call: 32 hexadecimal digits.
    cached
        Whether its result is stored.
    reasons
        What differs from the nearest earlier call; empty for a hit.
    """

    function: str
    key: str
    cached: bool
    reasons: tuple[str, ...]

    def __repr__(self) -> str:
        if self.cached:
            return f"{self.function}: cached as {self.key}"
        return f"{self.function}: not cached: {'; '.join(self.reasons)}"


def compare(
    function: str, key: str, cached: bool, parts: list[Part], earlier: list[list[Part]]
) -> Explanation:
    """Compare a call with the nearest of the earlier ones, the latest first among equals."""
    if cached:
        return Explanation(function, key, cached=True, reasons=())
    if not earlier:
        return Explanation(function, key, cached=False, reasons=("never called before",))
    reasons = min((_differences(parts, other) for other in earlier), key=len)
    if not reasons:
        reasons = ["its version= or its options changed"]
    return Explanation(function, key, cached=False, reasons=tuple(reasons))


def _differences(parts: list[Part], other: list[Part]) -> list[str]:
    """Say what differs; parts of one label are compared in their order."""
    ours, theirs = _by_label(parts), _by_label(other)
    reasons = []
    for label, values in ours.items():
        old = theirs.get(label)
        if old is None:
            reasons.append(f"{label} is new")
        elif [digest for digest, _ in old] != [digest for digest, _ in values]:
            reasons.append(f"{label} changed{_from_to(old, values)}")
    reasons.extend(f"{label} is gone" for label in theirs if label not in ours)
    return reasons


def _by_label(parts: list[Part]) -> dict[str, list[tuple[str, str]]]:
    grouped: dict[str, list[tuple[str, str]]] = {}
    for label, digest, text in parts:
        grouped.setdefault(label, []).append((digest, text))
    return grouped


def _from_to(old: list[tuple[str, str]], new: list[tuple[str, str]]) -> str:
    if len(old) == len(new) == 1 and old[0][1] and new[0][1]:
        return f" from {old[0][1]} to {new[0][1]}"
    return ""
