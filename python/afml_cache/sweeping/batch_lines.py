"""What a run over batches says on the screen: lines, made of figures alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from afml_cache.sweeping.wording import counted, plural, ranges, size_text, time_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A symbol, what selects its form, and the blanks that set it off.
_SYMBOLS: Final = re.compile(
    "[\N{WHITE HEAVY CHECK MARK}\N{CROSS MARK}\U0001f300-\U0001faff](?:\ufe0f  | )?"
)


def counting_lines(total: int, batches: int, batch_size: int, noun: str = "strategy") -> list[str]:
    """Say how many items and batches there are.

    Examples
    --------
    >>> for line in counting_lines(4620, 24, 200):
    ...     print(line)
    🔍 Calculating total strategies...
       ✅ Total strategies: 4,620
       ✅ Total batches: 24 (batch size: 200)
    """
    return [
        f"🔍 Calculating total {plural(noun)}...",
        f"   ✅ Total {plural(noun)}: {total:,}",
        f"   ✅ Total batches: {batches:,} (batch size: {batch_size:,})",
    ]


def force_line() -> str:
    """Say that nothing that is there is used."""
    return "🔄 Force rerun enabled - reprocessing all batches"


def found_lines(cached: Sequence[int], total: int) -> list[str]:
    """Say which batches are skipped; nothing where there are none.

    Parameters
    ----------
    cached : sequence of int
        Numbers of the batches that are done, from 1.
    total : int
        How many batches there are.

    Examples
    --------
    >>> for line in found_lines(range(1, 23), 24):
    ...     print(line)
    ✅ Found 22 cached batch results!
       Skipping batches: 1-22
       Processing remaining: 2 batches
    """
    numbers = sorted(set(cached))
    if not numbers:
        return []
    several = "batches" if len(numbers) > 1 else "batch"
    return [
        f"✅ Found {counted(len(numbers), 'cached batch result')}!",
        f"   Skipping {several}: {ranges(numbers)}",
        f"   Processing remaining: {counted(total - len(numbers), 'batch')}",
    ]


def unused_lines(files: Iterable[tuple[str, str]]) -> list[str]:
    """Say which files are not used, those of one reason together.

    Parameters
    ----------
    files : iterable of (str, str)
        The name of each, and why.

    Examples
    --------
    >>> reason = "it is of another list"
    >>> files = [(f"results_batch_{number}.parquet", reason) for number in range(24)]
    >>> for line in unused_lines([*files, ("results_batch_24.parquet", "it was cut")]):
    ...     print(line)
       Not used: results_batch_0.parquet and 23 others (it is of another list)
       Not used: results_batch_24.parquet (it was cut)
    """
    named: dict[str, list[str]] = {}
    for name, reason in files:
        named.setdefault(reason, []).append(name)
    return [f"   Not used: {_and_others(names)} ({reason})" for reason, names in named.items()]


def _and_others(names: Sequence[str]) -> str:
    first, *others = names
    return f"{first} and {counted(len(others), 'other')}" if others else first


def starting_lines(
    first: int, last: int, noun: str = "strategy", doing: str = "Backtesting"
) -> list[str]:
    """Say what the process of a batch begins with.

    Examples
    --------
    >>> for line in starting_lines(0, 200):
    ...     print(line)
    📦 Batch subset: 200 strategies (0 to 200)
    🚀 Backtesting 200 strategies...
    """
    items = counted(last - first, noun)
    return [f"📦 Batch subset: {items} ({first} to {last})", f"🚀 {doing} {items}..."]


def batch_line(
    number: int,
    total: int,
    first: int,
    last: int,
    *,
    seconds: float | None = None,
    items: int | None = None,
    ram_percent: float | None = None,
    noun: str = "strategy",
    width: int = 0,
) -> str:
    """Say what became of a batch.

    Parameters
    ----------
    number, total : int
        Which batch, from 1, of how many.
    first, last : int
        Positions of its items, the last one excluded.
    seconds : float, optional
        How long it took; by default it was done before.
    items : int, optional
        How many items were computed; by default all of them.
    ram_percent : float, optional
        How much of the memory is used; left out where nobody knows.
    noun : str
        What an item is.
    width : int
        Of the positions, so that lines are in columns.

    Examples
    --------
    >>> batch_line(23, 24, 4400, 4600, seconds=45.2, ram_percent=3.1)
    'Batch 23/24: 4400-4600  ✅ 45.2s | 200 strategies | RAM: 3.1%'
    >>> batch_line(1, 24, 0, 200)
    'Batch 1/24: 0-200  📦 CACHED'
    """
    head = f"{_head(number, total, first, last, width)}  "
    if seconds is None:
        return f"{head}📦 CACHED"
    count = last - first if items is None else items
    parts = [f"✅ {seconds:4.1f}s", f"{count:3,} {noun if count == 1 else plural(noun)}"]
    if ram_percent is not None:
        parts.append(f"RAM: {ram_percent:.1f}%")
    return head + " | ".join(parts)


def failed_line(
    number: int, total: int, first: int, last: int, *, failed: int, reason: str, width: int = 0
) -> str:
    """Say how many items of a batch failed, and why the first of them, or its file, did.

    Examples
    --------
    >>> failed_line(2, 24, 200, 400, failed=3, reason="ValueError: no bars")
    'Batch 2/24: 200-400  ❌ 3 of 200 failed: ValueError: no bars'
    """
    told = " ".join(reason.split())
    head = _head(number, total, first, last, width)
    what = f"{failed:,} of {last - first:,} failed" if failed else "no file"
    return f"{head}  ❌ {what}{f': {told}' if told else ''}"


def _head(number: int, total: int, first: int, last: int, width: int) -> str:
    return f"Batch {number}/{total}: {f'{first}-{last}':{width}}"


def summary_lines(
    seconds: float, successful: int, total: int, cached: int, processed: int
) -> list[str]:
    """Say what became of all batches.

    Parameters
    ----------
    seconds : float
        How long the run took.
    successful, total : int
        How many batches are done, of how many.
    cached, processed : int
        How many were done before, and in this run.

    Examples
    --------
    >>> for line in summary_lines(50, 24, 24, 22, 2):
    ...     print(line)
    ✅ BATCH PROCESSING COMPLETE
       Total time: 0m 50s
       Successful batches: 24/24
       Cached batches: 22
       Processed batches: 2
    """
    whole = successful == total
    lines = [
        "✅ BATCH PROCESSING COMPLETE" if whole else "❌ BATCH PROCESSING INCOMPLETE",
        f"   Total time: {time_text(seconds)}",
        f"   Successful batches: {successful}/{total}",
    ]
    if not whole:
        lines.append(f"   Failed batches: {total - successful}")
    return [*lines, f"   Cached batches: {cached}", f"   Processed batches: {processed}"]


def loaded_line(what: str, name: str) -> str:
    """Say that an artifact is used as it is.

    Examples
    --------
    >>> loaded_line("Patterns", "patterns.json")
    '✅ Patterns cached! → Loading patterns.json'
    """
    return f"✅ {what} cached! → Loading {name}"


def skipped_line(step: int, why: str) -> str:
    """Say that a step is not needed.

    Examples
    --------
    >>> skipped_line(1, "Labeling not needed!")
    'STEP 1: ❌ SKIPPED → Labeling not needed!'
    """
    return f"STEP {step}: ❌ SKIPPED → {why}"


def cleaned_line(what: str, freed: int) -> str:
    """Say that scratch is gone, and what that freed.

    Parameters
    ----------
    what : str
        What was kept in it, such as "Labels".
    freed : int
        Bytes.

    Examples
    --------
    >>> cleaned_line("Labels", 56 * 10**9)
    '   🗑️  Labels cleaned for next dataset (56.0 GB freed)'
    """
    return f"   🗑️  {what} cleaned for next dataset ({size_text(freed)} freed)"


def shown(line: str, encoding: str | None) -> str:
    """Give a line as a stream can write it: without symbols where it has none.

    Parameters
    ----------
    line : str
        As the functions here give it.
    encoding : str or None
        Of the stream.

    Examples
    --------
    >>> shown("   ✅ Total batches: 24", "cp1252")
    '   Total batches: 24'
    """
    name = encoding or "ascii"
    try:
        line.encode(name)
    except LookupError:
        name = "ascii"
    except UnicodeEncodeError:
        pass
    else:
        return line
    plain = _SYMBOLS.sub("", line).replace("→", "->")
    return plain.encode(name, errors="backslashreplace").decode(name)
