"""Are the runs in `runs.zip` still found, and still what they were, with an index and without?

python runs.py           # one line if they are; nothing is looked for without pandas
python runs.py --write   # make the store and `runs.json` anew; never where a release has them
"""

import importlib.util
import json
import math
import platform
import shutil
import sys
import warnings
from collections import Counter
from pathlib import Path

import tried
from stored import archived, same, unpacked

import afml_cache

ARCHIVE = Path(__file__).with_name("runs.zip")
TABLE = Path(__file__).with_name("runs.json")
PARTS = ("trades", "equity_curve", "positions", "diagnostics")
KNOWN = (
    *("strategy", "dataset", "purpose", "is_test", "code", "parameters", "data"),
    *("state", "pinned", "at_ns", "seconds", "time_range", "seen_ns", "step_ns", "moments"),
    *("reason", "metrics"),
)
FIGURES = ("n_trials", "n_independent", "psr", "deflated_sharpe")


def told_of(cache, run_id):
    """All that is known of a run, as JSON has it."""
    run = cache.native.find(run_id)
    if run is None:
        return {"run_id": run_id}
    returns = cache.returns([run_id])
    sessions = [str(label) for label in returns.index]
    code = None if run.code is None else cache.native.code(run.code)
    folder = cache.native.folder_of(run_id)
    return {
        "run_id": run_id,
        **{name: getattr(run, name) for name in KNOWN},
        "about": json.loads(run.about),
        "of code": [label for label, _, _ in json.loads(code or "[]")],
        "files": sorted(path.name for path in folder.glob("*")),
        "returns": afml_cache.digest([sessions, *map(list, returns.to_numpy().T.tolist())]),
    }


def ranked(cache, strategy):
    """The figures of the best runs of a strategy, by id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", afml_cache.RankingWarning)
        best = cache.find_best_parameters(strategy, top_n=20)
    return {run_id: list(row) for run_id, *row in best[list(FIGURES)].itertuples()}


def luck(cache, family):
    """What was tried in a family, and how much of its best is luck."""
    kinds = Counter(cache.ledger.trials(*family)["kind"])
    found = cache.overfitting(*family)
    return [kinds, float(found), found.trials, found.periods, found.reason]


def split(cache, number):
    fold = cache.get_walk_forward_split("walk", number)
    return {name: str(value) for name, value in fold.items()}


def told(cache, ids):
    """All that is known, as JSON has it."""
    families = cache.ledger.families()
    found = {
        "runs": {name: told_of(cache, run_id) for name, run_id in ids.items()},
        "best": {name: ranked(cache, name) for name in sorted({each[0] for each in families})},
        "leaderboard": list(cache.leaderboard().index),
        "luck": {" | ".join(each): luck(cache, each) for each in families},
        "splits": [split(cache, number) for number in range(len(tried.folds()))],
        "damaged": cache.native.damaged,
    }
    return json.loads(json.dumps(found))


def agree(left, right):
    """Whether values are equal, floats to one part in a thousand million."""
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=1e-9) or (math.isnan(left) and math.isnan(right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(agree(left[key], right[key]) for key in left)
    if type(left) is type(right) and isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(agree, left, right))
    return same(left, right)


def unlike(found, expected, place=""):
    """Say where two tables differ."""
    if isinstance(found, dict) and isinstance(expected, dict) and found.keys() == expected.keys():
        pairs = ((f"{place}/{key}", found[key], expected[key]) for key in found)
        return [line for key, *pair in pairs for line in unlike(*pair, key)]
    return [] if agree(found, expected) else [f"{place[1:]} is {found!r}, not {expected!r}"]


def missed(store, table):
    """Say which calls are no hits where they should be, or give another answer."""
    functions = tried.decorated(store)
    for name, (strategy, arguments) in tried.calls().items():
        function, known = functions[strategy], table["runs"][name]
        if function.run_id(*arguments) != known["run_id"]:
            yield f"{name} is another run"
        elif function.is_cached(*arguments) != (known.get("state") == "whole"):
            yield f"{name} is {known.get('state')}, and is not found so"
        elif known.get("state") == "whole":
            with afml_cache.mode("frozen"):
                if not agree(function(*arguments), function.__wrapped__(*arguments)):
                    yield f"{name} is another answer"


def looked_up(cache, run):
    """Look up a run that was noted, with parameters and data in another order and form."""
    import numpy as np

    spelled = {
        name: np.int64(value) if type(value) is int else value
        for name, value in reversed(run.parameters.items())
    }
    data = dict(reversed(run.data.items())) if type(run.data) is dict else run.data
    return cache.get_cached_backtest(run.strategy, spelled, data, code=run.named.get("code"))


def unfound(cache, table):
    """Say which runs that were noted by hand are not found, or are others."""
    for name, run in tried.noted().items():
        found = looked_up(cache, run)
        if found is None or found.metadata.run_id != table["runs"][name]["run_id"]:
            yield f"{name} is not found"
            continue
        expected = {part: run.named.get(part) for part in PARTS}
        if name == "traded anew":
            expected["trades"] = tried.traded_anew()
        expected |= {"metrics": run.metrics}
        if not agree({part: getattr(found, part) for part in expected}, expected):
            yield f"{name} is another answer"
        if not agree(cache.index[found.metadata.run_id]["parameters"], run.parameters):
            yield f"{name} has other parameters"


def unsplit(cache):
    """Say which folds of the split have other rows."""
    for number, rows in enumerate(tried.folds()):
        fold = cache.get_walk_forward_split("walk", number, frames=True)
        if not agree((fold["train_data"], fold["test_data"]), rows):
            yield f"fold {number} has other rows"


def anew(cache, table):
    """Say what counts as another run, or as tried once more, when it is noted again."""
    for name, run in tried.noted().items():
        if cache.cache_backtest(*run[:4], **run.named) != table["runs"][name]["run_id"]:
            yield f"{name} is another run"
    families = {" | ".join(each): luck(cache, each) for each in cache.ledger.families()}
    yield from unlike(families, table["luck"], "/noted again")


def faults(root, table, *, has_index):
    """Say what is wrong with a store; its index knows of overfitting what the log does not."""
    store = afml_cache.Store(root)
    cache = afml_cache.BacktestCache(store=store)
    known = [cache.native.standing(*family)["overfitting"] for family in cache.ledger.families()]
    if [each is not None for each in known] != [has_index] * len(table["luck"]):
        yield f"overfitting was known of {known}"
    yield from missed(store, table)
    yield from unfound(cache, table)
    yield from unsplit(cache)
    ids = {name: run["run_id"] for name, run in table["runs"].items()}
    yield from unlike(told(cache, ids), table)
    if has_index:
        yield from anew(cache, table)


def write():
    """Make the store and the table; what is kept names no machine, and the index is left out."""
    platform.node = lambda: "golden"
    with archived(ARCHIVE) as root:
        store = afml_cache.Store(root)
        ids = tried.try_all(store)
        table = told(afml_cache.BacktestCache(store=store), ids)
        TABLE.write_text(json.dumps(table, indent=1) + "\n")
        for path in (root / "v1").rglob("runs.sqlite3*"):
            path.unlink()


def main(arguments):
    """Compare or write; the exit status says whether all were found."""
    if arguments == ["--write"]:
        write()
        return 0
    if not all(map(importlib.util.find_spec, ("numpy", "pandas"))):
        print("0 golden runs, 0 wrong")
        return 0
    table = json.loads(TABLE.read_text())
    with unpacked(ARCHIVE) as root:
        wrong = [f"without an index: {each}" for each in faults(root, table, has_index=False)]
        other = Path(shutil.copytree(root, root.with_name("other")))
        wrong += [f"with its index: {each}" for each in faults(other, table, has_index=True)]
    print(f"{len(table['runs'])} golden runs, {len(wrong)} wrong", *wrong, sep="\n  ")
    return len(wrong) > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
