"""Columns of polars that no walk wrote, laid out as they lie in memory."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from forged import i64, text, u64
from test_hostile_trees import Decoder

pytest.importorskip("polars")

STRING, BINARY, INT, BOOLEAN, LIST = b"\x0f", b"\x10", b"\x0a", b"\x01", b"\x21"
CATEGORICAL = b"\x23" + text("") + text("") + text("u32")
ENUM = b"\x24" + u64(2) + text("a") + text("b")
FULL = b"\x00"  # no nulls
LONG = b"a text that is long"


@pytest.fixture
def decoder(run_python: Callable, tmp_path: Path, default_cache: Path) -> Decoder:
    return Decoder(run_python, tmp_path, default_cache)


def series(dtype: bytes, rows: int, body: bytes) -> bytes:
    return b"\x63" + text("s") + dtype + u64(rows) + body


def strings(*buffers: int) -> bytes:
    """Views in leaf 0, and the numbers of the leaves with their text."""
    return FULL + u64(0, len(buffers), *buffers)


def short(content: bytes, padding: bytes = b"\0") -> bytes:
    return struct.pack("<I", len(content)) + content + padding * (12 - len(content))


def long(length: int, begin: bytes, buffer: int, offset: int) -> bytes:
    return struct.pack("<I4sII", length, begin, buffer, offset)


def lists(rows: int, items: int) -> bytes:
    return FULL + u64(0, items) + FULL + u64(1)


def test_columns_written_by_hand_are_decoded(decoder: Decoder) -> None:
    views = short(b"short") + long(len(LONG), LONG[:4], 0, 3)
    shown = decoder.decode(series(STRING, 2, strings(1)), views, b"xyz" + LONG)
    assert "short" in str(shown.said[0])
    assert LONG.decode() in str(shown.said[0])
    shown = decoder.decode(series(LIST + INT, 2, lists(2, 3)), u64(0, 1, 3), u64(7, 8, 9))
    assert "[8, 9]" in str(shown.said[0])
    names = u64(2) + strings(1)
    codes = FULL + u64(2)
    leaves = short(b"p") + short(b"q"), b"", struct.pack("<2I", 1, 0)
    shown = decoder.decode(series(CATEGORICAL, 2, names + codes), *leaves)
    assert str(shown.said[0]).split().index('"q"') < str(shown.said[0]).split().index('"p"')
    shown = decoder.decode(series(ENUM, 2, FULL + u64(0)), b"\1\0")
    assert '"b"' in str(shown.said[0])
    bits = b"\1" + u64(1, 0) + u64(1)
    shown = decoder.decode(series(INT, 2, bits), b"\1", i64(5) + i64(6))
    assert "null" in str(shown.said[0])


VIEWS = {
    "a buffer that is not there": long(len(LONG), LONG[:4], 1, 0),
    "text beyond its buffer": long(len(LONG), LONG[:4], 0, 1),
    "text that ends beyond 32 bits": long(len(LONG), LONG[:4], 0, 2**32 - 1),
    "text longer than its buffer": long(2**32 - 1, LONG[:4], 0, 0),
    "another beginning": long(len(LONG), b"None", 0, 0),
    "short text that is none": short(b"\xff\xfe"),
    "something behind a short text": short(b"ab", b"x"),
    "half a view": short(b"ab")[:8],
    "a view more": short(b"ab") * 2,
}


@pytest.mark.parametrize("kind", VIEWS)
def test_views_of_what_is_not_there_are_refused(decoder: Decoder, kind: str) -> None:
    decoder.check_refused(series(STRING, 1, strings(1)), VIEWS[kind], LONG)
    if "text that is none" not in kind:
        decoder.check_refused(series(BINARY, 1, strings(1)), VIEWS[kind], LONG)


def test_long_text_that_is_none_is_refused(decoder: Decoder) -> None:
    text = b"\xff" * 20
    decoder.check_refused(series(STRING, 1, strings(1)), long(20, text[:4], 0, 0), text)


@pytest.mark.parametrize(
    "offsets",
    [
        (0, 2, 1),
        (0, 2, 4),
        (0, 1, 2**63 - 1),
        (2**64 - 1, 1, 2),
        (0, 2**62, 3),
        (0, 1),
        (0, 1, 2, 3),
    ],
)
def test_lists_that_go_back_or_beyond_are_refused(
    decoder: Decoder, offsets: tuple[int, ...]
) -> None:
    items = u64(7, 8, 9)
    decoder.check_refused(series(LIST + INT, 2, lists(2, 3)), u64(*offsets), items)


def test_codes_without_a_name_are_refused(decoder: Decoder) -> None:
    decoder.check_refused(series(ENUM, 2, FULL + u64(0)), b"\1\2")
    for codes, names in [((0, 2), b"pq"), ((0, 1), b"pp"), ((0, 2**32 - 1), b"pq"), ((0,), b"pq")]:
        views = b"".join(short(bytes([name])) for name in names)
        tree = series(CATEGORICAL, 2, u64(2) + strings(1) + FULL + u64(2))
        decoder.check_refused(tree, views, b"", struct.pack(f"<{len(codes)}I", *codes))


def test_fewer_bits_than_rows_are_refused(decoder: Decoder) -> None:
    decoder.check_refused(series(BOOLEAN, 9, FULL + u64(0)), b"\1")
    decoder.check_refused(series(INT, 9, b"\1" + u64(1, 0) + u64(1)), b"\1", bytes(72))


def test_more_buffers_than_the_payload_has_are_refused(decoder: Decoder) -> None:
    tree = series(STRING, 1, FULL + u64(0, 2**60))
    decoder.check_refused(tree, short(b"ab"))


@pytest.mark.parametrize("nulls", [0, 2, 2**63, 2**64 - 1])
def test_how_many_nulls_a_payload_says_is_not_believed(decoder: Decoder, nulls: int) -> None:
    bits = b"\1" + u64(nulls, 0) + u64(1)
    decoder.check_refused(series(INT, 2, bits), b"\1", i64(5) + i64(6))
