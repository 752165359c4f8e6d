"""Lazy frames and expressions of polars; subclasses of its frames."""

from __future__ import annotations

import io
import re
import sys
from typing import TYPE_CHECKING, Any, Final, cast

from afml_cache._kinds.instances import instance
from afml_cache._kinds.messages import Mapping, unpack
from afml_cache._kinds.model import Apart, Part, refusal
from afml_cache._kinds.scanned import files_of
from afml_cache.files import File

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_COLLECT: Final = "pass `.collect()`"
_BUILD: Final = "pass the function, and build the expression inside"
_HEADER: Final = b"DSL_VERSION"
# The header's name is followed by a number and a hash of the format, or by two numbers.
_STARTS: Final = (len(_HEADER) + 4 + 64, len(_HEADER) + 8)
_OPAQUE: Final = frozenset(
    {
        *("OpaquePython", "PythonScan", "PythonDataset", "Anonymous", "AnonymousFunction"),
        *(
            "AnonymousAgg",
            "AnonymousStreamingAgg",
            "FfiPlugin",
            "PythonUdf",
            "Sink",
            "SinkMultiple",
        ),
    }
)
_PICKLED: Final = re.compile(rb"PLPYUDF|PLPYFN|\A[\x00\x01](?s:.){2}\x80[\x02-\x05]")


def frame(value: Any) -> Apart:
    """Describe a frame of a subclass: as a frame, and what the subclass adds."""
    base = sys.modules["polars"].DataFrame
    return instance(value, ("", base(value)), without=("_df", "_accessors"))


def series(value: Any) -> Apart:
    """Describe a series of a subclass: as a series, and what the subclass adds."""
    base = sys.modules["polars"].Series
    return instance(value, ("", base(value.name, value)), without=("_s", "_accessors"))


def lazy_frame(value: Any) -> Apart:
    """Describe a lazy frame: its plan, the frames in it and the files that it reads."""
    try:
        plan = _plan(value.serialize())
    except Exception as error:  # polars raises what its plans meet
        why = f"whose plan can't be read ({type(error).__name__})"
        raise refusal(value, why, _COLLECT) from error
    parts: list[Part] = [(".__class__", type(value))]
    for name, part in plan:
        if name == "dataframes":
            parts.extend(_frames(cast("list[object]", part)))
        else:
            _check(value, part, _COLLECT)
            parts.append((f".<{name}>", part))
            parts.append((".<files>", tuple(map(File, _sources(value, part)))))
    return Apart("lazy frame", tuple(parts))


def expression(value: Any) -> Apart:
    """Describe an expression."""
    try:
        data = value.meta.serialize()
        message = unpack(data, 0)
    except Exception as error:
        why = f"which can't be read ({type(error).__name__})"
        raise refusal(value, why, _BUILD) from error
    _check(value, message, _BUILD)
    return Apart("expression", ((".__class__", type(value)), ("", data)))


def _plan(data: bytes) -> Mapping:
    if not data.startswith(_HEADER):
        message = "a plan without a header"
        raise ValueError(message)
    for start in _STARTS:
        try:
            plan = unpack(data, start)
        except (ValueError, UnicodeDecodeError):
            continue
        if isinstance(plan, Mapping):
            return plan
    message = "a plan in another format"
    raise ValueError(message)


def _frames(rows: list[object]) -> Iterator[Part]:
    """Give the frames in a plan as frames: their bytes tell how they came to be."""
    polars = sys.modules["polars"]
    for row in rows:
        cells = row.get("value") if isinstance(row, Mapping) else cast("Any", row)[0]
        while isinstance(cells, (list, tuple)) and len(cells) == 1:
            cells = cells[0]
        if isinstance(cells, bytes):
            yield ".<frame>", polars.DataFrame.deserialize(io.BytesIO(cells))
        else:
            yield ".<frame>", cells


def _check(value: object, plan: object, remedy: str) -> None:
    """Refuse a plan that runs functions, of which it holds no more than a name."""
    for part in _walk(plan):
        named = isinstance(part, str) and part in _OPAQUE
        if named or (isinstance(part, bytes) and _PICKLED.search(part)):
            raise refusal(value, "which runs functions that are not part of it", remedy)


def _sources(value: object, plan: object) -> Iterator[str]:
    """Give every file that a plan reads."""
    for part in _walk(plan):
        sources = part.get("sources") if isinstance(part, Mapping) else None
        if not isinstance(sources, Mapping):
            continue
        for name, given in sources:
            if name == "Paths":
                yield from _resolved(value, _texts(given))
            elif name != "Buffers":
                raise refusal(value, "which reads from an open file or a network", _COLLECT)


def _texts(given: object) -> Iterator[str]:
    return (part for part in _walk(given) if isinstance(part, str) and part != "inner")


def _resolved(value: object, paths: Iterator[str]) -> Iterator[str]:
    for path in paths:
        local = path.removeprefix("file://")
        found = files_of(local) if "://" not in local else []
        if not found:
            raise refusal(value, f"which reads `{path}`, where there is no local file", _COLLECT)
        yield from found


def _walk(plan: object) -> Iterator[object]:
    """Give everything in a plan: keys, values, and what holds them."""
    pending = [plan]
    while pending:
        part = pending.pop()
        yield part
        if isinstance(part, Mapping):
            pending.extend(cell for pair in reversed(part) for cell in reversed(pair))
        elif isinstance(part, (list, tuple)):
            pending.extend(reversed(part))


TYPES: Final[dict[str, Callable[[Any], Apart]]] = {
    "DataFrame": frame,
    "Series": series,
    "LazyFrame": lazy_frame,
    "Expr": expression,
}
