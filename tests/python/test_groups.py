"""Groups of artifacts and sweeps: what `clear_group` removes, and what it leaves."""

import pytest
from artifacts_made import names

from afml_cache import ArtifactWarning, Store, clear_group
from afml_cache.artifacts.decorator import artifact
from afml_cache.groups import Cleared


def one():
    return 1


def two():
    return 2


def test_files_of_a_group_go_with_what_stands_beside_them(tmp_path):
    artifact("a.json", folder=tmp_path, group="labels")(one)()
    artifact("b.json", folder=tmp_path, group="others")(two)()
    assert clear_group("labels") == Cleared(0, 1)
    assert names(tmp_path) == ["b.json", "b_metadata.json"]
    assert clear_group("labels") == Cleared(0, 0)


def test_edited_files_are_left_and_told(tmp_path):
    artifact("a.json", folder=tmp_path, group="labels")(one)()
    (tmp_path / "a.json").write_text("the work of a day")
    with pytest.warns(ArtifactWarning, match="is not removed"):
        assert clear_group("labels") == Cleared(0, 0)
    assert (tmp_path / "a.json").read_text() == "the work of a day"


def test_files_are_of_the_store_of_their_artifact(tmp_path):
    store = Store(tmp_path / "store")
    artifact("a.json", folder=tmp_path, group="labels", store=store)(one)()
    assert clear_group("labels") == Cleared(0, 0)
    assert clear_group("labels", store=store) == Cleared(0, 1)


def test_files_that_a_function_of_no_group_made_since_are_left(tmp_path):
    artifact("a.json", folder=tmp_path, group="labels")(one)()
    other = artifact("a.json", folder=tmp_path)(two)
    with pytest.warns(ArtifactWarning, match="give them different paths"):
        other()
    assert clear_group("labels") == Cleared(0, 0)
    assert other.is_current()
