"""One fold of a walk: what to train on, and what to test on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from afml_cache._native import digest
from afml_cache.runs.canonical import data_digest
from afml_cache.tracker import log_data_access

if TYPE_CHECKING:
    from afml_cache.runs.cuts import Cut

__all__ = ["Fold"]

# The content of tests that were looked at in this process: a run on one of them is no trial.
_tests: set[str] = set()


def was_looked_at(content: str) -> bool:
    """Whether data of this digest is a test that this process looked at."""
    return content in _tests


@dataclass(frozen=True, eq=False, repr=False)
class Fold:
    """One training and the test that follows it, of `walk_forward`.

    Attributes
    ----------
    number, total : int
        Which fold it is, counted from 0, and how many there are.
    train_range, test_range : (first, last)
        The labels of the first and the last row, both included. Instants are aware and in UTC:
        timestamps of pandas, or datetimes, cut to microseconds, where the data is polars'. Dates,
        periods, numbers and texts are as they are.
    purged : int
        Rows of the training window that are left out since their labels reach into the test.
    embargoed : int
        Rows of it, beside those, that are left out since they follow an earlier test.
    dataset : str or None
        What looks at the test are counted under; `None` for a name made of its digest.
    train, test : frame, or dict of frames by symbol
        The rows: views of the data where they are neighbours, copies where something between them
        is left out. Each time that `test` is asked for counts as a look at it, in the log of
        `get_data_tracker()`.
    train_rows, test_rows : numpy.ndarray of int64, or dict of these by symbol
        The positions of the rows in the data.
    train_hash, test_hash : str
        The content digests of `train` and `test`; asking for them is no look.
    key : str
        A digest of both: another for any other training or test, and the same when rows are
        appended to the data.

    Notes
    -----
    Give `fold.train` and `fold.test` to a cached function, not the fold: that counts with its
    number and the total, which grows with the data.
    """

    number: int
    total: int
    train_range: tuple[Any, Any]
    test_range: tuple[Any, Any]
    purged: int
    embargoed: int
    dataset: str | None
    _train: Cut
    _test: Cut
    _looked_at: tuple[Any, Any]
    _trains_too: bool

    @property
    def train(self) -> Any:
        """The rows to train on."""
        return self._train.frames()

    @property
    def test(self) -> Any:
        """The rows to test on; asking for them is counted as a look."""
        frames = self._test.frames()
        if not self._trains_too:
            _tests.add(data_digest(frames))
        name = self.dataset or f"test {digest(frames)[:12]}"
        log_data_access(name, *self._looked_at, "test", self._test.shape(frames))
        return frames

    @property
    def train_rows(self) -> Any:
        """The positions of the rows to train on."""
        return self._train.rows()

    @property
    def test_rows(self) -> Any:
        """The positions of the rows to test on."""
        return self._test.rows()

    @property
    def train_hash(self) -> str:
        """The content digest of the rows to train on."""
        return digest(self._train.frames())

    @property
    def test_hash(self) -> str:
        """The content digest of the rows to test on."""
        return digest(self._test.frames())

    @property
    def key(self) -> str:
        """A digest of the content of both."""
        return digest((self.train_hash, self.test_hash))

    def __cache_key__(self) -> object:
        ranges = (self.number, self.total, self.train_range, self.test_range)
        left_out = (self.purged, self.embargoed, self.dataset)
        sides = [(side.frames(), side.rows()) for side in (self._train, self._test)]
        return ranges, left_out, sides

    def __str__(self) -> str:
        train, test = (f"{first} to {last}" for first, last in (self.train_range, self.test_range))
        return (
            f"fold {self.number} of {self.total}: train {train} ({self._train.count()} rows, "
            f"{self.purged} purged, {self.embargoed} embargoed), test {test} "
            f"({self._test.count()} rows)"
        )

    def __repr__(self) -> str:
        return f"<{self}>"
