"""Artifacts that are used by their name, and in the modes and under the flags of a script."""

import json

import pytest
from artifacts_made import BARS, CALL, LATER, listening, patterns_in

from afml_cache import (
    ArtifactWarning,
    CacheMissError,
    mode,
)


@pytest.fixture
def ran():
    with listening() as said:
        yield said


@pytest.fixture
def patterns(tmp_path):
    return patterns_in(tmp_path / "out")


def test_a_file_that_is_there_is_used_by_its_name(tmp_path, ran):
    patterns = patterns_in(tmp_path, trust="name")
    first = patterns(BARS, [1], **CALL)
    assert patterns(LATER, [2], **CALL) == first
    path = patterns.path(BARS, [1], **CALL)
    path.write_text('{"by": "hand"}')
    assert patterns(BARS, [1], **CALL) == {"by": "hand"}
    assert patterns.saved(BARS, [1], **CALL).load() == {"by": "hand"}
    (tmp_path / "EURUSD_2025_patterns_metadata.json").unlink()
    assert patterns(BARS, [1], **CALL) == {"by": "hand"}
    assert len(ran) == 1


def test_a_file_that_cannot_be_read_is_made_anew_by_its_name_too(tmp_path, ran):
    patterns = patterns_in(tmp_path, trust="name")
    path = patterns.path(BARS, [1], **CALL)
    path.write_text('{"by": ')
    with pytest.warns(ArtifactWarning) as told:
        made = patterns(BARS, [1], **CALL)
    assert "can't be read" in str(told[0].message)
    assert "patterns.json.before-1" in str(told[-1].message)
    assert json.loads(path.read_text()) == made
    assert ran == ["EURUSD"]


def test_frozen_raises_for_what_is_not_there(patterns):
    with mode("frozen"), pytest.raises(CacheMissError, match="there is no file"):
        patterns(BARS, [1], **CALL)
    patterns(BARS, [1], **CALL)
    with mode("frozen"):
        assert patterns(BARS, [1], **CALL)["bars"] == 3
        with pytest.raises(CacheMissError, match="argument `df` changed"):
            patterns(LATER, [1], **CALL)
        with pytest.raises(CacheMissError):
            patterns.refresh(BARS, [1], **CALL)


@pytest.mark.parametrize("name", ["readonly", "off"])
def test_modes_that_write_nothing_return_what_would_read_back(tmp_path, name, ran):
    patterns = patterns_in(tmp_path / "out")
    with mode(name):
        assert patterns(BARS, (1, 2), **CALL)["of"] == [1, 2]
        saved = patterns.saved(BARS, (1, 2), **CALL)
        assert saved.load()["of"] == [1, 2]
        assert not saved.is_written
    assert not (tmp_path / "out").exists()
    patterns(BARS, (1, 2), **CALL)
    with mode(name):
        patterns(BARS, (1, 2), **CALL)
    assert len(ran) == (3 if name == "readonly" else 4)


def test_fresh_makes_it_anew(patterns, ran):
    patterns(BARS, [1], **CALL)
    with mode("fresh"):
        assert 'the mode is "fresh"' in repr(patterns.explain(BARS, [1], **CALL))
        patterns(BARS, [1], **CALL)
    assert len(ran) == 2


SCRIPT = """
import argparse
from afml_cache import add_cache_arguments, robust_cacheable
from afml_cache.artifacts.decorator import artifact

parser = argparse.ArgumentParser()
add_cache_arguments(parser)
parser.parse_args({flags!r})

@robust_cacheable
def label(x):
    print("labelled", end=" ")
    return x

@artifact("patterns.json")
def mine(x):
    print("mined", end=" ")
    return label(x)

mine(1)
"""


def test_flags_of_scripts_make_it_anew(run_python):
    assert run_python(SCRIPT.format(flags=[])).split() == ["mined", "labelled"]
    assert run_python(SCRIPT.format(flags=[])).split() == []
    assert run_python(SCRIPT.format(flags=["--force-rerun"])).split() == ["mined"]
    assert run_python(SCRIPT.format(flags=["--no-skip-existing"])).split() == ["mined"]
    assert run_python(SCRIPT.format(flags=["--fresh"])).split() == ["mined", "labelled"]


GROUPED = """
from afml_cache import configure
from afml_cache.artifacts.decorator import artifact

def universe(n):
    print("made", end=" ")
    return n

artifact("universe.json")(universe)(1)
grouped = artifact("universe.json", group="universes")(universe)
grouped(1)
print(grouped.explain(1).cached, end=" ")
configure({switches!r})
print(grouped.explain(1).cached, grouped.is_current(1), end=" ")
"""


def test_a_group_has_switches_of_its_own(run_python, tmp_path):
    off = {"skip_existing_universes": False}
    assert run_python(GROUPED.format(switches=off)).split() == ["made", "True", "False", "False"]
    other = {"skip_existing_labels": False}
    assert run_python(GROUPED.format(switches=other)).split() == ["True"] * 3
    script = GROUPED.format(switches={"cache_universes": False})
    assert run_python(f"{script}\nprint(grouped(2))").split() == [
        "True",
        "False",
        "False",
        "made",
        "2",
    ]
    assert (tmp_path / "universe.json").read_text() == "1\n"
