"""Everything that can run code, and every attack on it by somebody without the secret."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from forged import Payload, exported, plant_all, stored
from hostile import FILE, SMALL, Told, indexes, quarantined, source, told

OURS, THEIRS = "11" * 32, "22" * 32

# One line per kind of value that can run code when it is decoded.
KINDS = {
    "pickle": "Thing(size)",
    "pickle in an object column": "pd.DataFrame({'o': pd.Series([Thing(size), 1], dtype=object)})",
    "pickle in an object array": "[np.array([None, Thing(size)], dtype=object), size]",
    "pickle beside arrays": "[Thing(size), np.arange(500.0), np.arange(500.0)[::-1].copy()]",
    "class name of a dataclass": "Record(size, 'x' * size)",
    "class name of a named tuple": "Pair(size, 'x' * size)",
    "extension type of pyarrow": "extended(size)",
    "extension array of pandas": "pd.Series(Held(['x' * size, 'y']))",
}
MODULE = """
import collections, dataclasses, os, pickle
import numpy as np, pandas as pd, pyarrow as pa
from pandas.api.extensions import ExtensionArray, ExtensionDtype, register_extension_dtype

class Thing:
    def __init__(self, size):
        self.size, self.ballast = size, "x" * size

@dataclasses.dataclass
class Record:
    size: int
    ballast: str

Pair = collections.namedtuple("Pair", ["size", "ballast"])

class Extended(pa.ExtensionType):
    def __init__(self):
        super().__init__(pa.string(), "extended")

    def __arrow_ext_serialize__(self):
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage, serialized):
        ran()
        return cls()

    def __reduce__(self):
        return Extended, ()

pa.register_extension_type(Extended())

def extended(size):
    kind = Extended()
    return pa.table({"x": pa.ExtensionArray.from_storage(kind, pa.array(["x" * size, "y"]))})

@register_extension_dtype
class HeldType(ExtensionDtype):
    name, type, na_value = "held", str, None

    @classmethod
    def construct_array_type(cls):
        return Held

class Held(ExtensionArray):
    dtype = HeldType()

    def __init__(self, texts):
        self.texts = list(texts)

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, place):
        found = np.array(self.texts, dtype=object)[place]
        return found if isinstance(found, str) else Held(found)

    def isna(self):
        return np.zeros(len(self), dtype=bool)

    def copy(self):
        return Held(self.texts)

    @classmethod
    def _from_sequence(cls, texts, *, dtype=None, copy=False):
        return cls(texts)

    nbytes = 1

def build(kind, size):
    return MAKERS[kind](size)

def same(one, other):
    return shown(one) == shown(other)

def shown(value):
    match value:
        case Thing() | Record():
            return type(value).__name__, vars(value)
        case list() | tuple():
            return type(value).__name__, [shown(item) for item in value]
        case pd.DataFrame():
            return [shown(item) for item in value["o"]]
        case pd.Series():
            return list(value.array.texts)
        case np.ndarray():
            return [shown(item) for item in value.tolist()]
        case pa.Table():
            return value.column(0).combine_chunks().storage.to_pylist()
    return value
"""
GOOD = "def ran(): pass\n" + MODULE
EVIL = (
    """
import os
def ran():
    os.makedirs(MARKER, exist_ok=True)
ran()
"""
    + MODULE
    + """
Thing.__reduce__ = lambda self: (eval, ("__import__('os').mkdir(%r)" % MARKER + " " * self.size,))
"""
)
MAKERS = "".join(f"    {kind!r}: lambda size: {maker},\n" for kind, maker in KINDS.items())
MAKERS = f"\nMAKERS = {{\n{MAKERS}}}\n"
CALLED = """
@robust_cacheable
def make(kind, size):
    RAN.warning(kind)
    return importlib.import_module(os.environ["BUILDER"]).build(kind, size)
"""
ASK = """
for kind in {kinds}:
    value = make(kind, {size})
    if {compared}:
        import good
        said.append(good.same(value, good.build(kind, {size})))
said = [said, "evil" in sys.modules, make.cache_info().errors]
said.append([make.cache_key(kind, {size}) for kind in {kinds}])
"""


class Place:
    """A victim with a secret and a folder, and an attacker who can write there."""

    def __init__(self, run_python: Callable, folder: Path, cache: Path, way: str) -> None:
        self.run_python, self.cache, self.way = run_python, cache, way
        self.size = SMALL if way == "row" else FILE
        self.marker, self.modules = folder / "marker", folder / "modules"
        self.modules.mkdir()
        for name, module in (("good", GOOD), ("evil", EVIL)):
            text = module.replace("MARKER", repr(str(self.marker)))
            (self.modules / f"{name}.py").write_text(text + MAKERS)

    def run(self, *, cache: Path, builder: str = "good", key: str = OURS, size: int = 0) -> Told:
        size = size or self.size
        body = CALLED + ASK.format(kinds=list(KINDS), size=size, compared=builder == "good")
        path = os.pathsep.join([str(self.modules), os.environ.get("PYTHONPATH", "")])
        env = {"BUILDER": builder, "AFML_CACHE_KEY": key, "AFML_CACHE": str(cache)}
        return told(self.run_python(source(body), env={"PYTHONPATH": path, **env}))

    def victim(self) -> Told:
        return self.run(cache=self.cache)

    def payloads_of(self, root: Path, shown: Told) -> dict[str, Payload]:
        found = stored(root)
        keys = [bytes.fromhex(key) for key in shown.said[3]]
        return {kind: found[key] for kind, key in zip(KINDS, keys, strict=True)}

    def put(self, forged: list[Payload]) -> None:
        plant_all(self.cache, forged)
        if self.way == "adopted":
            for index in indexes(self.cache):
                for path in index.parent.glob(f"{index.name}*"):
                    path.unlink()

    def take_in(self, forged: list[Payload], cache: Path) -> dict[str, int]:
        """Have the victim import a file that says it is of its own store; what came of it."""
        file = cache.with_suffix(".afml")
        identity = (self.cache / "v1/ID").read_bytes()
        file.write_bytes(exported(identity, [payload.write() for payload in forged]))
        body = f"""
import dataclasses, afml_cache
said.append(dataclasses.asdict(afml_cache.import_entries({str(file)!r})))
said.append(sorted({{"evil", "good"}} & set(sys.modules)))
"""
        path = os.pathsep.join([str(self.modules), os.environ.get("PYTHONPATH", "")])
        env = {"AFML_CACHE_KEY": OURS, "AFML_CACHE": str(cache), "PYTHONPATH": path}
        done, imported = told(self.run_python(source(body), env=env)).said
        assert imported == []
        assert not self.marker.exists()
        return {name: count for name, count in done.items() if count and name != "bytes"}

    def check_nothing_ran(self, shown: Told, kinds: list[str]) -> None:
        assert not self.marker.exists()
        assert shown.said[0] == [True] * len(KINDS)
        assert shown.said[1] is False
        assert sorted(shown.ran) == sorted(kinds)


def claimed(ours: Payload, theirs: Payload) -> Payload:
    """Give the attacker's payload the name of our secret and our seal."""
    return replace(theirs, key=ours.key, key_id=ours.key_id, seal=ours.seal)


def altered(payload: Payload) -> Payload:
    assert b"good" in payload.tree
    return replace(payload, tree=payload.tree.replace(b"good", b"evil"))


def unflagged(payload: Payload) -> Payload:
    return replace(payload, flags=0, key_id=bytes(8), seal=bytes(32))


def planted(place: Place, ours: dict[str, Payload], folder: Path) -> dict[str, Payload]:
    shown = place.run(cache=folder, builder="evil", key=THEIRS)
    shutil.rmtree(place.marker, ignore_errors=True)
    theirs = place.payloads_of(folder, shown)
    return {kind: claimed(ours[kind], theirs[kind]) for kind in KINDS}


def of_another_key(place: Place, ours: dict[str, Payload], folder: Path) -> dict[str, Payload]:
    # the same store by its id, so that nothing but the key tells them apart
    (folder / "v1").mkdir(parents=True, mode=0o700)
    folder.chmod(0o700)
    shutil.copyfile(place.cache / "v1/ID", folder / "v1/ID")
    others = place.payloads_of(folder, place.run(cache=folder, size=place.size + 1))
    return {kind: replace(others[kind], key=ours[kind].key) for kind in KINDS}


def of_another_store(place: Place, _: dict[str, Payload], folder: Path) -> dict[str, Payload]:
    return place.payloads_of(folder, place.run(cache=folder))


def with_leaves_moved(_: Place, ours: dict[str, Payload], __: Path) -> dict[str, Payload]:
    several = {kind: payload for kind, payload in ours.items() if len(payload.leaves) > 1}
    return {kind: replace(one, leaves=one.leaves[::-1]) for kind, one in several.items()}


def each(*changes: Callable[[Payload], Payload]) -> Callable[..., dict[str, Payload]]:
    def forge(_: Place, ours: dict[str, Payload], __: Path) -> dict[str, Payload]:
        for change in changes:
            ours = {kind: change(payload) for kind, payload in ours.items()}
        return ours

    return forge


def planted_without_flag(
    place: Place, ours: dict[str, Payload], folder: Path
) -> dict[str, Payload]:
    forged = planted(place, ours, folder)
    return {kind: unflagged(payload) for kind, payload in forged.items()}


ATTACKS = {
    "planted": planted,
    "planted, flag cleared": planted_without_flag,
    "altered": each(altered),
    "altered, flag cleared": each(altered, unflagged),
    "flag cleared": each(unflagged),
    "of another key": of_another_key,
    "of another store": of_another_store,
    "leaves in another order": with_leaves_moved,
}


def quarantined_payloads(root: Path) -> list[Path]:
    return [path for path in quarantined(root) if "sqlite3" not in path.name]
