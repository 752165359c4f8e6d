"""A walk-forward study of a moving-average strategy. Run it twice: the second run computes nothing.

    python examples/walk_forward.py [--fresh] [--cache-dir PATH] [--plot PATH]

A fold tries a grid of parameters on 90 days of hourly EURUSD bars, and uses the best of them on the
next 30. All folds are walked through four times: at first; again, and nothing computes; with one
more set of parameters, and its column alone computes; with one bar restated, and the folds that
have it compute, in training, in the test, or in both.

What is counted:

- A trial is a set of parameters, by the same code, in a family: strategy, data set and purpose.
  Each training has a purpose of its own here, so the deflated Sharpe ratio of its best backtest is
  that of the best of so many on these very bars. In one family for all trainings, a set would be
  one trial whatever the fold, and the fold that was computed last would count for it.
- A backtest of a test is no trial. Each look at a test is counted, by the data-access tracker.
- At the end the grid is tried on the whole history, a family of its own, which says what to trade
  next and how likely that is overfitted. It is one more look at all tests. How good this way of
  choosing is, the tests alone can say.
- The ledger forgets nothing, not even with --fresh: run again, and the set that is added late
  counts from the first walk on.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from backtesting.test import EURUSD
from rich import box
from rich.console import Console
from rich.table import Table

from afml_cache import (
    cached_backtest,
    configure,
    get_backtest_cache,
    get_data_tracker,
    log_data_access,
    probabilistic_sharpe_ratio,
)

STRATEGY, DATASET, WHOLE = "moving averages", "EURUSD/1h", "whole history"
FOLDS = {
    "train": "90D",
    "test": "30D",
    "purge": 1,  # a position is decided on one bar, and earns on the next
    "embargo": "1D",  # the averages of a day after a test reach back into it
}
GRID = [{"fast": fast, "slow": slow} for fast, slow in product((12, 24, 36), (72, 120, 168, 240))]
MORE = [*GRID, {"fast": 48, "slow": 240}]
RESTATED, BY = pd.Timestamp("2017-09-01 12:00"), 0.0005
COST_PER_TURN = 0.00002  # half a spread of about 0.4 pips, as a fraction of the price
BARS_PER_YEAR = 252 * 24
PLAIN: Any = {"box": box.SIMPLE_HEAD, "collapse_padding": True, "pad_edge": False}
LEGEND = """\
computed, found   backtests in training + in the test
Sharpe, test      Sharpe ratio of the best in training, there and in the test
PSR, DSR          probability of an edge: as the only trial, as the best of all
*                 this has the bar that is restated in the last walk
"""


def moving_averages(data: pd.DataFrame, params: dict[str, int], before: Any = None) -> Any:
    """Long while the fast average is above the slow one, else short; `before` warms them up."""
    close = data["close"] if before is None else pd.concat([before["close"], data["close"]])
    trend = np.sign(close.rolling(params["fast"]).mean() - close.rolling(params["slow"]).mean())
    position = trend.shift(1).fillna(0.0).loc[data.index]  # decided at a close, held for a bar
    turnover = position.diff().fillna(position).abs()
    returns = position * data["close"].pct_change().fillna(0.0) - turnover * COST_PER_TURN
    equity = (1.0 + returns).cumprod()
    metrics = {
        "sharpe_ratio": annual_sharpe(returns),
        "max_drawdown": float((equity / equity.cummax() - 1.0).min()),
        "total_return": float(equity.iloc[-1] - 1.0),
    }
    return metrics, trades_of(position, returns), equity


def annual_sharpe(returns: pd.Series) -> float:
    return float(returns.mean() / returns.std() * np.sqrt(BARS_PER_YEAR))


def trades_of(position: pd.Series, returns: pd.Series) -> pd.DataFrame:
    """When each position was held, on which side, and what it returned."""
    first = np.flatnonzero(position.diff().fillna(1.0))
    last = np.append(first[1:], len(position)) - 1
    grown = np.expm1(np.add.reduceat(np.log1p(returns.to_numpy()), first))
    times = {"first": position.index[first], "last": position.index[last]}
    trades = pd.DataFrame({**times, "side": position.to_numpy()[first], "return": grown})
    return trades[trades["side"] != 0.0]


def backtest_for(purpose: str) -> Any:
    """The backtest, run once for each content; each purpose is a family of trials."""
    return cached_backtest(STRATEGY, dataset=DATASET, purpose=purpose)(moving_averages)


@dataclass(frozen=True)
class Step:
    """One fold: the best of its training, how that did in the test, and what was computed."""

    fold: Any
    best: Any
    sharpe: float
    equity: pd.Series
    counts: tuple[tuple[int, int], tuple[int, int]]
    marks: tuple[str, str]


def walk(bars: pd.DataFrame, grid: list[dict[str, int]]) -> list[Step]:
    """Go through all folds; the cache notes them, and so tells tests from trials."""
    folds = get_backtest_cache().walk_forward(bars, **FOLDS, dataset=DATASET)
    return [step_of(fold, grid) for fold in folds]


def step_of(fold: Any, grid: list[dict[str, int]]) -> Step:
    """Try the grid on the training, and what was best there on the test."""
    backtest, train, test = backtest_for(f"training {fold.number}"), fold.train, fold.test
    best = ranked(backtest, train, grid).head(1)
    trained = backtest.cache_info()
    metrics, _, equity = backtest(test, best, before=train)  # a ranking stands for its first row
    tested = backtest.cache_info()
    computed = trained.misses, tested.misses - trained.misses
    found = trained.hits, tested.hits - trained.hits
    marks = tuple("*" if RESTATED in bars.index else "" for bars in (train, test))
    return Step(fold, best.iloc[0], metrics["sharpe_ratio"], equity, (computed, found), marks)


def ranked(backtest: Any, bars: pd.DataFrame, grid: list[dict[str, int]]) -> pd.DataFrame:
    """Run a grid and rank it: not what else the store has, of other grids or earlier code."""
    runs = []
    for params in grid:
        backtest(bars, params)
        runs.append(backtest.last_run_id)
    return backtest.cache.find_best_parameters(STRATEGY, run_ids=runs, top_n=len(runs))


def show_walk(console: Console, name: str, steps: list[Step], seconds: float) -> None:
    computed, found = np.sum([each.counts for each in steps], axis=(0, 2))
    console.print(f"{name}: {computed} computed, {found} found, {seconds:.2f} s")
    table = Table("fold", "trained on", "tested to", **PLAIN)
    for column in ("computed", "found", "chosen", "Sharpe", "DSR", "test"):
        table.add_column(column, justify="right")
    for step in steps:
        (first, last), (_, end), best = step.fold.train_range, step.fold.test_range, step.best
        table.add_row(
            str(step.fold.number),
            f"{first:%d %b}-{last:%d %b}{step.marks[0]}",
            f"{end:%d %b}{step.marks[1]}",
            *("{}+{}".format(*counts) for counts in step.counts),
            f"{best.param_fast}/{best.param_slow}",
            *(f"{value:.2f}" for value in (best.sharpe_ratio, best.deflated_sharpe, step.sharpe)),
        )
    console.print(table)


def show_best(console: Console, bars: pd.DataFrame) -> str:
    """Try all parameters on all bars, and say how much of it is luck; give the best run's id."""
    log_data_access(DATASET, bars.index[0], bars.index[-1], "optimize", bars.shape)
    backtest = backtest_for(WHOLE)
    ranking, info = ranked(backtest, bars, MORE), backtest.cache_info()
    console.print(f"{WHOLE}: {info.misses} computed, {info.hits} found")
    table = Table("best", **PLAIN)
    for column in ("Sharpe", "return", "drawdown", "PSR", "DSR", "trials", "independent"):
        table.add_column(column, justify="right")
    for run in ranking.head(5).itertuples():
        pair, sharpe = f"{run.param_fast}/{run.param_slow}", f"{run.sharpe_ratio:.2f}"
        shares = f"{run.total_return:.1%}", f"{run.max_drawdown:.1%}"
        odds = f"{run.psr:.2f}", f"{run.deflated_sharpe:.2f}"
        table.add_row(pair, sharpe, *shares, *odds, f"{run.n_trials}", f"{run.n_independent:.1f}")
    console.print(table)
    overfitting = backtest.cache.overfitting(STRATEGY, DATASET, WHOLE)
    console.print(f"probability of backtest overfitting: {overfitting:.2f}")
    return str(ranking.index[0])


def equity_of(steps: list[Step]) -> pd.Series:
    """The equity of all tests, each of which goes on from the one before."""
    pieces = [step.equity for step in steps]
    levels = np.cumprod([1.0, *(piece.iloc[-1] for piece in pieces[:-1])])
    return pd.concat([level * piece for level, piece in zip(levels, pieces, strict=True)])


def show_tests(console: Console, equity: pd.Series) -> None:
    """Say what came of all tests, and how often they were looked at."""
    returns = equity.pct_change().dropna()
    sharpe, chance = annual_sharpe(returns), probabilistic_sharpe_ratio(returns)
    console.print(f"all tests in a row: Sharpe ratio {sharpe:.2f}, PSR {chance:.2f}")
    looks = get_data_tracker().get_contamination_report().set_index("dataset").loc[DATASET]
    seen = f"{looks.test_accesses} at tests, {looks.optimize_accesses} at all"
    console.print(f"looks: {seen}; at most {looks.most_looks} at one bar ({looks.warning_level})")


def draw(equity: pd.Series, best: str, path: Path) -> None:
    """Draw the equity of all tests, beside that of what is best in hindsight."""
    axes = get_backtest_cache().plot_equity(best)
    axes.lines[0].set_label(f"{axes.lines[0].get_label()}, in hindsight")
    daily = equity.groupby(equity.index.normalize()).last()
    axes.plot(daily.index, daily, label="walk forward, its tests alone")
    axes.legend(loc="best", fontsize="small")
    axes.figure.savefig(path, dpi=150)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fresh", action="store_true", help="compute everything again")
    parser.add_argument("--cache-dir", type=Path, metavar="PATH", help="where to keep runs")
    parser.add_argument("--plot", type=Path, metavar="PATH", help="where to draw equity")
    return parser.parse_args()


def main() -> None:
    arguments, console = parse_arguments(), Console(highlight=False)
    if arguments.cache_dir:
        configure(cache_dir=arguments.cache_dir)
    bars = EURUSD.rename(columns=str.lower)  # 5,000 hours, April 2017 to February 2018
    restated = bars.copy()
    restated.loc[RESTATED, "close"] += BY
    if arguments.fresh:
        get_backtest_cache().clear_old_runs(days=0, strategy=STRATEGY)
    console.print(LEGEND)
    walks = {
        "first": (bars, GRID),
        "again": (bars, GRID),
        "one parameter more": (bars, MORE),
        "one bar restated": (restated, MORE),
    }
    for name, (data, grid) in walks.items():
        start = time.perf_counter()
        steps = walk(data, grid)
        show_walk(console, name, steps, time.perf_counter() - start)
    best = show_best(console, restated)
    show_tests(console, equity_of(steps))
    if arguments.plot:
        draw(equity_of(steps), best, arguments.plot)


if __name__ == "__main__":
    main()
