"""Parquet: frames of pandas and polars, and tables of pyarrow."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from afml_cache.artifacts.formats.frames import first_imported, imported, library_of
from afml_cache.artifacts.formats.model import Written

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIBRARIES: Final = ("pandas", "polars", "pyarrow")


class Parquet:
    """A table; it is read back as what the library that wrote it makes of the file."""

    def write(self, value: Any, file: BinaryIO) -> Written:
        """Write a frame of pandas or polars, or a table of pyarrow."""
        library = library_of(value, _LIBRARIES)
        if library == "polars":
            value.write_parquet(file)
            return Written({"library": library}, value.height, list(value.columns))
        if library == "pandas":
            # What pandas has to say of pyarrow is not for whoever makes an artifact.
            imported("pyarrow")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                value.to_parquet(file, engine="pyarrow")
            return Written({"library": library}, len(value), [str(name) for name in value.columns])
        imported("pyarrow.parquet").write_table(value, file)
        return Written({"library": library}, value.num_rows, list(value.column_names))

    def read(self, file: BinaryIO, reads_as: Mapping[str, Any]) -> Any:
        """Read it as what it was, else as what the program works with."""
        library = reads_as.get("library") or _usual(file)
        if library == "polars":
            return imported("polars").read_parquet(file)
        if library == "pandas":
            imported("pyarrow")
            return imported("pandas").read_parquet(file, engine="pyarrow")
        return imported("pyarrow.parquet").read_table(file)

    def check(self, file: BinaryIO) -> None:
        """Read the end of the file, which says where all else is."""
        imported("pyarrow.parquet").read_metadata(file)


def _usual(file: BinaryIO) -> str:
    """Say how to read a file of which nothing else is known."""
    schema = imported("pyarrow.parquet").read_schema(file)
    file.seek(0)
    if b"pandas" in (schema.metadata or {}):
        return "pandas"
    return first_imported(("polars", "pandas", "pyarrow"))
