"""What we set out to reach, checked against the figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.measure import SUBJECT, Row, duration

Figures = dict[tuple[str, str], float]


@dataclass(frozen=True)
class Target:
    """A bound in words, and the check that says what was measured and whether it holds."""

    text: str
    check: Callable[[Figures], tuple[str, bool]]

    def verdict(self, figures: Figures) -> tuple[str, str]:
        """What was measured, and "met", "missed" or "not measured"."""
        try:
            shown, met = self.check(figures)
        except KeyError:
            return "-", "not measured"
        return shown, "met" if met else "missed"


def faster(case: str, peer: str, times: float) -> Target:
    """At least `times` as fast as `peer`."""

    def check(figures: Figures) -> tuple[str, bool]:
        ratio = figures[case, peer] / figures[case, SUBJECT]
        return f"{ratio:.3g} times", ratio >= times

    return Target(f"{case}: {times:g} times as fast as {peer}", check)


def within(case: str, other: tuple[str, str], times: float, words: str) -> Target:
    """At most `times` as long as another figure."""

    def check(figures: Figures) -> tuple[str, bool]:
        ratio = figures[case, SUBJECT] / figures[other]
        return f"{ratio:.3g} times", ratio <= times

    return Target(f"{case}: at most {times:g} times {words}", check)


def under(case: str, seconds: float) -> Target:
    """At most so many seconds."""

    def check(figures: Figures) -> tuple[str, bool]:
        measured = figures[case, SUBJECT]
        return duration(measured), measured <= seconds

    return Target(f"{case}: at most {duration(seconds)}", check)


def beyond(case: str, other: tuple[str, str], seconds: float, words: str) -> Target:
    """At most so many seconds more than another figure."""

    def check(figures: Figures) -> tuple[str, bool]:
        more = figures[case, SUBJECT] - figures[other]
        return duration(more), more <= seconds

    return Target(f"{case}: at most {duration(seconds)} beyond {words}", check)


def per_name(case: str, base: str, names: int, seconds: float) -> Target:
    """At most so many seconds for each of the names that one case has more than another."""

    def check(figures: Figures) -> tuple[str, bool]:
        each = (figures[case, SUBJECT] - figures[base, SUBJECT]) / names
        return duration(each), each <= seconds

    return Target(f"{case}: at most {duration(seconds)} for each further name", check)


FIRST_PASS = (
    faster("hit frame 1M x 5", "joblib.Memory", 8),
    faster("hit f(1, 2)", "joblib.Memory", 50),
)
LATER = (
    faster("digest frame 1M x 5", "dask.tokenize", 2),
    faster("digest frame 1M x 5", "joblib.hash", 25),
    within("digest array 1M x 5", ("digest array 1M x 5", "read, every core"), 1.2,
           "one read of it by every core"),
    faster("digest polars 1M x 6", "joblib.hash", 40),
    faster("digest polars 1M x 6", "dask.tokenize", 100),
    faster("digest 1M strings, object", "dask.tokenize", 2.5),
    faster("digest 1M strings, str dtype", "dask.tokenize", 1.5),
    under("digest frame 1000 x 5", 15e-6),
    under("key of f(1, 2)", 0.5e-6),
    under("key of f(1, 2), 20 constants", 0.5e-6),
    under("key of f(1, 2), 20 helpers", 0.5e-6),
    per_name("key of f(1, 2), 120 constants", "key of f(1, 2), 20 constants", 100, 25e-9),
    per_name("key of f(1, 2), 120 helpers", "key of f(1, 2), 20 helpers", 100, 25e-9),
    within("digest frame 10 x 10,000", ("digest frame 10 x 1,000", SUBJECT), 10,
           "one of a tenth of the columns"),
    within("digest frame 10 x 10,000, half text",
           ("digest frame 10 x 1,000, half text", SUBJECT), 10, "one of a tenth of the columns"),
    under("hit f(1, 2)", 1e-6),
    faster("hit f(1, 2)", "joblib.Memory", 200),
    faster("hit f(1, 2)", "cachebox (RAM only)", 1),
    faster("hit f(1, 2)", "moka_py (RAM only)", 1),
    under("fresh process, next 200 hits", 15e-6),
    faster("fresh process, next 200 hits", "diskcache.memoize", 2.5),
    under("hit frame 1000 x 5", 60e-6),
    faster("hit frame 1000 x 5", "joblib.Memory", 35),
    under("disk hit frame 1000 x 5", 150e-6),
    under("hit frame 1M x 5 from memory, beyond its digest", 60e-6),
    under("hit frame 1M x 5 from disk, beyond its digest", 200e-6),
    faster("hit frame 1M x 5", "joblib.Memory", 25),
    under("fresh process, array of 1 GiB out", 300e-6),
    within("store frame 1M x 5", ("store frame 1M x 5", "plain write() of a new file"), 1.3,
           "a plain write of the same bytes"),
    within("hit from memory among 1,000,000", ("hit from memory among 1,000", SUBJECT), 1.5,
           "one among 1,000"),
    within("hit from disk among 1,000,000", ("hit from disk among 1,000", SUBJECT), 1.5,
           "one among 1,000"),
    under("fresh process, first hit among 1,000,000", 50e-3),
    under("miss f(n, -1)", 60e-6),
    under("import", 50e-3),
)  # fmt: skip
KINDS = {"polars": (30e-6, "polars scan_parquet"), "pandas": (120e-6, "pandas.read_parquet")}
RANGES = (
    *(under(f"30 days of minutes, {kind}{bounds}", seconds)
      for kind, (seconds, _) in KINDS.items()
      for bounds in ("", ", bounds as Timestamp", ", bounds as text")),
    *(within(f"fresh process, 30 days of minutes, {kind}{place}",
             (f"fresh process, 30 days of minutes, {kind}{place}", peer), 1.5,
             f"as long as {peer} with filters")
      for kind, (_, peer) in KINDS.items() for place in ("", ", after others")),
    within("fresh process, 30 days of minutes, polars, filled day by day",
           ("fresh process, 30 days of minutes, polars, filled day by day", "polars scan_parquet"),
           1.5, "as long as polars scan_parquet with filters"),
    within("replay, a day of the last year",
           ("replay, a day of the last year, of a cache with that year alone", SUBJECT), 1.2,
           "as long as in a cache with that year alone"),
)  # fmt: skip

RUNS = (
    under("record a run, 100,000 there", 1e-3),
    under("record a run with an equity curve of 1,000 rows, 100,000 there", 1e-3),
    within("record a run with an equity curve of 1,000 rows, 100,000 there",
           ("record a run with an equity curve of 1,000 rows, 1,000 there", SUBJECT), 1.3,
           "as long as the thousandth"),
    under("best 5 of 100,000 runs", 20e-3),
    under("look a run up, 100,000 there, less the data's digest", 0.5e-3),
    under("hit of a cached_backtest, 100,000 there, less the data's digest", 0.5e-3),
    faster("record a run, 1,000 there", "MLflow, SQLite", 10),
    faster("record a run, 1,000 there", "Optuna, SQLite", 5),
    faster("best 5 of 1,000 runs", "MLflow, SQLite", 5),
    faster("compare 1,000 of 1,000 runs", "MLflow, SQLite", 5),
)  # fmt: skip

BARE = "sweep, an item, 2 processes", "bare executor, chunks of 256"
SWEEPS = (
    *(beyond(case, BARE, 200e-6, "ProcessPoolExecutor(2).map(chunksize=256)")
      for case in ("sweep, an item, 2 processes", "sweep, an item, ProcessPoolExecutor")),
    under("skip 10,000 items", 0.5),
    under("skip 10,000 items, fresh process", 0.5),
)  # fmt: skip


def figures(rows: list[Row]) -> Figures:
    """Seconds by case and name, for the rows that have any."""
    return {(row.case, row.who): row.seconds for row in rows if row.seconds is not None}
