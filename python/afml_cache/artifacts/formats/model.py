"""What a format of artifacts does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Protocol

from afml_cache.exceptions import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Mapping

ReadsAs = dict[str, Any]

# The place of what was returned itself.
WHOLE: Final = "value"


@dataclass(frozen=True, slots=True)
class Written:
    """What is known of a value that was written.

    Attributes
    ----------
    reads_as : dict
        What reading needs to know beside the file, such as whose frame it was; plain JSON.
    rows : int or None
        Of a table.
    columns : list of str or None
        Of a table; the names of arrays.
    """

    reads_as: ReadsAs = field(default_factory=dict)
    rows: int | None = None
    columns: list[str] | None = None


class Format(Protocol):
    """How values are written to a file, and read back."""

    def write(self, value: Any, file: BinaryIO) -> Written:
        """Write a value.

        Raises
        ------
        ArtifactError
            The format can't hold it; the message says where.
        """

    def read(self, file: BinaryIO, reads_as: Mapping[str, Any]) -> Any:
        """Read what was written; whatever a library raises for a file that is damaged."""

    def check(self, file: BinaryIO) -> None:
        """Raise as `read` does where that is cheap to tell."""


def refusal(place: str, what: str, remedy: str) -> ArtifactError:
    """Make the error for a value that a format can't hold."""
    return ArtifactError(f"{what} at `{place}`; {remedy}")
