"""`digest` refuses what it can't key by content, names its place, and never crashes."""

import itertools
import threading

import pytest

from afml_cache import CacheError, UncacheableArgumentError, digest

NEVER = {
    "list iterator": lambda: iter([1]),
    "dict iterator": lambda: iter({1: 2}),
    "generator": lambda: (x for x in [1]),
    "map": lambda: map(str, [1]),
    "count": itertools.count,
    "object": object,
    "lock": threading.Lock,
    "file": lambda: open(__file__),  # noqa: SIM115, PTH123
}


@pytest.mark.parametrize("name", NEVER)
def test_what_cannot_be_keyed_is_refused_with_its_path(name: str) -> None:
    value = NEVER[name]()
    with pytest.raises(UncacheableArgumentError) as caught:
        digest(value)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, CacheError)
    with pytest.raises(UncacheableArgumentError, match=r"\['model'\]\[0\]"):
        digest({"other": 1, "model": (value, 2)})
    with pytest.raises(UncacheableArgumentError, match=r"\[2\]\['a'\]\[1\]"):
        digest([0, 1, {"a": [0, value]}])
    if hasattr(value, "close"):
        value.close()


@pytest.mark.parametrize("grow", ["x = [x]", "x = (x,)", "x = {'k': x}", "x = [x, {1: (x,)}][:1]"])
@pytest.mark.parametrize("thread", [False, True])
def test_a_value_nested_100_000_deep_never_crashes_the_interpreter(
    run_python, grow: str, thread: bool
) -> None:
    shown = run_python(
        f"""
import sys, threading, afml_cache
x = [1]
for _ in range(100_000):
    {grow}
def attempt():
    print("digest", len(afml_cache.digest(x)), afml_cache.digest(x) == afml_cache.digest([x][0]))
    x_and_more = [x, iter([])]
    try:
        afml_cache.digest(x_and_more)
    except afml_cache.UncacheableArgumentError as error:
        print("refused", "value[1]" in str(error))
if {thread}:
    worker = threading.Thread(target=attempt); worker.start(); worker.join()
else:
    attempt()
while type(x) is list and x or type(x) is tuple or type(x) is dict:
    x = x["k"] if type(x) is dict else x[0]
"""
    )
    assert shown.split() == ["digest", "32", "True", "refused", "True"]


def test_the_path_to_a_place_100_000_levels_down_is_shortened() -> None:
    value: list = [iter([])]
    for _ in range(100_000):
        value = [value]
    with pytest.raises(UncacheableArgumentError) as caught:
        digest(value)
    assert len(str(caught.value)) < 1000
    while value and isinstance(value[0], list):
        value = value[0]
