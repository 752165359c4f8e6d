"""Every kind of value that can be an argument hits in a second process, with no call bypassed."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden"
SCRIPT = f"""
import sys, warnings
sys.path[:0] = [{str(HERE)!r}, {str(GOLDEN)!r}]
warnings.simplefilter("error")
from afml_cache import robust_cacheable
@robust_cacheable
def named(value, *, where):
    return type(value).__name__
found = {{}}
if __name__ == "__main__":
    from check import here
    from kinds import kinds
    for name, make in {{**here(), **kinds()}}.items():
        named.reset_counters()
        try:
            named(make(), where=name)
        except Exception as error:
            found[name] = repr(error)[:300]
        else:
            info = named.cache_info()
            found[name] = "bypass" if info.bypasses else "miss" if info.misses else "hit"
    print(len(found), {{name: how for name, how in found.items() if how != sys.argv[1:][0]}})
"""


@pytest.fixture
def table(run_python: Callable) -> Callable[[str, int], str]:
    def run(expected: str, seed: int) -> str:
        return run_python(SCRIPT.replace("sys.argv[1:][0]", repr(expected)), hashseed=seed).strip()

    return run


def test_every_kind_of_value_hits_in_a_second_process(table: Callable[[str, int], str]) -> None:
    count, others = table("miss", 1).split(" ", 1)
    assert others == "{}"
    assert int(count) > (200 if "pandas" in sys.modules else 100)
    assert table("hit", 2) == f"{count} {{}}"
