"""The stages of the mass test: bars, universes, labels, regimes, patterns, backtests."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mass_kernels import (
    REGIMES,
    Configuration,
    Market,
    Prices,
    Strategy,
    evaluate,
    label,
    read_labels,
)

from afml_cache import BatchRunner, artifact, scratch, sweep

MINUTES = {"EURUSD": 60, "GOOG": 1440}  # of a bar
BARS_PER_YEAR = {"EURUSD": 252 * 24, "GOOG": 252}
SLICES = {
    "EURUSD_2017Q2": ("EURUSD", "2017-04", "2017-06"),
    "GOOG_2005-2006": ("GOOG", "2005", "2006"),
    "EURUSD_2017Q3": ("EURUSD", "2017-07", "2017-09"),
    "GOOG_2007-2008": ("GOOG", "2007", "2008"),
    "EURUSD_2017Q4": ("EURUSD", "2017-10", "2017-12"),
    "GOOG_2009-2010": ("GOOG", "2009", "2010"),
    "EURUSD_2018Q1": ("EURUSD", "2018-01", "2018-02"),
    "GOOG_2011-2012": ("GOOG", "2011", "2012"),
}
BARS_TOGETHER, LOOKBACKS = (1, 2, 4), (5, 10, 20)
CONFIGURATIONS = [
    Configuration(profit / 2, stop / 2, horizon)
    for profit, stop, horizon in product(range(2, 9), range(2, 8), (6, 12, 18, 24, 36))
]  # 7 x 6 x 5 = 210
FAST, SLOW = range(4, 46, 2), range(50, 250, 10)
QUANTILES = np.linspace(0, 0.8, 11)  # 21 x 20 x 11 = 4,620 strategies
VOLATILITY_SPAN, FINALISTS = 50, 5


@dataclass(frozen=True, eq=False)
class Dataset:
    """Bars of a pair in a slice of time, where its files lie, and what is made once in a run."""

    name: str
    pair: str
    bars: pd.DataFrame
    output: Path

    @property
    def folder(self) -> Path:
        return self.output / self.name

    @property
    def prefix(self) -> Path:
        return self.output / f"{self.name}_"

    def size(self) -> int:
        """Bytes of all files that are kept of it."""
        files = [*self.folder.rglob("*"), *self.output.glob(f"{self.prefix.name}*")]
        return sum(path.stat().st_size for path in files if path.is_file())

    @cached_property
    def universes(self) -> list[Any]:
        """Have all universes made that are not there; their rows are counted and not read."""
        found = universes_of(self)
        rows = sum(each.metadata.rows for each in found)
        print(
            f"🌌 Universes: {len(found)} of {rows:,} rows, {computed_of('Universes')}", flush=True
        )
        return found

    @cached_property
    def regimes(self) -> np.ndarray:
        """The regime at each bar on which most universes agree."""
        found = sweep(
            find_regimes,
            self.universes,
            common=(len(self.bars),),
            group="regimes",
            desc="Regime Detection",
        )
        print(f"STEP 2: Regime Detection     → {computed_of('Regime Detection')}", flush=True)
        return np.median(found, axis=0).astype("i8")


def load(name: str, output: Path) -> Dataset:
    pair, first, last = SLICES[name]
    return Dataset(name, pair, history(pair).loc[first:last], output)


@cache
def history(pair: str) -> pd.DataFrame:
    """All bars of a pair: hours of EURUSD, days of GOOG; open, high, low, close, volume."""
    found = find_spec("backtesting")
    if found is None:
        sys.exit("the bars come with backtesting: pip install 'afml-cache[examples]'")
    [folder] = found.submodule_search_locations
    path = Path(folder, "test", f"{pair}.csv")
    return pd.read_csv(path, index_col=0, parse_dates=True).rename(columns=str.lower)


def computed_of(name: str) -> str:
    """How many items the last sweep of a name has computed, and how many were there."""
    status = sweep.status(name)
    return f"{status.done - status.hits} computed, {status.hits} cached"


@artifact(
    "{folder}/universes/universe_{interval}m_{lookback}lb.parquet",
    identified_by=("interval", "lookback", "bars", "minutes"),
    group="universes",
)
def universe(
    interval: int, lookback: int, bars: pd.DataFrame, minutes: int, folder: Path
) -> pd.DataFrame:
    """Features of bars of an interval in minutes, each of which looks back on so many."""
    place = np.arange(len(bars))
    grouped = bars.assign(bar=place).groupby(place // (interval // minutes))
    last = grouped[["close", "bar"]].last()
    highest = grouped["high"].max().rolling(lookback).max()
    lowest = grouped["low"].min().rolling(lookback).min()
    returns = np.log(last["close"]).diff()
    features = {
        "bar": last["bar"],
        "momentum": returns.rolling(lookback).sum(),
        "volatility": returns.rolling(lookback).std(),
        "channel": (last["close"] - lowest) / (highest - lowest),
    }
    return pd.DataFrame(features).dropna().set_index("bar")


def universes_of(dataset: Dataset) -> list[Any]:
    minutes = MINUTES[dataset.pair]
    return sweep(
        universe,
        [(minutes * together, lookback) for together in BARS_TOGETHER for lookback in LOOKBACKS],
        unpack=True,
        common={"bars": dataset.bars, "minutes": minutes, "folder": dataset.folder},
        group="universes",
        desc="Universes",
    )


def features_of(universes: list[Any], length: int) -> pd.DataFrame:
    """Features at each bar, of the universes that take each bar by itself."""
    found = [
        saved.load().add_suffix(f"_{lookback}")
        for saved, lookback in zip(universes, LOOKBACKS, strict=False)
    ]
    return pd.concat(found, axis=1).reindex(range(length))


def find_regimes(saved: Any, length: int) -> np.ndarray:
    """Rank the volatility at each bar among all before: a third is calm, one normal, one wild."""
    volatility = saved.load()["volatility"]
    rank = volatility.expanding(len(REGIMES)).rank(pct=True).fillna(0.5)
    regime = np.ceil(rank * len(REGIMES)) - 1
    return regime.reindex(range(length)).ffill().fillna(1).to_numpy("i8")


@artifact(
    "{prefix}patterns.json",
    scratch=["labels/"],
    identified_by=("bars", "configurations", "universes"),
    group="patterns",
)
def discover_patterns(
    bars: pd.DataFrame,
    configurations: list[Configuration],
    universes: list[Any],
    *,
    prefix: Path,
    dataset: Dataset,
    workers: int,
) -> dict[str, Any]:
    """Label in all ways, and find the features that tell labels best.

    What was labelled lies in scratch until the patterns are in place, and is then gone.
    """
    volatility = bars["close"].pct_change().ewm(span=VOLATILITY_SPAN, min_periods=20).std()
    prices = Prices(
        *(bars[name].to_numpy() for name in ("high", "low", "close")), volatility.to_numpy()
    )
    features = features_of(universes, len(bars))
    with scratch("labels") as folder:
        print(f"STEP 1: Labeling             → {len(configurations)} configurations", flush=True)
        found = sweep(
            label,
            configurations,
            common=(prices, features.to_numpy(), folder),
            ignore="folder",  # what labels come to does not depend on where they lie
            workers=workers,
            group="labeling",
            desc="Labeling",
        )
        print(f"   Labels: {computed_of('Labeling')}", flush=True)
        regimes = dataset.regimes
        print(f"STEP 3: Pattern Mining       → {prefix.name}patterns.json", flush=True)
        return mined(found, prices, features, regimes, folder)


def mined(
    found: list[dict[str, Any]],
    prices: Prices,
    features: pd.DataFrame,
    regimes: np.ndarray,
    folder: Path,
) -> dict[str, Any]:
    """Say what all labels came to, and look into those that are told best."""
    scores = np.array([each["scores"] for each in found])
    importance = np.abs(scores).mean(axis=0)
    ranked = np.argsort(-importance)
    best = int(ranked[0])
    finalists = np.argsort(-np.abs(scores[:, best]))[:FINALISTS]
    chosen = [Configuration(**found[number]["configuration"]) for number in finalists]
    labels = np.concatenate([read_labels(folder, each, prices) for each in chosen])
    sums = np.bincount(regimes[labels["bar"]], labels["return"], minlength=len(REGIMES))
    return {
        "important_features": [features.columns[place] for place in ranked],
        "feature_importance": [float(importance[place]) for place in ranked],
        "direction": 1 if scores[finalists, best].sum() >= 0 else -1,
        "configurations": [each._asdict() for each in chosen],
        "return_by_regime": dict(zip(REGIMES, map(float, sums / len(labels)), strict=True)),
    }


def backtest(
    dataset: Dataset,
    patterns: dict[str, Any],
    *,
    most: int | None,
    workers: int,
    batch_size: int,
    spread: float,
) -> Path:
    """Backtest all strategies, or the first of them, on the feature that matters most."""
    features = features_of(dataset.universes, len(dataset.bars))
    feature = features[patterns["important_features"][0]]
    signal = patterns["direction"] * feature.to_numpy()
    thresholds = np.nanquantile(signal, QUANTILES).tolist()
    close, year = dataset.bars["close"].to_numpy(), BARS_PER_YEAR[dataset.pair]
    market = Market(close, signal, dataset.regimes, year)
    strategies = [Strategy(*each) for each in product(FAST, SLOW, thresholds)]
    runner = BatchRunner(
        evaluate,
        strategies[:most],
        batch_size,
        output_dir=dataset.folder / "batch_results",
        common=(market, spread),
        workers=workers,
        desc="Backtests",
    )
    return runner.run()
