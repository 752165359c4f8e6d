"""What an artifact was made from, told in a file beside it."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from afml_cache.artifacts.formats import stem_of
from afml_cache.exceptions import CacheError

if TYPE_CHECKING:
    from pathlib import Path

    from afml_cache._native import Store
    from afml_cache.artifacts.identity import Part

FORMAT_VERSION: Final = 1

_MARK: Final = "afml_cache_artifact"
_MOST: Final = 64 * 1024 * 1024


class Input(NamedTuple):
    """An argument that an artifact was made from.

    Attributes
    ----------
    digest : str
        Of its content.
    text : str
        What it was, where that is short; else empty.
    """

    digest: str
    text: str


@dataclass(frozen=True)
class Metadata(Mapping[str, Any]):
    """What is known of an artifact without reading it; a mapping of names to values as well.

    Attributes
    ----------
    file : str
        The name of its file, without the folder.
    function : str
        `module.qualname` of what made it.
    key : str or None
        The key of the call that made it; `None` where an argument could not be keyed.
    inputs : dict of str to Input
        The arguments that count, by their names.
    code_digest : str
        The digest of the function's code with all that it reaches.
    code : list of [str, str, str]
        Label, digest and short text of each piece of that code.
    rows : int or None
        Of a table.
    columns : list of str or None
        Of a table; of several arrays, their names.
    reads_as : dict
        How it is read back, such as by which library.
    digest : str
        The digest of the file.
    size : int
        Bytes of the file.
    seconds : float
        How long it took to make.
    created : str
        When it was made, ISO 8601, UTC.
    seen_ns : int or None
        Up to when its inputs have seen, in nanoseconds UTC.
    open_ended : bool
        Whether it asked for bars up to "now".
    package_version : str
        The version of this package that wrote it.
    """

    file: str
    function: str
    key: str | None
    inputs: dict[str, Input]
    code_digest: str
    code: list[Part]
    rows: int | None
    columns: list[str] | None
    reads_as: dict[str, Any]
    digest: str
    size: int
    seconds: float
    created: str
    seen_ns: int | None
    open_ended: bool
    package_version: str

    def __getitem__(self, name: str) -> Any:
        if name not in _NAMES:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)

    @property
    def parts(self) -> list[Part]:
        """All that the key was made of."""
        inputs = [(f"argument `{name}`", *each) for name, each in self.inputs.items()]
        return [*inputs, *self.code]


_NAMES: Final = tuple(each.name for each in fields(Metadata))
_TYPES: Final[dict[str, tuple[type, ...]]] = {
    **dict.fromkeys(("file", "function", "code_digest", "digest", "created"), (str,)),
    **dict.fromkeys(("inputs", "reads_as"), (dict,)),
    **dict.fromkeys(("size",), (int,)),
    "package_version": (str,),
    "key": (str, type(None)),
    "code": (list,),
    "rows": (int, type(None)),
    "columns": (list, type(None)),
    "seconds": (float, int),
    "seen_ns": (int, type(None)),
    "open_ended": (bool,),
}


class NotGenuineError(CacheError):
    """What stands beside a file is no word of ours about it; the message says why."""


def written(metadata: Metadata, store: Store) -> bytes:
    """Write what is known of an artifact, sealed with the user's secret.

    Raises
    ------
    CacheStoreError
        The store can't be opened.
    """
    rest = {
        _MARK: FORMAT_VERSION,
        **metadata,
        "inputs": {name: each._asdict() for name, each in metadata.inputs.items()},
    }
    sealed = {**rest, "seal": store.seal(_canonical(rest))}
    return f"{json.dumps(sealed, indent=2)}\n".encode()


def read(path: Path, store: Store) -> Metadata | None:
    """Read what is known of the file at a path.

    Returns
    -------
    Metadata or None
        `None` where nothing stands beside it.

    Raises
    ------
    NotGenuineError
        What stands there is damaged, or was not sealed with the user's secret.
    CacheStoreError
        The store can't be opened.
    """
    place = place_of(path)
    try:
        told = _parsed(place)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        message = f"`{place}` can't be read ({error})"
        raise NotGenuineError(message) from error
    if _MARK not in told or told.get("file") != path.name:
        return None
    if told[_MARK] != FORMAT_VERSION:
        message = f"`{place}` has format {told[_MARK]!r}, and this version reads {FORMAT_VERSION}"
        raise NotGenuineError(message)
    _check_seal(told, place, store)
    return _metadata(told, place)


def place_of(path: Path) -> Path:
    """Give where the sidecar of a file lies: `<stem>_metadata.json`.

    Where that is the sidecar of another file, or a file of somebody else's, it is
    `<file>_metadata.json`.
    """
    usual = path.with_name(f"{stem_of(path.name)}_metadata.json")
    try:
        told = _parsed(usual)
    except (OSError, ValueError):
        if not usual.exists() and _own_name(path).exists():
            return _own_name(path)
        return usual
    if _MARK not in told or told.get("file") != path.name:
        return _own_name(path)
    return usual


def is_one(place: Path) -> bool:
    """Whether a file was written as a sidecar, whoever did."""
    try:
        return _MARK in _parsed(place)
    except (OSError, ValueError):
        return False


def _own_name(path: Path) -> Path:
    return path.with_name(f"{path.name}_metadata.json")


def _parsed(place: Path) -> dict[str, Any]:
    if not stat.S_ISREG(place.stat().st_mode):  # a pipe would never end
        message = "it is no regular file"
        raise ValueError(message)
    with place.open("rb") as file:
        content = file.read(_MOST + 1)
    if len(content) > _MOST:
        message = f"it has more than {_MOST} bytes"
        raise ValueError(message)
    try:
        told = json.loads(content)
    except RecursionError as error:
        message = "it is nested too deeply"
        raise ValueError(message) from error
    return told if isinstance(told, dict) else {"": told}


def _check_seal(told: dict[str, Any], place: Path, store: Store) -> None:
    seal = told.pop("seal", None)
    text = _canonical(told)
    if isinstance(seal, str):
        if store.is_sealed(text, seal):
            return
        message = f"`{place}` was edited, or was sealed with another secret"
        raise NotGenuineError(message)
    if store.seal(text) is not None:
        message = f"`{place}` has no seal of yours"
        raise NotGenuineError(message)


def _metadata(told: dict[str, Any], place: Path) -> Metadata:
    try:
        wrong = [name for name, types in _TYPES.items() if not isinstance(told[name], types)]
        inputs = {
            name: Input(str(each["digest"]), str(each["text"]))
            for name, each in told["inputs"].items()
        }
        code = [(str(label), str(digest), str(text)) for label, digest, text in told["code"]]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = f"`{place}` lacks what this version writes ({error})"
        raise NotGenuineError(message) from error
    if wrong:
        message = f"`{place}` has a `{wrong[0]}` that can't be right"
        raise NotGenuineError(message)
    given = {name: told[name] for name in _NAMES}
    return Metadata(**{**given, "inputs": inputs, "code": code})


def _canonical(rest: dict[str, Any]) -> str:
    """Give the text that is sealed: the same for the same content."""
    return json.dumps(rest, sort_keys=True, separators=(",", ":"))
