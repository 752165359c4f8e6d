"""Files of batches of earlier lists are found, and removed where they are known to be such."""

import pandas as pd
import pytest
from batches import batch_of, record_of, write_all

from afml_cache.sweeping.batch_adopting import adopt_batch
from afml_cache.sweeping.batch_collecting import collect_files, files_of_other_lists
from afml_cache.sweeping.batch_files import Recorded, name_of

BATCH = batch_of(0, 2)
ROWS = [{"x": 1.5, "s": "a", "l": [1]}, {"x": 2.5, "s": "b", "l": []}]


@pytest.fixture
def path(tmp_path):
    return tmp_path / name_of(0)


def test_files_of_other_lists_are_found_and_collected(tmp_path):
    files, _ = write_all(tmp_path, [{"x": at} for at in range(12)], [1] * 12)
    (tmp_path / "merged.parquet").write_bytes(files[0][0].read_bytes())
    (tmp_path / name_of(20)).symlink_to(files[0][0])
    (tmp_path / name_of(21)).mkdir()
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / name_of(22))
    found = files_of_other_lists(tmp_path, {path for path, _ in files[:9]})
    assert found == [tmp_path / name_of(number) for number in (9, 10, 11, 22)]
    sizes = sum(path.stat().st_size for path in found[:3])
    assert collect_files([*found, tmp_path / name_of(20), tmp_path / name_of(21)]) == sizes
    left = {tmp_path / name_of(number) for number in (*range(9), 20, 21, 22)}
    assert set(tmp_path.iterdir()) == {*left, tmp_path / "merged.parquet"}
    assert collect_files(found) == 0


def test_a_file_of_another_tool_is_collected_by_its_record(path):
    pd.DataFrame({"x": [1, 2]}).to_parquet(path)
    written = adopt_batch(path, BATCH)
    assert collect_files([path], {path: Recorded("old", "other", 2, written.size)}) == 0
    assert collect_files([path], {path: record_of(BATCH, written)}) == written.size
    assert not path.exists()


def test_a_folder_that_is_not_there_has_no_files_of_other_lists(tmp_path):
    assert files_of_other_lists(tmp_path / "nowhere", set()) == []
