"""What the user is told, once an outage, in a thread of the user's own."""

from __future__ import annotations

import contextlib
import logging
import pathlib
import sys
import threading
import warnings
from typing import Final

from afml_cache.exceptions import TrackingWarning

_log = logging.getLogger("afml_cache")
# This package, and what stands between a `with` statement and it.
_OURS: Final = (str(pathlib.Path(__file__).parents[1]), contextlib.__file__)


class Notices:
    """Messages that wait for a call of the user's: a warning of another thread finds nobody."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: set[str] = set()
        self._waiting: list[str] = []

    def tell(self, kind: str, message: str) -> None:
        """Have a message told, if it is the first of its kind."""
        with self._lock:
            if kind not in self._told:
                self._told.add(kind)
                self._waiting.append(message)

    def forget(self, kind: str) -> None:
        """Have the next message of a kind told again."""
        if kind in self._told:
            with self._lock:
                self._told.discard(kind)

    def speak(self) -> None:
        """Warn of what waits, at the line of the user's that led here."""
        if not self._waiting:
            return
        with self._lock:
            messages, self._waiting = self._waiting, []
        for message in messages:
            warn(message)

    def log(self) -> None:
        """Log what waits: there is no call any more to warn."""
        with self._lock:
            messages, self._waiting = self._waiting, []
        for message in messages:
            _log.warning(message)


def warn(message: str) -> None:
    """Warn with a `TrackingWarning` where the user's code is; log it where warnings are errors."""
    try:
        warnings.warn(message, TrackingWarning, stacklevel=_frames_of_ours())
    except Warning:
        _log.warning(message)


def _frames_of_ours() -> int:
    """Count the frames of this package above the user's, for `stacklevel` of the caller."""
    frame, level = sys._getframe(1), 1  # noqa: SLF001 - `skip_file_prefixes` is Python 3.12's
    while frame.f_code.co_filename.startswith(_OURS) and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    return level
