"""Arguments of sweeps and batches that can't be right: told before anything is computed."""

import logging
import sys

import pandas as pd
import pytest

from afml_cache import BatchRunner, CacheConfigError, sweep, sweeps


def double(item):
    return 2 * item


def scaled(item, factor):
    return factor * item


def row(item):
    return {"item": item}


@pytest.mark.parametrize(
    ("items", "said"),
    [
        (5, "the items are a list, or something else to go through, not 5"),
        (None, "something else to go through, not None"),
        ("abc", "whose characters they would be"),
        ({"a": 1}, "the items of a dict would be its keys; write `list"),
        (pd.DataFrame({"a": [1]}), "the names of its columns"),
    ],
    ids=["number", "nothing", "text", "dictionary", "frame"],
)
def test_what_is_no_list_of_items_is_refused(items, said) -> None:
    with pytest.raises(TypeError, match=said):
        sweep(double, items)
    with pytest.raises(TypeError, match=said):
        BatchRunner(row, items)


@pytest.mark.parametrize(
    ("items", "options", "said"),
    [
        ([1], {}, r"item 0 \(1\) does not fit `.*scaled\(item, factor\)`: missing a required"),
        ([1], {"common": {"factor": 2, "scale": 2}}, "unexpected keyword argument 'scale'"),
        ([(1, 2), (1, 2, 3)], {"unpack": True}, r"item 1 \(\(1, 2, 3\)\) does not fit"),
    ],
    ids=["too few", "by another name", "too many"],
)
def test_an_item_that_does_not_fit_the_function_is_named(items, options, said) -> None:
    with pytest.raises(TypeError, match=said) as refused:
        sweep(scaled, items, **options)
    assert "`common`" in str(refused.value)


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("consume", 3),
        ("progress_callback", "print"),
        ("desc", 3),
        ("group", ""),
        ("needs", "lots"),
        ("needs", -1),
        ("progress", "yes"),
        ("force_rerun", "no"),
    ],
)
def test_an_option_that_can_not_be_right_is_named_before_anything_runs(option, given) -> None:
    with pytest.raises(CacheConfigError, match=f"^`{option}` is "):
        sweep(double, [1], **{option: given})
    assert sweeps() == []


def test_the_function_comes_first() -> None:
    with pytest.raises(TypeError, match=r"the function comes first, .*: \[1, 2\] is of type list"):
        sweep([1, 2], double)


def test_an_option_that_there_is_not_has_a_nearest_one() -> None:
    with pytest.raises(TypeError, match="sweep has no option `worker`; did you mean `workers`"):
        sweep(double, [1], worker=2)
    with pytest.raises(TypeError, match="BatchRunner has no option `batchsize`; did you mean"):
        BatchRunner(row, [1], batchsize=2)
    with pytest.raises(TypeError, match=r"sweep has no option `store`; it has .*`workers`"):
        sweep(double, [1], store="elsewhere")


@pytest.mark.parametrize("option", ["skip_existing", "force_rerun", "adopt_existing"])
def test_a_switch_of_batches_is_no_text(option) -> None:
    with pytest.raises(CacheConfigError, match=f"`{option}` is True or False, not 'no'"):
        BatchRunner(row, [1], **{option: "no"})


@pytest.mark.parametrize("option", ["output_dir", "parquet_file"])
def test_a_path_of_batches_is_one(option) -> None:
    with pytest.raises(
        CacheConfigError, match=f"`{option}` must be (a path|the path of a folder), not 3"
    ):
        BatchRunner(row, [1], **{option: 3})


def test_a_bar_that_was_asked_for_says_what_it_takes(monkeypatch, caplog) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.delitem(sys.modules, "tqdm.auto", raising=False)
    with caplog.at_level(logging.WARNING, "afml_cache.sweeps"):
        sweep(double, [1], progress=True)
        sweep(double, [1])
    [told] = caplog.messages
    assert told == "double: a bar takes tqdm: pip install 'afml-cache[sweeps]'"
