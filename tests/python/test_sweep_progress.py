"""How far a sweep is: in a real terminal, in a real notebook, in a log, and for a callback."""

import contextlib
import fcntl
import itertools
import logging
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

import afml_cache
from afml_cache import BatchRunner, sweep, sweeps
from afml_cache.sweeping import progress

PYTHON = Path(afml_cache.__file__).parents[1]
PATIENCE = 60  # seconds
WIDTH = 160

SWEEP = """
import sys
from afml_cache import sweep

def label(config):
    if config == 7:
        raise ValueError("no bars")
    return config

def main(**options):
    sweep(label, range(5), progress=False)
    sweep(label, range(20), workers=2, on_error="keep going", desc="Labeling", **options)
"""
BATCHES = """
from afml_cache import BatchRunner

def evaluate(strategy):
    return {"strategy": strategy}

def main(**options):
    BatchRunner(evaluate, range(4), 2, output_dir="batches", progress=False).run()
    BatchRunner(evaluate, range(7), 2, output_dir="batches", desc="Backtesting", **options).run()
"""
NO_TQDM = 'import sys\nsys.modules["tqdm"] = None\n'
LOGS = """
import logging
logging.basicConfig(level=logging.INFO, format="LOG %(name)s %(message)s", stream=sys.stdout)
"""


def terminal():
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, WIDTH, 0, 0))
    return ours, theirs


def read_all(descriptor):
    parts = []
    with contextlib.suppress(OSError):  # Linux says so at the end of a terminal
        while part := os.read(descriptor, 65536):
            parts.append(part)
    os.close(descriptor)
    return b"".join(parts).decode()


@pytest.fixture
def in_terminal(tmp_path):
    """Run a script in a terminal; give what that shows, and what was written to a pipe."""

    def run(code, *, out_is_a_pipe=False, **options):
        ours, theirs = terminal()
        script = tmp_path / "script.py"
        script.write_text(f'{code}\nif __name__ == "__main__":\n    main(**{options})\n')
        with subprocess.Popen(
            [sys.executable, script],
            env={**os.environ, "PYTHONPATH": str(PYTHON), "PYTHONIOENCODING": "utf-8"},
            cwd=tmp_path,
            stdin=theirs,
            stdout=subprocess.PIPE if out_is_a_pipe else theirs,
            stderr=theirs,
        ) as child:
            os.close(theirs)
            shown = read_all(ours)
            piped = child.stdout.read().decode() if out_is_a_pipe else ""
        assert child.returncode == 0, shown
        return shown, piped

    return run


def drawn(shown):
    """What a terminal showed in one line after the other, each of which replaced the last."""
    return [line.strip() for line in re.split(r"[\r\n]+|\x1b\[A", shown) if line.strip()]


def test_a_terminal_shows_a_bar(in_terminal) -> None:
    shown, _ = in_terminal(SWEEP)
    lines = drawn(shown)
    assert lines[0].startswith("Labeling:   0%|")
    assert any(line.startswith("Labeling:  25%|") and "5 hits" in line for line in lines)
    last = lines[-1]
    assert last.startswith("Labeling: 100%|")
    assert re.search(
        r"\| 20/20 \[\d\d:\d\d<\d\d:\d\d, +[\d.]+item/s, 5 hits, 1 failed, RAM: [\d.]+%\]", last
    )


def test_what_was_there_counts_for_no_rate(in_terminal) -> None:
    code = """
from afml_cache import sweep

def slow(config):
    import threading
    threading.Event().wait(0.25 if config >= 500 else 0)
    return config

def main():
    sweep(slow, range(500), progress=False)
    sweep(slow, range(504))
"""
    shown, _ = in_terminal(code)
    rates = re.findall(r"([\d.]+)(item/s|s/item)", drawn(shown)[-1])
    assert len(rates) == 1
    number, unit = rates[0]
    assert unit == "s/item" or float(number) <= 4.0


def test_sweeps_inside_of_items_show_no_bar_of_their_own(in_terminal) -> None:
    code = """
from afml_cache import sweep

def inner(item):
    return item

def outer(item):
    return sweep(inner, range(item), desc="Inside")

def main():
    sweep(outer, range(4), workers=2, desc="Around")
"""
    shown, _ = in_terminal(code)
    assert "Around: 100%|" in shown
    assert "Inside" not in shown


def test_batches_are_told_above_the_bar(in_terminal) -> None:
    shown, _ = in_terminal(BATCHES)
    lines = drawn(shown)
    said = [line for line in lines if not line.startswith("Backtesting:")]
    assert said[:6] == [
        "🔍 Calculating total strategies...",
        "✅ Total strategies: 7",
        "✅ Total batches: 4 (batch size: 2)",
        "✅ Found 2 cached batch results!",
        "Skipping batches: 1-2",
        "Processing remaining: 2 batches",
    ]
    assert said[6:8] == ["Batch 1/4: 0-2  📦 CACHED", "Batch 2/4: 2-4  📦 CACHED"]
    assert re.match(r"Batch 3/4: 4-6  ✅ +[\d.]+s \|   2 strategies \| RAM: [\d.]+%$", said[8])
    assert said[10] == "✅ BATCH PROCESSING COMPLETE"
    bars = [line for line in lines if line.startswith("Backtesting:")]
    assert "7/7" in bars[-1]
    assert "4 hits" in bars[-1]


def test_batches_go_to_the_log_where_stdout_is_no_terminal(in_terminal) -> None:
    shown, piped = in_terminal(f"import sys\n{LOGS}{BATCHES}", out_is_a_pipe=True)
    assert "LOG afml_cache.sweeps ✅ Found 2 cached batch results!" in piped
    assert "LOG afml_cache.sweeps Batch 1/4: 0-2  📦 CACHED" in piped
    assert "Batch" not in shown


def test_a_terminal_without_tqdm_shows_lines_of_the_log(in_terminal) -> None:
    shown, _ = in_terminal(f"{NO_TQDM}{LOGS}{SWEEP}")
    assert "LOG afml_cache.sweeps Labeling: 15 of 20 items are to be done" in shown
    assert "LOG afml_cache.sweeps Labeling: 20/20 (100%), 5 hits, 1 failed, RAM: " in shown
    assert "|" not in shown
    shown, _ = in_terminal(f"{NO_TQDM}{LOGS}{BATCHES}")
    assert "Batch 1/4: 0-2  📦 CACHED" in shown


def test_progress_false_says_nothing_anywhere(in_terminal) -> None:
    shown, _ = in_terminal(f"import sys\n{LOGS}{SWEEP}", progress=False)
    assert shown == ""


def double(item):
    return {"item": 2 * item}


def said(caplog):
    return [one.getMessage() for one in caplog.records if one.name == "afml_cache.sweeps"]


@pytest.mark.parametrize("options", [{}, {"workers": 2}], ids=str)
def test_without_a_terminal_the_log_has_begin_and_end(caplog, options) -> None:
    with caplog.at_level(logging.INFO, "afml_cache.sweeps"):
        sweep(double, range(30), **options)
        sweep(double, range(40), desc="Doubling", **options)
    first, second, begun, ended = said(caplog)
    assert first == "double: 30 of 30 items are to be done"
    assert second.startswith("double: 30/30 (100%), 0 hits, RAM: ")
    assert begun == "Doubling: 10 of 40 items are to be done"
    assert ended.startswith("Doubling: 40/40 (100%), 30 hits, RAM: ")
    assert re.search(r", [\d.]+ items/s, 0 s left$", ended)


def test_the_log_has_lines_between(caplog, monkeypatch) -> None:
    monkeypatch.setattr(progress, "_LINES", 0.1)
    with caplog.at_level(logging.INFO, "afml_cache.sweeps"):
        sweep(slow, range(8))
    between = said(caplog)[1:-1]
    assert between
    assert all(re.match(r"slow: [0-8]/8 \(\d+%\), 0 hits, ", line) for line in between)


def slow(item):
    threading.Event().wait(0.08)
    return item


@pytest.mark.parametrize("options", [{}, {"workers": 2}], ids=str)
def test_the_figures_of_a_callback_are_sane(options) -> None:
    told = []
    sweep(slow, range(3))
    sweep(slow, range(12), progress_callback=told.append, **options)
    for one, two in itertools.pairwise(told):
        assert one.ended <= two.ended
        assert one.elapsed < two.elapsed
    last = told[-1]
    assert (last.total, last.done, last.hits, last.ended, last.eta) == (12, 12, 3, 12, 0.0)
    workers = options.get("workers", 1)
    assert 0 < last.rate <= workers / 0.08
    assert last.rate == pytest.approx(9 / last.elapsed)
    halfway = next(one for one in told if one.ended >= 7)
    assert halfway.eta == pytest.approx((12 - halfway.ended) / halfway.rate)
    assert 0 < last.memory_percent < 100


def test_the_figures_of_batches_are_those_of_the_whole(tmp_path) -> None:
    told = []
    options = {"output_dir": tmp_path, "executor": "sequential", "progress": False}
    BatchRunner(double, range(4), 2, **options).run()
    BatchRunner(double, range(9), 2, progress_callback=told.append, **options).run()
    assert {one.total for one in told} == {9}
    assert [one.ended for one in told] == sorted(one.ended for one in told)
    assert (told[0].ended, told[0].hits) == (4, 4)
    assert (told[-1].ended, told[-1].hits, told[-1].eta) == (9, 4, 0.0)
    assert (sweeps()[-1].done, sweeps()[-1].hits) == (9, 4)


def test_a_run_over_batches_is_seen_while_it_runs(tmp_path) -> None:
    seen = []

    def look(_progress) -> None:
        seen.append(sweep.status("Batches").state)

    options = {"output_dir": tmp_path, "desc": "Batches", "progress": False}
    BatchRunner(double, range(4), 2, progress_callback=look, **options).run()
    assert set(seen) == {"running"}
    assert sweep.status("Batches").state == "done"


class CallbackError(Exception):
    """What a callback raises."""


@pytest.mark.parametrize(
    "options", [{}, {"workers": 2}, {"executor": "threads", "workers": 2}], ids=str
)
@pytest.mark.parametrize("at", [2, 12])
def test_a_callback_that_raises_ends_the_sweep_and_costs_no_result(options, at) -> None:
    called = []

    def fails(there) -> None:
        if there.ended >= at:
            called.append(there)
            raise CallbackError

    with pytest.raises(CallbackError):
        sweep(slow, range(12), progress_callback=fails, **options)
    assert len(called) == 1
    done = sweep.status().done
    assert done >= called[0].done
    assert sweep.status().state == ("done" if done == 12 else "interrupted")
    assert sweep(slow, range(12)) == list(range(12))
    assert sweep.status().hits == done


def test_a_callback_that_raises_ends_a_run_over_batches(tmp_path) -> None:
    def fails(there) -> None:
        if there.ended >= 3:
            raise CallbackError

    options = {"output_dir": tmp_path, "executor": "sequential", "progress": False}
    with pytest.raises(CallbackError):
        BatchRunner(double, range(6), 2, progress_callback=fails, **options).run()
    assert sweeps()[-1].state == "interrupted"
    runner = BatchRunner(double, range(6), 2, **options)
    assert runner.run().exists()
    assert 0 in runner.cached_batches


def test_a_notebook_shows_a_bar(tmp_path) -> None:
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    shown = []

    def hear(message) -> None:
        content = message["content"]
        shown.append(content.get("text") or str(content.get("data") or content.get("evalue") or ""))

    def run(cell):
        shown.clear()
        client.execute_interactive(cell, timeout=PATIENCE, output_hook=hear)
        return "".join(shown)

    try:
        run(f"import sys; sys.path[:0] = [{str(PYTHON)!r}]")
        text = run(f"{SWEEP}\nmain()")
        assert "Labeling: 100%|" in text
        assert "20/20" in text
        assert "5 hits, 1 failed, RAM: " in text
        text = run(f"{BATCHES}\nmain()")
        assert "Batch 1/4: 0-2  📦 CACHED" in text
        assert "Backtesting: 100%|" in text
        assert "7/7" in text
        assert run("main(progress=False)") == ""
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
