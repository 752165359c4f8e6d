"""Formats of artifacts, by the suffix of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from afml_cache.artifacts.formats.arrays import Arrays
from afml_cache.artifacts.formats.compressed import Compressed, checked_codec, has
from afml_cache.artifacts.formats.documents import Document
from afml_cache.artifacts.formats.parquet import Parquet
from afml_cache.artifacts.formats.separated import Separated
from afml_cache.artifacts.formats.texts import Text
from afml_cache.exceptions import CacheConfigError

if TYPE_CHECKING:
    from afml_cache.artifacts.formats.model import Format

__all__ = ["format_of", "stem_of"]

_FORMATS: Final[dict[str, Format]] = {
    "json": Document(),
    "parquet": Parquet(),
    "csv": Separated(),
    "npz": Arrays(),
    "txt": Text(),
}
_COMPRESSED: Final = ("json", "csv", "txt")
_CODECS: Final = ("gz", "bz2", "xz", "zst")


def format_of(name: str) -> Format:
    """Give the format that a file has by its name, or by the template of its path.

    Raises
    ------
    CacheConfigError
        There is none of that suffix, or nothing here can write or compress it.
    """
    *_, inner, suffix = ["", "", *name.split(".")]
    if suffix == "parquet" and not (has("pyarrow") or has("polars")):
        message = (
            f"`{name}` can't be written: Parquet takes pyarrow, which is not installed: "
            "pip install 'afml-cache[sweeps]'"
        )
        raise CacheConfigError(message)
    if suffix in _FORMATS:
        return _FORMATS[suffix]
    if suffix in _CODECS and inner in _COMPRESSED:
        return Compressed(_FORMATS[inner], checked_codec(suffix, name))
    plain = ", ".join(f"`.{each}`" for each in _FORMATS)
    packed = ", ".join(f"`.{each}`" for each in _COMPRESSED)
    codecs = ", ".join(f"`.{each}`" for each in _CODECS)
    message = (
        f"`{name}` must end in {plain}, or in one of {packed} and then one of {codecs}: "
        "the suffix says how an artifact is written"
    )
    raise CacheConfigError(message)


def stem_of(name: str) -> str:
    """Give the name of a file without the suffixes that say how it is written."""
    stem, _, suffix = name.rpartition(".")
    return stem.rpartition(".")[0] if suffix in _CODECS else stem
