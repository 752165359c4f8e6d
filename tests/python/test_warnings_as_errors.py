"""Where warnings are errors, the cache logs instead: it never raises into the user's function."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import payloads, source, strict, told


def test_a_damaged_payload(run_python: Callable, default_cache: Path) -> None:
    run_python(source("right(20_000)"))
    payload = payloads(default_cache)[0]
    payload.write_bytes(b"rubbish")
    shown = told(run_python(strict("said = [right(20_000), right(20_000)]")))
    assert shown.said[:2] == [True, True]
    assert [name for name, _ in shown.said[2]] == ["afml_cache"]
    assert payload.name in shown.said[2][0][1]


def test_a_folder_that_cannot_be_made(run_python: Callable, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    shown = told(
        run_python(
            strict("said = [right(20_000), right(20_000)]"),
            env={"AFML_CACHE": str(tmp_path / "file")},
        )
    )
    assert shown.said[:2] == [True, True]
    assert [name for name, _ in shown.said[2]] == ["afml_cache"]


def test_an_argument_that_cannot_be_keyed(run_python: Callable) -> None:
    body = """
@robust_cacheable
def kind(value):
    return type(value).__name__
said = [kind(object()), kind([object()]), kind(object())]
"""
    shown = told(run_python(strict(body)))
    assert shown.said[:3] == ["object", "list", "object"]
    assert [name for name, _ in shown.said[3]] == ["afml_cache"] * 2


def test_a_function_that_changes_its_argument(run_python: Callable) -> None:
    body = """
@robust_cacheable
def grow(value):
    value.append(1)
    return len(value)
said = [grow([]), grow([]), grow([])]
"""
    shown = told(run_python(strict(body)))
    assert shown.said[:3] == [1, 1, 1]
    assert [name for name, _ in shown.said[3]] == ["afml_cache"]


def test_a_result_that_cannot_be_stored(run_python: Callable) -> None:
    body = """
import threading
@robust_cacheable
def lock(value):
    return threading.Lock()
said = [type(lock(1)).__name__, type(lock(1)).__name__]
"""
    shown = told(run_python(strict(body)))
    assert shown.said[:2] == ["lock", "lock"]
    assert [name for name, _ in shown.said[2]] == ["afml_cache"]


@pytest.mark.parametrize("category", ["Warning", "UserWarning", "RuntimeWarning"])
def test_an_error_filter_of_one_category_is_enough(run_python: Callable, category: str) -> None:
    body = f"""
warnings.resetwarnings()
warnings.simplefilter("error", {category})
@robust_cacheable
def kind(value):
    return type(value).__name__
said = [kind(object()), kind(object())]
"""
    assert told(run_python(strict(body))).said[:2] == ["object", "object"]
