"""`describe`: the same items from every Python, and in processes that lack the source."""

import os
import pathlib
import subprocess
import sys

import corpus
import pytest
from plain import identity

import afml_cache
from afml_cache import digest
from afml_cache.code import describe, learn_sources, sources_of

HERE = pathlib.Path(__file__).parent
SCRIPT = """
import corpus
from afml_cache import digest
from afml_cache.code import describe
for value in corpus.ALL:
    print(digest(tuple(item.value for item in describe(value).items)))
"""


def pythons():
    """Find the interpreters that can load the extension module, other than this one."""
    root = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv"))
    found = sorted(root.glob("versions/3.*/bin/python"))
    return [path for path in found if int(path.parts[-3].split(".")[1]) >= 10]


@pytest.mark.parametrize("python", pythons(), ids=lambda path: path.parts[-3])
def test_items_are_the_same_under_every_python(python):
    ours = pathlib.Path(afml_cache.__file__).parent.parent
    platform = pathlib.Path(sys.modules["platformdirs"].__file__).parent.parent
    path = os.pathsep.join(map(str, (ours, HERE, platform)))
    env = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        [python, "-c", SCRIPT], env=env, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    here = [digest(tuple(item.value for item in describe(value).items)) for value in corpus.ALL]
    assert ran.stdout.split() == here


def test_every_function_of_the_corpus_is_known_by_its_source():
    for value in corpus.ALL:
        assert "'python'" not in repr([item.value for item in describe(value).items])


DRIVER = """
import pathlib, pickle, subprocess, sys
import cloudpickle
from afml_cache.code import describe, sources_of
PIP = 0.5
MINUTES = 24 * 60
BY = {"fast": [lambda x: x * 60 * 60]}
def smooth(x):
    "Smooth it."
    return [x * PIP * MINUTES for x in x]
def features(x):
    return smooth(x), BY
def values(function):
    code = describe(function)
    inner = describe(code.mutables[0][1]["fast"][0])
    return [item.value for item in (*code.items, *inner.items)]
if __name__ == "__main__":
    pickled = cloudpickle.dumps((features, values, sources_of(features)))
    worker = '''
import pickle, sys
features, values, sources = pickle.load(sys.stdin.buffer)
from afml_cache.code import learn_sources
before = values(features)
learn_sources(sources)
sys.stdout.buffer.write(pickle.dumps((before, values(features))))
'''
    pathlib.Path(__file__).rename(__file__ + ".gone")
    ran = subprocess.run([sys.executable, "-c", worker], input=pickled, stdout=-1, check=True)
    before, after = pickle.loads(ran.stdout)
    print(before == values(features), after == values(features))
"""


def test_sources_travel_to_a_worker_that_gets_functions_by_value(run_python):
    assert run_python(DRIVER) == "False True\n"


def test_sources_are_plain_values_of_verified_functions_only(module):
    features = module("def g(x): return x\ndef f(x): return g(x), h(x)")
    exec("def h(x): return 1", vars(features))  # noqa: S102 - a function without a source
    sources = sources_of(features.f)
    assert len(sources) == 2
    assert all(type(name) is bytes and len(name) == 16 for name in sources)
    assert len(digest(tuple(sources.values()))) == 32
    before = identity(features.f)
    learn_sources(sources)
    assert identity(features.f) == before
