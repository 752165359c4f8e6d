"""JSON: what reads back as what was written, and nothing that only looks like it."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter, OrderedDict, defaultdict
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from afml_cache.artifacts.formats.model import Written, refusal
from afml_cache.exceptions import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PLAIN: Final = (bool, type(None))
_MAPPINGS: Final = (dict, OrderedDict, defaultdict, Counter)
_SEQUENCES: Final = (list, tuple)


class Document:
    """JSON in UTF-8, indented by two, keys in their order; tuples read back as lists."""

    def write(self, value: Any, file: BinaryIO) -> Written:
        """Write a value made of dictionaries, lists, texts, numbers, truth values and `None`."""
        check(value)
        try:
            text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        except (ValueError, RecursionError) as error:
            message = f"the result can't be written as JSON: {error}"
            raise ArtifactError(message) from error
        file.write(f"{text}\n".encode())
        return Written()

    def read(self, file: BinaryIO, reads_as: Mapping[str, Any]) -> Any:  # noqa: ARG002 - one way
        """Read it."""
        return json.loads(file.read().decode("utf-8"))

    def check(self, file: BinaryIO) -> None:
        """Read it: nothing less tells whether it is whole."""
        self.read(file, {})


def check(value: Any) -> None:
    """Refuse what JSON does not hold, by its place.

    Raises
    ------
    ArtifactError
        NaN or an infinity, a key that is no text, a text that is not Unicode, a value of a type
        that JSON does not have, or one that holds itself.
    """
    around: set[int] = set()
    stack: list[tuple[int, Iterator[tuple[str, Any]]]] = [(0, iter([("value", value)]))]
    while stack:
        place, current = next(stack[-1][1], (None, None))
        if place is None:
            around.discard(stack.pop()[0])
            continue
        parts = _parts(place, current)
        if parts is None:
            continue
        if id(current) in around:
            raise refusal(place, "a value that holds itself", "JSON has no place for it")
        around.add(id(current))
        stack.append((id(current), parts))


def _parts(place: str, value: Any) -> Iterator[tuple[str, Any]] | None:
    """Give the parts of a container and their places; `None` for a value that stands alone."""
    kind = type(value)
    if kind in _MAPPINGS:
        return _items(place, value)
    if kind in _SEQUENCES:
        return ((f"{place}[{number}]", part) for number, part in enumerate(value))
    if kind is str:
        _check_text(place, value)
    elif kind is float:
        if not math.isfinite(value):
            raise refusal(place, f"{value}, which JSON does not have,", "write `None` instead")
    elif kind is not int and kind not in _PLAIN:
        raise refusal(place, f"a `{_named(kind)}`, which JSON does not have,", _remedy(value))
    return None


def _items(place: str, value: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    for key, part in value.items():
        if type(key) is not str:
            what = f"the key {key!r}, which is no text and would be read back as one,"
            raise refusal(place, what, "make it a `str`")
        _check_text(place, key)
        yield f"{place}[{json.dumps(key, ensure_ascii=False)}]", part


def _check_text(place: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        what = "a text with half of a surrogate pair"
        raise refusal(place, what, "UTF-8 has no place for it") from None


def _named(kind: type) -> str:
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def _remedy(value: Any) -> str:
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
        return "write `.tolist()` of it"
    if hasattr(value, "to_dict"):
        return "write `.to_dict()` of it, or name the artifact `.parquet`"
    return "write what it is made of: texts, numbers, lists and dictionaries"
