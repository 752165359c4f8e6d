"""What a code object does and which names it reads, without where it was written."""

from __future__ import annotations

import dis
import sys
from types import CodeType
from typing import TYPE_CHECKING, Final

from afml_cache._reads import Reads

if TYPE_CHECKING:
    from collections.abc import Iterator

# Bytecode means the same within one minor version only.
PYTHON: Final = ("python", sys.version_info[0], sys.version_info[1])

_CONSTANTS: Final = frozenset(dis.hasconst)
_UNIT: Final = 2  # bytes: an operation and its argument
_EXTENDED: Final = dis.EXTENDED_ARG
_SMALL_INTEGER: Final = dis.opmap.get("LOAD_SMALL_INT", -1)
_IMPORT: Final = dis.opmap["IMPORT_NAME"]
_STORE_NAME: Final = dis.opmap["STORE_NAME"]

# Some instructions keep a flag in the lowest bit, below the index of the name.
_GLOBALS: Final = {
    dis.opmap[name]: shift
    for name, shift in (
        ("LOAD_NAME", 0),
        ("LOAD_FROM_DICT_OR_GLOBALS", 0),
        ("LOAD_GLOBAL", 1 if sys.version_info >= (3, 11) else 0),
    )
    if name in dis.opmap
}
_ATTRIBUTES: Final = {
    dis.opmap[name]: shift
    for name, shift in (
        ("LOAD_METHOD", 0),
        ("IMPORT_FROM", 0),
        ("LOAD_ATTR", 1 if sys.version_info >= (3, 12) else 0),
    )
    if name in dis.opmap
}

# The compiler writes these into a class body: where it stands in its file, or in no fixed order.
_POSITIONAL: Final = frozenset({"__firstlineno__", "__static_attributes__"})
_HAS_DOCSTRING: Final = 0x4000000


def reads(code: CodeType) -> Reads:
    """Collect what `code` and the code inside it read."""
    found = Reads()
    pending = [code]
    while pending:
        current = pending.pop()
        _collect(current, found)
        for constant in current.co_consts:
            if isinstance(constant, CodeType):
                pending.append(constant)
            elif isinstance(constant, str) and constant.isidentifier():
                found.attributes[constant] = None
    return found


def canonical(code: CodeType, *, docstrings: bool) -> tuple[object, ...]:
    """Everything about `code` that a call can see, as plain values.

    Constants are numbered by first use, so that one which nothing loads, such as a docstring,
    neither counts nor shifts the others.
    """
    body, uses = _instructions_and_uses(code, docstrings=docstrings)
    order: dict[int, int] = {}
    numbers = tuple(order.setdefault(index, len(order)) for index in uses)
    documentation = code.co_consts[0] if docstrings and code.co_consts else None
    return (
        body,
        numbers,
        tuple(_constant(code.co_consts[index], docstrings=docstrings) for index in order),
        documentation if isinstance(documentation, str) else None,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_flags & ~_HAS_DOCSTRING,
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
        getattr(code, "co_exceptiontable", b""),
    )


def _constant(value: object, *, docstrings: bool) -> tuple[object, ...]:
    if isinstance(value, CodeType):
        return ("code", canonical(value, docstrings=docstrings))
    return ("value", value)


def _instructions(raw: bytes) -> Iterator[tuple[int, int, int]]:
    """Give offset, operation and whole argument; caches between instructions are operation 0."""
    extended = 0
    for offset in range(0, len(raw), _UNIT):
        operation = raw[offset]
        argument = raw[offset + 1] | extended
        extended = argument << 8 if operation == _EXTENDED else 0
        if operation and operation != _EXTENDED:
            yield offset, operation, argument


def _instructions_and_uses(code: CodeType, *, docstrings: bool) -> tuple[bytes, list[int]]:
    """Blank the indices of constants in the bytecode, and list them apart."""
    implicit = _POSITIONAL if docstrings else _POSITIONAL | {"__doc__"}
    body = bytearray(code.co_code)
    uses: list[int] = []
    previous, before = -1, 0
    for offset, operation, argument in _instructions(code.co_code):
        if operation in _CONSTANTS:
            _blank(body, offset)
            uses.append(argument)
        elif operation == _STORE_NAME and code.co_names[argument] in implicit:
            if previous in _CONSTANTS:
                uses.pop()
            elif previous == _SMALL_INTEGER:
                _blank(body, before)
        previous, before = operation, offset
    return bytes(body), uses


def _blank(body: bytearray, offset: int) -> None:
    body[offset + 1] = 0
    while offset and body[offset - _UNIT] == _EXTENDED:
        offset -= _UNIT
        body[offset + 1] = 0


def _collect(code: CodeType, found: Reads) -> None:
    """Add the chains, attributes and imports of one code object."""
    names = code.co_names
    chain: tuple[str, ...] = ()
    recent: tuple[object, object] = (None, None)
    for _, operation, argument in _instructions(code.co_code):
        if operation in _ATTRIBUTES:
            name = names[argument >> _ATTRIBUTES[operation]]
            found.attributes[name] = None
            chain = (*chain, name) if chain else ()
            continue
        if chain:
            found.chains[chain] = None
            chain = ()
        if operation in _GLOBALS:
            chain = (names[argument >> _GLOBALS[operation]],)
        elif operation in _CONSTANTS:
            recent = (recent[1], code.co_consts[argument])
        elif operation == _SMALL_INTEGER:
            recent = (recent[1], argument)
        elif operation == _IMPORT:
            _collect_import(names[argument], recent, found)


def _collect_import(name: str, operands: tuple[object, object], found: Reads) -> None:
    level, wanted = operands
    found.imports[
        level if isinstance(level, int) else 0,
        name,
        wanted if isinstance(wanted, tuple) else (),
    ] = None
