"""Values taken apart: alike for copies and in other processes, unlike for anything else."""

import copy
import json
import pathlib
import pickle

import apart_samples
import pytest
from apart_samples import ALL, DISTRIBUTIONS

from afml_cache import digest

HERE = pathlib.Path(__file__).parent
SHOW = f"""
import json, sys
sys.path.insert(0, {str(HERE)!r})
import apart_samples
from afml_cache import digest
print(json.dumps({{name: digest(make()) for name, make in apart_samples.ALL.items()}}))
"""


def copies(value):
    for make in (copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))):
        try:
            yield make(value)
        except (TypeError, pickle.PicklingError):  # modules, views and the like
            continue


@pytest.mark.parametrize("name", ALL)
def test_a_value_equals_itself_made_again(name: str) -> None:
    assert digest(ALL[name]()) == digest(ALL[name]())


@pytest.mark.parametrize("name", [name for name in ALL if name not in DISTRIBUTIONS])
def test_a_value_equals_its_copies(name: str) -> None:
    value = ALL[name]()
    before = digest(value)
    for copied in copies(value):
        assert digest(copied) == before
    assert digest(value) == before


def test_every_value_has_a_digest_of_its_own() -> None:
    seen: dict[str, str] = {}
    for name, make in ALL.items():
        found = digest(make())
        assert found not in seen, f"{name} and {seen[found]}"
        seen[found] = name


@pytest.mark.parametrize("seed", [1, 2])
def test_a_value_has_the_same_digest_in_another_process(run_python, seed: int) -> None:
    elsewhere = json.loads(run_python(SHOW, hashseed=seed))
    here = {name: digest(make()) for name, make in apart_samples.ALL.items()}
    assert {name for name in here if here[name] != elsewhere[name]} == set()
