"""A Jupyter kernel: cells that are run again with other code, and back again."""

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

Run = Callable[[str], str]
PATIENCE = 60  # seconds


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    manager, client = start_new_kernel(
        kernel_name="python3", cwd=str(tmp_path_factory.mktemp("notebook"))
    )
    shown: list[str] = []

    def hear(message: dict) -> None:
        content = message["content"]
        if message["msg_type"] == "stream":
            shown.append(content["text"])
        elif message["msg_type"] == "error":
            shown.append("\n".join(content["traceback"]))

    def run(cell: str) -> str:
        shown.clear()
        client.execute_interactive(textwrap.dedent(cell), timeout=PATIENCE, output_hook=hear)
        return "".join(shown).strip()

    try:
        yield run
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture
def run(kernel: Run, tmp_path: Path) -> Run:
    said = kernel(
        f"""
        %reset -f
        import os, pathlib, sys
        os.chdir({str(tmp_path)!r})
        sys.path[:0] = [{str(tmp_path)!r}]
        from afml_cache import Store, robust_cacheable
        store = Store({str(tmp_path / "cache")!r})
        """
    )
    assert not said
    return kernel


def misses(run: Run) -> bool:
    """Whether `f(10)` is a miss; it is computed, and a hit from then on."""
    said = run("print(f.is_cached(10), f(10) == f.__wrapped__(10), f.is_cached(10))")
    assert said in ("False True True", "True True True"), said
    return said.startswith("False")


CELLS = {
    "a helper": (
        "def helper(x):\n    return x + 1",
        "def helper(x):\n    return x + 2",
        "@robust_cacheable(store=store)\ndef f(x):\n    return helper(x)",
    ),
    "a constant": (
        "PIP = 0.0001",
        "PIP = 0.01",
        "@robust_cacheable(store=store)\ndef f(x):\n    return x * PIP",
    ),
    "a class's method": (
        "class Strategy:\n    def signal(self, x):\n        return x",
        "class Strategy:\n    def signal(self, x):\n        return -x",
        "@robust_cacheable(store=store)\ndef f(x):\n    return Strategy().signal(x)",
    ),
    "a closure": (
        "def make(n):\n    def inner(x):\n        return x + n\n    return inner\nadd = make(1)",
        "def make(n):\n    def inner(x):\n        return x + n\n    return inner\nadd = make(2)",
        "@robust_cacheable(store=store)\ndef f(x):\n    return add(x)",
    ),
    "an entry of a dictionary": (
        "CONFIG = {'pip': 1}",
        "CONFIG = {'pip': 2}",
        "@robust_cacheable(store=store)\ndef f(x):\n    return x * CONFIG['pip']",
    ),
    "the body itself": (
        "@robust_cacheable(store=store)\ndef f(x):\n    return x",
        "@robust_cacheable(store=store)\ndef f(x):\n    return -x",
        "",
    ),
}


@pytest.mark.parametrize("what", CELLS)
def test_a_redefined_cell_misses_and_hits_when_it_is_put_back(run: Run, what: str) -> None:
    first, second, function = CELLS[what]
    assert not run(first)
    assert not run(function)
    assert misses(run)
    assert not misses(run)
    assert not run(second)
    assert misses(run)
    assert not misses(run)
    assert not run(first)
    assert not misses(run)


def test_the_same_cell_run_again_hits(run: Run) -> None:
    cell = "@robust_cacheable(store=store)\ndef f(x):\n    return x + 1"
    assert not run(cell)
    assert misses(run)
    assert not run(cell)
    assert not misses(run)
    assert not run("# only a comment\n\n" + cell.replace("x + 1", "x + 1  # why"))
    assert not misses(run)


def test_an_instance_of_a_redefined_class_misses(run: Run) -> None:
    cell = """
    class Strategy:
        def signal(self):
            return {}
    """
    assert not run(cell.format(1))
    run("@robust_cacheable(store=store)\ndef g(s):\n    return s.signal()\n")
    run("def f(x): return g(Strategy())\nf.is_cached = lambda x: g.is_cached(Strategy())")
    run("f.__wrapped__ = lambda x: Strategy().signal()")
    assert misses(run)
    assert not run(cell.format(2))
    assert misses(run)
    assert not run(cell.format(1))
    assert not misses(run)


def test_autoreload_of_an_edited_module_misses_and_hits_when_it_is_put_back(
    run: Run, tmp_path: Path
) -> None:
    module = tmp_path / "features_of_this_notebook.py"
    old = "PIP = 1\n\n\ndef smooth(x):\n    return x + PIP\n"
    module.write_text(old)
    run("%load_ext autoreload\n%autoreload 2\nimport features_of_this_notebook as features")
    run("@robust_cacheable(store=store)\ndef f(x):\n    return features.smooth(x)")
    assert misses(run)
    module.write_text(old.replace("x + PIP", "x - PIP"))
    assert misses(run)
    assert not misses(run)
    module.write_text(old.replace("PIP = 1", "PIP = 27"))
    assert misses(run)
    module.write_text(f"# a comment more\n{old}")
    assert not misses(run)


def test_two_notebooks_with_functions_of_one_name_do_not_mix(run: Run) -> None:
    cell = "@robust_cacheable(store=store)\n    def f(x):\n        return x"
    run(f"def make():\n    {cell}\n    return f")
    run("first = make()\nfirst(10)")
    run("@robust_cacheable(store=store)\ndef f(x):\n    return -x")
    assert misses(run)


BARS = """
import numpy as np, pandas as pd
from afml_cache import CachedDataEngine, RangeCache

HOURS = pd.date_range("2024-01-01", "2024-02-01", freq="h", tz="UTC", name="time")
CLOSES = pd.DataFrame({"close": np.arange(len(HOURS)) * 1.0}, index=HOURS)

def vendor(symbol, timeframe, start, end):
    return CLOSES[(CLOSES.index >= start) & (CLOSES.index < end)]

async def avendor(symbol, timeframe, start, end):
    return vendor(symbol, timeframe, start, end)

bars = RangeCache("bars", vendor, store=store)
abars = RangeCache("abars", avendor, store=store)
asked = ("EURUSD", "1h", "2024-01-02T00:00Z", "2024-01-04T00:00Z")
"""


def test_bars_are_asked_for_in_cells_though_a_loop_is_running(run: Run) -> None:
    assert not run(BARS)
    assert run("print(len(bars.get(*asked)), bars.stats()['api_calls'])") == "48 1"
    assert run("print(len(await bars.aget(*asked)), bars.stats()['api_calls'])") == "48 1"
    assert run("print(len(await abars.aget(*asked)), abars.stats()['api_calls'])") == "48 1"
    assert run("print(len(abars.get(*asked)))") == "48"  # no coroutine is needed for what is there
    later = "'EURUSD', '1h', '2024-01-02T00:00Z', '2024-01-05T00:00Z'"
    assert "await cache.aget(...)" in run(f"abars.get({later})")
    assert run(f"print(len(await abars.aget({later})))") == "72"
    picture = run("print(abars.coverage('EURUSD', '1h')._repr_html_())")
    assert all(part in picture for part in ("72 bars", "2024-01-02", "2024-01-05", ">data<"))


def test_a_cell_that_is_run_again_finds_the_bars_of_the_one_before(run: Run) -> None:
    for calls in ("1", "0"):
        assert not run(BARS)
        assert run("print(len(bars.get(*asked)), bars.stats()['api_calls'])") == f"48 {calls}"
