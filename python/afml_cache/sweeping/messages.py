"""What a worker tells of items."""

from __future__ import annotations

import pickle
import traceback
from typing import Any, NamedTuple

from afml_cache.sweeping.shipping import pickled

__all__ = ["Apart", "Busy", "Failed", "Gave", "Message", "Peak", "Raised", "Stored", "raised"]


class Stored(NamedTuple):
    """Results are in the store: the seconds that each took, by the numbers of the items."""

    seconds: dict[int, float]


class Gave(NamedTuple):
    """The result of an item, which is not stored."""

    number: int
    seconds: float
    value: Any


class Busy(NamedTuple):
    """Somebody else computes the item."""

    number: int


class Apart(NamedTuple):
    """An item has another key in the worker: what its code is there, and where that is."""

    number: int
    code: dict[str, str]
    place: str


class Raised(NamedTuple):
    """What an item raised: the class, what it says, where, and itself if it can be sent."""

    kind: str
    message: str
    trace: str
    pickled: bytes | None

    def error(self) -> BaseException | None:
        """Give the exception itself, with where it was raised as its cause; or that alone."""
        trace = RemoteTraceback(self.trace) if self.trace else None
        if self.pickled is None:
            return trace
        try:
            error: BaseException = pickle.loads(self.pickled)  # noqa: S301 - of our own worker
        except Exception:  # noqa: BLE001 - whatever its class does when it is made again
            return trace
        error.__cause__ = trace
        return error


class Failed(NamedTuple):
    """An item raised."""

    number: int
    seconds: float
    raised: Raised


class Peak(NamedTuple):
    """The most scratch, in bytes, that a worker under a budget has seen in use."""

    size: int


Message = Stored | Gave | Busy | Failed | Apart | Peak


class RemoteTraceback(Exception):  # noqa: N818 - it is no error of its own
    """Where an exception was raised, in another process."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def raised(error: BaseException) -> Raised:
    """Describe an exception that an item raised."""
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    sent = None
    try:
        sent = pickled(error)
        pickle.loads(sent)  # noqa: S301 - our own; some can be pickled and not made again
    except Exception:  # noqa: BLE001 - it goes as a text
        sent = None
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - its own fault
        message = "(it can't say what it is)"
    return Raised(type(error).__qualname__, message, trace, sent)
