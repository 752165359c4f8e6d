"""Artifacts that something happened to: edited, cut, forged, killed, refused by the disk."""

import json
import signal
import subprocess
import sys

import pytest
from artifacts_made import BARS, CALL, LATER, listening, names, patterns_in

from afml_cache import ArtifactWarning, CacheWriteWarning, Store, mode
from afml_cache.artifacts.decorator import artifact

FILE = "EURUSD_2025_patterns.json"
BESIDE = "EURUSD_2025_patterns_metadata.json"


@pytest.fixture
def ran():
    with listening() as said:
        yield said


@pytest.fixture
def patterns(tmp_path, ran):
    """A miner whose patterns are there."""
    miner = patterns_in(tmp_path)
    miner(BARS, [1], **CALL)
    return miner


def edited(path):
    path.write_text(path.read_text().replace("3", "4", 1))


def cut(path):
    path.write_bytes(path.read_bytes()[:-10])


def emptied(path):
    path.write_bytes(b"")


def linked(path):
    other = path.with_name("other.json")
    other.write_text("[]")
    path.unlink()
    path.symlink_to(other)


def dangling(path):
    path.unlink()
    path.symlink_to(path.with_name("nowhere.json"))


@pytest.mark.parametrize("harm", [edited, cut, emptied, linked, dangling])
def test_a_file_that_is_not_what_was_written_is_told_moved_aside_and_made_anew(
    tmp_path, patterns, ran, harm
):
    path = tmp_path / FILE
    before = path.read_bytes()
    harm(path)
    left = path.readlink() if path.is_symlink() else path.read_bytes()
    assert not patterns.is_current(BARS, [1], **CALL)
    assert "is not what was written there" in repr(patterns.explain(BARS, [1], **CALL))
    with pytest.warns(ArtifactWarning, match=rf"`{FILE}.before-1`"):
        patterns(BARS, [1], **CALL)
    assert path.read_bytes() == before
    assert not path.is_symlink()
    aside = tmp_path / f"{FILE}.before-1"
    assert (aside.readlink() if aside.is_symlink() else aside.read_bytes()) == left
    patterns(BARS, [1], **CALL)
    assert len(ran) == 2


def test_a_file_that_was_moved_elsewhere_behind_a_link_is_still_what_was_written(
    tmp_path, patterns, ran
):
    path = tmp_path / FILE
    path.rename(tmp_path / "elsewhere.json")
    path.symlink_to(tmp_path / "elsewhere.json")
    patterns(BARS, [1], **CALL)
    assert len(ran) == 1


def test_a_folder_that_moved_is_still_good(tmp_path, ran):
    patterns_in(tmp_path / "a")(BARS, [1], **CALL)
    (tmp_path / "a").rename(tmp_path / "b")
    patterns_in(tmp_path / "b")(BARS, [1], **CALL)
    assert len(ran) == 1


def gone(path):
    path.unlink()


def garbled(path):
    path.write_bytes(path.read_bytes()[:-10])


def forged(path):
    told = json.loads(path.read_text())
    told["key"] = "0" * 32
    path.write_text(json.dumps(told))


def unsealed(path):
    told = json.loads(path.read_text())
    told["seal"] = None
    path.write_text(json.dumps(told))


def later(path):
    told = json.loads(path.read_text())
    told["afml_cache_artifact"] = 99
    path.write_text(json.dumps(told))


def another(path):
    path.write_text("[" * 100_000)


@pytest.mark.parametrize("harm", [gone, garbled, forged, unsealed, later, another])
def test_a_file_without_a_genuine_word_beside_it_is_not_used(tmp_path, patterns, ran, harm):
    harm(tmp_path / BESIDE)
    assert patterns.metadata(BARS, [1], **CALL) is None
    with mode("readonly"), pytest.warns(ArtifactWarning, match="is not used"):
        patterns(BARS, [1], **CALL)
    with pytest.warns(ArtifactWarning) as told:
        patterns(BARS, [1], **CALL)
    assert f"`{FILE}.before-1`" in str(told[0].message)
    assert (tmp_path / f"{FILE}.before-1").exists()
    patterns(BARS, [1], **CALL)
    assert len(ran) == 3


def test_what_another_secret_sealed_is_not_used(tmp_path, ran, monkeypatch):
    monkeypatch.setenv("AFML_CACHE_KEY", "0" * 64)
    patterns_in(tmp_path, store=Store(tmp_path / "one"))(BARS, [1], **CALL)
    monkeypatch.setenv("AFML_CACHE_KEY", "1" * 64)
    with pytest.warns(ArtifactWarning, match="another secret"):
        patterns_in(tmp_path, store=Store(tmp_path / "two"))(BARS, [1], **CALL)
    assert len(ran) == 2


UNSEALED = """
import warnings
from afml_cache.artifacts.decorator import artifact
warnings.simplefilter("ignore")

@artifact("made.json")
def made():
    print("made", end=" ")
    return 1

made()
"""


def test_without_a_secret_a_file_without_a_seal_is_used(tmp_path, run_python):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "afml").write_text("no folder")
    env = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    assert run_python(UNSEALED, env=env) == "made "
    assert json.loads((tmp_path / "made_metadata.json").read_text())["seal"] is None
    assert run_python(UNSEALED, env=env) == ""
    assert run_python(UNSEALED) == "made "


def test_a_store_of_the_same_user_believes_what_another_store_of_theirs_sealed(tmp_path, ran):
    for name in ("one", "two"):
        patterns_in(tmp_path, store=Store(tmp_path / name))(BARS, [1], **CALL)
    assert len(ran) == 1


def test_two_functions_of_one_file_are_told(tmp_path):
    def one():
        return 1

    def two():
        return 2

    made = [artifact("x.json", folder=tmp_path)(function) for function in (one, two)]
    made[0]()
    assert "one` made it" in repr(made[1].explain())
    with pytest.warns(ArtifactWarning, match="give them different paths"):
        assert made[1]() == 2
    assert names(tmp_path) == ["x.json", "x_metadata.json"]


def test_an_earlier_file_of_the_same_function_is_replaced_without_a_word(tmp_path, patterns):
    patterns(LATER, [1], **CALL)
    assert names(tmp_path) == [FILE, BESIDE]


def test_files_that_are_moved_aside_do_not_replace_each_other(tmp_path, patterns):
    for number in (1, 2, 3):
        (tmp_path / FILE).write_text(str(number))
        with pytest.warns(ArtifactWarning, match=f"before-{number}"):
            patterns(BARS, [1], **CALL)
        assert (tmp_path / f"{FILE}.before-{number}").read_text() == str(number)


@pytest.mark.parametrize("name", ["file in the way", "folder in the place"])
def test_a_result_that_cannot_be_written_comes_all_the_same(tmp_path, ran, name):
    patterns = patterns_in(tmp_path / "out")
    if name == "file in the way":
        (tmp_path / "out").write_text("")
    else:
        (tmp_path / "out" / FILE).mkdir(parents=True)
    for _ in range(2):
        with pytest.warns(CacheWriteWarning, match="was not written"):
            assert patterns(BARS, (1,), **CALL)["of"] == [1]
    assert len(ran) == 2
    assert not [path for path in tmp_path.rglob(".afml*") if "cache" not in path.parts]


def test_a_store_that_cannot_be_opened_costs_a_warning(tmp_path, ran):
    (tmp_path / "store").write_text("no folder")
    patterns = patterns_in(tmp_path / "out", store=Store(tmp_path / "store"))
    with pytest.warns(CacheWriteWarning, match="was not written"):
        assert patterns(BARS, [1], **CALL)["of"] == [1]
    assert names(tmp_path / "out") == []


LIMITED = """
import resource, signal, sys, warnings
from afml_cache import configure
from afml_cache._native import default_store
from afml_cache.artifacts.decorator import artifact

@artifact("text.txt")
def text(size):
    return "x" * size

text(5)
warnings.simplefilter("error")
signal.signal(signal.SIGXFSZ, signal.SIG_DFL if {killed} else signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
print(len(text(3_000_000)))
"""


@pytest.mark.parametrize("killed", [False, True])
def test_a_disk_that_is_full_leaves_the_earlier_file(tmp_path, killed):
    script = LIMITED.format(killed=killed)
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == (-signal.SIGXFSZ if killed else 0), ended.stderr
    if not killed:
        assert ended.stdout == "3000000\n"
        assert "was not written" in ended.stderr
    assert (tmp_path / "text.txt").read_text() == "xxxxx"
    left = [name for name in names(tmp_path) if name.startswith(".afml")]
    assert len(left) == killed
    artifact("other.txt", folder=tmp_path)(lambda: "tidied")()
    assert [name for name in names(tmp_path) if name.startswith(".afml")] == []
