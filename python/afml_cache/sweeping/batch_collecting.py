"""Files of batches of earlier lists: found, and removed on request."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from afml_cache.sweeping.batch_files import number_of
from afml_cache.sweeping.parquet_files import DamagedError, batch_of, begun
from afml_cache.sweeping.whole_files import UnusableError, digest_of, opened, stamp_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from afml_cache.sweeping.batch_files import Recorded


def files_of_other_lists(folder: Path, wanted: Collection[Path]) -> list[Path]:
    """Find the files of batches in a folder that are of no batch of this list.

    Parameters
    ----------
    folder : Path
        Where they are looked for; not in folders within.
    wanted : collection of Path
        The files of this list. One of them that another list has left is told by `check_batch`,
        and replaced when its batch is computed.

    Returns
    -------
    list of Path
        Regular files by the names of files of batches, by their numbers.
    """
    names = {os.path.realpath(path.parent) + os.sep + path.name for path in wanted}
    place = os.path.realpath(folder) + os.sep
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            number = number_of(entry.name)
            is_file = number is not None and entry.is_file(follow_symlinks=False)
            if is_file and place + entry.name not in names:
                found.append((number, folder / entry.name))
    return [path for _, path in sorted(found)]


def collect_files(paths: Iterable[Path], recorded: Mapping[Path, Recorded] | None = None) -> int:
    """Remove files of batches that are of no use any more.

    Only what is known to be such a file is removed: a regular file that says so itself, or whose
    content is what was recorded. Links are not followed; anything else is left where it is.

    Parameters
    ----------
    paths : iterable of Path
        As `files_of_other_lists` gives them.
    recorded : mapping of Path to Recorded, optional
        What was recorded of files, such as those of another tool that were adopted.

    Returns
    -------
    int
        How many bytes were freed.

    Raises
    ------
    OSError
        A file can't be removed, as in a folder that is read-only.
    """
    records = recorded or {}
    return sum(_collected(path, records.get(path)) for path in paths)


def _collected(path: Path, recorded: Recorded | None) -> int:
    with contextlib.suppress(UnusableError, FileNotFoundError), opened(path) as file:
        stamp = stamp_of(file)
        if not _is_ours(file, recorded):
            return 0
        with opened(path) as again:  # somebody may have put another one there
            if stamp_of(again) != stamp:
                return 0
        path.unlink()
        size, links = stamp[2], os.fstat(file.fileno()).st_nlink
        return 0 if links else size
    return 0


def _is_ours(file: BinaryIO, recorded: Recorded | None) -> bool:
    try:
        if batch_of(begun(file)) is not None:
            return True
    except DamagedError:
        pass
    return recorded is not None and digest_of(file) == recorded.digest
