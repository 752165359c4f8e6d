"""Artifacts whose files, sidecars or arguments were changed behind their back."""

import os
import threading

import pytest
from artifacts_made import names

from afml_cache import ArtifactWarning, CacheWriteWarning, as_of, robust_cacheable
from afml_cache.artifacts.decorator import artifact
from afml_cache.artifacts.placing import alone_in
from afml_cache.look_ahead import note_seen


def test_remove_leaves_a_file_that_was_edited(tmp_path):
    made = artifact("a.json", folder=tmp_path)(lambda: [1])
    made()
    (tmp_path / "a.json").write_text("[1, 2]")
    with pytest.warns(ArtifactWarning, match="is not removed: it has 6 bytes"):
        assert not made.remove()
    assert names(tmp_path) == ["a.json", "a_metadata.json"]


def test_an_argument_that_becomes_one_without_a_key_costs_a_warning(tmp_path):
    def count(items):
        items.append(iter(()))
        return len(items)

    counted = artifact("count.json", folder=tmp_path)(count)
    with pytest.warns(CacheWriteWarning, match="an argument has changed"):
        assert counted([1]) == 2
    assert names(tmp_path) == []


@pytest.mark.parametrize("value", [{}, []])
def test_an_artifact_may_be_called_like_the_sidecar_of_another(tmp_path, value):
    first = artifact("x_metadata.json", folder=tmp_path)(lambda: value)
    second = artifact("x.json", folder=tmp_path)(lambda: 1)
    for _ in range(2):
        first()
        second()
    assert names(tmp_path) == [
        *("x.json", "x.json_metadata.json"),
        *("x_metadata.json", "x_metadata_metadata.json"),
    ]


def test_a_handle_of_a_file_that_is_trusted_by_name_counts_by_what_is_there(tmp_path):
    text = artifact("a.txt", folder=tmp_path, trust="name")(lambda: "abc")
    read = robust_cacheable(lambda saved: saved.load())
    assert read(text.saved()) == "abc"
    (tmp_path / "a.txt").write_text("xyz")
    assert read(text.saved()) == "xyz"


def latest():
    note_seen(10**18, open_ended=True)
    return "the bars up to now"


def test_what_asked_for_bars_up_to_now_is_no_answer_in_a_simulation_by_its_name_either(tmp_path):
    text = artifact("a.txt", folder=tmp_path, trust="name", ignore_deps=("note_seen",))(latest)
    text()
    assert text.is_current()
    with as_of("2000-01-01"):
        assert not text.is_current()
        assert "as of another time" in repr(text.explain())


def test_a_process_that_is_forked_meanwhile_holds_up_nobody(tmp_path):
    ends, begins = os.pipe()
    with alone_in(tmp_path):
        child = os.fork()
        if child == 0:  # it lives until the pipe is closed, with all that was open
            os.close(begins)
            os.read(ends, 1)
            os._exit(0)
    entered = threading.Event()

    def enter():
        with alone_in(tmp_path):
            entered.set()

    thread = threading.Thread(target=enter)
    thread.start()
    is_free = entered.wait(5)
    os.close(begins)
    os.waitpid(child, 0)
    thread.join()
    os.close(ends)
    assert is_free


def test_a_pipe_in_the_place_of_a_sidecar_holds_up_nobody(tmp_path):
    made = artifact("a.json", folder=tmp_path)(lambda: 1)
    os.mkfifo(tmp_path / "a_metadata.json")
    with pytest.warns(ArtifactWarning, match="is damaged"):
        assert made() == 1
    assert made.is_current()
