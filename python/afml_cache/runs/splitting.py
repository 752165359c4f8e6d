"""Walk-forward splits: their folds, and what each of them was made of."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from afml_cache._native import digest
from afml_cache.exceptions import CacheConfigError, warn
from afml_cache.instants import as_datetime
from afml_cache.modes import writes
from afml_cache.runs import row_store
from afml_cache.runs.canonical import data_digest, whole_number
from afml_cache.runs.folds import walk_forward
from afml_cache.runs.view import View
from afml_cache.time_ranges import whole_span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from afml_cache.runs.fold import Fold


class Splitting(View):
    """A view that keeps walk-forward splits."""

    def cache_walk_forward_split(
        self,
        split_id: str,
        train_data: Any,
        test_data: Any,
        fold_number: int,
        total_folds: int,
    ) -> str:
        """Keep a fold of a split: its ranges, its digests, and its rows.

        Rows that another fold has are kept once. Runs on the data of a test are listed in the
        ledger, and are no trials.

        Parameters
        ----------
        split_id : str
        train_data, test_data : frame, or dict of frames by symbol
        fold_number, total_folds : int

        Returns
        -------
        str
            Names the fold: `<split_id>_fold_<fold_number>`.

        Warns
        -----
        RankingWarning
            The fold has other rows than before: they are a new version of it.

        Raises
        ------
        CacheConfigError
            A number can't be right.
        CacheStoreError
            It can't be written.
        """
        named = _checked(split_id, fold_number, total_folds)
        if writes():
            self._keep(named, train_data, test_data)
        return f"{split_id}_fold_{fold_number}"

    def _keep(self, named: tuple[str, int, int], train: Any, test: Any) -> None:
        split, fold, total = named
        digests = data_digest(train), data_digest(test)
        versions = self.native.splits(split, fold)
        version = 1
        if versions:
            latest = versions[-1]
            is_same = (latest[3], latest[4]) == digests
            if is_same and json.loads(latest[6])["total_folds"] == total:
                return
            version = latest[2] + (not is_same)
            if not is_same:
                warn(
                    "RankingWarning",
                    f"fold {fold} of the split {split!r} has other rows than before, and is kept "
                    f"as version {version}; runs on its earlier rows stay as they are",
                )
        about = {
            "total_folds": total,
            "train_range": whole_span(train),
            "test_range": whole_span(test),
            "train": row_store.keep(self.native, train),
            "test": row_store.keep(self.native, test),
        }
        row = (split, fold, version, *digests, time.time_ns(), json.dumps(about))
        self.native.note_split(row)

    def get_walk_forward_split(
        self,
        split_id: str,
        fold_number: int,
        *,
        version: int | None = None,
        frames: bool = False,
    ) -> dict[str, Any] | None:
        """Give a fold of a split.

        Parameters
        ----------
        split_id : str
        fold_number : int
        version : int, optional
            The latest by default.
        frames : bool, default False
            Whether to give its rows too, as `train_data` and `test_data`.

        Returns
        -------
        dict or None
            `split_id`, `fold`, `total_folds`, `train_range` and `test_range` (first and last
            instant, aware, in UTC; `None` without times), `train_hash`, `test_hash`, `version`.
            `None` where there is no such fold.
        """
        rows = self.native.splits(split_id, fold_number)
        row = next((one for one in reversed(rows) if version in {None, one[2]}), None)
        if row is None:
            return None
        about = json.loads(row[6])
        fold = {
            "split_id": split_id,
            "fold": row[1],
            "total_folds": about["total_folds"],
            "train_range": _instants(about["train_range"]),
            "test_range": _instants(about["test_range"]),
            "train_hash": row[3],
            "test_hash": row[4],
            "version": row[2],
        }
        if frames:
            fold["train_data"] = self._rows(about.get("train"), row[3])
            fold["test_data"] = self._rows(about.get("test"), row[4])
        return fold

    def _rows(self, pieces: Any, content: str) -> Any:
        if pieces is None:
            return None
        frame = row_store.take(self.native, pieces)
        if frame is not None and data_digest(frame) == content:
            return frame
        warn(
            "CacheReadWarning",
            f"rows of a walk-forward split in `{self.native.folder}` are gone or not what was kept",
        )
        return None

    def walk_forward(
        self, data: Any, train: Any, test: Any, *, split_id: str | None = None, **options: Any
    ) -> Iterator[Fold]:
        """Walk through folds, and note each, so that runs on its test are no trials.

        Parameters
        ----------
        data, train, test, **options
            As for `afml_cache.walk_forward`.
        split_id : str, optional
            What the split is called; by default it is named by its options. Rows are not kept:
            they are those of `data`.

        Returns
        -------
        iterator of Fold

        Raises
        ------
        CacheConfigError, LeakageError
            As `afml_cache.walk_forward` does.
        """
        named = {name: str(value) for name, value in options.items()}
        split = split_id or f"walk {digest((str(train), str(test), sorted(named.items())))[:12]}"
        return self._noted(split, walk_forward(data, train, test, **options), bool(split_id))

    def _noted(self, split: str, folds: Iterable[Fold], is_named: bool) -> Iterator[Fold]:
        for fold in folds:
            if writes():
                self._note(split, fold, is_named)
            yield fold

    def _note(self, split: str, fold: Fold, is_named: bool) -> None:
        # Walks over any data may share the name that their options give: none is the latest.
        digests = data_digest(fold._train.frames()), data_digest(fold._test.frames())  # noqa: SLF001 - no look
        known = self.native.splits(split, fold.number)
        if any((row[3], row[4]) == digests for row in (known[-1:] if is_named else known)):
            return
        about = {
            "total_folds": fold.total,
            "train_range": whole_span(fold._train.frames()),  # noqa: SLF001
            "test_range": whole_span(fold._test.frames()),  # noqa: SLF001
        }
        version = known[-1][2] + 1 if known else 1
        row = (split, fold.number, version, *digests, time.time_ns(), json.dumps(about))
        self.native.note_split(row)


def _checked(split_id: Any, fold_number: Any, total_folds: Any) -> tuple[str, int, int]:
    if not isinstance(split_id, str) or not split_id:
        message = f"`split_id` is what the split is called, not {split_id!r}"
        raise CacheConfigError(message)
    fold = _number("fold_number", fold_number, least=0)
    return split_id, fold, _number("total_folds", total_folds, least=1)


def _number(name: str, given: Any, *, least: int) -> int:
    number = whole_number(given, least=least)
    if number is None:
        message = f"`{name}` is a whole number from {least} on, not {given!r}"
        raise CacheConfigError(message)
    return number


def _instants(ends: Any) -> Any:
    return None if ends is None else tuple(as_datetime(end) for end in ends)
