"""The source of what is loaded: found, and believed only if it compiles to the very same code."""

from __future__ import annotations

import __future__  # isort: skip
import ast
import contextlib
import copy
import importlib.util
import linecache
import os
import sys
import threading
import warnings
from functools import lru_cache
from types import CodeType
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from weakref import ref

from afml_cache._bytecode import canonical
from afml_cache._names import reads_of
from afml_cache._native import digest
from afml_cache._reads import Reads
from afml_cache._tree import FUNCTIONS, VERSION, Function, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Body", "body_of", "learn_sources", "name_of"]

_FUTURE: Final = {
    name: getattr(__future__, name).compiler_flag for name in __future__.all_feature_names
}
_FLAGS: Final = sum(set(_FUTURE.values()))
# A name of our own: what the compiler has to say about the user's source, it has said before.
_NAME: Final = "<afml_cache>"
# More than any file has; functions of one line get lines of their own from here on.
_APART: Final = 100_000_000
_FILES: Final = 256  # compiled ones kept
# The global by which a module has its assertions rewritten by pytest.
_REWRITTEN: Final = "@pytest_ar"

Key = tuple[str, int]
Node = tuple[Function, str]


class Body(NamedTuple):
    """What a function's source says, in plain values.

    Attributes
    ----------
    tree
        The version of the encoding, and the digest of the tree.
    documents
        The docstrings inside of it, with their places.
    chains, attributes, imports
        As `Reads` has them.
    """

    tree: tuple[object, ...]
    documents: tuple[tuple[int, str], ...]
    chains: tuple[tuple[str, ...], ...]
    attributes: tuple[str, ...]
    imports: tuple[tuple[int, str, tuple[str, ...]], ...]

    def reads(self) -> Reads:
        """Give the names that the source reads."""
        chains, attributes, imports = map(
            dict.fromkeys, (self.chains, self.attributes, self.imports)
        )
        return Reads(chains, attributes, imports)  # type: ignore[arg-type]


_lock: Final = threading.RLock()
# by address: equal code of another file may be spelled otherwise
_found: Final[dict[int, tuple[ref[CodeType], Body]]] = {}
_learned: Final[dict[bytes, Body]] = {}


def name_of(code: CodeType) -> bytes:
    """Give what a code object is known by in another process of this Python.

    What is spelled in another way elsewhere, as a lambda and a `def` of it, may be the same code.
    """
    place = (code.co_filename, code.co_firstlineno, code.co_name)
    return bytes.fromhex(digest((place, canonical(code, docstrings=True))))


def _content_of(code: CodeType) -> str:
    return digest(canonical(code, docstrings=True))


def learn_sources(sources: Mapping[bytes, tuple[object, ...]]) -> None:
    """Take over what another process knows of the sources of functions.

    Parameters
    ----------
    sources
        What `sources_of` gave there.
    """
    _learned.update((name, Body(*body)) for name, body in sources.items())  # type: ignore[arg-type]


def body_of(code: CodeType, namespace: dict[str, object]) -> Body | None:
    """Give what the source of a function's code says; `None` if none reproduces the code.

    Parameters
    ----------
    code
        The code that is loaded.
    namespace
        The function's globals: a loader in them may have the source.
    """
    with _lock:
        known = _found.get(id(code))
        if known is not None:
            return known[1]
        body = _learned.get(name_of(code)) if _learned else None
        body = body or _search(code, namespace)
        if body is not None:
            address = id(code)
            _found[address] = (ref(code, lambda _: _found.pop(address, None)), body)
        return body


def _search(code: CodeType, namespace: dict[str, object]) -> Body | None:
    flags = code.co_flags & _FLAGS
    is_rewritten = _REWRITTEN in namespace
    for text in _texts(code.co_filename, namespace):
        unit = _unit(text, flags, is_rewritten)
        found = unit.find(code) if unit else None
        if found is not None:
            return _describe(found, code)
    return None


def _describe(node: Node, code: CodeType) -> Body | None:
    try:
        words, documents = encode(node[0])
    except KeyError:  # a statement of a later Python than we know
        return None
    reads = reads_of(node[0], code.co_freevars, node[1])
    postponed = bool(code.co_flags & _FUTURE["annotations"])
    # where it is false, assertions are left out
    tree = (VERSION, digest((*words, postponed)), *(() if __debug__ else ("-O",)))
    return Body(tree, documents, tuple(reads.chains), tuple(reads.attributes), tuple(reads.imports))


def _texts(name: str, namespace: dict[str, object]) -> Iterator[str]:
    """Give the texts that a code object may come from, the one on the disk first."""
    for path in dict.fromkeys((name, namespace.get("__file__"))):
        if isinstance(path, str) and not path.startswith("<"):
            text = _file(path)
            if text is not None:
                yield text
    # cells of a notebook, lines of a prompt, doctests, modules in an archive, edited files
    yield "".join(linecache.getlines(name, namespace))


def _file(path: str) -> str | None:
    try:
        state = os.stat(path)  # noqa: PTH116 - a str, tens of times
        return _read(path, state.st_mtime_ns, state.st_size)
    except (OSError, SyntaxError, UnicodeError, ValueError):
        return None


@lru_cache(maxsize=_FILES)
def _read(path: str, _changed: int, _size: int) -> str:
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        return importlib.util.decode_source(file.read())


@lru_cache(maxsize=_FILES)
def _unit(text: str, flags: int, is_rewritten: bool) -> Unit | None:
    try:
        tree = _compile(text, flags | ast.PyCF_ONLY_AST)
        if not isinstance(tree, ast.Module):
            return None
        return Unit(tree, flags, _rewritten if is_rewritten else None)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _rewritten(tree: ast.Module) -> ast.Module:
    """Give a copy whose assertions are as pytest has them in the modules of tests."""
    pytest: Any = sys.modules.get("_pytest.assertion.rewrite")
    copied = copy.deepcopy(tree)
    with contextlib.suppress(Exception):  # another version of it: then the code counts as it is
        pytest.rewrite_asserts(copied, b"", _NAME)
    return copied


def _compile(source: str | ast.Module, flags: int) -> object:
    # stands first only until somebody else's filter does, so it is put there each time
    warnings.filterwarnings("ignore", module=_NAME)
    flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT  # as cells of a notebook may have it
    return compile(source, _NAME, "exec", flags=flags, dont_inherit=True)


class Unit:
    """One source, parsed and compiled as a whole.

    Parameters
    ----------
    tree, flags
        What was parsed, and how it is compiled.
    rewrite
        What somebody else has made of the tree before it was compiled.
    """

    def __init__(
        self,
        tree: ast.Module,
        flags: int,
        rewrite: Callable[[ast.Module], ast.Module] | None = None,
    ) -> None:
        self._tree = tree
        self._flags = flags
        self._rewrite = rewrite
        self._nodes: dict[Key, list[Node]] = {}
        for key, node in _functions_of(tree):
            self._nodes.setdefault(key, []).append(node)
        self._codes = self._compiled()
        self._apart: dict[str, list[CodeType]] | None = None

    def find(self, wanted: CodeType) -> Node | None:
        """Give the function whose code is that of `wanted`, places aside."""
        reproduced = self._reproduce(wanted, self._codes)
        if reproduced is None:
            return None
        nodes = self._nodes.get((wanted.co_name, reproduced.co_firstlineno), [])
        if len(nodes) == 1:
            return nodes[0]
        # several on one line: compiled once more, each of them on a line of its own
        if self._apart is None:
            self._apart = self._compiled_apart()
        reproduced = self._reproduce(wanted, self._apart, first=_APART)
        index = reproduced.co_firstlineno - _APART if reproduced else -1
        return self._crowded()[index] if index >= 0 else None

    def _reproduce(
        self, wanted: CodeType, codes: dict[str, list[CodeType]], first: int = 0
    ) -> CodeType | None:
        """Find the same code, at the same place if it is at several."""
        candidates = [
            code for code in codes.get(wanted.co_name, ()) if code.co_firstlineno >= first
        ]
        line = wanted.co_firstlineno
        candidates.sort(key=lambda code: code.co_firstlineno != line)
        content = None
        for code in candidates:
            if len(code.co_code) != len(wanted.co_code) or code.co_names != wanted.co_names:
                continue
            content = content or _content_of(wanted)
            if _content_of(code) == content:
                return code
        return None

    def _compiled(self) -> dict[str, list[CodeType]]:
        codes: dict[str, list[CodeType]] = {}
        tree = self._tree if self._rewrite is None else self._rewrite(self._tree)
        pending: list[object] = [_compile(tree, self._flags)]
        while pending:
            code = pending.pop()
            if isinstance(code, CodeType):
                codes.setdefault(code.co_name, []).append(code)
                pending.extend(reversed(code.co_consts))
        return codes

    def _compiled_apart(self) -> dict[str, list[CodeType]]:
        nodes = [node for node, _ in self._crowded()]
        places = [(node.lineno, node.end_lineno) for node in nodes]
        try:
            for index, node in enumerate(nodes):
                node.lineno = node.end_lineno = _APART + index
            return self._compiled()
        finally:
            for node, place in zip(nodes, places, strict=True):
                node.lineno, node.end_lineno = place

    def _crowded(self) -> list[Node]:
        """Give the functions that share their name and line with others."""
        return [node for nodes in self._nodes.values() if len(nodes) > 1 for node in nodes]


def _functions_of(tree: ast.Module) -> Iterator[tuple[Key, Node]]:
    """Give every function with the name and line of its code, and the class it stands in."""
    pending: list[tuple[ast.AST, str]] = [(tree, "")]
    while pending:
        node, private = pending.pop()
        if isinstance(node, FUNCTIONS):
            name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
            above = [] if isinstance(node, ast.Lambda) else node.decorator_list
            yield (name, min(one.lineno for one in (node, *above))), (node, private)
        elif isinstance(node, ast.ClassDef):
            private = node.name.lstrip("_")
        children = [(child, private) for child in ast.iter_child_nodes(node)]
        pending.extend(reversed(children))
