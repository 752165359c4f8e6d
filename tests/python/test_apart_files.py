"""`File`: a path that counts by content."""

import mmap
import os
import pathlib

import pytest

from afml_cache import CacheConfigError, File, UncacheableArgumentError, digest, files


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "bars.csv"
    made.write_text("1.1", encoding="utf-8")
    return made


@pytest.fixture
def reads(monkeypatch):
    """Count the files that are read, with nothing remembered before."""
    found = []

    def counted(piece):
        found.append(piece)
        return digest(piece)

    monkeypatch.setattr(files, "_known", {})
    monkeypatch.setattr(files, "digest", counted)
    return found


def later(monkeypatch, seconds=3600):
    clock = files._now
    monkeypatch.setattr(files, "_now", lambda: clock() + seconds * 10**9)


def test_the_content_counts(path) -> None:
    first = digest(File(path))
    assert digest(File(path)) == first
    path.write_text("1.2", encoding="utf-8")
    assert digest(File(path)) != first
    path.write_text("1.1", encoding="utf-8")
    assert digest(File(path)) == first


def test_the_path_counts_as_it_was_given(path, monkeypatch) -> None:
    other = path.with_name("other.csv")
    other.write_bytes(path.read_bytes())
    monkeypatch.chdir(path.parent)
    given = [path, other, str(path), os.fsencode(path), "bars.csv", "./bars.csv"]
    assert len({digest(File(each)) for each in given}) == len(given)


def test_a_file_is_a_path_to_whoever_opens_it(path) -> None:
    assert pathlib.Path(File(path)).read_text(encoding="utf-8") == "1.1"
    assert File(path).path is path
    assert repr(File("a")) == "File('a')"


def test_a_file_that_was_not_touched_for_long_is_read_once(path, reads, monkeypatch) -> None:
    later(monkeypatch)
    assert digest(File(path)) == digest(File(path))
    assert len(reads) == 1


def test_a_file_that_was_just_written_is_read_every_time(path, reads) -> None:
    assert digest(File(path)) == digest(File(path))
    assert len(reads) == 2


def test_a_file_that_changes_while_it_is_read_is_not_remembered(path, reads, monkeypatch) -> None:
    later(monkeypatch)

    def changing(piece):
        reads.append(piece)
        with path.open("a", encoding="utf-8") as file:
            file.write("x")
        return digest(piece)

    monkeypatch.setattr(files, "digest", changing)
    digest(File(path))
    assert files._known == {}


def test_another_file_of_the_same_size_and_time_is_read(path, reads, monkeypatch) -> None:
    later(monkeypatch)
    status = path.stat()
    other = path.with_name("other")
    other.write_text("1.3", encoding="utf-8")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    before = digest(File(path))
    other.replace(path)
    assert digest(File(path)) != before
    assert len(reads) == 2


def test_pieces_are_digested_one_by_one(path, reads, monkeypatch) -> None:
    monkeypatch.setattr(files, "_PIECE", 2)
    found = digest(File(path))
    assert reads == [b"1.", b"1"]
    path.write_text("1.2", encoding="utf-8")
    assert digest(File(path)) != found


def test_where_there_is_no_file_the_path_is_told(path, tmp_path) -> None:
    path.unlink()
    with pytest.raises(UncacheableArgumentError, match=rf"\['path'\].*no file `{path}`"):
        digest({"path": File(path)})
    with pytest.raises(UncacheableArgumentError, match=r"the folder .* a list of"):
        digest(File(tmp_path))
    with pytest.raises(UncacheableArgumentError, match="no regular file"):
        digest(File(os.devnull))


def test_a_file_needs_a_path() -> None:
    with pytest.raises(CacheConfigError, match="`File` takes a path"):
        File(3)


def test_paths_in_containers_become_files(path) -> None:
    assert digest(files.file_key([path, str(path)])) == digest([File(path), File(str(path))])
    assert digest(files.file_key({"a": (path,)})) == digest({"a": (File(path),)})
    kept = File(path)
    assert files.file_key(kept) is kept
    assert files.file_key(None) is None


def test_a_mapped_file_counts_by_content_and_position(path) -> None:
    found = set()
    for text in ("1.1", "1.2", "1.1"):
        path.write_text(text, encoding="utf-8")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            found.add(digest(view))
            view.read(1)
            found.add(digest(view))
    assert len(found) == 4
