"""Rows of the catalog of series as somebody forges them who knows how their marks are made."""

import sqlite3
import struct
from pathlib import Path
from typing import Any

import xxhash
from faulty_ranges import tables


def number(*values: int | None) -> bytes:
    return b"".join(struct.pack("<q", value) for value in values)


def text(value: str | bytes) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(content)) + content


def optional(value: str | bytes | None) -> bytes:
    return bytes([value is not None]) + text(value or b"")


def digest(content: bytes) -> bytes:
    return xxhash.xxh3_128_intdigest(content).to_bytes(16, "little")


def mark(content: bytes) -> int:
    return struct.unpack("<q", digest(content)[:8])[0]


def mark_of_series(row: sqlite3.Row) -> int:
    parts = [
        text("series"),
        number(row["id"], row["created"]),
        text(row["digest"]),
        *(text(row[name]) for name in ("cache", "key", "folder")),
        *(optional(row[name]) for name in ("form", "seal")),
    ]
    return mark(b"".join(parts))


def mark_of_segment(row: sqlite3.Row) -> int:
    names = ("series", "id", "first", "stop", "rows", "bytes", "created")
    parts = [text("segments"), number(*(row[name] for name in names))]
    parts += [text(row[name]) for name in ("name", "digest", "about")]
    return mark(b"".join(parts))


MARKS = {"series": mark_of_series, "segments": mark_of_segment}


def forge(root: Path, table: str, where: str, **values: Any) -> None:
    """Change rows, and make their marks right again."""
    with tables(root) as connection:
        connection.row_factory = sqlite3.Row
        for row in connection.execute(f"SELECT * FROM {table} WHERE {where}").fetchall():  # noqa: S608
            for name, value in values.items():
                set_it = f"UPDATE {table} SET {name} = ? WHERE id = ?"  # noqa: S608
                connection.execute(set_it, [value, row["id"]])
            find = f"SELECT * FROM {table} WHERE id = ?"  # noqa: S608
            changed = connection.execute(find, [row["id"]]).fetchone()
            set_it = f"UPDATE {table} SET mark = ? WHERE id = ?"  # noqa: S608
            connection.execute(set_it, [MARKS[table](changed), row["id"]])


def put_segment(root: Path, path: Path, content: bytes) -> None:
    """Write other bytes into a segment, and have the catalog say that they are right."""
    path.write_bytes(content)
    forge(root, "segments", f"name = '{path.name}'", bytes=len(content), digest=digest(content))
