"""Who fetches bars is stopped, cancelled or killed: what was good is kept, nobody is held up."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("polars")
from faulty_ranges import FIRST, Vendor, ask, bars_in, day, get, rows, segments

PATIENCE = 60  # seconds before a test calls it a hang
HEAD = f"""
import datetime as dt, json, os, signal, sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from faulty_ranges import *
root, vendor = Path(sys.argv[1]), Vendor()
def say(*words):
    print(*words, flush=True)
def right(bars, first, stop):
    return get(bars, first, stop).equals(rows("AAPL", first, stop))
"""


class Script:
    """A process that says what it does, line by line."""

    def __init__(self, folder: Path, body: str, *arguments: object) -> None:
        path = folder / f"script-{time.monotonic_ns()}.py"
        path.write_text(HEAD + body)
        self.process = subprocess.Popen(
            [sys.executable, path, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, said: str) -> None:
        watchdog = threading.Timer(PATIENCE, self.process.kill)
        watchdog.start()
        try:
            for line in self.process.stdout:
                if line.strip() == said:
                    return
        finally:
            watchdog.cancel()
        message = f"the process ended without saying {said!r}"
        raise AssertionError(message)

    def tell(self, word: str) -> None:
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def end(self) -> str:
        said, _ = self.process.communicate(timeout=PATIENCE)
        return said


@pytest.fixture
def scripts(tmp_path: Path) -> Iterator[Callable[..., Script]]:
    started: list[Script] = []

    def start(body: str, *arguments: object) -> Script:
        started.append(Script(tmp_path, body, *arguments))
        return started[-1]

    yield start
    for script in started:
        script.process.kill()
        script.process.communicate()


STOPPED = """
def load(symbol, timeframe, start, end):
    if start >= day(20):
        say("at", (start - FIRST).days)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    return vendor.load(symbol, timeframe, start, end)
bars = bars_in(root, vendor)
bars = RangeCache("bars", load, store=Store(root), max_span="10D")
try:
    get(bars, 0, 40)
except KeyboardInterrupt:
    say("stopped")
load = vendor.load
say(right(bars, 0, 20), vendor.days() == list(range(20)))
sys.stdin.readline()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_during_a_fetch_keeps_what_came_and_lets_go_of_the_lock(
    scripts: Callable, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    script = scripts(STOPPED, root)
    script.wait_for("stopped")
    script.wait_for("True True")
    # It lives on, and holds nobody up.
    after = ask(root, (0, 40))
    assert (after.right, after.days, after.warned) == (True, list(range(20, 40)), [])
    script.tell("end")
    script.end()


FETCHING = """
def load(symbol, timeframe, start, end):
    say("loading")
    assert sys.stdin.readline()
    return vendor.load(symbol, timeframe, start, end)
bars = RangeCache("bars", load, store=Store(root))
say(right(bars, 0, 20))
"""
WAITING = """
bars = bars_in(root, vendor)
bars.plan("AAPL", "1D", day(0), day(20))
try:
    say("asking")
    get(bars, 0, 20)
except KeyboardInterrupt:
    say("stopped")
sys.stdin.readline()
say(right(bars, 0, 20), vendor.days())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_while_another_process_fetches_stops_who_waits_and_no_other(
    scripts: Callable, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    fetching = scripts(FETCHING, root)
    fetching.wait_for("loading")
    waiting = scripts(WAITING, root)
    waiting.wait_for("asking")
    waiting.process.send_signal(signal.SIGINT)
    waiting.wait_for("stopped")
    fetching.tell("go on")
    fetching.wait_for("True")
    waiting.tell("go on")
    assert waiting.end() == "True []\n"


def test_who_waits_for_a_process_that_is_killed_fetches_itself(
    scripts: Callable, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    fetching = scripts(FETCHING, root)
    fetching.wait_for("loading")
    waiting = scripts(WAITING, root)
    waiting.wait_for("asking")
    fetching.process.kill()
    waiting.tell("go on")
    assert waiting.end() == f"True {list(range(20))}\n"


APPENDING = """
for number in range(1, 2000):
    bars = bars_in(root, vendor)
    if not right(bars, max(0, number - 30), number):
        say("wrong", number)
        break
    say(number)
"""


def test_two_processes_that_append_to_one_series_and_are_killed(
    scripts: Callable, tmp_path: Path
) -> None:
    root = tmp_path / "store"
    pair = [scripts(APPENDING, root) for _ in range(2)]
    for number in (5, 12, 19):
        pair[0].wait_for(str(number))
        pair[0].process.kill()
        pair = [pair[1], scripts(APPENDING, root)]
    pair[0].wait_for("30")
    for script in pair:
        script.process.kill()
    assert "wrong" not in "".join(script.process.communicate()[0] for script in pair)
    seen = ask(root, (0, 30), act=lambda bars: bars.compact())
    assert (seen.right, seen.days, seen.warned) == (True, [], [])


def test_a_cancelled_task_keeps_what_came_and_holds_nobody_up(tmp_path: Path) -> None:
    vendor = Vendor()

    async def main() -> None:
        reached = asyncio.Event()
        blocks = [True]

        async def load(symbol: str, timeframe: str, start, end):
            if (start - FIRST).days >= 20 and blocks:
                reached.set()
                await asyncio.sleep(PATIENCE)
            return vendor.load(symbol, timeframe, start, end)

        bars = bars_in(tmp_path / "store", vendor, max_span="10D")
        wanted = ("AAPL", "1D", day(0), day(40))
        first = asyncio.create_task(bars.aget(*wanted, loader=load))
        await reached.wait()
        second = asyncio.create_task(bars.aget(*wanted, loader=load))
        await asyncio.sleep(0)
        blocks.clear()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        answer = await asyncio.wait_for(second, PATIENCE)
        assert answer.equals(rows("AAPL", 0, 40))

    asyncio.run(main())
    assert vendor.days() == list(range(40))
    after = ask(tmp_path / "store", (0, 40))
    assert (after.right, after.days, after.warned) == (True, [], [])


def test_a_loader_that_fails_halfway_leaves_what_came(tmp_path: Path) -> None:
    from afml_cache import PartialCoverageError

    vendor = Vendor()

    def load(symbol: str, timeframe: str, start, end):
        if start >= day(20):
            raise OSError(28, "no space left on the vendor's device")
        return vendor.load(symbol, timeframe, start, end)

    bars = bars_in(tmp_path / "store", vendor, max_span="10D", retries=0)
    with pytest.raises(PartialCoverageError) as caught:
        bars.get("AAPL", "1D", day(0), day(40), loader=load)
    assert caught.value.data.equals(rows("AAPL", 0, 20))
    assert get(bars, 0, 40).equals(rows("AAPL", 0, 40))
    assert vendor.days() == list(range(40))
    assert len(segments(tmp_path / "store")) >= 2
