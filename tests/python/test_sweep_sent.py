"""What goes to workers of a sweep is the same there, and what comes back is whole."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import afml_cache
from afml_cache import robust_cacheable, sweep

PYTHON = Path(afml_cache.__file__).parents[1]


@robust_cacheable
def factorial(number):
    return number * factorial(number - 1) if number else 1


def test_what_an_item_raised_is_the_cause_whatever_class_it_has() -> None:
    class RefusedError(Exception):
        pass

    class OddError(Exception):
        def __init__(self, first, second) -> None:
            super().__init__(f"{first}{second}")

    def refuses(item):
        raise RefusedError(item) if item else OddError("o", "dd")

    found = sweep(refuses, [0, 1], workers=1, on_error="keep going")
    assert isinstance(found[1].__cause__, RefusedError)
    assert 'else OddError("o", "dd")' in str(found[0].__cause__)


def test_classes_in_others_in_functions_and_with_slots_are_the_same_in_workers() -> None:
    class Outer:
        @dataclass(slots=True)
        class Inner:
            factor: int

    assert sweep(lambda item: Outer.Inner(3).factor * item, [1, 2], workers=1) == [3, 6]
    assert sweep(lambda item: Outer.Inner(3).factor * item, [1, 2]) == [3, 6]


SCRIPT_OF_METHODS = """
import functools
from afml_cache import cacheable, sweep

class Model:
    def __init__(self, factor):
        self.factor = factor

    @functools.cached_property
    def doubled(self):
        return 2 * self.factor

    def predict(self, item):
        return self.factor * item

    @cacheable
    def predict_once(self, item):
        return self.factor * item

def spelled(item):
    return Model(3).doubled + item

same = lambda item: Model(3).doubled + item
several = lambda item: (spelled(item), same(item))
for function in (Model(3).predict, Model(3).predict_once, several):
    print(sweep(function, [1, 2], workers=1, progress=False), end=" ")
"""


def test_methods_and_functions_of_a_script_are_the_same_in_workers(tmp_path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT_OF_METHODS)
    environment = {**os.environ, "PYTHONPATH": str(PYTHON)}
    command = [sys.executable, str(script)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.stdout == "[3, 6] [3, 6] [(7, 7), (8, 8)] ", ran.stderr


def test_a_module_that_sweeps_when_it_is_imported_is_refused(tmp_path) -> None:
    (tmp_path / "sweeping_at_once.py").write_text(
        "from afml_cache import sweep\n"
        "def double(item):\n"
        "    return 2 * item\n"
        "sweep(double, [1], workers=1, progress=False)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(PYTHON), str(tmp_path)))}
    command = [sys.executable, "-c", "import sweeping_at_once"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert 'behind `if __name__ == "__main__":`' in ran.stderr


def test_a_cached_function_that_calls_itself_is_the_same_in_workers() -> None:
    assert sweep(factorial, range(5), workers=2) == [1, 1, 2, 6, 24]
