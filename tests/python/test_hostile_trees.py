"""Trees that no walk wrote: whoever can write into the folder can have any of them decoded.

Each runs in an interpreter of its own, since what goes wrong here can end the process.
"""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from forged import (
    NONE,
    Payload,
    array,
    group,
    i64,
    integer,
    plant,
    sized,
    string,
    text,
    u64,
)
from hostile import Told, source, told

VICTIM = """
from afml_cache import robust_cacheable

@robust_cacheable
def make(number):
    RAN.warning(number)
    return "computed" + " " * number
"""
ASK = """
import pandas, polars, pyarrow, pandas.tseries.frequencies
before = set(sys.modules)
value = make({size})
said = [value.strip() if isinstance(value, str) else repr(value), make.cache_info().errors]
said.append(sorted(set(sys.modules) - before & {{"evil"}}))
"""
LIMIT = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
"""
SIZES = (0, 20_000)  # in the index, in a file


class Decoder:
    """Stores results, in the index and in a file, and puts forged payloads in their place."""

    def __init__(self, run_python: Callable, folder: Path, cache: Path) -> None:
        self.run_python, self.cache, self.folder = run_python, cache, folder
        said = self.run(
            f"{VICTIM}\nfor size in {SIZES}: make(size), said.append(make.cache_key(size))"
        )
        self.keys = dict(zip(SIZES, map(str, said.said), strict=True))

    def run(self, body: str) -> Told:
        path = os.pathsep.join([str(self.folder), os.environ.get("PYTHONPATH", "")])
        return told(self.run_python(source(body), env={"PYTHONPATH": path}))

    def decode(self, tree: bytes, *leaves: bytes, head: str = "", size: int = 0) -> Told:
        payload = Payload(bytes.fromhex(self.keys[size]), tree, list(leaves))
        plant(self.cache, payload)
        return self.run(LIMIT + VICTIM + head + ASK.format(size=size))

    def check_refused(self, tree: bytes, *leaves: bytes, head: str = "") -> None:
        for size in SIZES:
            shown = self.decode(tree, *leaves, head=head, size=size)
            assert shown.said[0] == "computed", shown
            assert shown.said[2] == []
            assert shown.ran == [size]
            assert shown.categories == ["CacheReadWarning"]


@pytest.fixture
def decoder(run_python: Callable, tmp_path: Path, default_cache: Path) -> Decoder:
    return Decoder(run_python, tmp_path, default_cache)


def test_a_sound_payload_written_by_hand_is_decoded(decoder: Decoder) -> None:
    shown = decoder.decode(array("<i8", 2), struct.pack("<2q", 5, 6))
    assert shown.said[0] == "array([5, 6])"
    assert (shown.ran, shown.warned) == ([], [])


NESTED = {
    "lists": b"\x0c" + u64(1),
    "scalars of scalars": b"\x33",
    "slices": b"\x11",
    "series": b"\x41\x01\x00",
    "string arrays": b"\x56" + text("python") + b"\x00" + u64(1),
    "object arrays": b"\x31" + u64(1, 1),
    "string dtypes": b"\x35\x00\x01",
    "decimals": b"\x20",
    "polars lists": b"\x61" + text("") + b"\x21",
    "polars lists in memory": b"\x63" + text("") + b"\x21",
    "polars dtypes": b"\x21",
    "record dtypes": b"\x32" + u64(0) + b"\x02" + u64(0),
    "subarrays": b"\x02" + u64(0),
}


@pytest.mark.parametrize("kind", NESTED)
def test_what_is_nested_without_end_is_refused(decoder: Decoder, kind: str) -> None:
    deep = NESTED[kind] * (15_000 // len(NESTED[kind]))
    if kind == "subarrays":
        deep = b"\x32" + u64(0) + deep
    if kind == "polars dtypes":
        deep = b"\x61" + text("") + deep
    decoder.check_refused(deep)


def test_nesting_is_refused_on_the_stack_of_a_thread_too(decoder: Decoder) -> None:
    shown = decoder.decode(
        NESTED["object arrays"] * 900,
        head="""
import threading
threading.stack_size(1 << 20)
thread = threading.Thread(target=make, args=(0,))
thread.start(), thread.join()
""",
    )
    assert shown.said[0] == "computed"


@pytest.mark.parametrize("dtype", ["S", "|S0", "U", "<U0", "(3,)S", "S0,S0"])
def test_an_array_of_text_without_width_does_not_reach_beyond_its_leaf(
    decoder: Decoder, dtype: str
) -> None:
    decoder.check_refused(array(dtype, 4_000_000), b"")


@pytest.mark.parametrize(
    "dtype", ["O", "|O8", "i8,O", "T", "i4,i4", "(2,)i8", "float", "x" * 50, "datetime64[s"]
)
def test_a_dtype_that_is_not_spelled_as_it_is_written_is_refused(
    decoder: Decoder, dtype: str
) -> None:
    decoder.check_refused(array(dtype, 2), bytes(16))


def test_a_record_over_a_shape_of_text_without_width_is_refused(decoder: Decoder) -> None:
    sub = b"\x02" + u64(1, 1_000_000) + b"\x00" + text("|S0")
    decoder.check_refused(b"\x32" + u64(0) + sub + b"\x00" + u64(0), b"")


@pytest.mark.parametrize("form", [b"\x01", b"\x04"])
@pytest.mark.parametrize(
    ("offset", "dtype"), [(8, "|V2147483647"), (16, "<f8"), (2**32, "<f8"), (2**63, "<f8")]
)
def test_a_field_that_reaches_beyond_its_record_is_refused(
    decoder: Decoder, form: bytes, offset: int, dtype: str
) -> None:
    field = text("a") + u64(offset) + b"\x00" + text(dtype)
    decoder.check_refused(
        b"\x32" + u64(1, 2) + form + u64(1, 16) + field + b"\x00" + u64(0), bytes(32)
    )


EXTENSION = """
import pyarrow
class Evil(pyarrow.ExtensionType):
    def __init__(self):
        super().__init__(pyarrow.int64(), "evil")
    def __arrow_ext_serialize__(self):
        return b""
    @classmethod
    def __arrow_ext_deserialize__(cls, storage, serialized):
        import evil
        return cls()
pyarrow.register_extension_type(Evil())
"""


def stream_of(field: pa.Field) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([field])) as writer:
        writer.write_table(pa.table([pa.array([1], pa.int64())], pa.schema([field])))
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("tag", [b"\x70", b"\x73", b"\x57", b"\x77"])
def test_an_extension_type_of_arrow_is_not_called(
    decoder: Decoder, tag: bytes, nested: bool
) -> None:
    (decoder.folder / "evil.py").write_text("")
    metadata = {"ARROW:extension:name": "evil", "ARROW:extension:metadata": ""}
    field = pa.field("x", pa.int64(), metadata=metadata)
    if nested:
        inner = pa.schema([pa.field("y", pa.list_(field))])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, inner) as writer:
            writer.write_table(inner.empty_table())
        stream = sink.getvalue().to_pybytes()
    else:
        stream = stream_of(field)
    decoder.check_refused(tag + u64(0), stream, head=EXTENSION)


def test_a_stream_that_is_packed_is_refused(decoder: Decoder) -> None:
    sink = pa.BufferOutputStream()
    table = pa.table({"x": pa.array(bytes(1_000_000), pa.uint8())})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    decoder.check_refused(b"\x73" + u64(0), sink.getvalue().to_pybytes())


def zoned(zone: bytes) -> dict[str, bytes]:
    ticks = array("<i8", 1)
    return {
        "timestamp": b"\x4a" + text("ns") + i64(5) + zone,
        "array": b"\x50" + text("ns") + b"\x00" + ticks + zone,
        "index": b"\x44" + NONE + b"\x00" + text("ns") + zone + ticks,
    }


@pytest.mark.parametrize("kind", zoned(b""))
def test_a_zone_is_never_the_name_of_a_file(decoder: Decoder, tmp_path: Path, kind: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # whoever opens it waits for ever
    decoder.check_refused(zoned(string(f"dateutil/{pipe}"))[kind], bytes(8))


def test_the_dtype_of_periods_names_nothing_else(decoder: Decoder, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    name = f"datetime64[ns, dateutil/{tmp_path}/pipe]"
    decoder.check_refused(b"\x52" + text(name) + array("<i8", 1), bytes(8))


@pytest.mark.parametrize(
    "parts", [(string("1e9999999999"), NONE), (string("1e99999999"), integer(1))]
)
def test_a_fraction_is_not_parsed(decoder: Decoder, parts: tuple[bytes, bytes]) -> None:
    decoder.check_refused(b"\x23" + b"".join(parts))


def test_members_that_take_for_ever_to_hash_are_refused(decoder: Decoder) -> None:
    # value 0 is the list around all; each tuple holds the one before twice
    doubled = [group(11, integer(1))]
    doubled += [group(11, *[b"\xf1" + u64(place)] * 2) for place in range(1, 60)]
    for tag in (14, 15):
        decoder.check_refused(group(12, *doubled, group(tag, b"\xf1" + u64(60))))
    pair = b"\x0d" + u64(1) + b"\xf1" + u64(60) + NONE
    decoder.check_refused(group(12, *doubled, pair))


@pytest.mark.parametrize("rows", [2**32 - 1, 2**32, 2**40, 2**63 - 1, 2**64 - 1])
@pytest.mark.parametrize("tag", [b"\x61", b"\x60"])
def test_more_rows_than_polars_holds_are_refused(decoder: Decoder, rows: int, tag: bytes) -> None:
    column = text("x") + b"\x00" + u64(rows) + b"\x00"
    tree = b"\x61" + column if tag == b"\x61" else b"\x60" + u64(rows, 1) + column
    decoder.check_refused(tree)


def test_sparse_places_beyond_the_values_are_refused(decoder: Decoder) -> None:
    places, values = array("<i4", 3, leaf=0), array("<i8", 1, leaf=1)
    for kind in ("integer", "block"):
        tree = b"\x58" + text(kind) + u64(100) + integer(0) + places + values
        decoder.check_refused(tree, struct.pack("<3i", 1, 50, 99), bytes(8))
        far = struct.pack("<3i", -5, 50, 200_000)
        decoder.check_refused(
            b"\x58" + text(kind) + u64(100) + integer(0) + places + array("<i8", 3, leaf=1),
            far,
            bytes(24),
        )


def test_a_pickle_is_refused_wherever_it_lies(decoder: Decoder) -> None:
    (decoder.folder / "evil.py").write_text("")
    pickle = b"\xf2" + sized(b"cevil\nThing\n.")
    decoder.check_refused(pickle)
    decoder.check_refused(group(12, pickle))
    decoder.check_refused(b"\x31" + u64(1, 1) + pickle)


def test_a_frame_of_more_columns_than_blocks_is_refused(decoder: Decoder) -> None:
    columns = b"\x43" + NONE + integer(0) + integer(1 << 60) + integer(1)
    index = b"\x43" + NONE + integer(0) + integer(1) + integer(1)
    decoder.check_refused(b"\x40\x01\x00" + columns + index + u64(0))


@pytest.mark.parametrize("items", [2**32, 2**60])
@pytest.mark.parametrize("inner", ["null", "array of nothing", "struct of nothing"])
def test_a_list_of_more_items_than_memory_has_is_refused(
    decoder: Decoder, inner: str, items: int
) -> None:
    dtype = {"null": b"\x00", "array of nothing": b"\x20" + u64(0) + b"\x02"}
    dtypes = {**dtype, "struct of nothing": b"\x22" + u64(0)}
    parts = {"array of nothing": b"\x00" + u64(0) + b"\x00" + u64(1)}
    column = b"\x21" + dtypes[inner] + u64(1) + b"\x00" + u64(0)
    tree = b"\x61" + text("x") + column + u64(items) + b"\x00" + parts.get(inner, b"")
    decoder.check_refused(tree, u64(items), b"")


def test_lengths_of_lists_that_go_round_are_refused(decoder: Decoder) -> None:
    lengths = u64((1 << 64) - (1 << 32) + 1, (1 << 32) - 1)
    tree = b"\x61" + text("x") + b"\x21\x0a" + u64(2) + b"\x00" + u64(0, 0) + b"\x00" + u64(1)
    decoder.check_refused(tree, lengths, b"")
