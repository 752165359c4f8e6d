"""JSON: what reads back as what was written, and nothing that only looks like it."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter, OrderedDict, defaultdict
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from afml_cache._values import text
from afml_cache.artifacts.formats.model import WHOLE, Written, refusal
from afml_cache.exceptions import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Wrong = tuple[str, str]

_PLAIN: Final = frozenset({bool, float, int, type(None)})
_MAPPINGS: Final = frozenset({dict, OrderedDict, defaultdict, Counter})
_SEQUENCES: Final = frozenset({list, tuple})
_HOLDS_ITSELF: Final = "a value that holds itself", "JSON has no place for it"
_NO_UNICODE: Final = "a text with half of a surrogate pair", "UTF-8 has no place for it"
_END: Final = object()


class Document:
    """JSON in UTF-8, indented by two, keys in their order; tuples read back as lists."""

    def write(self, value: Any, file: BinaryIO) -> Written:
        """Write a value made of dictionaries, lists, texts, numbers, truth values and `None`."""
        check(value)
        try:
            document = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        except (ValueError, RecursionError) as error:
            message = f"the result can't be written as JSON: {error}"
            raise ArtifactError(message) from error
        file.write(f"{document}\n".encode())
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
    around: dict[int, Any] = {}  # the containers around, each with its key in the one before
    pending: list[Iterator[tuple[Any, Any]]] = [iter([(WHOLE, value)])]
    while pending:
        key, current = next(pending[-1], (_END, None))
        if key is _END:
            pending.pop()
            if around:
                around.popitem()
            continue
        wrong = _HOLDS_ITSELF if id(current) in around else _wrong(current)
        if wrong is not None:
            raise refusal(_place([*around.values(), key]), *wrong)
        parts = _parts(current)
        if parts is not None:
            around[id(current)] = key
            pending.append(parts)


def _parts(value: Any) -> Iterator[tuple[Any, Any]] | None:
    """Give the parts of a container by their keys; `None` for a value that stands alone."""
    kind = type(value)
    if kind in _MAPPINGS:
        items: Iterable[tuple[Any, Any]] = value.items()
        return iter(items)
    return iter(enumerate(value)) if kind in _SEQUENCES else None


def _wrong(value: Any) -> Wrong | None:
    """Say what is wrong with a value, its parts aside, and what to do about it."""
    kind = type(value)
    if kind is str:
        return None if _is_unicode(value) else _NO_UNICODE
    if kind is float and not math.isfinite(value):
        return f"{value}, which JSON does not have,", "write `None` instead"
    if kind in _MAPPINGS:
        return next((wrong for wrong in map(_wrong_key, value) if wrong is not None), None)
    if kind in _PLAIN or kind in _SEQUENCES:
        return None
    return f"a `{_named(kind)}`, which JSON does not have,", _remedy(value)


def _wrong_key(key: Any) -> Wrong | None:
    if type(key) is not str:
        return (
            f"the key {text(key)}, which is no text and would be read back as one,",
            "make it a `str`",
        )
    return None if _is_unicode(key) else _NO_UNICODE


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _place(keys: list[Any]) -> str:
    parts = (f"[{json.dumps(key, ensure_ascii=False)}]" for key in keys[1:])
    return f"{WHOLE}{''.join(parts)}"


def _named(kind: type) -> str:
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"


def _remedy(value: Any) -> str:
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray | numpy.generic):
        return "write `.tolist()` of it"
    if hasattr(value, "to_dict"):
        return "write `.to_dict()` of it, or name the artifact `.parquet`"
    return "write what it is made of: texts, numbers, lists and dictionaries"
