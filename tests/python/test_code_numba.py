"""Functions that numba compiles: their source counts, and out-of-date machine code is refused."""

import pytest
from plain import identity, labels

from afml_cache import UncacheableArgumentError
from afml_cache.code import describe

pytest.importorskip("numba")

SOURCE = """
import numba
PIP = {pip}
@numba.njit(fastmath={fast})
def scale(x): return x * PIP
@numba.njit
def g(x): return scale(x) + {added}
def f(x): return g(x)
"""
PLAIN = {"pip": 2.0, "fast": False, "added": 1}


@pytest.mark.parametrize("edit", [{"pip": 3.0}, {"fast": True}, {"added": 2}])
def test_the_source_globals_and_options_of_a_dispatcher_count(module, edit):
    seen = [identity(module(SOURCE.format(**{**PLAIN, **change})).f) for change in ({}, edit, {})]
    assert seen[0] == seen[2] != seen[1]


def test_compiling_changes_nothing(module):
    features = module(SOURCE.format(**PLAIN))
    before = identity(features.f)
    assert features.f(1.0) == 3.0
    assert identity(features.f) == before
    assert describe(features.f).mutables == ()
    assert "constant `PIP` in features.py" in labels(features.f)


def test_a_global_that_changed_after_compilation_is_refused_until_recompiled(module):
    features = module(SOURCE.format(**PLAIN))
    before = identity(features.f)
    features.f(1.0)
    features.PIP = 5.0
    with pytest.raises(UncacheableArgumentError, match=r"`scale`.*`PIP`.*recompile\(\)"):
        describe(features.f)
    features.PIP = 2.0
    assert identity(features.f) == before
    features.PIP = 5.0
    with pytest.raises(UncacheableArgumentError):
        describe(features.f)
    features.scale.recompile()
    with pytest.raises(UncacheableArgumentError, match="`g`"):
        describe(features.f)
    features.g.recompile()
    assert identity(features.f) != before
    assert features.f(1.0) == 6.0


def test_a_global_that_changed_before_compilation_is_no_harm(module):
    features = module(SOURCE.format(**PLAIN))
    before = identity(features.f)
    features.PIP = 5.0
    assert identity(features.f) != before
    features.f(1.0)
    assert identity(features.f) != before


ARRAY = """
import numba
import numpy
WEIGHTS = numpy.ones(3)
WEIGHTS.flags.writeable = {writeable}
@numba.njit
def g(x): return (WEIGHTS * x).sum()
def f(x): return g(x)
"""


def test_a_global_array_that_may_change_under_the_machine_code_is_refused(module):
    with pytest.raises(UncacheableArgumentError, match=r"`g`.*`WEIGHTS`.*writeable"):
        describe(module(ARRAY.format(writeable=True)).f)
    read_only = module(ARRAY.format(writeable=False)).f
    assert [label for label, _ in describe(read_only).mutables] == [
        "global `WEIGHTS` in features.py"
    ]
