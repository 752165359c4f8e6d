"""`describe`: whose code is entered, by which imports, and what `ignore_deps` leaves out."""

import pytest
from plain import identity, labels, texts

from afml_cache.code import describe


@pytest.fixture
def folder(tmp_path, module):
    """A folder to import from."""
    module("", "somewhere")
    return tmp_path / "modules"


def write(folder, **sources):
    folder.mkdir(parents=True)
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")


@pytest.mark.parametrize(
    "source",
    [
        "import helpers\ndef f(x): return helpers.smooth(x)",
        "import helpers as h\ndef f(x):\n    g = h\n    return g.smooth(x)",
        "import helpers\ndef f(x, h=helpers): return h.smooth(x)",
        "import helpers\ndef f(x): return getattr(helpers, 'smooth')(x)",
        "import helpers\ndef g(h, x): return h.smooth(x)\ndef f(x): return g(helpers, x)",
        "import helpers\nclass A:\n    h = helpers\ndef f(x): return A.h.smooth(x)",
        "import helpers\nclass A:\n    go = helpers.smooth\ndef f(x): return A.go(x)",
        "import helpers\nBY = (helpers, 1)\ndef f(x): return BY[0].smooth(x)",
        "from helpers import smooth\ndef f(x): return smooth(x)",
        "def f(x):\n    import helpers\n    return helpers.smooth(x)",
        "def f(x):\n    import helpers as h\n    return h.smooth(x)",
        "def f(x):\n    from helpers import smooth as s\n    return s(x)",
        "def f(x):\n  def g():\n    import helpers\n    return helpers.smooth(x)\n  return g()",
        "def g():\n  import helpers\n  def f(x): return helpers.smooth(x)\n  return f\nf = g()",
    ],
)
def test_a_changed_function_of_another_module_changes_the_items(module, source):
    seen = []
    for added in (1, 2, 1):
        module(f"def smooth(x): return x + {added}\ndef other(): pass\nLIST = []", "helpers")
        seen.append(identity(module(source).f))
        assert describe(module(source).f).mutables == ()
    assert seen[0] == seen[2] != seen[1]


def test_an_import_inside_the_body_is_loaded_by_the_time_it_is_described(module, folder):
    (folder / "lazily.py").write_text("N = 1", encoding="utf-8")
    f = module("def f():\n    from lazily import N\n    return N").f
    assert labels(f) == ["function `f`", "constant `N` in lazily.py"]


def test_a_relative_import_inside_the_body_is_followed(module, folder):
    body = "def f():\n    from . import levels\n    from .levels import TOP\n    return levels.LOW"
    write(folder / "research", __init__="", levels="TOP, LOW = 3, 2", features=body)
    f = module("from research.features import f").f
    assert texts(f) == {"constant `LOW` in levels.py": "2", "constant `TOP` in levels.py": "3"}


def test_an_import_that_fails_is_part_of_the_items(module):
    source = """
def f():
    try:
        import nowhere_to_be_found
    except ImportError:
        pass
"""
    f = module(source).f
    before = identity(f)
    module("", "nowhere_to_be_found")
    assert identity(f) != before


def test_a_module_attribute_is_followed_through_packages(module, folder):
    inner = "def g(): return K\nK, UNUSED = 'k', []"
    write(folder / "deep", __init__="from deep import inner", inner=inner)
    code = describe(module("import deep\ndef f(): return deep.inner.g()").f)
    assert [item.label for item in code.items] == [
        "constant `K` in inner.py",
        "helper `g` in inner.py",
        "function `f`",
    ]
    assert {name for _, name, _ in code.names} == {"deep", "inner", "g", "K"}


def test_a_module_level_getattr_is_reached(module):
    seen = []
    for added in (1, 2):
        module(f"def __getattr__(name): return lambda x: x + {added}", "helpers")
        seen.append(identity(module("import helpers\ndef f(x): return helpers.any(x)").f))
    assert seen[0] != seen[1]


def test_modules_loggers_and_locks_are_inert(module):
    source = """
import logging, math, threading
LOG = logging.getLogger(__name__)
LOCK = threading.RLock()
def f(x):
    with LOCK:
        LOG.info("x")
        return math.sin(x)
"""
    code = describe(module(source).f)
    assert code.mutables == code.packages == ()
    assert code.inert == ("`LOCK` in features.py", "`LOG` in features.py", "module `math`")


def test_third_party_packages_are_named_and_not_entered(module):
    source = """
import pytest
from pytest import approx as near
class Problem(pytest.UsageError):
    pass
def f(x):
    import _pytest.outcomes
    return pytest.raises(Problem), near(x)
"""
    code = describe(module(source).f)
    assert code.packages == ("_pytest", "pytest")
    assert code.mutables == ()
    assert [item.label for item in code.items] == ["class `Problem` in features.py", "function `f`"]


def test_an_installed_package_is_entered_from_its_own_functions_only(module, folder, monkeypatch):
    site = folder / "site-packages"
    own = "from installed import g\ndef f(): return g()"
    write(site / "installed", __init__="N = 1\ndef g(): return N", own=own)
    monkeypatch.syspath_prepend(str(site))
    features = module("from installed.own import f\ndef h(): return f()")
    assert "constant `N` in __init__.py" in labels(features.f, own="installed")
    assert describe(features.f).packages == ("installed",)
    assert labels(features.h) == ["function `h`"]
    assert describe(features.h).packages == ("installed",)


def test_a_users_function_inside_a_third_party_wrapper_is_entered(module, folder, monkeypatch):
    site = folder / "site-packages"
    retry = """
def retry(times, function):
    def call(*args): return [function(*args) for _ in range(times)]
    return call
def with_default(function):
    def call(*args, function=function): return function(*args)
    return call
"""
    write(site / "retrying", __init__=retry)
    monkeypatch.syspath_prepend(str(site))
    source = """
import retrying
g = retrying.{wrap}(lambda x: x + {added})
def f(x): return g(x)
"""
    for wraps in (("retry(1, ", "retry(2, "), ("retry(1, ",) * 2, ("with_default(",) * 2):
        added = (1, 1) if wraps[0] != wraps[1] else (1, 2)
        sources = [
            source.replace("{wrap}(", wrap).format(added=number)
            for wrap, number in zip(wraps, added, strict=True)
        ]
        assert identity(module(sources[0]).f) != identity(module(sources[1]).f)


IGNORING = """
import helpers
from helpers import smooth as s
PIP, LIST = 1, []
class Report:
    def plot(self): return LIST
def f(x): return s(x), helpers.LEVEL, PIP, LIST, Report
"""


@pytest.mark.parametrize(
    "ignored",
    [
        ["smooth", "LEVEL", "PIP", "Report", "LIST"],
        ["helpers.smooth", "helpers.LEVEL", "features.PIP", "features.Report", "LIST"],
        ["s", "helpers", "PIP", "Report", "features.LIST"],
    ],
)
def test_ignored_names_are_left_out(module, ignored):
    module("LEVEL = 1\ndef smooth(x): return x", "helpers")
    code = describe(module(IGNORING).f, ignore_deps=ignored)
    assert [item.label for item in code.items] == ["function `f`"]
    assert code.mutables == ()
    assert "`PIP` in features.py (in `ignore_deps`)" in code.inert


def test_only_whole_names_are_ignored(module):
    module("LEVEL = 1\ndef smooth(x): return x", "helpers")
    f = module(IGNORING).f
    ignored = ["mooth", "LEV", "Report.plo", "IP", "features.smooth", "_LIST"]
    assert labels(f, ignore_deps=ignored) == labels(f)


def test_a_method_can_be_ignored(module):
    module("LEVEL = 1\ndef smooth(x): return x", "helpers")
    left = labels(module(IGNORING).f, ignore_deps=["Report.plot"])
    assert "class `Report` in features.py" in left
    assert "helper `Report.plot` in features.py" not in left
