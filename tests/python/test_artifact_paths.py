"""Where artifacts lie, and what can be one."""

import pickle
from pathlib import Path

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from artifacts_made import BARS, CALL, listening, names, patterns_in

from afml_cache import (
    ArtifactError,
    CacheConfigError,
    robust_cacheable,
)
from afml_cache.artifacts.decorator import artifact
from afml_cache.artifacts.lazies import lazy


@pytest.fixture
def ran():
    with listening() as said:
        yield said


@pytest.fixture
def patterns(tmp_path):
    return patterns_in(tmp_path / "out")


def test_a_relative_path_lies_in_the_working_directory_of_the_call(tmp_path, monkeypatch):
    made = artifact("out/{n}.json")(lambda n: n)
    monkeypatch.chdir(tmp_path)
    made(1)
    assert names(tmp_path / "out") == ["1.json", "1_metadata.json"]


def test_a_leading_placeholder_may_bring_folders(tmp_path):
    made = artifact("{prefix}patterns.json", folder=tmp_path)(lambda prefix: prefix)
    assert made.path("results/EURUSD_") == tmp_path / "results" / "EURUSD_patterns.json"
    assert made.path(str(tmp_path / "x_")) == tmp_path / "x_patterns.json"


def test_formats_of_placeholders_work(tmp_path):
    made = artifact("{when:%Y}/{config[interval]}_{n:03}_{n!r}.json", folder=tmp_path)(
        lambda when, config, n: [when, config, n]
    )
    path = made.path(pd.Timestamp("2024-05-01"), {"interval": 5}, 7)
    assert path == tmp_path / "2024" / "5_007_7.json"


@pytest.mark.parametrize("value", ["../x", "x/..", "..", "/etc/x", "a\0b"])
def test_a_value_that_leads_out_of_the_folder_is_refused(tmp_path, value):
    made = artifact("out/{name}/a.json", folder=tmp_path)(lambda name: name)
    with pytest.raises(ArtifactError, match="can't be filled in"):
        made(value)
    assert names(tmp_path) == []


def test_dots_that_only_together_lead_up_are_refused(tmp_path):
    made = artifact("out/{a}{b}/a.json", folder=tmp_path)(lambda a, b: a + b)
    with pytest.raises(ArtifactError):
        made(".", ".")


def test_a_value_that_the_template_cannot_write_is_refused(tmp_path):
    made = artifact("{config[interval]}.json", folder=tmp_path)(lambda config: config)
    with pytest.raises(ArtifactError, match="KeyError"):
        made({})


@pytest.mark.parametrize(
    ("template", "options", "message"),
    [
        ("{nothing}.json", {}, "placeholder `nothing`"),
        ("{}.json", {}, "placeholder ``"),
        ("{x:{width}}.json", {}, "placeholder `width`"),
        ("{x.json", {}, "is no template"),
        ("x", {}, "must end in"),
        ("x.pickle", {}, "must end in"),
        ("x.parquet.gz", {}, "must end in"),
        ("x.{x}", {}, "must end in"),
        ("", {}, "template of a path"),
        ("x.json", {"identified_by": "nothing"}, "`identified_by` names `nothing`"),
        ("x.json", {"trust": "me"}, "`trust` is"),
        ("x.json", {"group": 1}, "`group` is"),
        ("x.json", {"folder": 1}, "`folder` must"),
        ("x.json", {"scratch": [1]}, "`scratch` takes"),
        ("x.json", {"ignore": "nothing"}, "`ignore` names"),
    ],
)
def test_what_cannot_be_right_is_told_at_decoration(template, options, message):
    with pytest.raises(CacheConfigError, match=message):
        artifact(template, **options)(lambda x: x)


async def coroutine():
    pass


def generator():
    yield


def test_what_returns_no_result_is_not_decorated():
    for function in (coroutine, generator, int, 3, robust_cacheable(lambda: 1)):
        with pytest.raises(TypeError, match="can't decorate"):
            artifact("x.json")(function)
    with pytest.raises(TypeError, match="no option `ttl`"):
        artifact("x.json", ttl=3)


class Miner:
    def __init__(self, level):
        self.level = level

    @artifact("{self.level}_mined.json", folder=Path("/nowhere"))
    def mined(self, x):
        return self.level * x

    @staticmethod
    @artifact("still.json")
    def still(x):
        return x


def test_methods_are_artifacts_of_their_instances(tmp_path, monkeypatch):
    monkeypatch.setattr(Miner.mined.template, "folder", tmp_path)
    miner = Miner(2)
    assert miner.mined(3) == 6
    assert miner.mined.path(3) == tmp_path / "2_mined.json"
    assert miner.mined.is_current(3)
    assert miner.mined.metadata(3).inputs["x"].text == "3"
    assert not Miner(3).mined.is_current(3)
    assert miner.mined == miner.mined
    assert pickle.loads(pickle.dumps(Miner.mined)) is Miner.mined
    assert Miner.still.path(1) == Path.cwd() / "still.json"


def test_an_artifact_of_a_script_travels_by_value(tmp_path, ran):
    patterns = patterns_in(tmp_path)
    patterns(BARS, [1], **CALL)
    copied = pickle.loads(cloudpickle.dumps(patterns))
    assert copied.is_current(BARS, [1], **CALL)
    assert patterns.path(BARS, [1], **CALL) == copied.path(BARS, [1], **CALL)


def test_code_that_calls_an_artifact_counts_its_code(module):
    source = """
from afml_cache import robust_cacheable
from afml_cache.artifacts.decorator import artifact

@artifact("inner.json")
def inner():
    return 1

@robust_cacheable
def outer():
    return inner()

@robust_cacheable
def of(function):
    return 1
"""
    before = module(source)
    after = module(source.replace("def inner():\n    return 1", "def inner():\n    return 2"))
    assert before.outer.cache_key() != after.outer.cache_key()
    assert before.of.cache_key(before.inner) != after.of.cache_key(after.inner)


def test_numbers_of_numpy_do_not_get_into_json(tmp_path):
    made = artifact("x.json", folder=tmp_path)(lambda: {"best": [np.float64(1.0)]})
    with pytest.raises(ArtifactError, match=r'`numpy.float64`.*at `value\["best"\]\[0\]`.*tolist'):
        made()
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "elsewhere in each process"),
        (lazy(len, [1]), "is the text of a lazy call"),
        ("\ud800", "UnicodeEncodeError"),
    ],
    ids=["address", "lazy", "surrogate"],
)
def test_a_value_whose_text_is_no_name_is_refused(tmp_path, value, message):
    made = artifact("{value}.json", folder=tmp_path)(lambda value: value)
    with pytest.raises(ArtifactError, match=message):
        made.path(value)


def test_a_template_may_be_a_path(tmp_path) -> None:
    @artifact(tmp_path / "{pair}.json")
    def made(pair):
        return {"pair": pair}

    made("EURUSD")
    assert (tmp_path / "EURUSD.json").exists()


def test_a_decorator_without_a_template_says_so_where_it_stands() -> None:
    with pytest.raises(CacheConfigError, match="takes the template of a path, not <function"):

        @artifact
        def made():
            return {}
