"""What the user is told, once an outage, in a thread of the user's own."""

from __future__ import annotations

import logging
import threading

from afml_cache.exceptions import warn

_log = logging.getLogger("afml_cache")


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
            warn("TrackingWarning", message)

    def log(self) -> None:
        """Log what waits: there is no call any more to warn."""
        with self._lock:
            messages, self._waiting = self._waiting, []
        for message in messages:
            _log.warning(message)
