"""Where a run over batches says what it does: on the screen, or in a log where there is none."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from afml_cache.sweeping.batch_lines import shown
from afml_cache.sweeping.progress import draw, is_shown, make_bar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from afml_cache.sweeping.progress import Progress

_log = logging.getLogger("afml_cache.sweeps")


class Screen:
    """Lines above a bar, or in the log "afml_cache.sweeps".

    Parameters
    ----------
    wished
        Whether to show them on the screen; `None` for where there is one.
    name, total
        What the bar is called, and of how many items it is.
    """

    def __init__(self, wished: bool | None, name: str, total: int) -> None:
        self._is_shown = is_shown(sys.stdout) if wished is None else wished
        self._logs = wished is None
        has_bar = self._is_shown and (bool(wished) or is_shown(sys.stderr))
        self._bar: Any = make_bar(name, total) if has_bar else None

    def say(self, lines: Iterable[str]) -> None:
        """Say something."""
        for line in lines:
            if self._bar is not None:
                self._bar.write(_written(line), file=sys.stdout)
            elif self._is_shown:
                print(_written(line), flush=True)  # noqa: T201 - there is a screen, and no bar
            elif self._logs:
                _log.info("%s", line)

    def show(self, progress: Progress) -> None:
        """Show how far it is."""
        if self._bar is not None:
            draw(self._bar, progress)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _written(line: str) -> str:
    return shown(line, getattr(sys.stdout, "encoding", None))
