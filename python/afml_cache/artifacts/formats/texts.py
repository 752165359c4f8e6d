"""Plain text in UTF-8."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

from afml_cache.artifacts.formats.model import WHOLE, Written, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping


class Text:
    """A text, character for character."""

    def write(self, value: Any, file: BinaryIO) -> Written:
        """Write a `str`."""
        if type(value) is not str:
            what = f"a `{type(value).__qualname__}`, which is no text,"
            raise refusal(WHOLE, what, "return a `str`, or name the artifact by another suffix")
        try:
            content = value.encode()
        except UnicodeEncodeError:
            what = "a text with half of a surrogate pair"
            raise refusal(WHOLE, what, "UTF-8 has no place for it") from None
        file.write(content)
        return Written()

    def read(self, file: BinaryIO, reads_as: Mapping[str, Any]) -> Any:  # noqa: ARG002 - one way
        """Read it."""
        return file.read().decode("utf-8")

    def check(self, file: BinaryIO) -> None:
        """Read it: nothing less tells whether it is UTF-8."""
        self.read(file, {})
