"""Comma-separated values: frames of pandas and polars."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from afml_cache.artifacts.formats.frames import first_imported, imported, library_of
from afml_cache.artifacts.formats.model import Written

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIBRARIES: Final = ("pandas", "polars")
_EXACT: Final = (3, 1)


class Separated:
    """A table as text: what is no text, number or time in it reads back as its text."""

    def write(self, value: Any, file: BinaryIO) -> Written:
        """Write a frame of pandas, with its index unless that counts rows, or of polars."""
        if library_of(value, _LIBRARIES) == "polars":
            content = io.BytesIO()
            value.write_csv(content)
            file.write(content.getbuffer())
            return Written({"library": "polars"}, value.height, list(value.columns))
        levels = 0 if _counts_rows(value.index) else value.index.nlevels
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        try:
            value.to_csv(text, index=bool(levels), lineterminator="\n")
        finally:
            text.detach()
        reads_as = {
            "library": "pandas",
            "index": levels,
            "header": value.columns.nlevels,
            "times": _times(value, levels),
        }
        return Written(reads_as, len(value), [str(name) for name in value.columns])

    def read(self, file: BinaryIO, reads_as: Mapping[str, Any]) -> Any:
        """Read it as what it was, else as what the program works with."""
        library = reads_as.get("library") or first_imported(("polars", "pandas"))
        if library == "polars":
            content = io.BytesIO(file.read())
            polars = imported("polars")
            return polars.read_csv(content, try_parse_dates=True, infer_schema_length=None)
        pandas = imported("pandas")
        header = range(reads_as.get("header", 1))
        # Those that were written here end their lines so, and leave a lone "\r" without quotes.
        ended = {"lineterminator": "\n"} if reads_as else {}
        return pandas.read_csv(
            file,
            header=list(header) if len(header) > 1 else 0,
            index_col=list(range(reads_as.get("index", 0))) or None,
            parse_dates=list(reads_as.get("times", ())),
            date_format="ISO8601",
            **ended,
            **_exactly(pandas.__version__),
        )

    def check(self, file: BinaryIO) -> None:
        """Read it: nothing less tells whether all rows have their cells."""
        self.read(file, {})


def _exactly(version: str) -> dict[str, str]:
    """Say how pandas reads numbers as those that were written: the only way from 3.1 on."""
    release = tuple(int(part) for part in version.split(".")[:2])
    return {"float_precision": "round_trip"} if release < _EXACT else {}


def _counts_rows(index: Any) -> bool:
    """Whether an index says no more than the place of a row."""
    plain = type(index) is imported("pandas").RangeIndex and index.name is None
    return plain and index.start == 0 and index.step == 1


def _times(frame: Any, levels: int) -> list[int]:
    """Give the places of columns that hold times, those of the index first."""
    index = frame.index
    of_index = [index.get_level_values(level).dtype for level in range(levels)]
    dtypes = [*of_index, *frame.dtypes]
    return [place for place, dtype in enumerate(dtypes) if _holds_times(dtype)]


def _holds_times(dtype: Any) -> bool:
    """Whether all of a column reads back as times: one of a zone has offsets that change."""
    zone = getattr(dtype, "tz", None)
    return getattr(dtype, "kind", "") == "M" and (zone is None or str(zone) == "UTC")
