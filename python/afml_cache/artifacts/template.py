"""Where an artifact lies: a template of a path, filled in with the arguments of a call."""

from __future__ import annotations

import os
import re
import string
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from afml_cache.artifacts.lazies import Lazy
from afml_cache.exceptions import ArtifactError, CacheConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_FORMATTER: Final = string.Formatter()
_FIRST: Final = re.compile(r"[.\[!:]")
_ADDRESS: Final = re.compile(r" at 0x[0-9a-f]+>")
_SEPARATORS: Final = re.compile(r"[/\\]" if os.sep == "\\" else "/")
_UP: Final = ".."
_NOTHING: Final = "\0"


class Template:
    """A template of a path.

    Parameters
    ----------
    text : str
        As for `str.format`, its placeholders named as parameters.
    parameters : collection of str
        Names of the function's parameters.
    folder : path-like, optional
        Where relative paths lie; by default the working directory of the moment.

    Raises
    ------
    CacheConfigError
        A placeholder names no parameter, or the template is none.
    """

    def __init__(
        self,
        text: str,
        parameters: Collection[str],
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        self.text = text
        self.folder = folder
        self.names = _names(text)
        for name in self.names:
            if name not in parameters:
                known = ", ".join(f"`{each}`" for each in parameters) or "none"
                message = (
                    f"the path `{text}` has a placeholder `{name}`, and the function has no such "
                    f"parameter; it has {known}"
                )
                raise CacheConfigError(message)

    def path(self, arguments: Mapping[str, Any]) -> Path:
        """Fill in the arguments of a call.

        Returns
        -------
        pathlib.Path
            Absolute; links in it are as they are.

        Raises
        ------
        ArtifactError
            A value can't be written into a path, or leads out of the folder.
        """
        try:
            filled = "".join(self._part(*part, arguments) for part in self._parts())
            os.fsencode(filled)
        except ArtifactError:
            raise
        except Exception as error:
            message = (
                f"the path `{self.text}` can't be filled in: {type(error).__name__}: {error}; see "
                "that each placeholder has a value that it can write"
            )
            raise ArtifactError(message) from error
        if _ups(filled) > _ups(self.text):
            raise self._refusal(_UP, "leads out of its folder", "name the folder by `folder=`")
        if _NOTHING in filled:
            raise self._refusal(repr(_NOTHING), "is in no path", "leave it out")
        folder = Path() if self.folder is None else Path(self.folder).expanduser()
        return Path(os.path.abspath(folder / filled))  # noqa: PTH100 - links stay as they are

    def _parts(self) -> list[tuple[int, str, str | None]]:
        """Give what the template has: literal texts, and placeholders with their place."""
        found: list[tuple[int, str, str | None]] = []
        for literal, field, spec, conversion in _FORMATTER.parse(self.text):
            if literal:
                found.append((len(found), literal, None))
            if field is not None:
                ending = (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
                found.append((len(found), "", f"{{{field}{ending}}}"))
        return found

    def _part(
        self, place: int, literal: str, placeholder: str | None, arguments: Mapping[str, Any]
    ) -> str:
        if placeholder is None:
            return literal
        value = _FORMATTER.vformat(placeholder, (), arguments)
        if type(arguments[_FIRST.split(placeholder[1:-1], maxsplit=1)[0]]) is Lazy:
            what = "is the text of a lazy call, whose arguments it does not tell"
            raise self._refusal(value, what, "have another parameter name the file")
        first, *more = value.splitlines() or [""]
        if more:
            what = "... is a text of several lines"
            raise self._refusal(first, what, "have another parameter name the file")
        if _ADDRESS.search(value):
            what = "says where a value lies in memory, which is elsewhere in each process"
            raise self._refusal(value, what, "write an attribute of it, as in {config.name}")
        if place and (_SEPARATORS.match(value) or os.path.isabs(value)):  # noqa: PTH117 - a text
            what = "is an absolute path in the middle of another one"
            raise self._refusal(value, what, "begin the template with it, or leave its root out")
        return value

    def _refusal(self, value: str, what: str, remedy: str) -> ArtifactError:
        message = f"the path `{self.text}` can't be filled in: `{value}` {what}; {remedy}"
        return ArtifactError(message)


def checked_template(given: object) -> str:
    """Give the text of a template.

    Raises
    ------
    CacheConfigError
        It is none.
    """
    text = os.fspath(given) if isinstance(given, os.PathLike) else given
    if not isinstance(text, str) or not text:
        message = (
            f"artifact takes the template of a path, not {given!r}: "
            '@artifact("{prefix}patterns.json")'
        )
        raise CacheConfigError(message)
    return text


def _names(text: str) -> list[str]:
    """Give the parameters that a template names, those of its formats too."""
    found: list[str] = []
    try:
        for _, field, spec, _ in _FORMATTER.parse(text):
            if field is not None:
                found.append(_FIRST.split(field, maxsplit=1)[0])
                found.extend(_names(spec) if spec else ())
    except ValueError as error:
        message = f"the path `{text}` is no template: {error}"
        raise CacheConfigError(message) from error
    return found


def _ups(path: str) -> int:
    return _SEPARATORS.split(path).count(_UP)
