"""`describe` of any value: classes, modules, wrappers, other libraries' objects, hostile ones."""

import collections
import sys
import types

import pytest
from plain import identity, labels, mutables

from afml_cache import CacheConfigError
from afml_cache.code import describe

METHODS = """
class Base:
    def scale(self, x): return x * {}
class Strategy(Base):
    window: int = 5
    def signal(self, x): return self.scale(x)
def f(x): return Strategy().signal(x)
alias = Strategy
"""


def test_a_class_is_described_with_its_methods_and_bases(module):
    seen = [identity(module(METHODS.format(number)).Strategy) for number in (1, 2, 1)]
    assert seen[0] == seen[2] != seen[1]
    features = module(METHODS.format(1))
    assert identity(features.alias) == identity(features.Strategy)
    assert "annotations of `Strategy` in features.py" in labels(features.Strategy)


def test_a_class_of_a_library_is_its_name_and_package():
    code = describe(pytest.UsageError)
    assert [item.value for item in code.items] == [("root", "root", ("named", "pytest:UsageError"))]
    assert code.packages == ("pytest",) or "_pytest" in code.packages
    assert set(code.versions) == {"pytest"} or "pytest" in code.versions.values()


@pytest.mark.parametrize("value", [len, sys.getsizeof, "a".upper, collections.OrderedDict])
def test_what_python_brings_is_known_by_its_name(value):
    [item] = describe(value).items
    assert item.value[:2] == ("root", "root")
    assert describe(value).mutables == ()


def test_a_ufunc_is_the_same_under_any_of_its_names():
    numpy = pytest.importorskip("numpy")
    absolute, square_root = (identity(value, own="") for value in (numpy.absolute, numpy.sqrt))
    assert identity(numpy.abs, own="") == absolute != square_root
    assert describe(numpy.abs).packages == ("numpy",)
    assert identity(numpy.mean, own="") != identity(numpy.std, own="")


@pytest.mark.parametrize("wrap", ["f", "A().m", "A.c", "functools.lru_cache(f)"])
def test_a_callable_counts_with_the_code_behind_it(module, wrap):
    source = """
import functools
def f(x): return x + {0}
class A:
    def m(self): return {0}
    @classmethod
    def c(cls): return {0}
value = {1}
"""
    seen = [identity(module(source.format(number, wrap)).value) for number in (1, 2, 1)]
    assert seen[0] == seen[2] != seen[1]


def test_every_name_of_a_users_module_counts(module):
    seen = []
    for edit in ("N = 1", "N = 2", "N = 1\nM = 1", "N = 1"):
        helpers = module(f"import math\n{edit}\ndef f(): return math.pi", "helpers")
        seen.append(identity(helpers))
    assert seen[0] == seen[3]
    assert len({*seen}) == 3
    watched = dict(describe(helpers).classes)
    assert dict(watched[helpers])["N"] == 1


def test_a_module_of_a_library_is_its_name():
    assert [item.value for item in describe(pytest).items] == [
        ("root", "root", ("module", "pytest"))
    ]


def test_constants_and_instances_are_left_as_they_are(module):
    assert mutables([1]) == {"value `list`": [1]}
    assert describe(5).items[0].value == ("root", "root", ("value", 5))
    settings = module("class A:\n    n = 1\na = A()").a
    assert mutables(settings) == {"value `A`": settings}


def test_instances_are_left_to_the_digest(module):
    source = """
import collections, dataclasses, types
@dataclasses.dataclass(frozen=True)
class Frozen:
    n: int = 1
Point = collections.namedtuple("Point", "x y")
FROZEN, POINT, PROXY = Frozen(), Point(1, 2), types.MappingProxyType({"a": 1})
def f(): return FROZEN, POINT, PROXY
"""
    f = module(source).f
    assert set(mutables(f)) == {
        f"global `{name}` in features.py" for name in ("FROZEN", "POINT", "PROXY")
    }
    assert labels(f) == ["function `f`"]


DEPENDENCIES = "def smooth(x): return x + {}\nclass A:\n    n = {}\ndef f(x): return x\nRATE = {}"


@pytest.mark.parametrize("name", ["smooth", "A", "RATE"])
def test_what_deps_has_counts(module, name):
    seen = []
    for number in (1, 2, 1):
        features = module(DEPENDENCIES.format(*(number,) * 3))
        seen.append(identity(features.f, deps=[getattr(features, name)]))
    assert seen[0] == seen[2] != seen[1]
    assert identity(features.f) != seen[0]


def test_a_module_among_deps_counts_as_a_whole(module):
    seen = []
    for number in (1, 2):
        helpers = module(f"UNREAD = {number}", "helpers")
        seen.append(identity(module("def f(): pass").f, deps=(helpers,)))
    assert seen[0] != seen[1]


def test_a_name_among_deps_says_what_to_do(module):
    f = module("def f(): pass").f
    with pytest.raises(CacheConfigError, match="pass `smooth` itself"):
        describe(f, deps=["smooth"])
    with pytest.raises(CacheConfigError, match="takes objects, not names"):
        describe(f, deps="smooth")
    with pytest.raises(CacheConfigError, match="takes a list"):
        describe(f, deps=f)


OWN = """
import functools
RATE = {rate}
def smooth(x): return x + {helper}
def twice(function):
    @functools.wraps(function)
    def wrapper(*args): return 2 * function(*args)
    return wrapper
def make(k):
    @{above}
    def f(x, y={default}): return smooth(x) * RATE + {body} * k
    return f
f = make({cell})
"""
PLAIN = {"rate": 1, "helper": 1, "default": 1, "body": 1, "cell": 1, "above": "(lambda f: f)"}


@pytest.mark.parametrize("above", ["(lambda f: f)", "twice", "functools.lru_cache"])
def test_own_code_is_the_body_with_defaults_and_cells_and_no_helpers(module, above):
    def own(**edit):
        source = OWN.format(**{**PLAIN, "above": above, **edit})
        return identity(module(source).f, track_code="own")

    before = own()
    assert all(own(**{part: 2}) == before for part in ("rate", "helper"))
    assert all(own(**{part: 2}) != before for part in ("default", "body", "cell"))


def test_no_code_at_all_is_no_items_and_nothing_watched(module):
    features = module(OWN.format(**PLAIN))
    code = describe(features.f, track_code=False)
    assert code.items == code.names == code.functions == code.classes == code.mutables == ()
    assert labels(features.f, track_code=False, deps=[features.smooth]) == [
        "`deps`",
        "helper `smooth` in features.py",
    ]


def test_the_full_version_of_a_tracked_package_counts(module):
    f = module("def f(): pass").f
    assert texts_of_version(f, ["pytest"]) == {"version of `pytest`": pytest.__version__}
    assert identity(f, track_packages=["pytest"]) != identity(f)
    with pytest.raises(CacheConfigError, match="nowhere_to_be_found"):
        describe(f, track_packages=["nowhere_to_be_found"])


def texts_of_version(function, packages):
    items = describe(function, track_packages=packages).items
    return {item.label: item.text for item in items if item.text}


class Liar:
    """Raises whatever it is asked."""

    def __getattribute__(self, name):
        raise RuntimeError(name)

    def __eq__(self, other):
        raise RuntimeError

    def __hash__(self):
        raise RuntimeError

    def __bool__(self):
        raise RuntimeError

    def __call__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    "where",
    ["N = LIAR", "N = (LIAR, LIAR)", "N = [LIAR]", "class N:\n    n = LIAR", "N = {'a': LIAR}"],
)
def test_hostile_objects_do_no_harm(module, where):
    source = f"from test_code_values import Liar\nLIAR = Liar()\n{where}\ndef f(x=LIAR): return N"
    f = module(source).f
    assert describe(f).mutables
    assert describe(f, track_code="own").mutables
    assert describe(f, deps=[f.__defaults__[0]], ignore_deps=["a"]).items
    assert describe(f.__defaults__[0]).mutables


def test_values_shared_many_times_are_followed_once(module):
    source = """
def g(x): return x
A = (1,)
B = (g,)
for _ in range(40):
    A, B = (A, A), (B, B)
def f(): return A, B
"""
    code = describe(module(source).f)
    assert [item.label for item in code.items] == [
        "constant `A` in features.py",
        "function `f`",
        "helper `g` in features.py",
    ]


def test_new_bases_are_watched_and_change_the_items(module):
    source = "class A: pass\nclass B: pass\nclass C(A): pass\ndef f(): return C()"
    features = module(source)
    before = identity(features.f)
    bases = dict(describe(features.f).bases)
    assert bases[features.C] is features.C.__bases__
    features.C.__bases__ = (features.B,)
    assert bases[features.C] is not features.C.__bases__
    assert identity(features.f) != before


def test_the_registry_of_a_single_dispatch_is_read_at_each_call(module):
    source = """
import functools
@functools.singledispatch
def g(x): return {}
@g.register
def _(x: int): return 1
def f(x): return g(x)
"""
    features = module(source.format(1))
    before = identity(features.f)
    [(_, registry)] = describe(features.f).mutables
    assert registry == features.g.registry
    features.g(1)
    assert identity(features.f) == before
    assert identity(module(source.format(2)).f) != before


def test_a_compiled_module_of_the_users_counts_by_its_file(monkeypatch, tmp_path):
    file = tmp_path / "quick.abi3.so"
    seen = []
    for content in (b"1", b"22", b"1"):
        file.write_bytes(content)
        quick = types.ModuleType("quick")
        quick.__file__ = str(file)
        quick.Fast = type("Fast", (), {"__module__": "quick"})
        monkeypatch.setitem(sys.modules, "quick", quick)
        space = {"__name__": "__main__", "quick": quick, "Fast": quick.Fast}
        exec("def f(x): return Fast(), g(quick)\ndef g(m): return m.x", space)  # noqa: S102
        seen.append(identity(space["f"]))
        assert describe(space["f"]).mutables == ()
    assert seen[0] == seen[2] != seen[1]


def test_an_object_of_wrapt_counts_with_its_wrapper_and_what_it_wraps(module):
    pytest.importorskip("wrapt")
    source = """
import wrapt
@wrapt.decorator
def twice(wrapped, instance, args, kwargs): return {} * wrapped(*args)
@twice
def g(x): return x + {}
def f(x): return g(x)
"""
    seen = [identity(module(source.format(*edit)).f) for edit in ((2, 1), (3, 1), (2, 2), (2, 1))]
    assert seen[0] == seen[3]
    assert len({*seen}) == 3


def test_a_decorated_function_counts_with_its_wrapper_wherever_the_wrapped_one_is_kept(module):
    source = """
import functools
INNER = {{}}
def hidden(function):
    INNER["f"] = function
    @functools.wraps(function)
    def wrapper(x): return INNER["f"](x) * {}
    return wrapper
@hidden
def g(x): return x + {}
def f(x): return g(x)
"""
    seen = [identity(module(source.format(*edit)).f) for edit in ((2, 1), (3, 1), (2, 2))]
    assert len({*seen}) == 3
