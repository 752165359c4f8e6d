"""A script to run against a folder that something happened to, and what it said."""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

MAGIC = b"AFMLPAY1"
KEY = slice(16, 32)
KEY_ID = slice(112, 120)  # names the secret; the seal follows it

HEAD = """
import importlib, json, logging, os, sys, warnings
import numpy as np
from afml_cache import robust_cacheable

ran, said, caught = [], [], []
warnings.simplefilter("always")
warnings.showwarning = lambda said, kind, *_: caught.append([kind.__name__, str(said)])
RAN = logging.getLogger("ran")
RAN.addFilter(lambda record: ran.append(record.msg))

@robust_cacheable
def load(size):
    RAN.warning(size)
    return np.arange(size)

@robust_cacheable
def make(size):
    RAN.warning(size)
    return importlib.import_module(os.environ["BUILDER"]).build(size)

def right(size):
    return bool(np.array_equal(load(size), np.arange(size)))
"""
SMALL, FILE = 100, 40_000  # characters of ballast: in the index, in a file
GOOD = """
class Thing:
    def __init__(self, size):
        self.size, self.ballast = size, "x" * size

    def __eq__(self, other):
        return vars(self) == vars(other)

    __hash__ = None

def build(size):
    return Thing(size)
"""
ASK = """
import good
said = [make(size) == good.Thing(size) for size in {sizes}]
said.append("evil" in sys.modules)
"""
STRICT = """
heard = []
class Ear(logging.Handler):
    def emit(self, record):
        heard.append([record.name.split(".")[0], record.getMessage()])
logging.getLogger().addHandler(Ear())
warnings.simplefilter("error")
"""
# Without this the administrator may write what nobody may; others have nothing to lose.
POWERLESS = """
import ctypes
class Head(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("thread", ctypes.c_int)]
class Sets(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]
def lose_power():
    library, head, sets = ctypes.CDLL(None), Head(0x20080522, 0), (Sets * 2)()
    assert library.capget(ctypes.byref(head), sets) == 0
    for one in sets:
        one.effective = one.permitted = one.inheritable = 0
    assert library.capset(ctypes.byref(head), sets) == 0
"""
LIMIT = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, resource.RLIM_INFINITY))
"""
HANDLES = """
import resource
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
def leave(count):
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) - 1 + count, hard))
def free():
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
"""
TAIL = """
print(json.dumps({"ran": ran, "warned": caught, "said": said}))
"""


@dataclass
class Told:
    """What a script said: bodies that ran, warnings as (category, text), and its own words."""

    ran: list[int]
    warned: list[tuple[str, str]]
    said: list[object] = field(default_factory=list)

    @property
    def categories(self) -> list[str]:
        return [category for category, _ in self.warned]


def told(shown: str) -> Told:
    parts = json.loads(shown.splitlines()[-1])
    return Told(parts["ran"], [tuple(pair) for pair in parts["warned"]], parts["said"])


def source(body: str) -> str:
    return f"{HEAD}\n{body}\n{TAIL}"


def strict(body: str) -> str:
    """The same where warnings are errors; what is logged is the last that it says."""
    return source(f"{STRICT}\n{body}\nsaid.append(heard)")


def payloads(root: Path) -> list[Path]:
    """The payload files, the largest first."""
    files = [path for path in root.glob("v1/payloads/*/*") if path.is_file()]
    return sorted(files, key=lambda path: -path.stat().st_size)


def indexes(root: Path) -> list[Path]:
    return sorted(root.glob("v1/index-*.sqlite3"))


def quarantined(root: Path) -> list[Path]:
    return [path for path in root.glob("v1/quarantine/**/*") if path.is_file()]


@contextmanager
def tables(index: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(index)
    try:
        yield connection
        connection.commit()
    finally:
        connection.close()


def blobs(index: Path) -> list[tuple[str, str, int, bytes]]:
    """Every payload that lies in the index, as (table, column, rowid, bytes)."""
    found = []
    with tables(index) as connection:
        for (table,) in connection.execute(
            "select name from sqlite_master where type = 'table'"
        ).fetchall():
            for column in [row[1] for row in connection.execute(f"pragma table_info({table})")]:
                query = f"select rowid, {column} from {table} where typeof({column}) = 'blob'"  # noqa: S608
                with_rowid = (
                    "without rowid"
                    not in connection.execute(
                        "select lower(sql) from sqlite_master where name = ?", [table]
                    ).fetchone()[0]
                )
                rows = connection.execute(query).fetchall() if with_rowid else []
                found += [
                    (table, column, rowid, value)
                    for rowid, value in rows
                    if value.startswith(MAGIC)
                ]
    return found


def put_blob(index: Path, blob: tuple[str, str, int, bytes], value: bytes) -> None:
    table, column, rowid, _ = blob
    with tables(index) as connection:
        connection.execute(f"update {table} set {column} = ? where rowid = ?", [value, rowid])  # noqa: S608


def unshared(commands: str) -> str | None:
    """Run shell commands where mounting is allowed; None where it is not."""
    unshare = shutil.which("unshare")

    def run(script: str) -> subprocess.CompletedProcess[str]:
        command = [unshare or "", "-rm", "sh", "-ec", script]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    if unshare is None or run("mount -t tmpfs none /mnt").returncode:
        return None
    ended = run(commands)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout
