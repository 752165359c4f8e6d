"""A study of hourly EURUSD bars. Run it twice: the second run computes nothing.

    python examples/quickstart.py [--fresh] [--verbose] [--cache-dir PATH]

"AFML" below is M. Lopez de Prado, "Advances in Financial Machine Learning", Wiley 2018.
"""

from __future__ import annotations

import argparse
import logging
import time
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from backtesting.test import EURUSD
from rich.console import Console
from rich.table import Table

from afml_cache import (
    cached_backtest,
    configure,
    get_backtest_cache,
    robust_cacheable,
    time_aware_cacheable,
)

BARS_PER_DAY = 24
BARS_PER_YEAR = 252 * BARS_PER_DAY
COST_PER_TURN = 0.00002  # half a spread of about 0.4 pips, as a fraction of the price
FAST = (6, 12, 18, 24, 36)
SLOW = (48, 72, 96, 120, 168, 240)

log = logging.getLogger("quickstart")


def load_bars() -> pd.DataFrame:
    """5,000 hourly bars, April 2017 to February 2018: open, high, low, close, volume."""
    return EURUSD.rename(columns=str.lower)


@robust_cacheable
def features(bars: pd.DataFrame, span: int = 100) -> pd.DataFrame:
    """Volatility (AFML, ch. 3.3), serial correlation and complexity (ch. 18.4) at each bar."""
    log.info("computing features")
    returns = np.log(bars["close"]).diff()
    return pd.DataFrame(
        {
            "volatility": bars["close"].pct_change(BARS_PER_DAY).ewm(span=span).std(),
            "serial_correlation": returns.rolling(span).apply(pd.Series.autocorr),
            "complexity": returns.rolling(span).apply(complexity, raw=True),
        }
    )


def complexity(returns: np.ndarray) -> float:
    """Lempel-Ziv complexity of the signs: distinct words over bars (AFML, snippet 18.2)."""
    signs = "".join("+" if value > 0 else "-" for value in returns)
    words, word = set(), ""
    for sign in signs:
        word += sign
        if word not in words:
            words.add(word)
            word = ""
    return len(words) / len(signs)


@robust_cacheable
def triple_barrier_labels(
    close: pd.Series,
    volatility: pd.Series,
    profit_take: float = 1.0,
    stop_loss: float = 1.0,
    horizon: int = 2 * BARS_PER_DAY,
) -> pd.DataFrame:
    """Which barrier the price touches first after each bar (AFML, ch. 3.4).

    The horizontal barriers lie `profit_take` and `stop_loss` times the volatility away, the
    vertical one `horizon` bars ahead. The label is 1, -1 and 0 in that order.
    """
    log.info("computing labels")
    events = volatility.iloc[:-horizon].dropna()
    first = len(volatility) - horizon - len(events)
    touches = [
        first_touch(close.iloc[bar : bar + horizon + 1], profit_take * width, -stop_loss * width)
        for bar, width in enumerate(events, start=first)
    ]
    return pd.DataFrame(touches, index=events.index, columns=["touched", "label", "return"])


def first_touch(path: pd.Series, upper: float, lower: float) -> tuple[pd.Timestamp, int, float]:
    """Time, label and return at the first barrier that `path` meets."""
    returns = path / path.iloc[0] - 1
    outside = returns[(returns >= upper) | (returns <= lower)]
    if outside.empty:
        return path.index[-1], 0, returns.iloc[-1]
    return outside.index[0], int(np.sign(outside.iloc[0])), outside.iloc[0]


@time_aware_cacheable
def volatility_interval(
    bars: pd.DataFrame, resamples: int = 4_000, seed: int = 0
) -> dict[str, float]:
    """Annualised volatility of a slice of bars, with its bootstrapped 90 % interval."""
    log.info("computing volatility from %s", bars.index[0])
    returns = np.log(bars["close"]).diff().dropna().to_numpy()
    drawn = np.random.default_rng(seed).choice(returns, size=(resamples, returns.size))
    low, high = np.quantile(drawn.std(axis=1, ddof=1), [0.05, 0.95])
    scale = np.sqrt(BARS_PER_YEAR)
    return {
        "low": float(low * scale),
        "volatility": float(returns.std(ddof=1) * scale),
        "high": float(high * scale),
    }


@cached_backtest("crossover", dataset="EURUSD/1h")
def crossover_backtest(
    close: pd.Series, fast: int, slow: int
) -> tuple[dict[str, float], None, pd.Series]:
    """Long while the fast moving average is above the slow one, else short; costs included."""
    log.info("computing backtest %d/%d", fast, slow)
    trend = np.sign(close.rolling(fast).mean() - close.rolling(slow).mean())
    position = trend.shift(1).fillna(0.0)  # decided at a close, held over the next bar
    turnover = position.diff().abs().fillna(0.0)
    returns = position * close.pct_change().fillna(0.0) - turnover * COST_PER_TURN
    equity = (1.0 + returns).cumprod()
    metrics = {
        "sharpe_ratio": float(returns.mean() / returns.std() * np.sqrt(BARS_PER_YEAR)),
        "max_drawdown": float((equity / equity.cummax() - 1.0).min()),
        "total_return": float(equity.iloc[-1] - 1.0),
    }
    return metrics, None, equity  # no list of trades


def run_stage(
    table: Table, name: str, function: Any, calls: list[Any], *, fresh: bool
) -> list[Any]:
    """Call `function` once for each tuple of arguments, and add what it cost to `table`."""
    before, start = function.cache_info(), time.perf_counter()
    call = function.refresh if fresh else function
    results = [call(*arguments) for arguments in calls]
    seconds, after = time.perf_counter() - start, function.cache_info()
    hits = after.hits - before.hits
    saved = after.seconds_saved - before.seconds_saved
    counts = (len(calls), len(calls) - hits, hits)
    table.add_row(name, *map(str, counts), f"{seconds:.3f}", f"{saved:.3f}")
    return results


def run_study(table: Table, *, fresh: bool) -> list[str]:
    """Run every stage, and return the lines of the result."""
    start = time.perf_counter()
    bars = load_bars()
    table.add_row("load", "1", "-", "-", f"{time.perf_counter() - start:.3f}", "-")

    stage = partial(run_stage, table, fresh=fresh)
    close = bars["close"]
    months = [part for _, part in bars.groupby(bars.index.to_period("M"))]
    grid = list(product(FAST, SLOW))

    [known] = stage("features", features, [(bars,)])
    [labels] = stage("labels", triple_barrier_labels, [(close, known["volatility"])])
    intervals = stage("volatility by month", volatility_interval, [(part,) for part in months])
    stage("backtest grid", crossover_backtest, [(close, *pair) for pair in grid])

    lines = [describe_labels(labels)]
    lines += map(describe_month, months, intervals)
    return lines + describe_best(close, grid)


def describe_labels(labels: pd.DataFrame) -> str:
    counts = labels["label"].value_counts()
    return f"labels: {counts[1]} profit, {counts[-1]} stop, {counts[0]} time"


def describe_month(month: pd.DataFrame, interval: dict[str, float]) -> str:
    shown = "{low:.2%} < {volatility:.2%} < {high:.2%}".format(**interval)
    return f"volatility {month.index[0]:%Y-%m}: {shown}"


def describe_best(close: pd.Series, grid: list[tuple[int, int]]) -> list[str]:
    """The best three by Sharpe ratio, every digit shown, and how much of the first may be luck.

    The ledger counts whatever was tried of the strategy, by earlier code as well; the ranking here
    is of the runs of this code alone.
    """
    runs = [crossover_backtest.run_id(close, *pair) for pair in grid]
    ranked = get_backtest_cache().find_best_parameters("crossover", run_ids=runs, top_n=3)
    lines = [
        f"best {rank}: {run.param_fast}/{run.param_slow} sharpe_ratio {run.sharpe_ratio!r}, "
        f"max_drawdown {run.max_drawdown!r}, total_return {run.total_return!r}"
        for rank, run in enumerate(ranked.itertuples(), start=1)
    ]
    best = ranked.iloc[0]
    alone, deflated = f"{best.psr:.2f}", f"{best.deflated_sharpe:.2f}"
    return [
        *lines,
        f"trials: {best.n_trials}, as good as {best.n_independent:.1f} independent ones",
        f"deflated Sharpe ratio of best 1: {deflated}, and {alone} if it were the only trial",
    ]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fresh", action="store_true", help="compute everything again")
    parser.add_argument("--verbose", action="store_true", help="say which function bodies run")
    parser.add_argument("--cache-dir", type=Path, metavar="PATH", help="where to keep results")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    logging.basicConfig(level="INFO" if arguments.verbose else "WARNING", format="%(message)s")
    if arguments.cache_dir:
        configure(cache_dir=arguments.cache_dir)

    table = Table("stage", title="EURUSD, hourly")
    for column in ("calls", "computed", "hits", "seconds", "seconds saved"):
        table.add_column(column, justify="right")
    results = run_study(table, fresh=arguments.fresh)
    Console().print(table)
    print(*results, sep="\n")


if __name__ == "__main__":
    main()
