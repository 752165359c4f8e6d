"""Payloads that nobody wrote, made from those that somebody did."""

import random
import struct

from forged import Payload

EXTREMES = (0, 1, 2, 31, 255, 256, 1 << 16, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
TAGS = [*range(19), *range(24, 36), *range(48, 55), *range(64, 90), 96, 97, *range(112, 120)]
ODD_TAGS = [128, 129, 130, 131, 240, 241, 242, 243, 255]
WORDS = (
    b"|S0", b"<U0", b"|O8", b"O,i8", b"<M8[D]", b"<M8", b"<m8[25s]", b">f8", b"<f16", b"|V0",
    b"|V2147483647", b"|b1", b"<c32", b"ns", b"s", b"D", b"python", b"pyarrow", b"pyarrow_numpy",
    b"period[D]", b"period[ns]", b"UTC", b"Europe/Berlin", b"../../etc/passwd", b"u8", b"u32",
    b"IntegerArray", b"BooleanArray", b"FloatingArray", b"_p", b"FixedOffset", b"left", b"both",
    b"integer", b"block", b"cposix\nmkdir\n(V/tmp/fuzzed\ntR.",
)  # fmt: skip
PICKLE = b"\xf2" + struct.pack("<Q", 33) + b"cposix\nmkdir\n(V/tmp/fuzzed-tree\ntR."[:33]


def flip(chance: random.Random, tree: bytes) -> bytes:
    changed = bytearray(tree)
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def retag(chance: random.Random, tree: bytes) -> bytes:
    at = chance.randrange(len(tree)) if chance.random() < 0.6 else 0
    tag = chance.choice(ODD_TAGS if chance.random() < 0.1 else TAGS)
    return tree[:at] + bytes([tag]) + tree[at + 1 :]


def renumber(chance: random.Random, tree: bytes) -> bytes:
    at = chance.randrange(max(1, len(tree) - 7))
    number = chance.choice((*EXTREMES, chance.randrange(70)))
    return tree[:at] + struct.pack("<Q", number) + tree[at + 8 :]


def count_off(chance: random.Random, tree: bytes) -> bytes:
    """Move a number that looks like a count by a little."""
    places = [at for at in range(len(tree) - 7) if tree[at + 2 : at + 8] == bytes(6)]
    if not places:
        return renumber(chance, tree)
    at = chance.choice(places)
    number = struct.unpack_from("<Q", tree, at)[0] + chance.choice((-2, -1, 1, 2, 7, 64))
    return tree[:at] + struct.pack("<Q", number % (1 << 64)) + tree[at + 8 :]


def reword(chance: random.Random, tree: bytes) -> bytes:
    """Put another word in the place of a text."""
    places = []
    for at in range(len(tree) - 8):
        (length,) = struct.unpack_from("<Q", tree, at)
        if 0 < length < 40 and tree[at + 8 : at + 8 + length].isascii():
            places.append((at, length))
    if not places:
        return flip(chance, tree)
    at, length = chance.choice(places)
    word = chance.choice(WORDS)
    return tree[:at] + struct.pack("<Q", len(word)) + word + tree[at + 8 + length :]


def cut(chance: random.Random, tree: bytes) -> bytes:
    at = chance.randrange(len(tree) + 1)
    end = min(len(tree), at + chance.choice((1, 8, 9, len(tree))))
    return tree[:at] + tree[end:]


def wrap(chance: random.Random, tree: bytes) -> bytes:
    around = chance.choice((b"\x0b", b"\x0c", b"\x0e", b"\x0f", b"\x31" + struct.pack("<Q", 1)))
    return around + struct.pack("<Q", 1) + tree


def plant_pickle(chance: random.Random, tree: bytes) -> bytes:
    at = chance.randrange(len(tree) + 1)
    return tree[:at] + PICKLE + tree[at:]


MUTATIONS = (flip, flip, retag, retag, renumber, count_off, count_off, reword, cut, wrap)
BYTES = (flip, flip, renumber, count_off, cut)


def spliced(chance: random.Random, one: Payload, other: Payload) -> Payload:
    """Give one payload's tree with another's inside, leaves of both."""
    shift, at = len(one.leaves), chance.randrange(len(one.tree) + 1)
    if chance.random() < 0.5:
        tree = b"\x0c" + struct.pack("<Q", 2) + one.tree + other.tree
    else:
        end = min(len(other.tree), at + chance.randrange(1, 64))
        tree = one.tree[:at] + other.tree[at:end] + one.tree[end:]
    leaves = other.leaves + one.leaves if shift and chance.random() < 0.5 else other.leaves
    return Payload(one.key, tree, list(leaves or one.leaves), one.meta)


def mutated(chance: random.Random, seeds: list[Payload], key: bytes) -> Payload:
    one = chance.choice(seeds)
    payload = Payload(key, one.tree, list(one.leaves), one.meta)
    if chance.random() < 0.15:
        payload = spliced(chance, payload, chance.choice(seeds))
        payload.key = key
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        payload.tree = chance.choice(MUTATIONS)(chance, payload.tree or b"\0")
    if chance.random() < 0.02:
        payload.tree = plant_pickle(chance, payload.tree)
    if payload.leaves and chance.random() < 0.5:
        at = chance.randrange(len(payload.leaves))
        payload.leaves[at] = chance.choice(BYTES)(chance, payload.leaves[at] or b"\0")
    if payload.leaves and chance.random() < 0.1:
        chance.shuffle(payload.leaves)
    if chance.random() < 0.05:
        payload.meta = chance.choice(BYTES)(chance, payload.meta)
    if chance.random() < 0.05:
        payload.seconds = chance.choice((float("nan"), float("inf"), -1.0, 1e300))
        payload.created = chance.choice((-(1 << 63), (1 << 63) - 1, 0))
    if chance.random() < 0.01:
        payload.leaves.append(bytes(2 << 20))  # so large that it is mapped where it is in a file
    if chance.random() < 0.05:
        payload.changed = lambda head: scramble(chance, head)
    return payload


def scramble(chance: random.Random, head: bytearray) -> None:
    """Put extreme numbers into the header or the table of leaves."""
    (meta, tree, leaves) = struct.unpack_from("<3Q", head, 56)
    places = [48, 56, 64, 72, 80, 88, *range(152 + meta + tree, 152 + meta + tree + 32 * leaves, 8)]
    struct.pack_into("<Q", head, chance.choice(places), chance.choice((*EXTREMES, 64, 128, 192)))
