"""Workers share keys with the process that started them, for functions of its main script."""

from collections.abc import Callable

import pytest

MAIN = """
import sys
from pathlib import Path

import numpy as np
from afml_cache import robust_cacheable

PIP = 0.0001


def smooth(prices, span):
    return np.convolve(prices, np.ones(span) / span)


class Costs:
    spread = 0.5

    def of(self, size):
        return self.spread * size


def made(offset):
    return lambda x: x + offset


add = made(3)


@robust_cacheable
def mark(prices, span=3):
    '''Marked by hand.'''
    return add(smooth(prices, span).sum() * PIP + Costs().of(2.0))


def ask(span):
    prices = np.arange(10.0)
    return mark.cache_key(prices, span), mark.is_cached(prices, span), float(mark(prices, span))


def main():
    keys = [mark.cache_key(np.arange(10.0), span) for span in range(1, 5)]
    mark(np.arange(10.0), 1)
{body}
    answers = list(answers)
    print([key for key, _, _ in answers] == keys, [there for _, there, _ in answers])
    print([mark.is_cached(np.arange(10.0), span) for span in range(1, 5)])


if __name__ == "__main__":
    main()
"""
POOLS = {
    "spawn": """
    import multiprocessing
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        answers = pool.map(ask, range(1, 5))
""",
    "forkserver": """
    import multiprocessing
    with multiprocessing.get_context("forkserver").Pool(1) as pool:
        answers = pool.map(ask, range(1, 5))
""",
    "fork": """
    import multiprocessing
    with multiprocessing.get_context("fork").Pool(1) as pool:
        answers = pool.map(ask, range(1, 5))
""",
    "loky": """
    import joblib
    answers = joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(ask)(n) for n in range(1, 5))
""",
    "loky, the cached function itself": """
    import joblib
    prices = np.arange(10.0)
    values = joblib.Parallel(n_jobs=2)(joblib.delayed(mark)(prices, n) for n in range(1, 5))
    answers = [ask(n) for n in range(1, 5)]
    assert all(there for _, there, _ in answers), answers
    answers[1:] = [(key, False, value) for key, _, value in answers[1:]]
""",
    "cloudpickle": """
    import cloudpickle, subprocess
    Path("asked.pickle").write_bytes(cloudpickle.dumps(ask))
    code = (
        "import pickle, pathlib, sys;"
        "ask = pickle.loads(pathlib.Path('asked.pickle').read_bytes());"
        "pathlib.Path('answers.pickle').write_bytes(pickle.dumps([ask(n) for n in range(1, 5)]))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    import pickle
    answers = pickle.loads(Path("answers.pickle").read_bytes())
""",
    "dask": """
    import distributed
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster, distributed.Client(cluster) as client:
        answers = client.gather(client.map(ask, range(1, 5)))
""",
}


@pytest.mark.parametrize("pool", POOLS)
def test_a_worker_has_the_keys_of_the_main_script(run_python: Callable, pool: str) -> None:
    shown = run_python(MAIN.replace("{body}", POOLS[pool]), hashseed=3).strip().splitlines()
    assert shown[-2:] == ["True [True, False, False, False]", "[True, True, True, True]"]


def test_a_cached_function_that_was_sent_by_value_sees_an_edit_there(
    run_python: Callable,
) -> None:
    body = (
        POOLS["cloudpickle"].replace("ask = pickle", "ask0 = pickle").replace("[ask(n)", "[ask0(n)")
    )
    body = body.replace(
        "\"pathlib.Path('answers",
        "\"ask0.__globals__['PIP'] = 5.0; pathlib.Path('answers",
    )
    shown = run_python(MAIN.replace("{body}", body)).strip().splitlines()
    assert shown[-2:] == ["False [False, False, False, False]", "[True, False, False, False]"]
