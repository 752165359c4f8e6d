"""Arguments of sweeps, batches and artifacts that can't be right: what is said, and when."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from afml_cache import (
    ArtifactError,
    BatchRunner,
    CacheConfigError,
    ItemError,
    artifact,
    configure,
    disk_budget,
    lazy,
    robust_cacheable,
    sweep,
    sweeps,
)
from afml_cache.cli import main


def row(item):
    return {"item": item}


def same(item):
    return item


@robust_cacheable
def labels(bars):
    return bars


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"group": 5}, "`group` is a name"),
        ({"scratch": 5}, "`scratch` takes names of folders, not 5"),
        ({"unpack": "yes"}, "`unpack` is True or False, not 'yes'"),
        ({"retry": ["failed"]}, "`retry` is one of"),
        ({"on_error": ["raise"]}, "`on_error` is one of"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_an_option_of_another_kind_is_refused_before_anything_runs(options, said) -> None:
    with pytest.raises(CacheConfigError, match=said):
        sweep(same, [1], **options)


def test_an_unknown_option_is_held_against_all_that_there_are() -> None:
    with pytest.raises(TypeError, match=r"no option `n_jobs`; .*`workers`.*"):
        sweep(same, [1], n_jobs=4)


@pytest.mark.parametrize("name", ["merged.csv", 5, "results_batch_0.parquet"])
def test_a_merged_file_that_cannot_be_is_refused_before_the_batches_run(tmp_path, name) -> None:
    with pytest.raises(CacheConfigError, match="`merged_file` is"):
        BatchRunner(row, [1], output_dir=tmp_path, merged_file=name)


def test_a_folder_of_batches_that_cannot_be_is_refused(tmp_path) -> None:
    (tmp_path / "file").touch()
    for folder in (None, tmp_path / "file"):
        with pytest.raises(CacheConfigError, match="`output_dir` must be"):
            BatchRunner(row, [1], output_dir=folder)


def test_an_artifact_without_its_parentheses_is_refused_at_once() -> None:
    with pytest.raises(CacheConfigError, match="artifact takes the template of a path, not <func"):
        artifact(same)


def test_the_template_of_an_artifact_may_be_a_path(tmp_path) -> None:
    named = artifact(tmp_path / "{item}_named.json")(same)
    assert named("a") == "a"
    assert named.path("a") == tmp_path / "a_named.json"


@pytest.mark.parametrize("option", ["scratch", "identified_by", "trust"])
def test_options_of_an_artifact_of_another_kind_are_refused(option) -> None:
    with pytest.raises(CacheConfigError, match=f"`{option}`"):
        artifact("a.json", **{option: [5]})
    with pytest.raises(CacheConfigError, match=f"`{option}`"):
        artifact("a.json", **{option: 5})


def test_a_frame_does_not_name_a_file(tmp_path) -> None:
    named = artifact("{item}.json", folder=tmp_path)(same)
    with pytest.raises(ArtifactError, match="of several lines; have another parameter name"):
        named(pd.DataFrame({"close": [1.0, 2.0]}))


def test_a_call_of_an_artifact_that_does_not_fit_names_it() -> None:
    with pytest.raises(TypeError, match=r"same\(\) missing a required argument: 'item'"):
        artifact("a.json")(same)()


def test_a_lazy_call_tells_who_uses_it_as_its_result() -> None:
    def mean(item, labels):
        return item * labels.mean()

    with pytest.raises(ItemError, match=r"labels, ...\)` is a call .* ask for `.evaluate"):
        sweep(mean, [1], common=(lazy(labels, pd.Series([1.0])),))


def test_a_lazy_call_that_does_not_fit_is_refused_where_it_is_made() -> None:
    with pytest.raises(TypeError, match=r"lazy\(.*labels, ...\): too many positional arguments"):
        lazy(labels, 1, 2)


def test_settings_that_are_no_mapping_are_refused() -> None:
    with pytest.raises(CacheConfigError, match="a dictionary of settings, or settings by name"):
        configure(5)


def test_a_size_may_be_a_float_of_whole_bytes() -> None:
    with disk_budget(16e9) as budget:
        assert budget.room() <= 16e9
    with pytest.raises(CacheConfigError, match="`max_bytes` is a size in bytes"):
        disk_budget(0.5)


def test_a_command_makes_no_cache_where_there_is_none(tmp_path, capsys) -> None:
    missing = tmp_path / "typo"
    assert main(["sweeps", "--cache-dir", str(missing)]) == 1
    assert f"there is no folder `{missing}`" in capsys.readouterr().err
    assert not Path(missing).exists()


def test_batches_miss_pyarrow_before_anything_is_computed(monkeypatch, tmp_path) -> None:
    runner = BatchRunner(row, ["never computed"], output_dir=tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"files of batches need pyarrow.*pip install"):
        runner.run_all_batches()
    assert sweeps() == []


def test_an_artifact_of_parquet_misses_pyarrow_where_it_is_decorated(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(CacheConfigError, match=r"`a.parquet` can't be written: .*pip install"):
        artifact("a.parquet")(same)
