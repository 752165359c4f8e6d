"""Payloads written by hand, as somebody would who can write into the folder and has no secret."""

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import xxhash
from hostile import KEY, blobs, payloads, tables

MAGIC = b"AFMLPAY1"
HEADER, PIECE, ALIGN = 152, 64 * 1024, 64
CODE_BEARING = 1


def digest(content: bytes) -> bytes:
    return xxhash.xxh3_128_digest(content)[::-1]


def leaf_digest(leaf: bytes) -> bytes:
    if len(leaf) <= PIECE:
        return digest(leaf)
    return digest(b"".join(digest(leaf[at : at + PIECE]) for at in range(0, len(leaf), PIECE)))


def u64(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def i64(number: int) -> bytes:
    return struct.pack("<q", number)


def text(words: str) -> bytes:
    return sized(words.encode())


def sized(content: bytes) -> bytes:
    return u64(len(content)) + content


def string(words: str) -> bytes:
    return b"\x07" + text(words)


def integer(number: int) -> bytes:
    return b"\x03" + i64(number)


NONE, TRUE = b"\x00", b"\x02"


def group(tag: int, *members: bytes) -> bytes:
    """Give a tuple, list or set."""
    return bytes([tag]) + u64(len(members)) + b"".join(members)


def array(dtype: str, *shape: int, leaf: int = 0, tag: bytes = b"\x30") -> bytes:
    return tag + text(dtype) + u64(len(shape), *shape) + b"\x00" + u64(leaf)


@dataclass
class Payload:
    """The parts of a payload; checks and places are made when it is written."""

    key: bytes = bytes(16)
    tree: bytes = NONE
    leaves: list[bytes] = field(default_factory=list)
    meta: bytes = text("forged.function") + b"\0" + u64(0)
    flags: int = 0
    created: int = 0
    seconds: float = 1.0
    epoch: int = 0
    key_id: bytes = bytes(8)
    seal: bytes = bytes(32)
    changed: Callable[[bytearray], None] | None = None  # the header or table, before the check

    def write(self) -> bytes:
        table_at = HEADER + len(self.meta) + len(self.tree)
        at, table, body = table_at + 32 * len(self.leaves), b"", bytearray()
        start_of_leaves = at
        for leaf in self.leaves:
            start = -(-at // ALIGN) * ALIGN
            table += u64(start, len(leaf)) + leaf_digest(leaf)
            at = start + len(leaf)
            body += bytes(start - start_of_leaves - len(body)) + leaf
        head = bytearray(MAGIC + struct.pack("<II", 1, self.flags) + self.key)
        head += struct.pack("<qdQ", self.created, self.seconds, self.epoch)
        head += u64(len(self.meta), len(self.tree), len(self.leaves), at, 0)
        head += bytes(16) + self.key_id + self.seal + self.meta + self.tree + table
        if self.changed is not None:
            self.changed(head)
        head[96:112] = digest(bytes(head[:96] + head[HEADER:]))
        return bytes(head + body)


def parse(written: bytes) -> Payload:
    created, seconds, epoch = struct.unpack_from("<qdQ", written, 32)
    meta, tree, leaves = struct.unpack_from("<3Q", written, 56)
    tree_at = HEADER + meta
    table_at = tree_at + tree
    places = [struct.unpack_from("<2Q", written, table_at + 32 * row) for row in range(leaves)]
    return Payload(
        key=written[16:32],
        tree=written[tree_at:table_at],
        leaves=[written[start : start + length] for start, length in places],
        meta=written[HEADER:tree_at],
        flags=struct.unpack_from("<I", written, 12)[0],
        created=created,
        seconds=seconds,
        epoch=epoch,
        key_id=written[112:120],
        seal=written[120:152],
    )


def exported(store: bytes, written: Iterable[bytes], count: int | None = None) -> bytes:
    """Give a file of payloads, as `export_entries` writes it, with a check that fits."""
    payloads = [sized(payload) for payload in written]
    content = b"".join(payloads)
    entries = len(payloads) if count is None else count
    cover = b"AFMLEXP1" + u64(1) + store + u64(entries, 64 + len(content))
    return cover + digest(content + cover) + content


def index_of(root: Path) -> Path:
    return root / "v1" / f"index-{(root / 'v1/CURRENT').read_text().strip()}.sqlite3"


def plant(root: Path, payload: Payload) -> None:
    """Put a payload in the place of the one that answers its key, in the index or in a file."""
    plant_all(root, [payload])


def plant_all(root: Path, forged: Iterable[Payload]) -> None:
    """Put payloads in the places of those that answer their keys."""
    index = index_of(root)
    rows = {blob[3][KEY]: blob for blob in blobs(index)}
    files = {bytes.fromhex(path.name[:32]): path for path in payloads(root)}
    with tables(index) as connection:
        for payload in forged:
            if payload.key in files:
                files[payload.key].write_bytes(payload.write())
            else:
                table, column, rowid, _ = rows[payload.key]
                update = f"update {table} set {column} = ? where rowid = ?"  # noqa: S608
                connection.execute(update, [payload.write(), rowid])


def stored(root: Path) -> dict[bytes, Payload]:
    """Every payload of a folder, by key."""
    written = [path.read_bytes() for path in payloads(root)]
    written += [blob[3] for blob in blobs(index_of(root))]
    return {one[KEY]: parse(one) for one in written}
