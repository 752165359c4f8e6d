"""Why a call hits or misses, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from afml_cache.instants import as_datetime

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

Part = tuple[str, str, str]
"""Label, digest, and a short text for values that fit one."""


_INSTALLED = "installed "
_OTHER_NOW = "it was computed as of another time, and asks for what there is up to now"


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
    versions
        Packages that the call reaches, as "pandas 3.0.1"; one that the nearest earlier result was
        made with another version of, as "pandas 3.0.1 (3.0.0 then)". Only their major versions are
        in the key.
    seen
        Up to when its inputs have seen, UTC: those of the stored result, or the arguments of a call
        that misses. `None` where they hold no time.
    """

    function: str
    key: str
    cached: bool
    reasons: tuple[str, ...]
    versions: tuple[str, ...] = ()
    seen: dt.datetime | None = None

    def __repr__(self) -> str:
        if self.cached:
            seen = "" if self.seen is None else f", and has seen until {self.seen.isoformat()}"
            return f"{self.function}: cached as {self.key}{seen}"
        return f"{self.function}: not cached: {'; '.join(self.reasons)}"


def compare(
    function: str,
    key: str,
    cached: bool,
    parts: list[Part],
    earlier: list[list[Part]],
    *,
    depends: Sequence[bool] = (),
    seen: int | None = None,
) -> Explanation:
    """Compare a call with the nearest of the earlier ones, the latest first among equals.

    `depends` says of each earlier one whether it depends on what "now" was, and `seen` up to when
    the inputs of this one have seen, in nanoseconds UTC.
    """
    found = [differences(parts, other) for other in earlier]
    for place, is_open in enumerate(depends):
        found[place] = found[place] or [_OTHER_NOW] * is_open
    reasons = min(found, key=len, default=["never called before"])
    nearest = earlier[found.index(reasons)] if earlier else parts
    if cached:
        reasons = []
    elif not reasons:
        reasons = ["its version= or its options changed"]
    until = None if seen is None else as_datetime(seen)
    return Explanation(function, key, cached, tuple(reasons), _versions(parts, nearest), until)


def _versions(parts: list[Part], nearest: list[Part]) -> tuple[str, ...]:
    """Say which versions are installed, and which were when the nearest result was made."""
    now, then = (
        {label.removeprefix(_INSTALLED): text for label, _, text in some if _is_told(label)}
        for some in (parts, nearest)
    )
    return tuple(
        f"{name} {version}"
        + (f" ({then[name]} then)" if then.get(name, version) != version else "")
        for name, version in now.items()
    )


def _is_told(label: str) -> bool:
    """Whether a part is told and not in the key."""
    return label.startswith(_INSTALLED)


def differences(parts: list[Part], other: list[Part]) -> list[str]:
    """Say what differs from other parts; parts of one label are compared in their order."""
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
        if not _is_told(label):
            grouped.setdefault(label, []).append((digest, text))
    return grouped


def _from_to(old: list[tuple[str, str]], new: list[tuple[str, str]]) -> str:
    if len(old) == len(new) == 1 and old[0][1] and new[0][1]:
        return f" from {old[0][1]} to {new[0][1]}"
    return ""
