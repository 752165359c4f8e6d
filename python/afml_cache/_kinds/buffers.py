"""Memory and files, by their bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from afml_cache._kinds.instances import instance
from afml_cache._kinds.model import Apart, refusal
from afml_cache.files import content_of, digest_pieces

if TYPE_CHECKING:
    from collections.abc import Callable


def array(value: Any) -> Apart:
    """Describe an array of the standard library."""
    return instance(value, (".typecode", value.typecode), ("", memoryview(value).tobytes()))


def mapped(value: Any) -> Apart:
    """Describe a file in memory, by its content and the position in it."""
    try:
        position = value.tell()
    except ValueError as error:
        raise refusal(value, "which is closed", "pass the path") from error
    with memoryview(value) as view:
        content = digest_pieces(view)
    return Apart("mmap", ((".position", position), ("", content)))


def file(value: Any) -> Apart:
    """Describe a file by its path as it was given, and by its content."""
    return Apart("file", ((".path", value.path), (".content", content_of(value.path))))


TYPES: Final[dict[str, Callable[[Any], Apart]]] = {"array": array, "mmap": mapped, "File": file}
