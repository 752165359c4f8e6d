"""What the cache keeps to itself: the modes of its files, and the secret that seals pickles."""

import contextlib
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import ASK, FILE, GOOD, SMALL, Told, source, told


def modes(folder: Path) -> dict[str, int]:
    return {
        str(path): stat.S_IMODE(path.lstat().st_mode)
        for path in [folder, *folder.rglob("*")]
        if not path.is_symlink()
    }


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_folders_are_0700_and_files_0600_under_any_umask(
    run_python: Callable, tmp_path: Path, default_cache: Path, umask: int
) -> None:
    if umask == 0o777 and os.getuid() != 0:
        pytest.skip("a script can't even write its own files under this mask")
    body = f"""
os.umask({umask})
load(100), load(20_000), load(500_000), load.refresh(20_000), load.is_cached(3)
os.environ["BUILDER"] = "good"
make(5)
said = [path for path in os.listdir(os.environ["AFML_CACHE"] + "/v1")]
"""
    (tmp_path / "good.py").write_text(GOOD)
    config = tmp_path / "config"
    shown = told(run_python(source(body), env={"XDG_CONFIG_HOME": str(config)}))
    assert shown.warned == []
    for folder in (default_cache, config / "afml"):
        for path, mode in modes(folder).items():
            assert mode == (0o700 if Path(path).is_dir() else 0o600), path


def test_the_secret_is_made_once_and_never_lies_in_the_folder(
    run_python: Callable, tmp_path: Path, default_cache: Path
) -> None:
    (tmp_path / "good.py").write_text(GOOD)
    config = tmp_path / "config"
    env = {"XDG_CONFIG_HOME": str(config), "BUILDER": "good"}
    ask = source(ASK.format(sizes=(SMALL, FILE)))
    assert told(run_python(ask, env=env)).ran == [SMALL, FILE]
    secret = (config / "afml" / "cache.key").read_bytes()
    assert told(run_python(ask, env=env)).ran == []
    assert (config / "afml" / "cache.key").read_bytes() == secret
    forms = {secret.strip(), secret.strip().lower(), secret.hex().encode()}
    with contextlib.suppress(ValueError):
        forms.add(bytes.fromhex(secret.decode().strip()))
    content = b"".join(path.read_bytes() for path in default_cache.rglob("*") if path.is_file())
    assert not any(form in content for form in forms)


def test_what_a_process_left_that_was_killed_while_it_made_the_secret_goes(
    run_python: Callable, tmp_path: Path
) -> None:
    (tmp_path / "good.py").write_text(GOOD)
    folder = tmp_path / "config" / "afml"
    folder.mkdir(parents=True, mode=0o700)
    old, young = folder / "cache.key.0123456789abcdef", folder / "cache.key.f123456789abcdef"
    other = folder / "cache.key.mine"
    for path in (old, young, other):
        path.write_text("12")
    for path in (old, other):
        os.utime(path, (10**9, 10**9))
    env = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "BUILDER": "good"}
    told(run_python(source(ASK.format(sizes=(SMALL,))), env=env))
    assert {path.name for path in folder.iterdir()} == {"cache.key", young.name, other.name}


@pytest.mark.parametrize(
    "trouble", ["a folder", "rubbish", "unmakeable", "not hex", "too short", "readable by all"]
)
def test_without_a_usable_secret_nothing_is_pickled(
    run_python: Callable, tmp_path: Path, default_cache: Path, trouble: str
) -> None:
    (tmp_path / "good.py").write_text(GOOD)
    config = tmp_path / "config"
    (config / "afml").mkdir(parents=True, mode=0o700)
    env = {"XDG_CONFIG_HOME": str(config), "BUILDER": "good"}
    if trouble == "a folder":
        (config / "afml" / "cache.key").mkdir()
    elif trouble == "rubbish":
        (config / "afml" / "cache.key").write_text("rubbish")
        (config / "afml" / "cache.key").chmod(0o600)
    elif trouble == "unmakeable":
        (config / "afml").rmdir()
        (config / "afml").write_text("a file")
    elif trouble == "readable by all":
        (config / "afml" / "cache.key").write_bytes(b"\x07" * 32)
        (config / "afml" / "cache.key").chmod(0o644)
    else:
        env["AFML_CACHE_KEY"] = {"not hex": "xyz", "too short": "1234"}[trouble]
    body = ASK.format(sizes=(SMALL, SMALL, FILE)) + "\nsaid.append([right(5), right(5)])"
    shown = told(run_python(source(body), env=env))
    assert shown.said == [True, True, True, False, [True, True]]
    assert shown.ran == [SMALL, SMALL, FILE, 5]
    assert shown.categories == ["CacheWriteWarning"]
    assert "AFML_CACHE_KEY" in shown.warned[0][1] or "cache.key" in shown.warned[0][1]
    assert not list(default_cache.rglob("*.key"))


def test_processes_that_start_at_once_agree_on_one_secret(
    run_python: Callable, tmp_path: Path, default_cache: Path
) -> None:
    (tmp_path / "good.py").write_text(GOOD)
    script = tmp_path / "start.py"
    script.write_text(source("make(int(sys.argv[1]))\nsaid = [make.is_cached(int(sys.argv[1]))]"))
    for attempt in range(5):
        for folder in (default_cache, tmp_path / "config"):
            shutil.rmtree(folder, ignore_errors=True)
        env = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "BUILDER": "good"}
        commands = [[sys.executable, script, str(size)] for size in range(1, 7)]
        started = [
            subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.PIPE, text=True)
            for command in commands
        ]
        for place, process in enumerate(started):
            shown = told(process.communicate()[0])
            assert (shown.ran, shown.warned, shown.said) == ([place + 1], [], [True]), attempt
        ask = "\nimport good\nsaid = [make(size) == good.Thing(size) for size in range(1, 7)]"
        assert told(run_python(source(ask), env=env)) == Told([], [], [True] * 6)
