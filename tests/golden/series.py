"""Are the bars in `series.zip` still found, and still what they were, with its catalog and without?

python series.py           # one line if they are; series of missing libraries are left out
python series.py --write   # make the store anew; never where a release has written it
"""

import contextlib
import datetime as dt
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from stored import archived, same, unpacked  # sets the secret, before all else

import afml_cache

ARCHIVE = Path(__file__).with_name("series.zip")
FIRST = dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
LATER = int((FIRST + 400 * DAY).timestamp()) * 10**9
ALL = FIRST, FIRST + 30 * DAY
FORGOTTEN = FIRST + 3 * DAY, FIRST + 5 * DAY
EMPTY = FIRST + 20 * DAY, FIRST + 30 * DAY


@dataclass
class Quote:
    """An object whose class is named in the catalog."""

    time: dt.datetime
    price: float


def hours(start, end):
    """The hours of trading: none from the twentieth day on."""
    count = (min(end, EMPTY[0]) - start) // HOUR
    return [start + number * HOUR for number in range(count)]


def closes(times):
    return [1 + (time - FIRST) / HOUR / 1000 for time in times]


def quotes(symbol, timeframe, start, end):
    times = hours(start, end)
    return [Quote(*one) for one in zip(times, closes(times), strict=True)]


def ticks(symbol, timeframe, start, end):
    """Two of each time, the same price twice among them."""
    import polars as pl

    times = [time for time in hours(start, end) for _ in range(2)]
    columns = {"time": times, "price": closes(times), "size": [7, 8] * (len(times) // 2)}
    kinds = {"time": pl.Datetime("us", "UTC"), "price": pl.Float64, "size": pl.Int32}
    return pl.DataFrame(columns, kinds)


def days(symbol, timeframe, start, end):
    import polars as pl

    count = (min(end, EMPTY[0].date()) - start).days
    dates = [start + number * DAY for number in range(count)]
    tags = [None if date.day % 3 else f"tag {date.day}" for date in dates]
    columns = {"date": dates, "close": [date.day / 8 for date in dates], "tag": tags}
    return pl.DataFrame(columns, {"date": pl.Date, "close": pl.Float32, "tag": pl.String})


def frames(symbol, timeframe, start, end):
    import numpy as np
    import pandas as pd

    # Unit and labels are those that pandas 2 and 3 agree on.
    index = pd.DatetimeIndex(hours(start, end), name="time", tz="UTC").as_unit("ns")
    volumes = np.array([time.day for time in index], dtype="i4")
    frame = pd.DataFrame({"close": closes(index.to_pydatetime()), "volume": volumes}, index)
    frame.columns = pd.Index(["close", "volume"], dtype=object)
    return frame


KINDS = {"quotes": (quotes, "1h"), "ticks": (ticks, "tick"), "days": (days, "1D")}
FRAMES = {"frames": (frames, "1h")}


def kinds():
    """What can be asked for in this environment, by name."""
    if not all(map(importlib.util.find_spec, ("polars", "tenacity", "pyrate_limiter", "numpy"))):
        return {}
    return KINDS | FRAMES if importlib.util.find_spec("pandas") else KINDS


def of(name, moments):
    """The key and the times of a request, with dates where bars have them."""
    is_daily = KINDS.get(name, FRAMES.get(name))[1] == "1D"
    return "AAPL", *(moment.date() if is_daily else moment for moment in moments)


def cached(root, name, loader):
    timeframe = KINDS.get(name, FRAMES.get(name))[1]
    store = afml_cache.Store(root)
    return afml_cache.RangeCache(
        name, loader, key=["symbol"], timeframe=timeframe, store=store, clock=lambda: LATER
    )


def loader_of(name):
    loader, timeframe = kinds()[name]
    return lambda symbol, start, end: loader(symbol, timeframe, start, end)


def write():
    """Store twelve days, those up to the thirtieth, and forget two."""
    with archived(ARCHIVE) as root:
        for name in kinds():
            bars = cached(root, name, loader_of(name))
            bars.get(*of(name, (FIRST, FIRST + 12 * DAY)))
            bars.get(*of(name, ALL))
            bars.invalidate(*of(name, FORGOTTEN))
        afml_cache.gc(afml_cache.Store(root))


def refused(symbol, start, end):
    message = f"{start} .. {end} was to be there"
    raise LookupError(message)


def faults(root, name, stop):
    """What is wrong with one series, up to some time."""
    bars = cached(root, name, refused)
    found = []
    for part in ((FIRST, FORGOTTEN[0]), (FORGOTTEN[1], stop)):
        try:
            answer = bars.get(*of(name, part))
        except afml_cache.CacheError as error:
            found.append(f"{name}: {error}")
            continue
        if not same(answer, loader_of(name)(*of(name, part))):
            found.append(f"{name} from {part[0]} on is another")
    asked = [tuple(map(str, gap)) for gap in bars.gaps(*of(name, (FIRST, stop)))]
    if asked != [tuple(map(str, of(name, FORGOTTEN)[1:]))]:
        found.append(f"{name}: what would be asked for is {asked}")
    return [*found, *bars.verify("AAPL").problems]


def main(arguments):
    """Compare or write; the exit status says whether all were found."""
    if arguments == ["--write"]:
        write()
        return 0
    wrong = []
    with unpacked(ARCHIVE) as root:
        for name in kinds():
            wrong += faults(root, name, ALL[1])
    with unpacked(ARCHIVE) as root:
        for path in (root / "v1/series").glob("catalog*"):
            path.unlink()
        for name in kinds():
            # Where there are no bars, that is told by the catalog alone.
            found = faults(root, name, EMPTY[0])
            wrong += [f"without a catalog: {fault}" for fault in found]
    print(f"{len(kinds())} golden series, {len(wrong)} wrong", *wrong, sep="\n  ")
    return len(wrong) > 0


if __name__ == "__main__":
    sys.modules["golden_series"] = sys.modules["__main__"]
    Quote.__module__ = "golden_series"
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main(sys.argv[1:]))
