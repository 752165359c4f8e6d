"""Does the installed wheel do its work in this environment?  One line if it does.

python smoke.py
"""

import os
import platform
import subprocess
import sys
import tempfile
import warnings
from importlib.metadata import version
from pathlib import Path

import afml_cache

assert {"numpy", "pandas", "polars", "pyarrow"}.isdisjoint(sys.modules), "imported too early"


def same(left, right):
    if hasattr(left, "equals"):
        return left.equals(right)
    if hasattr(left, "shape"):
        return left.shape == right.shape and bool((left == right).all())
    return left == right


def spoil(value):
    """Change a result in place, as far as its type lets us."""
    if isinstance(value, dict):
        value.clear()
    elif hasattr(value, "iloc"):
        value.iloc[:, :] = -1.0
    elif hasattr(value, "fill"):
        value.fill(-1.0)


def check(function, arguments, changed, *, computed):
    """Each call gives what the bare function gives; `computed` says whether bodies may run."""
    result, other = function.__wrapped__(*arguments), function.__wrapped__(*changed)
    assert same(function(*arguments), result), "the first call differs"
    assert function.cache_info().misses == computed, function.cache_info()
    spoil(function(*arguments))
    assert same(function(*arguments), result), "a change to a result reached the next hit"
    assert not same(result, other), "the case shows nothing"
    assert same(function(*changed), other), "a changed cell gave the old result"
    assert function.cache_info().misses == 2 * computed, function.cache_info()


def work(*, computed):
    """All cases in one process: computed in the first, nothing but hits in the second."""
    import strategy

    warnings.simplefilter("error", afml_cache.CacheWarning)
    for name, case in strategy.cases().items():
        check(*case, computed=computed)
        print(name if name == "plain" else f"{name} {version(name)}")


def kinds_checked(folder, *, computed):
    home = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), folder)
    cache = {"AFML_CACHE": f"{folder}/cache", "PYTHONHASHSEED": "1" if computed else "2"}
    command = (sys.executable, "-B", __file__, "computed" if computed else "hits")
    environment = {**os.environ, **home, **cache}
    return subprocess.check_output(command, env=environment, text=True).splitlines()


def main():
    import afml.cache

    assert afml.cache.robust_cacheable is afml_cache.robust_cacheable
    assert (Path(afml_cache.__file__).parent / "py.typed").is_file()
    with tempfile.TemporaryDirectory() as folder:
        kinds = kinds_checked(folder, computed=True)
        assert kinds_checked(folder, computed=False) == kinds
    print(f"Python {platform.python_version()}: {', '.join(kinds)}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        work(computed=sys.argv[1] == "computed")
    else:
        main()
