"""Edited code misses, edited words do not, and going back hits again."""

import linecache
import types
from collections.abc import Callable, Iterator

import pytest
from bodies import RAN, Bodies, counted

HEAD = '''
"""Features of bars."""
from afml_cache import robust_cacheable
from bodies import RAN

PIP = 0.0001
CONFIG = {"x": 1, "nested": {"y": [1, 2]}}
NAMES = ["open", "close"]
'''
HELPERS = '''

def scaled(value, factor=2):
    # a comment
    return value * factor


def smooth(value):
    """Smooth it."""
    return scaled(value) + 1
'''
FUNCTION = '''

@robust_cacheable
def features(value):
    """Compute the features."""
    RAN.warning("features")
    return smooth(value) * PIP * CONFIG["x"] + CONFIG["nested"]["y"][0] + len(NAMES)
'''
FEATURES = HEAD + HELPERS + FUNCTION

MISSES = {
    "a helper's constant": ("value * factor", "value * factor * 3"),
    "a helper of a helper": ("scaled(value) + 1", "scaled(value) + 2"),
    "a helper's default": ("factor=2", "factor=3"),
    "a module constant": ("PIP = 0.0001", "PIP = 0.01"),
    "the type of a constant": ("PIP = 0.0001", "PIP = True"),
    "a value in a module dict": ('"x": 1', '"x": 2'),
    "a value deep in a module dict": ('"y": [1, 2]', '"y": [5, 2]'),
    "an element of a module list": ('"close"]', '"close", "high"]'),
    "the function's own body": ("+ len(NAMES)", "- len(NAMES)"),
    "an operator": ("value * factor", "value + factor"),
    "the helper that is called": ("return smooth(value)", "return scaled(value)"),
}
HITS = {
    "a comment": ("# a comment", "# another comment\n    # of two lines"),
    "a comment in the function": ('RAN.warning("features")', 'RAN.warning("features")  # said'),
    "a docstring": ('"""Smooth it."""', '"""Smooth it very well."""'),
    "the function's docstring": (
        '"""Compute the features."""',
        '"""Compute.\n\n    All of them.\n    """',
    ),
    "no docstring": ('    """Smooth it."""\n', ""),
    "the module's docstring": ('"""Features of bars."""', '"""Bars."""\n\n\n\n'),
    "blank lines": ("def smooth", "\n\n\n\ndef smooth"),
    "spaces and brackets": ("scaled(value) + 1", "(scaled( value ) +\n            1)"),
    "a constant that nobody reads": ("PIP = 0.0001", "PIP = 0.0001\nUNREAD = 5"),
    "a helper that nobody calls": (
        "def smooth",
        "def unused(value):\n    return value\n\n\ndef smooth",
    ),
    "a constant written otherwise": ("PIP = 0.0001", "PIP = 1e-4"),
}
SAME = pytest.mark.parametrize("edit", HITS.values(), ids=HITS)
OTHER = pytest.mark.parametrize("edit", MISSES.values(), ids=MISSES)


@pytest.fixture
def bodies() -> Iterator[Bodies]:
    with counted() as seen:
        yield seen


def edited(edit: tuple[str, str]) -> str:
    assert FEATURES.count(edit[0]) == 1
    return FEATURES.replace(*edit)


@OTHER
def test_an_edit_that_counts_misses_and_reverting_it_hits(
    module: Callable, bodies: Bodies, edit: tuple
) -> None:
    first = module(FEATURES).features(10)
    other = module(edited(edit))
    assert not other.features.is_cached(10)
    assert other.features(10) == other.features.__wrapped__(10)
    assert module(FEATURES).features.is_cached(10)
    assert module(FEATURES).features(10) == first
    assert module(edited(edit)).features.is_cached(10)
    assert len(bodies) == 3


@SAME
def test_an_edit_that_does_not_count_hits(module: Callable, bodies: Bodies, edit: tuple) -> None:
    first = module(FEATURES).features(10)
    assert module(edited(edit)).features(10) == first
    assert len(bodies) == 1


def test_moving_the_function_within_its_file_hits(module: Callable, bodies: Bodies) -> None:
    first = module(FEATURES).features(10)
    assert module(HEAD + FUNCTION + "\n\nZERO = 0\n" + HELPERS).features(10) == first
    assert len(bodies) == 1


SCRIPT = """
import logging
logging.getLogger("afml-tests.ran").addFilter(lambda _: print("ran") and False)
import features
print(features.features(10))
"""


def test_edits_between_two_processes_are_seen(module: Callable, run_python: Callable) -> None:
    place = module("", "placeholder").__file__.removesuffix("/placeholder.py")
    here = __file__.rpartition("/")[0]
    env = {"PYTHONPATH": f"{place}:{here}", "PYTHONDONTWRITEBYTECODE": "1"}

    def ran(source: str) -> bool:
        with open(f"{place}/features.py", "w") as file:  # noqa: PTH123
            file.write(source)
        return "ran" in run_python(SCRIPT, env=env).split()

    assert ran(FEATURES)
    assert not ran(FEATURES)
    for edit in list(MISSES.values())[:6]:
        assert ran(edited(edit))
    for edit in HITS.values():
        assert not ran(edited(edit))
    assert not ran(FEATURES)
    for edit in list(MISSES.values())[:6]:
        assert not ran(edited(edit))


def test_explain_names_the_constant_with_its_old_and_new_value(module: Callable) -> None:
    module(FEATURES).features(10)
    explained = module(edited(MISSES["a module constant"])).features.explain(10)
    assert not explained.cached
    assert explained.reasons == ("constant `PIP` in features.py changed from 0.0001 to 0.01",)
    assert explained.reasons[0] in str(explained)


def test_explain_names_the_helper_that_changed(module: Callable) -> None:
    module(FEATURES).features(10)
    explained = module(edited(MISSES["a helper of a helper"])).features.explain(10)
    assert explained.reasons == ("helper `smooth` in features.py changed",)
    explained = module(edited(MISSES["a value deep in a module dict"])).features.explain(10)
    assert len(explained.reasons) == 1
    assert "CONFIG" in explained.reasons[0]
    both = FEATURES.replace("factor=2", "factor=3").replace("PIP = 0.0001", "PIP = 5")
    words = " ".join(module(both).features.explain(10).reasons)
    assert "scaled" in words
    assert "PIP" in words


def test_a_change_in_place_misses_and_changing_it_back_hits(
    module: Callable, bodies: Bodies
) -> None:
    features = module(FEATURES)
    first = features.features(10)
    for change, back in (
        (lambda: features.CONFIG.update(x=2), lambda: features.CONFIG.update(x=1)),
        (
            lambda: features.CONFIG["nested"]["y"].append(3),
            features.CONFIG["nested"]["y"].pop,
        ),
        (lambda: features.NAMES.append("low"), features.NAMES.pop),
        (lambda: setattr(features, "PIP", 5), lambda: setattr(features, "PIP", 0.0001)),
    ):
        runs = len(bodies)
        change()
        assert not features.features.is_cached(10)
        assert features.features(10) == features.features.__wrapped__(10)
        assert len(bodies) == runs + 2
        assert features.features.is_cached(10)
        back()
        assert features.features(10) == first
        assert len(bodies) == runs + 2


def test_a_monkeypatched_helper_misses(
    module: Callable, bodies: Bodies, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = module(FEATURES)
    first = features.features(10)
    with monkeypatch.context() as patch:
        patch.setattr(features, "scaled", lambda value: value * 100)
        assert features.features(10) != first
    assert features.features(10) == first
    with monkeypatch.context() as patch:
        patch.setattr(features.scaled, "__defaults__", (50,))
        assert features.features(10) != first
    with monkeypatch.context() as patch:
        patch.setattr(
            features.scaled, "__code__", (lambda value, factor=2: value - factor).__code__
        )
        assert features.features(10) != first
    assert features.features(10) == first
    assert len(bodies) == 4


def test_a_helper_of_another_module_counts(module: Callable, bodies: Bodies) -> None:
    helpers = "def smooth(value):\n    return value + 1\n"
    source = """
import helpers
from afml_cache import robust_cacheable
from bodies import RAN

@robust_cacheable
def features(value):
    RAN.warning("features")
    return helpers.smooth(value)
"""
    module(helpers, "helpers")
    assert module(source).features(1) == 2
    module(helpers.replace("+ 1", "+ 2"), "helpers")
    assert module(source).features(1) == 3
    module(helpers, "helpers")
    assert module(source).features(1) == 2
    assert len(bodies) == 2


def test_a_missing_global_that_appears_is_seen(module: Callable) -> None:
    features = module(
        """
from afml_cache import robust_cacheable

@robust_cacheable
def features(value):
    try:
        return value * OFFSET
    except NameError:
        return None
"""
    )
    assert features.features(2) is None
    features.OFFSET = 10
    assert features.features(2) == 20
    del features.OFFSET
    assert features.features(2) is None


def cell(namespace: dict, source: str, number: int) -> None:
    """Run a cell as a notebook does: its source in `linecache` under a name of its own."""
    name = f"<ipython-input-{number}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), namespace)  # noqa: S102 - what a notebook does


@pytest.mark.parametrize("with_source", [True, False])
def test_a_redefinition_in_a_notebook_is_seen(bodies: Bodies, with_source: bool) -> None:
    notebook = types.ModuleType("__main__")
    space = vars(notebook)
    space["RAN"] = RAN

    def run(source: str, number: int) -> None:
        if with_source:
            cell(space, source, number)
        else:
            exec(source, space)  # noqa: S102 - what `python -c` does

    run("from afml_cache import robust_cacheable\ndef helper(a):\n    return a + 1\n", 1)
    function = (
        "@robust_cacheable\ndef work(a):\n    RAN.warning('work')\n    return helper(a) * 2\n"
    )
    run(function, 2)
    assert [space["work"](1), space["work"](1)] == [4, 4]
    assert len(bodies) == 1
    run("def helper(a):\n    return a + 5\n", 3)
    assert space["work"](1) == 12
    run("def helper(a):\n    return a + 1\n", 4)
    assert space["work"](1) == 4
    run(function, 5)
    assert space["work"](1) == 4
    assert len(bodies) == 2
    run(function.replace("* 2", "* 3"), 6)
    assert space["work"](1) == 6
    assert len(bodies) == 3
