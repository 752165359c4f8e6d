"""Several processes share one folder: each other's hits, and no harm when one is killed."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SOAK = Path(__file__).parents[1] / "soak" / "kill_writers.py"

SHARED = """
import datetime as dt, decimal, pathlib, uuid
import numpy as np, pandas as pd, polars as pl
from afml_cache import digest, robust_cacheable

WORDS = {"alpha", "beta", "gamma", ("delta", 1), None}
CONFIG = {"names": {"x", "y", "z"}, "pip": 0.0001}

def helper(value):
    return "helper" in {"a", "b", "helper"} and len(WORDS) + len(CONFIG)

@robust_cacheable
def seen(value):
    print("ran")
    return type(value).__name__, helper(value)

@robust_cacheable
def words(*values, **named):
    print("ran")
    return set(values) | set(named)

index = pd.date_range("2024", periods=100, freq="h", tz="UTC")
values = [
    "text", "", b"bytes", 1.5, 10**40, ("a", 1), {"one", "two", "three", 4, None},
    frozenset("abcdefgh"), {"b": {"x", "y"}, "a": [1, {"z"}]}, dt.datetime(2024, 1, 1),
    decimal.Decimal("1.5"), uuid.UUID(int=1),
    pathlib.PurePosixPath("a"), np.arange(1000.0), np.array(["x", "y", None, 1.5], object),
    pd.DataFrame({"p": np.arange(100.0), "s": ["a", "b"] * 50}, index=index),
    pd.DataFrame({"o": pd.Series(["a", None, 1, {"q", "r"}], dtype=object), "c": list("abca")}),
    pd.Series([1.0], name="n"), pd.MultiIndex.from_product([["a", "b"], [1, 2]]),
    pl.DataFrame({"a": [1, None], "s": ["x", "y"], "l": [["p"], []]}),
    pl.Series("c", ["x", "y"], pl.Categorical), pd.CategoricalIndex(list("abca")),
]
for value in values:
    assert seen(value) == (type(value).__name__, 7)
words("a", "b", "c", x=1, y=2)
print([digest(value) for value in values])
print(sorted(words("a", "b", "c", x=1, y=2)))
"""


def test_processes_of_different_hash_seeds_share_every_hit(run_python: Callable) -> None:
    first = run_python(SHARED, hashseed=1).splitlines()
    assert first.count("ran") == 23
    for seed in (2, 3, 4_000_000_000):
        again = run_python(SHARED, hashseed=seed).splitlines()
        assert again == first[-2:]


def test_another_folder_and_another_locale_do_not_count(
    run_python: Callable, tmp_path: Path
) -> None:
    first = run_python(SHARED, hashseed=1).splitlines()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    env = {"LC_ALL": "C", "LANG": "C", "TZ": "Asia/Tokyo", "PYTHONUTF8": "0"}
    assert run_python(SHARED, env=env, cwd=elsewhere).splitlines() == first[-2:]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_a_pool_share_the_hits_of_their_parent(
    run_python: Callable, method: str
) -> None:
    shown = run_python(
        f"""
import multiprocessing, warnings
import numpy as np
from afml_cache import robust_cacheable

@robust_cacheable
def load(number):
    return np.full(50_000, number)

def work(number):
    before = load.cache_info()
    total = int(load(number).sum())
    after = load.cache_info()
    return total, after.misses - before.misses, after.errors

if __name__ == "__main__":
    warnings.simplefilter("ignore", DeprecationWarning)
    for number in range(8):
        load(number)
    with multiprocessing.get_context("{method}").Pool(4) as pool:
        expected = [(number * 50_000, 0, 0) for number in range(8)] * 4
        print(pool.map(work, [*range(8)] * 4, chunksize=1) == expected)
        print(sorted(pool.map(work, range(8, 16), chunksize=1))[0][0])
    print([load.is_cached(number) for number in range(16)] == [True] * 16)
"""
    )
    assert shown.split() == ["True", "400000", "True"]


def test_four_processes_on_the_same_keys_stay_right(tmp_path: Path) -> None:
    script = tmp_path / "hammer.py"
    script.write_text(
        """
import random, sys
import numpy as np
from afml_cache import robust_cacheable

@robust_cacheable
def table(number):
    return {"number": number, "array": np.full(number * 300, number)}

order = [*range(60)] * 4
random.Random(int(sys.argv[1])).shuffle(order)
for number in order:
    value = (table.refresh if random.random() < 0.05 else table)(number)
    assert value["number"] == number
    assert np.array_equal(value["array"], np.full(number * 300, number))
info = table.cache_info()
print(info.errors, info.bypasses, all(table.is_cached(number) for number in range(60)))
"""
    )
    command = [sys.executable, script]
    running = [
        subprocess.Popen(
            [*command, str(seed)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for seed in range(4)
    ]
    ended = [(*process.communicate(), process.returncode) for process in running]
    assert ended == [("0 0 True\n", "", 0)] * 4


def test_a_refresh_and_a_clear_are_seen_by_another_process(
    run_python: Callable, tmp_path: Path
) -> None:
    hidden = tmp_path / "hidden"
    shown = run_python(
        f"""
import subprocess, sys
from afml_cache import robust_cacheable

@robust_cacheable
def read(number):
    with open({str(hidden)!r}) as file:
        return [file.read()]

def other(act):
    subprocess.run([sys.executable, __file__, act], check=True)

def write(text):
    with open({str(hidden)!r}, "w") as file:
        file.write(text)

if sys.argv[1:] == ["refresh"]:
    read.refresh(1)
elif sys.argv[1:] == ["clear"]:
    read.cache_clear()
else:
    write("one")
    print(read(1), read(1))
    write("two")
    print(read(1))
    other("refresh")
    print(read(1))
    write("three")
    other("clear")
    print(read.is_cached(1), read(1))
"""
    )
    assert shown.split() == ["['one']", "['one']", "['one']", "['two']", "False", "['three']"]


def kill_writers(rounds: int) -> None:
    command = [sys.executable, SOAK, "--rounds", str(rounds)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert int(re.search(r"(\d+) results checked", ended.stdout)[1]) > rounds


@pytest.mark.timeout(600)
def test_20_rounds_of_killed_writers_lose_nothing() -> None:
    kill_writers(20)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_200_rounds_of_killed_writers_lose_nothing() -> None:
    kill_writers(200)
