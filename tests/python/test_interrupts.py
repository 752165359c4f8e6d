"""Ctrl-C while a frame of pandas is keyed, stored or read ends the call that it came in."""

import sys

import pandas as pd
import pytest

from afml_cache import digest, robust_cacheable

FRAME = pd.DataFrame({"close": [1.0, 2.0, 4.0], "volume": [1, 2, 3]})


class InterruptAt:
    """A tracer that raises as Ctrl-C does, where the function of pandas of that number begins."""

    def __init__(self, number):
        self.left = number

    def __call__(self, frame, *_):
        module = frame.f_globals.get("__name__", "")
        # Python itself keeps what is raised when a generator is closed.
        if module.startswith("pandas.") and frame.f_code.co_name != "<genexpr>":
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt


@robust_cacheable(memory=False)
def doubled(frame):
    return frame * 2


def stored(round_):
    doubled.put(FRAME, FRAME * round_)


def hit(_):
    return doubled(FRAME)


def keyed(_):
    return digest(FRAME)


@pytest.mark.parametrize("call", [keyed, hit, stored])
def test_an_interrupt_within_pandas_is_never_swallowed(call):
    doubled.put(FRAME * 2, FRAME)
    before = sys.gettrace()
    for number in range(1, 1000):
        interrupt = InterruptAt(number)
        try:
            sys.settrace(interrupt)
            call(number)
        except KeyboardInterrupt:
            assert interrupt.left == 0
        else:
            break
        finally:
            sys.settrace(before)
    assert interrupt.left > 0
    assert number > 1
