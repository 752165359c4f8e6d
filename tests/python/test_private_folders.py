"""The folders and files of a cache belong to one user, and nothing in them leads elsewhere."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import FILE, GOOD, SMALL, Told, indexes, payloads, source, told

ROOT = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
USE = f"""
for size in ({SMALL}, {FILE}, 500_000, {SMALL}, {FILE}, 500_000):
    said.append(right(size))
"""


@pytest.fixture
def use(run_python: Callable, tmp_path: Path) -> Callable[..., Told]:
    (tmp_path / "good.py").write_text(GOOD)

    def run(before: str = "", body: str = USE, **env: str) -> Told:
        path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        env = {"PYTHONPATH": path, "BUILDER": "good", **env}
        return told(run_python(source(before + body), env=env))

    return run


def modes(folder: Path) -> dict[str, int]:
    return {str(path): stat.S_IMODE(path.lstat().st_mode) for path in [folder, *folder.rglob("*")]}


def check_private(*folders: Path) -> None:
    for folder in folders:
        for path, mode in modes(folder).items():
            assert mode == (0o700 if Path(path).is_dir() else 0o600), path


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077, 0o777])
def test_every_mode_is_private_under_any_umask_while_in_use_and_after(
    use: Callable, tmp_path: Path, default_cache: Path, umask: int
) -> None:
    if umask == 0o777 and os.getuid() != 0:
        pytest.skip("a script can't even write its own files under this mask")
    seen = f"""
import stat
def note(when):
    for folder, folders, files in os.walk(os.environ["AFML_CACHE"]):
        for name in folders + files:
            path = os.path.join(folder, name)
            said.append([when, path, stat.S_IMODE(os.lstat(path).st_mode), os.path.isdir(path)])

os.umask({umask})
load(100), load(20_000), load(500_000), make(5), make({FILE})
note("open")
files = [path for _, path, _, folder in said if "payloads" in path and not folder]
with open(files[0], "r+b") as file:
    file.seek(200)
    file.write(b"damage")
os.utime(file.name)
load(20_000), load(500_000), make({FILE}), load.refresh(20_000), load.cache_clear(), load(20_000)
note("used")
"""
    config = tmp_path / "config"
    shown = use(body=seen, XDG_CONFIG_HOME=str(config))
    suffixes = {
        str(path).rpartition("sqlite3")[2] for _, path, *_ in shown.said if "sqlite3" in path
    }
    assert {"-wal", "-shm"} <= suffixes
    assert any("quarantine/" in path for _, path, *_ in shown.said)
    for when, path, mode, is_folder in shown.said:
        assert mode == (0o700 if is_folder else 0o600), (when, path, oct(mode))
    again = use(before=f"os.umask({umask})\n", XDG_CONFIG_HOME=str(config))
    assert again.said == [True] * 6
    check_private(default_cache, config / "afml")


def test_folders_of_ours_that_others_could_read_are_made_private(
    use: Callable, default_cache: Path
) -> None:
    use()
    for name in ("v1", "v1/payloads", "v1/locks", "v1/tmp", "v1/quarantine"):
        (default_cache / name).chmod(0o755)
    assert use().ran == []
    check_private(default_cache / "v1")


@pytest.mark.parametrize("part", ["", "v1", "v1/payloads", "v1/tmp", "v1/locks", "v1/quarantine"])
@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_folder_that_others_may_write_is_refused_with_the_remedy(
    use: Callable, default_cache: Path, part: str, mode: int
) -> None:
    use()
    (default_cache / part).chmod(mode)
    before = modes(default_cache)
    shown = use()
    assert shown.said == [True] * 6
    assert len(shown.ran) == 6
    assert len(shown.warned) == 1
    assert "chmod" in shown.warned[0][1]
    assert "AFML_CACHE" in shown.warned[0][1]
    assert modes(default_cache) == before


@ROOT
@pytest.mark.parametrize("part", ["", "v1", "v1/payloads", "v1/tmp"])
def test_a_folder_of_somebody_else_is_refused_with_the_remedy(
    use: Callable, default_cache: Path, part: str
) -> None:
    use()
    os.chown(default_cache / part, 12345, 12345)
    shown = use()
    assert (shown.said, len(shown.ran), len(shown.warned)) == ([True] * 6, 6, 1)
    assert "belongs to user 12345" in shown.warned[0][1]
    assert "AFML_CACHE" in shown.warned[0][1]


def test_a_root_that_is_a_link_of_the_user_works(
    use: Callable, tmp_path: Path, default_cache: Path
) -> None:
    (tmp_path / "large disk").mkdir(mode=0o700)
    default_cache.symlink_to(tmp_path / "large disk")
    assert use().said == [True] * 6
    assert use().ran == []
    assert default_cache.is_symlink()


@ROOT
def test_a_root_that_leads_to_a_folder_of_somebody_else_is_refused(
    use: Callable, tmp_path: Path, default_cache: Path
) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    os.chown(tmp_path / "theirs", 12345, 12345)
    default_cache.symlink_to(tmp_path / "theirs")
    assert len(use().ran) == 6
    assert list((tmp_path / "theirs").iterdir()) == []


class Home:
    """A folder of the victim's, with old files, and what it held."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self.folder = folder
        self.file = folder / "letters.txt"
        self.file.write_bytes(b"dear")
        (folder / "empty.txt").touch()
        (folder / "data.sqlite3").touch()
        for path in folder.iterdir():
            os.utime(path, (0, 0))
        self.before = self.content()

    def content(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else b""
            for path in self.folder.rglob("*")
        }

    def check_untouched(self) -> None:
        assert self.content() == self.before


@pytest.fixture
def home_of_victim(tmp_path: Path) -> Home:
    return Home(tmp_path / "home of the victim")


def move_away(path: Path) -> None:
    if path.exists():
        path.rename(path.with_name(f"{path.name}.away"))


@pytest.mark.parametrize("part", ["v1", "v1/payloads", "v1/tmp", "v1/quarantine", "v1/locks"])
def test_a_folder_that_leads_elsewhere_is_refused(
    use: Callable, default_cache: Path, home_of_victim: Home, part: str
) -> None:
    use()
    move_away(default_cache / part)
    (default_cache / part).symlink_to(home_of_victim.folder)
    shown = use()
    assert (shown.said, len(shown.warned)) == ([True] * 6, 1)
    assert "symbolic link" in shown.warned[0][1]
    home_of_victim.check_untouched()


def test_a_folder_of_payloads_that_leads_elsewhere_is_not_written_to(
    use: Callable, default_cache: Path, home_of_victim: Home
) -> None:
    (default_cache / "v1/payloads").mkdir(parents=True, mode=0o700)
    for folder in (default_cache, default_cache / "v1"):
        folder.chmod(0o700)
    for number in range(256):
        (default_cache / f"v1/payloads/{number:02x}").symlink_to(home_of_victim.folder)
    shown = use()
    assert shown.said == [True] * 6
    assert set(shown.categories) == {"CacheWriteWarning"}
    home_of_victim.check_untouched()


@pytest.mark.parametrize("target", ["letters.txt", "empty.txt", "data.sqlite3", "missing.txt"])
@pytest.mark.parametrize(
    "name",
    ["ID", "CURRENT", "index-1.sqlite3", "index-1.sqlite3-wal", "index-1.sqlite3-shm",
     "ledger.sqlite3", "locks/index", "locks/changes", "../CACHEDIR.TAG", "../.gitignore"],
)  # fmt: skip
def test_a_file_that_leads_elsewhere_is_not_written_through(
    use: Callable, default_cache: Path, home_of_victim: Home, name: str, target: str
) -> None:
    use()
    place = default_cache / "v1" / name
    place.unlink(missing_ok=True)
    place.symlink_to(home_of_victim.folder / target)
    shown = use()
    assert shown.said == [True] * 6
    home_of_victim.check_untouched()


def test_locks_of_keys_that_lead_elsewhere_are_not_written_through(
    use: Callable, default_cache: Path, home_of_victim: Home
) -> None:
    keys = use(body=f"said = [load.cache_key(size) for size in ({SMALL}, {FILE})]").said
    (default_cache / "v1/locks").mkdir(parents=True, mode=0o700, exist_ok=True)
    (default_cache / "v1").chmod(0o700)
    default_cache.chmod(0o700)
    for key in keys:
        (default_cache / "v1/locks" / str(key)).symlink_to(home_of_victim.file)
    assert use().said == [True] * 6
    home_of_victim.check_untouched()


def test_a_payload_that_leads_elsewhere_is_not_read(
    use: Callable, default_cache: Path, home_of_victim: Home
) -> None:
    use()
    for path in payloads(default_cache):
        path.unlink()
        path.symlink_to(home_of_victim.file)
    assert use().said == [True] * 6
    home_of_victim.check_untouched()
    assert use().ran == []


@pytest.mark.parametrize(
    "name", ["ID", "CURRENT", "index-1.sqlite3", "locks/index", "locks/changes"]
)
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(
    use: Callable, default_cache: Path, name: str
) -> None:
    use()
    place = default_cache / "v1" / name
    place.unlink()
    os.mkfifo(place, 0o600)
    assert use().said == [True] * 6


def test_a_pipe_in_the_place_of_a_payload_is_not_waited_for(
    use: Callable, default_cache: Path
) -> None:
    use()
    for path in payloads(default_cache):
        path.unlink()
        os.mkfifo(path, 0o600)
    shown = use()
    assert shown.said == [True] * 6
    for index in indexes(default_cache):
        index.unlink()  # the payloads are looked through for those that are whole
    for path in payloads(default_cache):
        path.unlink()
        os.mkfifo(path, 0o600)
    assert use().said == [True] * 6


def test_the_default_folder_is_never_one_that_all_may_write(use: Callable, tmp_path: Path) -> None:
    body = """
import tempfile
from afml_cache.config import cache_dir
said = [str(cache_dir()), tempfile.gettempdir()]
"""
    for env in ({"HOME": "/nowhere"}, {"HOME": ""}, {"HOME": "/nowhere", "XDG_CACHE_HOME": ""}):
        given = {"AFML_CACHE": "", "XDG_CACHE_HOME": "", **env}
        folder, temporary = use(body=body, TMPDIR=str(tmp_path / "tmp"), **given).said
        shared = {"/tmp", "/var/tmp", "/dev/shm", str(temporary)}  # noqa: S108
        assert not any(Path(str(folder)).is_relative_to(place) for place in shared), folder
