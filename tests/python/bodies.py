"""Count, and hold up, the bodies of cached functions without being part of their code.

A list that a body appends to is a value the body reads, and so part of its key. A logger is inert:
`RAN.warning("add")` in a body is seen by the filter that `Bodies` hangs on that logger.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

RAN = logging.getLogger("afml-tests.ran")


class Bodies:
    """The bodies that ran, by the name that each gave, in order."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.action: Callable[[str], object] = lambda _: None

    def __call__(self, record: logging.LogRecord) -> bool:
        self.ran.append(str(record.msg))
        self.action(str(record.msg))
        return False

    def __len__(self) -> int:
        return len(self.ran)


@contextmanager
def counted() -> Iterator[Bodies]:
    seen = Bodies()
    RAN.addFilter(seen)
    try:
        yield seen
    finally:
        RAN.removeFilter(seen)
