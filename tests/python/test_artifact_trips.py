"""Frames that formats bend: the first call gives what is read later, or an error of ours."""

import pandas as pd
import polars as pl
import pytest

from afml_cache import ArtifactError, mode
from afml_cache.artifacts.decorator import artifact


def made(folder, name, value):
    return artifact(name, folder=folder)(lambda: value)


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
def test_ends_of_lines_within_cells_and_names_make_no_rows(tmp_path, name):
    frame = pd.DataFrame({"head\rline": ["a\rb", "c\nd", "e\r\nf"]})
    texts = made(tmp_path, name, frame)
    for found in (texts(), texts(), texts.load()):
        pd.testing.assert_frame_equal(found, frame)


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
@pytest.mark.parametrize("how", ["normal", "readonly"])
def test_what_does_not_read_back_is_refused_by_an_error_of_ours(tmp_path, name, how):
    empty = made(tmp_path, name, pd.DataFrame(index=pd.RangeIndex(3)))
    with mode(how), pytest.raises(ArtifactError, match="not be read back"):
        empty()


@pytest.mark.parametrize("how", ["normal", "readonly"])
def test_frames_that_polars_alone_can_read_are_the_same_in_every_mode(tmp_path, how):
    frame = pl.DataFrame({"big": [2**100]}, {"big": pl.Int128})
    with mode(how):
        assert made(tmp_path, "x.parquet", frame)().equals(frame)
