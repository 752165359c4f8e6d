"""Are the results in `store.zip` still found, and still what they were?

python stored.py           # one line if they are; results of missing libraries are left out
python stored.py --write   # make the store anew; never where a release has written it
"""

import contextlib
import importlib.util
import os
import shutil
import stat
import sys
import tempfile
import zipfile
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

# What needs a seal is sealed with this, and bound to the id in the store.
os.environ["AFML_CACHE_KEY"] = "0123456789abcdef" * 4

import afml_cache

ARCHIVE = Path(__file__).with_name("store.zip")


class Fill(NamedTuple):
    """A named tuple: its class is named in the payload."""

    price: float
    size: int


class Basket(Counter):
    """What nothing but a pickle holds."""


def plain():
    return {
        "scalars": lambda: (None, True, -5, 2**80, 1.5, 2j, "text \N{EURO SIGN}", b"bytes"),
        "nested": lambda: {"a": [1, {2, 3}, (4, frozenset({5}))], "b": range(1, 9, 2)},
        "when": lambda: datetime(2024, 5, 3, 14, 30, tzinfo=timezone.utc),
        "long text": lambda: ["spam and eggs " * 10] * 300,
        "fill": lambda: [Fill(1.0925, 100_000), Fill(1.0931, -50_000)],
        "basket": lambda: Basket(spam=2, eggs=1),
    }


def of_numpy():
    import numpy as np

    return {
        "array": lambda: np.arange(6.0).reshape(2, 3),
        "large array": lambda: np.arange(50_000, dtype="i4") * 3,
        "columns first": lambda: np.asfortranarray(np.arange(20_000.0).reshape(100, 200)),
        "instants": lambda: np.array(["2024-05-03", "NaT"], dtype="M8[ns]"),
        "packed": lambda: np.zeros(100_000),
    }


def of_pandas():
    import numpy as np
    import pandas as pd

    def bars():
        # Unit and labels are those that pandas 2 and 3 agree on.
        index = pd.date_range("2024-05-01", periods=3_000, freq="h", tz="UTC", name="time")
        closes = 1.09 + np.arange(3_000) / 1e5
        frame = pd.DataFrame({"close": closes, "volume": np.arange(3_000)})
        frame.columns = pd.Index(["close", "volume"], dtype=object)
        return frame.set_index(index.as_unit("ns"))

    return {"bars": bars, "closes": lambda: bars()["close"]}


def expected():
    """What can be made in this environment, by name."""
    made = dict(plain())
    for library, make in (("numpy", of_numpy), ("pandas", of_pandas)):
        if importlib.util.find_spec(library):
            made |= make()
    return made


def answer(name):
    return expected()[name]()


def compression(name):
    return {"long text": "lz4", "packed": "zstd"}.get(name)


def cached(root, name):
    """The function of a result: named and keyed by text alone, whatever is installed."""
    function = afml_cache.robust_cacheable(
        store=afml_cache.Store(root),
        track_code=False,
        version="golden",
        compress=compression(name),
    )
    answer.__module__, answer.__qualname__ = "golden", "answer"
    return function(answer)


@contextlib.contextmanager
def archived(target):
    """A store to be filled, which is packed then."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "store"
        yield root
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(root.rglob("*")):
                if path.is_file() and "locks" not in path.parts and not path.name.endswith("-shm"):
                    file = zipfile.ZipInfo(str(path.relative_to(root)))
                    archive.writestr(file, path.read_bytes(), zipfile.ZIP_DEFLATED)


def write():
    """Make the store and pack it, its log written back first."""
    with archived(ARCHIVE) as root:
        for name in expected():
            cached(root, name)(name)
        afml_cache.gc(afml_cache.Store(root))


def same(left, right):
    if type(left) is not type(right):
        return False
    if type(left).__module__.startswith("pandas"):
        return left.equals(right) and left.index.equals(right.index)
    if type(left).__module__.startswith("polars"):
        return left.schema == right.schema and left.equals(right)
    if type(left).__name__ == "ndarray":
        return left.dtype == right.dtype and left.tobytes("A") == right.tobytes("A")
    return left == right


@contextlib.contextmanager
def unpacked(source):
    """A store in a private folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "store"
        with zipfile.ZipFile(source) as archive:
            archive.extractall(root)
        for path in [root, *root.rglob("*")]:
            path.chmod(stat.S_IRWXU if path.is_dir() else stat.S_IRUSR | stat.S_IWUSR)
        yield root


def main(arguments):
    """Compare or write; the exit status says whether all were found."""
    if arguments == ["--write"]:
        write()
        return 0
    wrong = []
    with unpacked(ARCHIVE) as root:
        for name, make in expected().items():
            try:
                with afml_cache.mode("frozen"):
                    if not same(cached(root, name)(name), make()):
                        wrong.append(f"{name} is another")
            except afml_cache.CacheMissError:
                wrong.append(f"{name} is not found")
        if not afml_cache.verify(afml_cache.Store(root)):
            wrong.append("it does not verify")
        shutil.rmtree(root / "v1/locks", ignore_errors=True)
    print(f"{len(expected())} golden results, {len(wrong)} wrong", *wrong, sep="\n  ")
    return len(wrong) > 0


if __name__ == "__main__":
    sys.modules["golden_stored"] = sys.modules["__main__"]
    for kind in (Fill, Basket):
        kind.__module__ = "golden_stored"
    sys.exit(main(sys.argv[1:]))
