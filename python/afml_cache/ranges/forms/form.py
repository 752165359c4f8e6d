"""What a loader gave, as far as a table of polars can't say it: written as JSON, without code."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import polars as pl

from afml_cache.exceptions import CacheCorruptError
from afml_cache.ranges.forms import dtypes, labels

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["unknown", "pandas", "series", "polars", "pyarrow", "objects"]
Role = Literal["index", "column", "marks"]

_VERSION: Final = 1
_KINDS: Final = ("unknown", "pandas", "series", "polars", "pyarrow", "objects")
_ROLES: Final = ("index", "column", "marks")
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    pl.exceptions.PolarsError,
)


@dataclass(frozen=True)
class Column:
    """A column of the table inside, and what it was outside.

    Attributes
    ----------
    inner
        Its name in the table.
    label
        Its name outside.
    dtype
        Its data type in the table.
    outer
        How it is made into what it was; JSON, by the library that it came from.
    role
        "index", "column", or "marks": notes on the cells of another column.
    seen
        Whether it had values, so that its data types mean something.
    """

    inner: str
    label: Any
    dtype: pl.DataType
    outer: Mapping[str, Any] = field(default_factory=dict)
    role: Role = "column"
    seen: bool = True

    def as_json(self) -> Any:
        """Write it as JSON."""
        return {
            "inner": self.inner,
            "label": labels.encode(self.label),
            "dtype": dtypes.encode(self.dtype),
            "outer": dict(self.outer),
            "role": self.role,
            "seen": self.seen,
        }

    @classmethod
    def of_json(cls, given: Any) -> Column:
        """Read what `as_json` wrote."""
        if not isinstance(given["inner"], str) or given["role"] not in _ROLES:
            message = f"no column: {given!r}"
            raise ValueError(message)
        return cls(
            inner=given["inner"],
            label=labels.decode(given["label"]),
            dtype=dtypes.decode(given["dtype"]),
            outer=dict(given["outer"]),
            role=given["role"],
            seen=bool(given["seen"]),
        )


@dataclass(frozen=True)
class Form:
    """What a value was: its kind, its columns, and what else must come back.

    Attributes
    ----------
    kind
        "pandas", "series", "polars", "pyarrow", "objects"; "unknown" for an empty list.
    time
        Name of the time's column in the table inside; `None` where nothing says yet which it is.
    columns
        The columns of the table inside, in its order.
    details
        What belongs to the whole, as JSON: the index' `freq`, `attrs`, the class' name.
    bound
        The class of objects; no part of what is written.
    """

    unknown: ClassVar[Form]

    kind: Kind
    time: str | None = None
    columns: tuple[Column, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    bound: type | None = field(default=None, compare=False, repr=False)

    @property
    def says_nothing(self) -> bool:
        """Whether it is of an empty value that has no column of times."""
        return self.time is None

    @property
    def freq(self) -> str | None:
        """The index' frequency as pandas writes it."""
        return self.details.get("freq")

    @property
    def schema(self) -> pl.Schema:
        """Names and data types of the table inside."""
        return pl.Schema({column.inner: column.dtype for column in self.columns})

    def empty(self) -> pl.DataFrame:
        """Give a table of this form without rows."""
        return pl.DataFrame(schema=self.schema)

    def bind(self, cls: type | None) -> Form:
        """Give the same form with the class that its objects are made of."""
        return replace(self, bound=cls)

    def merge(self, other: Form) -> Form:
        """Give the form of this one's rows together with another's.

        Raises
        ------
        SchemaError
            They are of different kinds or classes, or a column has types that don't fit together.
        """
        from afml_cache.ranges.forms.merging import merged

        return merged(self, other)

    def to_json(self) -> str:
        """Write the form as JSON."""
        return json.dumps(
            {
                "version": _VERSION,
                "kind": self.kind,
                "time": self.time,
                "columns": [column.as_json() for column in self.columns],
                "details": dict(self.details),
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> Form:
        """Read what `to_json` wrote.

        Raises
        ------
        CacheCorruptError
            It was not written by `to_json` of this version.
        """
        try:
            return cls._of_json(json.loads(text))
        except _UNREADABLE as cause:
            message = (
                "the form of a stored series can't be read: it was damaged, or written by another "
                f"version of afml_cache ({cause}); invalidate the series"
            )
            raise CacheCorruptError(message) from cause

    @classmethod
    def _of_json(cls, given: Any) -> Form:
        columns = tuple(Column.of_json(column) for column in given["columns"])
        names = [column.inner for column in columns]
        known = given["version"] == _VERSION and given["kind"] in _KINDS
        if not known or len(set(names)) < len(names) or given["time"] not in [None, *names]:
            message = "it names a version, a kind or columns that can't be"
            raise ValueError(message)
        return cls(given["kind"], given["time"], columns, dict(given["details"]))


Form.unknown = Form("unknown")
