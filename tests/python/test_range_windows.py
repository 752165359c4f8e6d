"""What is in memory of a series: long windows, of which a few rows are given or nearly all."""

import numpy as np
import pandas as pd
import pytest
from alike import same

from afml_cache.ranges import forms
from afml_cache.ranges.windows import Window

ROWS = 100


@pytest.fixture
def made():
    index = pd.date_range("2024-01-01", periods=ROWS, freq="min", tz="UTC", name="time")
    return forms.read(pd.DataFrame({"close": np.arange(ROWS) / 8}, index))


@pytest.fixture
def window(made):
    at = np.arange(ROWS, dtype=np.int64)
    return Window(0, ROWS, made[1], at)


@pytest.mark.parametrize("output", [None, "pandas", "polars", "pyarrow", dict])
@pytest.mark.parametrize(("first", "stop"), [(0, ROWS), (3, 9), (5, 5), (10, 70)])
def test_rows_of_a_window_are_what_writing_them_gives(made, window, output, first, stop):
    form, table = made
    written = forms.write(form, table[first:stop], output)
    for _ in range(2):
        assert same(window.given(form, output, first, stop), written)


def test_few_rows_of_a_long_window_do_not_make_all_of_it_ready(made, window):
    window.given(made[0], None, 3, 9)
    assert not window.held
    window.given(made[0], None, 3, 90)
    assert list(window.held) == [None]
