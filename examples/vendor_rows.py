"""What the vendor of the examples and tests knows, and what it makes of that in an answer."""

from __future__ import annotations

import csv
import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Row = dict[str, Any]  # "t" is its time, in UTC; the rest is sent as it stands

FILES = {("GOOG", "1D"): "GOOG.csv", ("EURUSD", "1h"): "EURUSD.csv", ("BTCUSD", "1M"): "BTCUSD.csv"}
LENGTHS = {"1D": timedelta(days=1), "1h": timedelta(hours=1), "tick": timedelta(0)}
OF_DAYS = {"1D", "1M"}  # labelled by a date
TIMEFRAMES = {"1D": "1D", "D": "1D", "1d": "1D", "1h": "1h", "1H": "1h", "1M": "1M", "tick": "tick"}
PRICES = {"o", "h", "l", "c", "p"}
SIZES = {"v", "s"}


@dataclass
class Behaviour:
    """How the vendor answers; as good as vendors get unless something is switched.

    A day or a bar is named by the beginning of its time: "2017-04-20", "2017-04-20T09". Requests
    are counted from 1, from the last time that something was switched.
    """

    closed: str = "both"  # "left": a row at the end of a request is no part of it
    page_size: int | None = None
    cap: int | None = None  # at most so many rows for a request, the others silently left out:
    cap_keeps: str = "first"  # or "last"
    throttle_every: int | None = None  # this request of so many is refused with 429
    bucket_size: int | None = None  # requests at once; the others are refused with 429
    bucket_per_second: float = 1.0  # requests that the bucket gets back
    retry_after: float | str | None = None  # sent with a 429 instead of its own; "none": nothing
    outage_after: int = 0  # so many requests are answered,
    outage_requests: int = 0  # the next so many are not,
    outage_dates: list[str] = field(default_factory=list)  # nor any that has one of these days;
    outage_answer: int | str = 503  # any status; "empty", 200 without rows; "cut", half an answer
    latency_ms: float = 0.0
    duplicates: list[str] = field(default_factory=list)  # given twice,
    duplicate_shift: float = 0.0  # the second time with prices that are higher by this
    order: str = "ascending"  # or "descending" or "shuffled", within each page
    outside: int = 0  # so many rows before and after those that were asked for
    restated: dict[str, Row] = field(default_factory=dict)  # {"2012-10-05": {"v": 1, "c": 2.5}}
    splits: dict[str, float] = field(default_factory=dict)  # {"2012-10-17": 2.0}: halved before it
    listed: str | None = None  # first day of all series
    delisted: str | None = None  # last day of all series
    holes: list[str] = field(default_factory=list)  # bars that it does not have
    now: str | None = None  # nothing later is known, and the bar of this time still changes


@dataclass(frozen=True)
class Request:
    """What is asked for; `start` and `end` are the caller's own texts."""

    symbol: str
    timeframe: str
    start: str
    end: str
    limit: int | None = None
    page: int = 0

    @classmethod
    def of(cls, query: Mapping[str, str], *, ticks: bool) -> Request:
        timeframe = "tick" if ticks else TIMEFRAMES[query["timeframe"]]
        limit = int(query["limit"]) if "limit" in query else None
        start, end = query["start"], query["end"]
        made = cls(query["symbol"], timeframe, start, end, limit, int(query.get("page", 0)))
        made.first, made.last  # noqa: B018  # a time that is none is refused here
        return made

    @property
    def first(self) -> datetime:
        return instant(self.start, self.timeframe)

    @property
    def last(self) -> datetime:
        return instant(self.end, self.timeframe)

    def has_day(self, day: str) -> bool:
        return self.start[:10] <= day[:10] <= self.end[:10]


def instant(text: str, timeframe: str) -> datetime:
    """Read a time; for bars of days only its date counts, as it is written."""
    if timeframe in OF_DAYS:
        text = text[:10]
    read = datetime.fromisoformat(text)
    return read.replace(tzinfo=timezone.utc) if read.tzinfo is None else read


def label(row: Row, timeframe: str) -> str:
    return str(row["t"].isoformat())[: 10 if timeframe in OF_DAYS else None]


@cache
def series(symbol: str, timeframe: str) -> list[Row]:
    """All rows of a series as they are in the files of the `backtesting` package."""
    if timeframe == "tick":
        return [tick for bar in series(symbol, "1h") for tick in ticks_of(bar)]
    package = find_spec("backtesting")  # found and not imported: that takes a second
    folder = Path(str(package and package.origin)).parent / "test"
    with (folder / FILES[symbol, timeframe]).open(newline="", encoding="utf-8") as file:
        return [bar_of(*line) for line in list(csv.reader(file))[1:]]


def bar_of(time: str, *values: str) -> Row:
    *prices, volume = values
    size = float(volume) if "." in volume else int(volume)
    return {
        "t": datetime.fromisoformat(time).replace(tzinfo=timezone.utc),
        **dict(zip("ohlc", map(float, prices), strict=True)),
        "v": size,
    }


def ticks_of(bar: Row) -> Iterator[Row]:
    """Six trades that make the bar; two at one time, and three more that are one as the other."""
    size = bar["v"] // 6
    minutes_and_prices = [(0, "o"), (15, "h"), (15, "l"), (45, "c"), (45, "c"), (45, "c")]
    for number, (minutes, price) in enumerate(minutes_and_prices):
        rest = bar["v"] - 6 * size if number == 0 else 0
        time = bar["t"] + timedelta(minutes=minutes)
        yield {"t": time, "p": bar[price], "s": size + rest}


def whole_answer(request: Request, behaviour: Behaviour, number: int) -> list[Row]:
    """Give all rows for a request, in order, before pages are made of them.

    `number` is the count of all requests so far: by it a bar that is not over yet changes.
    """
    rows = series(request.symbol, request.timeframe)
    first = bisect_left(rows, request.first, key=lambda row: row["t"])
    bisect_end = bisect_right if behaviour.closed == "both" else bisect_left
    stop = bisect_end(rows, request.last, lo=first, key=lambda row: row["t"])
    rows = rows[max(first - behaviour.outside, 0) : max(stop, first) + behaviour.outside]
    rows = [as_of_today(row, behaviour) for row in rows if exists(row, behaviour)]
    if behaviour.now is not None:
        now = instant(behaviour.now, "tick")
        length = LENGTHS.get(request.timeframe, timedelta(0))
        rows = [moved(row, number) if now < row["t"] + length else row for row in rows]
    if behaviour.cap is not None:
        rows = rows[: behaviour.cap] if behaviour.cap_keeps == "first" else rows[-behaviour.cap :]
    return rows


def exists(row: Row, behaviour: Behaviour) -> bool:
    day = row["t"].date()
    return not (
        named(row, behaviour.holes)
        or (behaviour.listed is not None and day < date.fromisoformat(behaviour.listed))
        or (behaviour.delisted is not None and day > date.fromisoformat(behaviour.delisted))
        or (behaviour.now is not None and row["t"] > instant(behaviour.now, "tick"))
    )


def named(row: Row, names: Iterable[str]) -> bool:
    return any(row["t"].isoformat().startswith(name) for name in names)


def as_of_today(row: Row, behaviour: Behaviour) -> Row:
    """Give a row with what was restated since, and on the basis of the splits so far."""
    for name, values in behaviour.restated.items():
        row = {**row, **values} if named(row, [name]) else row
    for before, ratio in behaviour.splits.items():
        if row["t"] < instant(before, "tick"):
            row = {name: on_basis(name, value, ratio) for name, value in row.items()}
    return row


def on_basis(name: str, value: Any, ratio: float) -> Any:
    if name in PRICES:
        return round(value / ratio, 6)
    return round(value * ratio) if name in SIZES else value


def moved(bar: Row, number: int) -> Row:
    """Give a bar that is not over yet as it is at that request: more of it has happened."""
    return {**bar, "c": round(bar["c"] + number / 1000, 5), "v": number}


def page_of(
    rows: list[Row], request: Request, behaviour: Behaviour
) -> tuple[list[Row], int | None]:
    """Give the page that is asked for, and which is the next one, if any.

    A page is named by the number of rows before it, so it may begin amid those of one time.
    """
    sizes = [size for size in (request.limit, behaviour.page_size) if size is not None]
    stop = request.page + min(sizes, default=len(rows))
    return rows[request.page : stop], stop if stop < len(rows) else None


def spoiled(rows: list[Row], behaviour: Behaviour) -> list[Row]:
    """Give a page with its rows doubled and out of order, where that is switched."""
    shift = behaviour.duplicate_shift
    rows = rows + [
        {name: value + shift if name in PRICES else value for name, value in row.items()}
        for row in rows
        if named(row, behaviour.duplicates)
    ]
    if behaviour.order == "shuffled":
        return random.Random(0).sample(rows, len(rows))
    return sorted(rows, key=lambda row: row["t"], reverse=behaviour.order == "descending")
