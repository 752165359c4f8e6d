"""Tasks for workers, and what their parents do: light to import, since workers import it."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import afml_cache
from afml_cache.sweeping.events import Emitted
from afml_cache.sweeping.pool import Pool
from afml_cache.sweeping.shipping import pack

PYTHON = Path(afml_cache.__file__).parents[1]
# Longer than anything takes here, in seconds.
LONG = 60.0


class Each:
    """Tells of each item what a function gives for it, and what was told at the end."""

    def __init__(self, function, last=None) -> None:
        self.function = function
        self.last = last
        self.emit = None

    def __call__(self, chunk, emit, begin) -> None:
        self.emit = emit
        for number, item in chunk:
            begin(number)
            emit((number, self.function(item)))

    def close(self) -> None:
        if self.last is not None and self.emit is not None:
            self.emit((-1, self.last))


def pool_of(function, last=None, **options):
    return Pool(pack(Each(function, last)), **{"workers": 1, **options})


def told(events):
    return [event.message for event in events if isinstance(event, Emitted)]


def until(pool, *kinds):
    """Give all events up to the first of some kinds."""
    end, events = time.monotonic() + LONG, []
    while not any(isinstance(event, kinds) for event in events):
        assert time.monotonic() < end
        events += pool.wait(1.0)
    return events


def until_begun(path) -> None:
    """Wait until a file is there."""
    end = time.monotonic() + LONG
    while not path.exists():
        assert time.monotonic() < end
        threading.Event().wait(0.005)


def same(item):
    return item


def process_id(_item):
    return os.getpid()


def for_ever(path) -> None:
    """Say that it runs, and do so for ever."""
    Path(path).touch()
    threading.Event().wait()


def with_grandchild(path) -> None:
    """Start a process that does nothing, say which one, and wait for it."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        draft = Path(f"{path}-draft")
        draft.write_text(str(process.pid))
        draft.rename(path)
        process.wait()


def forks_and_ends(path) -> None:
    """Fork a process that holds all that this one has open, and end."""
    forked = os.fork()
    if forked == 0:
        threading.Event().wait()
    Path(path).write_text(str(forked))
    os._exit(3)


def holds_the_interpreter(path) -> None:
    Path(path).touch()
    sum(range(10**12))


def does_not_stop(path) -> None:
    """Go on, whatever is raised."""
    while True:
        with contextlib.suppress(BaseException):
            for_ever(path)


def deaf(path) -> None:
    """Close all that it could be spoken to by, and go on."""
    os.closerange(3, 65_536)
    for_ever(path)


def stands_still(_item) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def run_script(text, *args, flags=(), **options):
    """Run a script that has a pool."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PYTHON), *sys.path])}
    command = [sys.executable, *flags, "-c", text, *map(str, args)]
    return subprocess.Popen(command, env=environment, text=True, **options)
