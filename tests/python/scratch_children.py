"""Other processes that use scratch, told by lines when to go on."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

HEAD = """
import os, sys
from pathlib import Path
from afml_cache.scratch_space import *

def say(what):
    print(what, flush=True)

def wait():
    return sys.stdin.readline().strip()

"""


class Child:
    """A process that runs source with `say(what)` and `wait()`."""

    def __init__(self, source: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", HEAD + source],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(os.environ),
        )
        self.pid = self._process.pid

    def hear(self) -> str:
        line = self._process.stdout.readline()
        assert line, f"the child ended with {self._process.wait()}"
        return line.strip()

    def tell(self, what: str = "") -> None:
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def end(self) -> int:
        self._process.stdin.close()
        return self._process.wait(60)

    def close(self) -> None:
        self.kill()
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()


@contextlib.contextmanager
def child(source: str) -> Iterator[Child]:
    started = Child(source)
    try:
        yield started
    finally:
        started.close()
