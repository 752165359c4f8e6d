"""A payload counts as checked only by our own word: whoever can write the folder can't give it.

Each forged payload has checks that are right and content that is not, and would have pyarrow,
pandas or polars read what is not theirs. They are asked for in an interpreter of their own.
"""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from forged import Payload, digest, index_of, plant_all, stored
from hostile import Told, payloads, quarantined, source, tables, told

from afml_cache import Store, robust_cacheable

pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

ROWS = 300_000  # every payload is mapped
MIDDLE = ROWS // 2
WORDS = [f"symbol-{row:08d}" for row in range(ROWS)]
CODES = np.arange(ROWS, dtype="i8") % 100
NAMES = [f"name-{code}" for code in range(100)]
FAR = 1 << 30

VICTIM = """
import pandas, polars, pyarrow
from afml_cache import robust_cacheable

@robust_cacheable
def make(name):
    RAN.warning(name)
    return "computed" + " " * 20_000
"""
ASK = "for name in {names!r}: said.append(type(make(name)).__name__)"
BROKEN = {"AFML_CACHE_KEY": "none"}  # there is no secret then


def swapped(old: bytes, new: bytes) -> Callable[[list[bytes]], list[bytes]]:
    """Replace bytes that are met once, in whichever leaf they are."""

    def change(leaves: list[bytes]) -> list[bytes]:
        assert sum(leaf.count(old) for leaf in leaves) == 1
        assert len(old) == len(new)
        return [leaf.replace(old, new) for leaf in leaves]

    return change


def numbers(form: str, step: int, place: int) -> tuple[bytes, bytes]:
    """Some of the numbers of a range of this step, and the same with one that is far off."""
    good = [number * step for number in range(place, place + 4)]
    bad = [good[0], FAR, *good[2:]]
    return struct.pack(f"<4{form}", *good), struct.pack(f"<4{form}", *bad)


def codes(width: int) -> Callable[[list[bytes]], list[bytes]]:
    """A code in the middle that stands for nothing."""

    def change(leaves: list[bytes]) -> list[bytes]:
        dtype = np.dtype(f"i{width}")
        run = CODES[:100].astype(dtype).tobytes()
        (leaf,) = [leaf for leaf in leaves if leaf.count(run) > ROWS // 200]
        at = leaf.index(run, len(leaf) // 2 // dtype.itemsize * dtype.itemsize)
        bad = dtype.type(110).tobytes()
        return [one if one is not leaf else leaf[:at] + bad + leaf[at + width :] for one in leaves]

    return change


def views(leaves: list[bytes]) -> list[bytes]:
    """A view in the middle, of a buffer that is not there."""
    begin = struct.pack("<I4s", len(WORDS[0]), b"symb")
    (leaf,) = [leaf for leaf in leaves if begin in leaf]
    at = leaf.index(begin, leaf.index(begin) + 16 * MIDDLE) + len(begin)
    bad = leaf[:at] + struct.pack("<I", FAR) + leaf[at + 4 :]
    return [one if one is not leaf else bad for one in leaves]


TEXT = swapped(WORDS[MIDDLE].encode(), b"\xff" + WORDS[MIDDLE].encode()[1:])

KINDS: dict[str, tuple[Callable[[], object], Callable]] = {
    "offsets of pyarrow": (
        lambda: pa.table({"a": pa.array(WORDS, pa.large_string())}),
        swapped(*numbers("q", len(WORDS[0]), MIDDLE)),
    ),
    "text of pyarrow": (lambda: pa.table({"a": WORDS}), TEXT),
    "views of pyarrow": (lambda: pa.table({"a": pa.array(WORDS, pa.string_view())}), views),
    "codes of pyarrow": (
        lambda: pa.table({"a": pa.DictionaryArray.from_arrays(pa.array(CODES), NAMES)}),
        codes(8),
    ),
    "lists of pyarrow": (
        lambda: pa.ListArray.from_arrays(np.arange(ROWS + 1, dtype="i4") * 2, np.ones(2 * ROWS)),
        swapped(*numbers("i", 2, MIDDLE)),
    ),
    "text of pandas": (lambda: pd.DataFrame({"a": pd.array(WORDS, dtype="string[pyarrow]")}), TEXT),
    "categories of pandas": (
        lambda: pd.DataFrame({"a": pd.Categorical.from_codes(CODES, NAMES), "b": 1.5}),
        codes(1),
    ),
    "levels of pandas": (
        lambda: pd.Series(
            np.ones(ROWS), index=pd.MultiIndex.from_arrays([np.take(NAMES, CODES), WORDS])
        ),
        swapped(*numbers("i", 1, MIDDLE)),
    ),
    "views of polars": (lambda: pl.DataFrame({"a": WORDS}), views),
    "text of polars": (lambda: pl.Series(WORDS), TEXT),
    "lists of polars": (
        lambda: pl.Series(np.arange(2 * ROWS)).reshape((ROWS, 2)).cast(pl.List(pl.Float64)),
        swapped(*numbers("q", 2, MIDDLE)),
    ),
    "categories of polars": (
        lambda: pl.DataFrame(
            {"a": pl.Series(np.take(NAMES, CODES)).cast(pl.Categorical), "b": 1.5}
        ),
        codes(4),
    ),
    "enumeration of polars": (
        lambda: pl.DataFrame(
            {"a": pl.Series(np.take(NAMES, CODES), dtype=pl.Enum(NAMES)), "b": 1.5}
        ),
        codes(1),
    ),
}


def boot() -> bytes:
    """This machine since its start, as stamps have it."""
    machine = Path("/etc/machine-id")
    name = machine.read_bytes() if machine.exists() else b""
    return digest(name + Path("/proc/sys/kernel/random/boot_id").read_bytes())


def stamp(payload: Path) -> bytes:
    """What a file is, as anybody can tell."""
    found = payload.stat()
    times = [*divmod(found.st_mtime_ns, 10**9), *divmod(found.st_ctime_ns, 10**9)]
    return boot() + struct.pack("<3Q4q", found.st_dev, found.st_ino, found.st_size, *times)


class Attack:
    """A folder with an entry for each kind of payload, and somebody who can write there."""

    def __init__(self, run_python: Callable, sound: dict[str, Payload], cache: Path) -> None:
        self.run_python, self.cache, self.sound = run_python, cache, sound
        keys = "said.extend([make(name), make.cache_key(name)][1] for name in {names!r})"
        self.keys = dict(zip(KINDS, map(bytes.fromhex, self.run(keys).said), strict=True))

    def run(self, body: str, env: dict[str, str] | None = None, names: object = None) -> Told:
        asked = body.format(names=list(KINDS) if names is None else names)
        return told(self.run_python(source(VICTIM + asked), env=env))

    def plant(self, *, forged: bool) -> None:
        """Put payloads in place, written over what is there, with the times of before."""
        before = {path: path.stat() for path in payloads(self.cache)}
        plant_all(
            self.cache,
            (
                Payload(
                    self.keys[kind], sound.tree, forge(sound.leaves) if forged else sound.leaves
                )
                for (kind, sound), (_, forge) in zip(
                    self.sound.items(), KINDS.values(), strict=True
                )
            ),
        )
        for path, found in before.items():
            os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))

    def stamps(self) -> dict[bytes, bytes]:
        with tables(index_of(self.cache)) as index:
            return dict(index.execute("select key, stamp from entries"))

    def put_stamps(self, stamps: dict[bytes, bytes]) -> None:
        with tables(index_of(self.cache)) as index:
            index.executemany(
                "update entries set stamp = ? where key = ?",
                [(made, key) for key, made in stamps.items()],
            )

    def own_stamps(self) -> dict[bytes, bytes]:
        """Those that an attacker can make."""
        return {bytes.fromhex(path.name[:32]): stamp(path) for path in payloads(self.cache)}

    def check_refused(self, env: dict[str, str] | None = None) -> None:
        shown = self.run(ASK, env)
        assert shown.said == ["str"] * len(KINDS), shown
        assert shown.ran == list(KINDS)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Payload]:
    made = {}
    for kind, (make, _) in KINDS.items():
        store = Store(tmp_path_factory.mktemp("sound") / "store")
        robust_cacheable(store=store, track_code=False)(make)()
        (made[kind],) = stored(store.path).values()
        assert sum(map(len, made[kind].leaves)) > 2 << 20
    return made


@pytest.fixture
def attack(run_python: Callable, sound: dict[str, Payload], default_cache: Path) -> Attack:
    return Attack(run_python, sound, default_cache)


TYPES = ["Table", "Table", "Table", "Table", "ListArray", "DataFrame", "DataFrame", "Series"]
TYPES += ["DataFrame", "Series", "Series", "DataFrame", "DataFrame"]


@pytest.mark.parametrize("stamped", ["as it was", "as anybody can", "for another", "at random"])
def test_what_was_forged_after_its_check_is_checked_again(attack: Attack, stamped: str) -> None:
    attack.plant(forged=False)
    for _ in range(2):
        shown = attack.run(ASK)
        assert (shown.said, shown.ran, shown.warned) == (TYPES, [], [])
    honest = attack.stamps()
    attack.plant(forged=True)
    keys = list(attack.keys.values())
    stamps = {
        "as it was": honest,
        "as anybody can": attack.own_stamps(),
        "for another": dict(zip(keys, map(honest.get, keys[1:] + keys[:1]), strict=True)),
        "at random": {key: os.urandom(32) for key in keys},
    }[stamped]
    attack.put_stamps(stamps)
    attack.check_refused()
    assert attack.run(ASK).ran == []


def test_without_a_secret_columns_are_looked_at_each_time(attack: Attack) -> None:
    attack.plant(forged=False)
    assert attack.run(ASK, BROKEN).said == TYPES
    attack.plant(forged=True)
    attack.put_stamps(attack.own_stamps())
    attack.check_refused(BROKEN)


def test_what_did_not_decode_is_not_noted_as_checked(attack: Attack) -> None:
    attack.plant(forged=True)
    attack.put_stamps(dict.fromkeys(attack.keys.values(), b""))
    for _ in range(2):
        attack.check_refused({"AFML_CACHE_MODE": "readonly"})
    assert set(attack.stamps().values()) == {b""}
    assert quarantined(attack.cache) == []
    attack.check_refused()
    assert len(quarantined(attack.cache)) == len(KINDS)


def test_a_copy_of_an_entry_in_another_folder_is_checked_there(
    attack: Attack, tmp_path: Path
) -> None:
    attack.plant(forged=False)
    assert attack.run(ASK).said == TYPES
    other = {"AFML_CACHE": str(tmp_path / "other")}
    assert attack.run(ASK, other).ran == list(KINDS)
    stamps = attack.stamps()
    attack.cache = tmp_path / "other"
    attack.plant(forged=True)
    attack.put_stamps(stamps)
    attack.check_refused(other)
