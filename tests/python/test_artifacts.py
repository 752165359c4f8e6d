"""Artifacts: made once, used while they match, made anew when anything that counts changed."""

import json
import pickle

import pandas as pd
import pytest
from artifacts_made import BARS, CALL, LATER, RAN, listening, names, patterns_in

import afml_cache
from afml_cache import (
    ArtifactError,
    ArtifactWarning,
    CacheMissError,
)
from afml_cache.artifacts.decorator import artifact


@pytest.fixture
def ran():
    with listening() as said:
        yield said


@pytest.fixture
def patterns(tmp_path):
    return patterns_in(tmp_path / "out")


def test_the_first_call_writes_a_file_that_anybody_can_open(tmp_path, patterns, ran):
    found = patterns(BARS, [1, 2], **CALL)
    path = tmp_path / "out" / "EURUSD_2025_patterns.json"
    assert patterns.path(BARS, [1, 2], **CALL) == path
    assert json.loads(path.read_text(encoding="utf-8")) == found
    assert found == {"features": ["close"], "bars": 3, "best": 1.2, "of": [1, 2]}
    assert names(path.parent) == ["EURUSD_2025_patterns.json", "EURUSD_2025_patterns_metadata.json"]
    assert ran == ["EURUSD"]


def test_a_second_call_reads_the_file(patterns, ran):
    assert patterns(BARS, (1, 2), **CALL) == patterns(BARS.copy(), (1, 2), **CALL)
    assert patterns.is_current(BARS, (1, 2), **CALL)
    assert ran == ["EURUSD"]


def test_the_first_call_returns_what_the_file_reads_back_as(tmp_path):
    @artifact("pair.json", folder=tmp_path)
    def pair():
        return ("EURUSD", 2025)

    assert pair() == ["EURUSD", 2025] == pair()


def test_what_is_returned_can_be_changed_without_touching_the_artifact(patterns):
    first = patterns(BARS, [1], **CALL)
    first["features"].append("mine")
    assert patterns(BARS, [1], **CALL)["features"] == ["close"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"df": LATER}, "argument `df` changed"),
        ({"configs": [1, 3]}, "argument `configs` changed"),
        ({"pair": "GBPUSD"}, "argument `pair` changed from 'EURUSD' to 'GBPUSD'"),
    ],
)
def test_changed_data_or_parameters_make_it_anew(patterns, ran, change, reason):
    given = {"df": BARS, "configs": [1, 2], **CALL}
    patterns(**given)
    assert reason in repr(patterns.explain(**given | change))
    assert not patterns.is_current(**given | change)
    patterns(**given | change)
    assert len(ran) == 2
    assert patterns.is_current(**given | change)
    assert not patterns.is_current(**given)


def test_patterns_of_a_pair_serve_every_year_where_the_user_says_so(tmp_path, ran):
    patterns = patterns_in(tmp_path, identified_by=("pair", "configs"))
    given = {"pair": "EURUSD", "prefix": "EURUSD_"}
    first = patterns(BARS, [1], **given)
    assert patterns(LATER, [1], **given) == first
    assert list(patterns.metadata(BARS, [1], **given).inputs) == ["configs", "pair"]
    patterns(LATER, [2], **given)
    assert ran == ["EURUSD", "EURUSD"]


SOURCE = """
from afml_cache.artifacts.decorator import artifact
from afml_cache.look_ahead import note_seen

LEVEL = 2
def helper(x):
    return x * LEVEL

@artifact("made.json", folder={folder!r})
def made(x):
    return helper(x)
"""


def test_changed_code_makes_it_anew(module, tmp_path):
    source = SOURCE.format(folder=str(tmp_path))
    assert module(source).made(2) == 4
    edited = module(source.replace("x * LEVEL", "x + LEVEL + 1"))
    assert "helper `helper` in features.py changed" in repr(edited.made.explain(2))
    assert edited.made(2) == 5
    raised = module(source.replace("LEVEL = 2", "LEVEL = 3"))
    assert raised.made.explain(2).reasons[0].startswith("constant `LEVEL`")
    commented = module(source.replace("LEVEL = 2", "LEVEL = 2  # the usual"))
    assert commented.made(2) == 4


def test_a_version_of_ones_own_makes_it_anew(tmp_path, ran):
    for version in ("1", "1", "2"):
        patterns_in(tmp_path, version=version)(BARS, [], **CALL)
    assert len(ran) == 2
    told = patterns_in(tmp_path, version="3").explain(BARS, [], **CALL)
    assert told.reasons == ("its version= or its options changed",)


def test_metadata_says_what_it_was_made_from(patterns):
    assert patterns.metadata(BARS, [1], **CALL) is None
    patterns(BARS, [1], **CALL)
    known = patterns.metadata(BARS, [1], **CALL)
    assert known.file == known["file"] == "EURUSD_2025_patterns.json"
    assert known.function.endswith("discover_patterns")
    assert known.key == patterns.cache_key(BARS, [1], **CALL)
    assert known.inputs["pair"].text == "'EURUSD'"
    assert known.inputs["df"].digest == afml_cache.digest(BARS)
    assert known.size == patterns.path(BARS, [1], **CALL).stat().st_size
    assert dict(known)["package_version"] == afml_cache.__version__
    assert patterns.metadata(LATER, [1], **CALL) is None
    with pytest.raises(AttributeError):
        known.file = "other"
    with pytest.raises(KeyError):
        known["nothing"]


def test_metadata_of_a_table_has_its_rows_and_columns(tmp_path):
    @artifact("universe_{interval}m_{lookback}lb.parquet", folder=tmp_path)
    def universe(interval, lookback):
        return pd.DataFrame({"open": range(lookback), "close": range(lookback)})

    universe(1, 5)
    assert names(tmp_path) == ["universe_1m_5lb.parquet", "universe_1m_5lb_metadata.json"]
    known = universe.metadata(1, 5)
    assert (known.rows, known.columns) == (5, ["open", "close"])


def test_artifacts_of_one_stem_have_sidecars_of_their_own(tmp_path, ran):
    def made(suffix, value):
        @artifact(f"x.{suffix}", folder=tmp_path, track_code=False)
        def body():
            RAN.warning(suffix)
            return value

        return body

    for _ in range(2):
        assert made("json", [1])() == [1]
        assert made("csv", BARS)().equals(BARS)
        assert made("json.gz", [2])() == [2]
    assert ran == ["json", "csv", "json.gz"]
    assert names(tmp_path) == [
        *("x.csv", "x.csv_metadata.json", "x.json", "x.json.gz", "x.json.gz_metadata.json"),
        "x_metadata.json",
    ]


def test_a_metadata_file_of_the_users_own_is_left_alone(tmp_path, ran):
    own = tmp_path / "EURUSD_2025_patterns_metadata.json"
    own.write_text('{"rows": 3}')
    patterns = patterns_in(tmp_path)
    patterns(BARS, [], **CALL)
    patterns(BARS, [], **CALL)
    assert own.read_text() == '{"rows": 3}'
    assert ran == ["EURUSD"]


def test_saved_gives_a_handle_that_reads_later(patterns, ran):
    saved = patterns.saved(BARS, [1], **CALL)
    assert saved.path == patterns.path(BARS, [1], **CALL)
    assert saved.metadata == patterns.metadata(BARS, [1], **CALL)
    assert pickle.loads(pickle.dumps(saved)).load() == patterns(BARS, [1], **CALL)
    assert patterns.saved(BARS, [1], **CALL) == saved
    assert len(ran) == 1
    patterns(LATER, [1], **CALL)
    with pytest.raises(ArtifactError, match="is not what was written there"):
        saved.load()


def test_load_reads_and_never_makes(patterns, ran):
    with pytest.raises(CacheMissError, match="there is no file"):
        patterns.load(BARS, [1], **CALL)
    made = patterns(BARS, [1], **CALL)
    assert patterns.load(BARS, [1], **CALL) == made
    with pytest.raises(CacheMissError, match="argument `df` changed"):
        patterns.load(LATER, [1], **CALL)
    assert len(ran) == 1


def test_refresh_makes_it_anew_whatever_is_there(patterns, ran):
    patterns(BARS, [1], **CALL)
    patterns.refresh(BARS, [1], **CALL)
    assert len(ran) == 2


def test_remove_takes_the_file_and_what_stands_beside_it(tmp_path, patterns, ran):
    assert patterns.remove(BARS, [1], **CALL) is False
    patterns(BARS, [1], **CALL)
    assert patterns.remove(LATER, [2], **CALL) is True
    assert names(tmp_path / "out") == []
    patterns(BARS, [1], **CALL)
    assert len(ran) == 2


def test_remove_leaves_a_file_of_somebody_else(tmp_path):
    patterns = patterns_in(tmp_path)
    path = patterns.path(BARS, [1], **CALL)
    path.write_text("[]")
    with pytest.warns(ArtifactWarning, match="remove it by hand"):
        assert patterns.remove(BARS, [1], **CALL) is False
    assert path.exists()


def test_what_the_body_raises_goes_to_the_caller_and_leaves_what_was_there(tmp_path):
    @artifact("made.json", folder=tmp_path)
    def made(x):
        return 1 / x

    made(2)
    with pytest.raises(ZeroDivisionError):
        made(0)
    assert made.load(2) == 0.5
