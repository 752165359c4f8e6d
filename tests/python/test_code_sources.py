"""`describe` and the source behind the code: believed only where it compiles to what is loaded."""

import importlib.machinery
import importlib.util
import linecache
import sys
import time
import types

import pytest
from plain import identity

from afml_cache import robust_cacheable
from afml_cache.code import describe

BODY = '''
def g(x):
    """Words."""
    return x + 24 * 60


def f(x):
    count: int = g(x)  # a comment
    return count
'''


def said_of(function):
    """Give how a function is known: by its source, or by its code under one Python."""
    name = f"`{function.__qualname__}`"
    [item] = [
        item
        for item in describe(function).items
        if item.value[0] == "function" and name in item.label
    ]
    how = item.value[2][0][0]
    return how if type(how) is str else how[0]


def rewrite(module, source):
    """Edit the file of a module that stays loaded."""
    with open(module.__file__, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(source)
    linecache.checkcache()


def test_comments_docstrings_annotations_of_locals_and_places_do_not_count(module):
    before = identity(module(BODY).f)
    edited = BODY.replace("Words", "Other").replace("a comment", "b").replace("int", "float")
    assert identity(module(f"'moved'\n\n{edited}").f) == before


def test_a_file_that_is_edited_and_not_reloaded_is_not_believed(module):
    features = module(BODY)
    rewrite(features, BODY.replace("24 * 60", "25 * 60"))
    assert said_of(features.f) == "source"
    assert said_of(features.g) == "python"
    rewrite(features, BODY)
    assert said_of(features.g) == "source"


def test_what_is_loaded_keeps_its_items_when_its_file_is_edited(module):
    features = module(BODY)
    before = identity(features.f)
    rewrite(features, BODY.replace("24 * 60", "25 * 60"))
    assert identity(features.f) == before
    assert identity(module(BODY.replace("24 * 60", "25 * 60")).f) != before


def test_a_missing_source_file_leaves_the_code_itself(module):
    seen = []
    for number in (60, 61, 60):
        features = module(BODY.replace("60", str(number)))
        rewrite(features, "")
        seen.append(identity(features.f))
        assert said_of(features.g) == "python"
    assert seen[0] == seen[2] != seen[1]


def test_a_renamed_file_does_not_count(module, tmp_path):
    features = module(BODY)
    before = identity(features.f)
    other = types.ModuleType("features")
    path = tmp_path / "renamed.py"
    path.write_text(BODY, encoding="utf-8")
    exec(compile(BODY, str(path), "exec"), vars(other))  # noqa: S102 - what an import does
    assert identity(other.f) == before


def test_a_line_that_lies_about_its_place_is_not_believed(module):
    features = module("def f(x): return 1\n")
    rewrite(features, "def f(x): return 2\n")
    assert said_of(features.f) == "python"


@pytest.mark.parametrize("name", ["<ipython-input-7-abc>", "/tmp/ipykernel_1/42.py"])  # noqa: S108
def test_cells_of_a_notebook_are_known_by_their_source(name):
    linecache.cache[name] = (len(BODY), None, BODY.splitlines(keepends=True), name)
    space = {"__name__": "__main__"}
    exec(compile(BODY, name, "exec"), space)  # noqa: S102 - what a notebook does
    assert said_of(space["f"]) == "source"
    script = {"__name__": "__main__"}
    exec(compile(BODY, "<string>", "exec"), script)  # noqa: S102
    assert said_of(script["f"]) == "python"
    linecache.cache.pop(name)


def test_lambdas_of_one_line_are_told_apart(module):
    source = "a, b = lambda x: x + 1, lambda x: x + {}\ndef f(x): return a(x), b(x)"
    seen = [identity(module(source.format(number)).f) for number in (2, 3, 1)]
    assert len({*seen}) == 3
    assert said_of(module(source.format(2)).b) == "source"


def test_two_functions_of_equal_code_are_found_where_they_stand(module):
    source = "class A:\n    def f(self): return {}\nclass B:\n    def f(self): return {}\n"
    features = module(source.format("24 * 60", "1440"))
    seen = [identity(cls.f) for cls in (features.A, features.B)]
    assert seen[0] == identity(module(source.format("24 * 60", "1")).A.f)
    assert seen[1] == identity(module(source.format("1", "1440")).B.f)


def test_a_chain_of_a_thousand_operators_is_described(module):
    f = module(f"def f(x): return {' + '.join(['x'] * 1000)}").f
    assert describe(f).items


def test_a_warning_of_the_compiler_is_not_repeated(module, recwarn):
    sys.modules.pop("odd", None)
    with pytest.warns(SyntaxWarning):
        features = module("def f(x): return x is 1", "odd")
    assert said_of(features.f) == "source"
    assert not recwarn


def test_a_private_name_is_the_one_of_its_class(module):
    source = "def _A__g(): return {}\nclass A:\n    def f(self): return __g()\nf = A.f"
    seen = [identity(module(source.format(number)).f) for number in (1, 2)]
    assert seen[0] != seen[1]


@pytest.mark.parametrize(
    "body",
    [
        "helpers.N += 1",
        "global N; N += 1",
        "return [N for N in x] + N",
        "return (lambda: N)()",
        "return [y for y in x if N]",
        "return f'{x:{N}}'",
        "def g(y=N): return y\n    return g",
        "def g(y: N): return y\n    return g",
        "class A(N.__class__): pass\n    return A",
        "class A:\n        N = N\n    return A",
        "match x:\n        case N.a: pass",
        "x[N:] = 1",
        "del x[N]",
        "return await_(N)",
        "@dec(N)\n    def g(): pass",
    ],
)
def test_names_are_found_in_every_place(module, body):
    seen = []
    for number in (1, 2):
        module(f"N = {number}", "helpers")
        source = f"import helpers\nN = {number}\ndef await_(x): return x\ndef f(x):\n    {body}"
        seen.append(identity(module(source).f))
    assert seen[0] != seen[1]


@pytest.mark.parametrize(
    "body",
    ["N = 1; return N", "return [N for N in x]", "import N.a\n    return N", "return lambda N: N"],
)
def test_names_of_the_body_itself_are_not_the_modules(module, body):
    seen = [identity(module(f"N = {n}\ndef f(x):\n    {body}").f) for n in (1, 2)]
    assert seen[0] == seen[1]


def test_a_file_of_a_thousand_lines_is_compiled_once(module):
    body = "def g{0}(x):\n    y = [z for z in x]\n    if y:\n        return x * {0}\n    return y\n"
    features = module("".join(body.format(number) for number in range(200)))
    durations = []
    for number in range(50):
        start = time.perf_counter()
        describe(getattr(features, f"g{number}"))
        durations.append(time.perf_counter() - start)
    assert min(durations[1:]) < 0.001
    assert durations[0] < 0.4


def test_annotations_of_fields_lead_to_the_classes_that_they_name(module):
    source = """
{}
import dataclasses
class Inner:
    n = {}
@dataclasses.dataclass
class A:
    inner: Inner
    others: list[Inner]
def f(): return A
"""
    for future in ("", "from __future__ import annotations"):
        seen = [identity(module(source.format(future, number)).f) for number in (1, 2, 1)]
        assert seen[0] == seen[2] != seen[1]


@pytest.mark.parametrize("edit", ["gt=1", "gt=2", "le=1"])
def test_fields_of_a_pydantic_model_count(module, edit):
    pytest.importorskip("pydantic")
    source = """
import pydantic
class A(pydantic.BaseModel):
    n: int = pydantic.Field(5, {})
    @pydantic.field_validator("n")
    def check(cls, value): return value
def f(): return A(n=3)
"""
    features = module(source.format("gt=1"))
    code = describe(features.f)
    other = describe(module(source.format(edit)).f)
    kept = [repr((code.items, [value for _, value in code.mutables])) for code in (code, other)]
    assert (kept[0] == kept[1]) == (edit == "gt=1")


DECORATED = """
from afml_cache import robust_cacheable
def smooth(x): return x + {helper}
@robust_cacheable({options})
def f(x): return smooth(x)
"""


@pytest.mark.parametrize(
    ("options", "hits"),
    [
        ("", False),
        ("track_code='own'", True),
        ("track_code=False", True),
        ("track_code='own', deps=[smooth]", False),
    ],
)
def test_options_of_the_decorator_say_what_counts(module, options, hits):
    features = module(DECORATED.format(helper=1, options=options))
    assert features.f(1) == 2
    other = module(DECORATED.format(helper=2, options=options))
    assert other.f.is_cached(1) == hits
    assert module(DECORATED.format(helper=1, options=options)).f.is_cached(1)


@pytest.mark.parametrize(
    "options",
    [{"track_code": "all"}, {"deps": ["smooth"]}, {"deps": 5}, {"track_packages": "nowhere_"}],
)
def test_an_option_that_cannot_be_right_is_refused(options):
    with pytest.raises(ValueError, match=r"`(track_code|deps|track_packages)`"):
        robust_cacheable(**options)


def test_a_helper_that_is_redefined_twice_is_seen_twice(module):
    features = module(DECORATED.format(helper=1, options=""))
    assert features.f(1) == 2
    exec("def smooth(x): return x + 5", vars(features))  # noqa: S102 - as in a prompt
    assert features.f(1) == 6
    exec("def smooth(x): return x + 7", vars(features))  # noqa: S102
    assert features.f(1) == 8
    features.smooth.__code__ = (lambda x: x).__code__
    assert features.f(1) == 1
    importlib.reload(features)
    assert features.f.is_cached(1)


def positive(x):
    assert x > 0, "a price"
    assert isinstance(x, float)
    return x * 2


def test_a_function_whose_assertions_pytest_has_rewritten_counts_as_its_source(monkeypatch):
    assert "@pytest_ar" in positive.__code__.co_names
    assert said_of(positive) == "source"
    spec = importlib.util.spec_from_file_location(__name__, __file__)
    plain = importlib.util.module_from_spec(spec)
    loader = importlib.machinery.SourceFileLoader(__name__, __file__)
    monkeypatch.setitem(sys.modules, __name__, plain)
    exec(loader.source_to_code(loader.get_data(__file__), __file__), vars(plain))  # noqa: S102
    assert "@pytest_ar" not in plain.positive.__code__.co_names
    assert identity(plain.positive) == identity(positive)
