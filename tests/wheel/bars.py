"""Do bars by time range work in this environment, or say what they need?  One line either way.

python bars.py
"""

import os
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from importlib.util import find_spec

import afml_cache

DAY = datetime(2024, 3, 4, tzinfo=timezone.utc)
REMEDY = "pip install 'afml-cache[bars]'"


def load(symbol, timeframe, start, end):
    import polars as pl

    print("called", file=sys.stderr)
    return pl.select(time=pl.datetime_range(start, end, "1h", closed="left"), close=1.5)


def work(kind):
    """Ask for a day, and then for two: the second process makes no call."""
    options = {} if kind == "whole" else {"retries": 0}
    bars = afml_cache.RangeCache("bars", load, **options)
    for days in (1, 2):
        answer = bars.get("EURUSD", "1h", DAY, DAY + timedelta(days=days))
        assert answer["time"].to_list()[-1] == DAY + timedelta(days=days, hours=-1)
        assert len(answer) == 24 * days
    if kind == "whole" and find_spec("exchange_calendars"):
        days = afml_cache.RangeCache("days", load, calendar="XNYS")
        saturday = DAY.replace(day=9)
        assert days.explain_gap("GOOG", "1D", saturday).kind == "closed"


def calls(folder, kind):
    home = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), folder)
    environment = {**os.environ, **home, "AFML_CACHE": f"{folder}/cache"}
    ran = subprocess.run(
        (sys.executable, "-B", __file__, kind),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stderr.splitlines().count("called")


def says_what_it_needs(make):
    try:
        make()
    except (ImportError, afml_cache.CacheConfigError) as error:
        return REMEDY in str(error)
    return False


def main():
    missing = [name for name in ("numpy", "polars") if find_spec(name) is None]
    if missing:
        assert says_what_it_needs(lambda: afml_cache.RangeCache)
        print(f"bars need {' and '.join(missing)}, and say so")
        return
    kind = "whole" if find_spec("tenacity") else "polars alone"
    assert kind == "whole" or says_what_it_needs(lambda: afml_cache.RangeCache("bars", load))
    with tempfile.TemporaryDirectory() as folder:
        assert [calls(folder, kind), calls(folder, kind)] == [2, 0]
    print(f"bars with {kind}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        work(sys.argv[1])
    else:
        main()
