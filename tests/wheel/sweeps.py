"""Sweeps, artifacts and scratch in an environment that may have nothing but the package."""

import importlib.util
import json
import os
import tempfile
from pathlib import Path

folder = tempfile.mkdtemp()
os.environ["AFML_CACHE"] = f"{folder}/cache"

from afml_cache import ItemError, artifact, scratch, sweep  # noqa: E402 - the folder first


def square(item):
    return item**2


def fails(item):
    if item == 1:
        raise ValueError
    return item


@artifact("{name}.json", folder=folder, scratch=["labels"])
def squares(items, name):
    with scratch("labels") as place:
        (place / "labels.txt").write_text(name)
    return {"squares": sweep(square, items, progress=False)}


assert sweep(square, [3, 1, 3], progress=False) == [9, 1, 9]
assert sweep(square, [1, 2, 3], executor="threads", workers=2, progress=False) == [1, 4, 9]
assert sweep.status().hits == 2
assert isinstance(sweep(fails, [0, 1], on_error="keep going", progress=False)[1], ItemError)
assert squares([2, 4], "even") == squares([2, 4], "even") == {"squares": [4, 16]}
assert json.loads(Path(folder, "even.json").read_text()) == {"squares": [4, 16]}
try:
    found = sweep(square, [5], workers=1, progress=False)
except ImportError as error:
    found = str(error)
if importlib.util.find_spec("cloudpickle"):
    assert found == [25], found
else:
    assert "afml-cache[sweeps]" in found, found
print("sweeps")
