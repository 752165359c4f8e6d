"""Nothing that lies in the cache folder runs, is imported, or is read by others."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import (
    ASK,
    FILE,
    GOOD,
    KEY,
    KEY_ID,
    SMALL,
    Told,
    blobs,
    indexes,
    payloads,
    put_blob,
    quarantined,
    source,
    told,
)

OURS, THEIRS = "11" * 32, "22" * 32

EVIL_CALL = """
class Thing:
    def __init__(self, size):
        self.size = size

    def __reduce__(self):
        return eval, ("__import__('os').mkdir(%r)" % {marker!r} + " " * self.size,)

def build(size):
    return Thing(size)
"""
EVIL_IMPORT = "import os\nos.mkdir({marker!r})\n" + GOOD
# needs no pickle, but names its class
RECORD = """
import dataclasses

@dataclasses.dataclass
class Thing:
    size: int
    ballast: str = dataclasses.field(init=False)

    def __post_init__(self):
        self.ballast = "x" * self.size

def build(size):
    return Thing(size)
"""
EVIL_RECORD = "import os\nos.mkdir({marker!r})\n" + RECORD
PLANT = "for size in {sizes}: make(size)"


class Place:
    """A victim with a secret and a folder, and an attacker who can write there."""

    def __init__(
        self, run_python: Callable, folder: Path, cache: Path, *, good: str, evil: str
    ) -> None:
        self.run_python, self.cache = run_python, cache
        self.marker = folder / "marker"
        self.attack = folder / "attack"
        self.modules = folder / "attackable"
        self.modules.mkdir()
        (self.modules / "good.py").write_text(good)
        (self.modules / "evil.py").write_text(evil.format(marker=str(self.marker)))

    def victim(self, *sizes: int, **env: str) -> Told:
        return self.run(ASK.format(sizes=sizes), {"BUILDER": "good", "AFML_CACHE_KEY": OURS, **env})

    def attacker(self, *sizes: int) -> None:
        env = {"BUILDER": "evil", "AFML_CACHE_KEY": THEIRS, "AFML_CACHE": str(self.attack)}
        self.run(PLANT.format(sizes=sizes), env)
        shutil.rmtree(self.marker, ignore_errors=True)

    def run(self, body: str, env: dict[str, str]) -> Told:
        return told(self.run_python(source(body), env={"PYTHONPATH": str(self.modules), **env}))

    def nothing_ran(self) -> bool:
        return not self.marker.exists()


ATTACKS = {
    "a call": (GOOD, EVIL_CALL),
    "an import": (GOOD, EVIL_IMPORT),
    "a class by name": (RECORD, EVIL_RECORD),
}


@pytest.fixture(params=ATTACKS.values(), ids=ATTACKS)
def place(
    request: pytest.FixtureRequest, run_python: Callable, tmp_path: Path, default_cache: Path
) -> Place:
    good, evil = request.param
    return Place(run_python, tmp_path, default_cache, good=good, evil=evil)


def read_payload(root: Path, size: int) -> bytes:
    return blobs(indexes(root)[0])[0][3] if size == SMALL else payloads(root)[0].read_bytes()


def write_payload(root: Path, size: int, payload: bytes) -> None:
    if size == SMALL:
        index = indexes(root)[0]
        put_blob(index, blobs(index)[0], payload)
    else:
        payloads(root)[0].write_bytes(payload)


def check_set_aside(place: Place, size: int) -> None:
    """The forged payload runs nothing, is told of once, and is replaced by the right result."""
    shown = place.victim(size, size)
    assert place.nothing_ran()
    assert (shown.ran, shown.said, shown.categories) == (
        [size],
        [True, True, False],
        ["CacheReadWarning"],
    )
    assert quarantined(place.cache)
    assert place.victim(size) == Told([], [], [True, False])


SIZES = pytest.mark.parametrize("size", [SMALL, FILE])


@SIZES
def test_the_attack_would_work_on_the_attacker(place: Place, size: int) -> None:
    place.attacker(size)
    env = {"BUILDER": "evil", "AFML_CACHE_KEY": THEIRS, "AFML_CACHE": str(place.attack)}
    place.run(PLANT.format(sizes=(size,)), env)
    assert not place.nothing_ran()


@SIZES
def test_a_whole_folder_sealed_with_another_secret_is_a_plain_miss(place: Place, size: int) -> None:
    place.attacker(size)
    shutil.copytree(place.attack, place.cache, dirs_exist_ok=True)
    shown = place.victim(size)
    assert place.nothing_ran()
    assert shown == Told([size], [], [True, False])
    assert quarantined(place.cache) == []


@SIZES
def test_a_payload_sealed_with_another_secret_is_a_plain_miss(place: Place, size: int) -> None:
    place.victim(size)
    place.attacker(size)
    theirs = read_payload(place.attack, size)
    assert theirs[KEY] == read_payload(place.cache, size)[KEY]
    write_payload(place.cache, size, theirs)
    shown = place.victim(size)
    assert place.nothing_ran()
    assert shown == Told([size], [], [True, False])
    assert quarantined(place.cache) == []


@SIZES
def test_a_payload_that_claims_our_secret_is_set_aside(place: Place, size: int) -> None:
    place.victim(size)
    place.attacker(size)
    ours, theirs = read_payload(place.cache, size), read_payload(place.attack, size)
    assert ours[KEY] == theirs[KEY]
    assert ours[KEY_ID] != theirs[KEY_ID]
    seal = slice(KEY_ID.stop, KEY_ID.stop + 32)
    forged = bytearray(theirs)
    forged[KEY_ID], forged[seal] = ours[KEY_ID], ours[seal]
    write_payload(place.cache, size, bytes(forged))
    check_set_aside(place, size)


@SIZES
def test_a_pickle_in_a_payload_that_says_it_has_none_is_set_aside(place: Place, size: int) -> None:
    xxhash = pytest.importorskip("xxhash")
    place.victim(size)
    place.attacker(size)
    forged = bytearray(read_payload(place.attack, size))

    def check() -> bytes:
        end = len(forged)  # no leaves: all of it is header, description and tree
        return xxhash.xxh3_128_digest(bytes(forged[:96] + forged[152:end]))

    order = 1 if check() == forged[96:112] else -1
    assert check()[::order] == forged[96:112]
    forged[12] = 0
    forged[96:112] = check()[::order]
    forged[112:152] = bytes(40)
    write_payload(place.cache, size, bytes(forged))
    check_set_aside(place, size)


@SIZES
def test_a_bare_pickle_is_not_loaded(place: Place, size: int) -> None:
    place.victim(size)
    for pickle in (f"cposix\nmkdir\n(V{place.marker}\ntR.", f"cevil\nThing\n(I{size}\ntR."):
        write_payload(place.cache, size, pickle.encode())
        check_set_aside(place, size)
        shutil.rmtree(place.cache / "v1" / "quarantine")


@SIZES
def test_a_pickle_altered_in_place_is_set_aside(place: Place, size: int) -> None:
    place.victim(size)
    payload = bytearray(read_payload(place.cache, size))
    at = payload.index(b"good")
    payload[at : at + 4] = b"evil"
    write_payload(place.cache, size, bytes(payload))
    check_set_aside(place, size)


def test_our_own_payload_under_another_key_is_set_aside(place: Place) -> None:
    place.victim(FILE, FILE + 64)
    first, second = payloads(place.cache)
    shutil.copyfile(first, second)
    shown = place.victim(FILE, FILE + 64)
    assert shown.said == [True, True, False]
    assert len(shown.ran) == 1
    assert shown.categories == ["CacheReadWarning"]
    index = indexes(place.cache)[0]
    place.victim(SMALL, SMALL + 1)
    one, other = blobs(index)
    put_blob(index, one, other[3])
    put_blob(index, other, one[3])
    shown = place.victim(SMALL, SMALL + 1)
    assert shown.said == [True, True, False]
    assert sorted(shown.ran) == [SMALL, SMALL + 1]


@SIZES
def test_our_own_payload_of_another_store_is_set_aside(
    place: Place, tmp_path: Path, size: int
) -> None:
    other = tmp_path / "other"
    place.victim(size, AFML_CACHE=str(other))
    place.victim(size)
    write_payload(place.cache, size, read_payload(other, size))
    check_set_aside(place, size)
