"""`describe`: an edit that the function could feel changes its items, any other does not.

`<<1|2>>` in a source is 1 before the edit and 2 after it.
"""

import re

import pytest
from plain import identity

FELT = {
    "own body": "def f(x): return x + <<1|2>>",
    "operator": "def f(x): return x <<+|->> 1",
    "attribute": "def f(x): return x.<<low|high>>",
    "integer to float": "def f(x): return x + <<1|1.0>>",
    "integer to bool": "def f(x): return x, <<1|True>>",
    "sign of zero": "def f(x): return <<0.0|-0.0>>",
    "set in the body": "def f(x): return x in {'a', '<<b|c>>'}",
    "constants that change places": "def f(x): return <<1, 2|2, 1>>",
    "order of parameters": "def f(<<a, b|b, a>>): pass",
    "keyword-only parameter": "def f(a, <<b|*, b>>): return a, b",
    "kind of function": "<<|async >>def f(x): return x",
    "own default": "def f(x=<<1|2>>): return x",
    "own keyword default": "def f(*, x=<<1|2>>): return x",
    "own annotation": "def f(x: <<int|float>>): return x",
    "own annotation, a union": "def f(x: 'int | None', y: list[<<int|str>>]): return x",
    "string equal to the docstring": "def f():\n    '<<a|b>>'\n    return '<<a|b>>'",
    "exception caught": """
def f(x):
    try:
        return x()
    except <<KeyError|TypeError>>:
        return 1
""",
    "reach of a try": """
def f(x):
    a = 0
<<    try:|    a = 1>>
<<        a = 1|    try:>>
        b = x()
    except ValueError:
        b = 2
    return a, b
""",
    "helper": "def g(x): return x + <<1|2>>\ndef f(x): return g(x)",
    "helper of a helper": """
def g(x): return <<x|-x>>
def h(x): return g(x)
def f(x): return h(x)
""",
    "helper's default": "def g(x=<<1|2>>): return x\ndef f(): return g()",
    "helper's keyword default": "def g(*, x=<<1|2>>): return x\ndef f(): return g()",
    "helper's attribute": "def g(x): pass\ng.window = <<5|6>>\ndef f(x): return g.window",
    "helper's attribute, by an alias": """
def g(): pass
g.window = <<5|6>>
def h(k): return k.window
def f(): return h(g)
""",
    "constant": "PIP = <<0.0001|0.01>>\ndef f(x): return PIP",
    "type of a constant": "N = <<1|1.0>>\ndef f(): return N",
    "constant of a helper": "N = <<1|2>>\ndef g(x): return N\ndef f(x): return g(x)",
    "element of a tuple": "T = (1, (<<2|3>>,))\ndef f(): return T",
    "pattern": "import re\nP = re.compile('a', <<0|re.I>>)\ndef f(x): return P.match(x)",
    "getter": "import operator\ng = operator.itemgetter(<<0|1>>)\ndef f(x): return g(x)",
    "function as a default": "def f(x, by=lambda x: <<x|-x>>): return by(x)",
    "value in a closure": """
def make(k):
    def f(x): return x * k
    return f
f = make(<<2|3>>)
""",
    "function in a closure": """
def make(k):
    def f(x): return k(x)
    return f
f = make(lambda x: <<x|-x>>)
""",
    "one of two lambdas on a line": """
a, b = lambda x: x + 1, lambda x: x + <<2|3>>
def f(x): return a(x) - b(x)
""",
    "lambdas that change places": """
<<a, b|b, a>> = lambda x: x + 1, lambda x: x + 2
def f(x): return a(x) - b(x)
""",
    "helpers that change places": """
def g(x): return x
def h(x): return -x
a, b = <<g, h|h, g>>
def f(x): return a(b(x), a)
""",
    "closures that change places": """
def make(k): return lambda x: x + k
a, b = make(<<1|2>>), make(<<2|1>>)
def f(x): return a(x) - b(x)
""",
    "closures made in a loop": """
made = [lambda x, k=k: x * k for k in (1, 2)]
a, b = made[<<::1|::-1>>]
def f(x): return a(x), b(x)
""",
    "sentinels": """
A, B = object(), object()
def f(x=<<A|B>>): return x is A, x is B
""",
    "nested function": "def f(x):\n    def g(): return <<x|-x>>\n    return g()",
    "helper of a nested function": """
def g(x): return <<x|-x>>
def f(x): return (lambda: g(x))()
""",
    "comprehension": "def f(x): return [i for i in x if <<|not >>i]",
    "helper of a comprehension": "def g(x): return <<x|-x>>\ndef f(x): return {g(i) for i in x}",
    "inner class": "def f():\n    class A:\n        n = <<1|2>>\n    return A.n",
    "function below a decorator": """
import functools
def twice(function):
    @functools.wraps(function)
    def wrapper(*args): return 2 * function(*args)
    return wrapper
@twice
def g(x): return x + <<1|2>>
def f(x): return g(x)
""",
    "decorator's wrapper": """
import functools
def twice(function):
    @functools.wraps(function)
    def wrapper(*args): return <<2|3>> * function(*args)
    return wrapper
@twice
def g(x): return x
def f(x): return g(x)
""",
    "decorated outside user code": """
import contextlib
@contextlib.contextmanager
def g(): yield <<1|2>>
def f(): return g()
""",
    "function of a partial": """
import functools
def g(x, y): return <<x|y>>
h = functools.partial(g, y=1)
def f(x): return h(x)
""",
    "argument of a partial": """
import functools
def g(x, y): return x
h = functools.partial(g, y=<<1|2>>)
def f(x): return h(x)
""",
    "helper with a memory": """
import functools
@functools.lru_cache
def g(x): return <<x|-x>>
def f(x): return g(x)
""",
    "functions in a tuple": """
STEPS = (lambda x: <<x|-x>>, abs)
def f(x): return [step(x) for step in STEPS]
""",
    "global that hides a builtin": "<<|def sum(x): return 0>>\ndef f(x): return sum(x)",
    "global that comes": "<<|N = 1>>\ndef f(): return N",
    "docstring that is read": "def g(): '<<one|two>>'\ndef f(): return g.__doc__",
    "class attribute": "class A:\n    n = <<1|2>>\ndef f(): return A.n",
    "annotation in a class": "class A:\n    n: <<int|float>> = 1\ndef f(): return A.n",
    "method": "class A:\n    def m(self): return <<1|2>>\ndef f(): return A().m()",
    "method of a base": """
class A:
    def m(self): return <<1|2>>
class B(A): pass
def f(): return B().m()
""",
    "order of bases": """
class A: pass
class B: pass
class C(<<A, B|B, A>>): pass
def f(): return C
""",
    "static method": """
class A:
    @staticmethod
    def m(): return <<1|2>>
def f(): return A.m()
""",
    "class method": """
class A:
    @classmethod
    def m(cls): return <<1|2>>
def f(): return A.m()
""",
    "property": """
class A:
    @property
    def m(self): return <<1|2>>
def f(): return A().m
""",
    "metaclass": """
class M(type):
    def __call__(cls): return <<1|2>>
class A(metaclass=M): pass
def f(): return A()
""",
    "helper of a method": """
def g(): return <<1|2>>
class A:
    def m(self): return g()
def f(): return A().m()
""",
    "default of a field": """
import dataclasses
@dataclasses.dataclass
class A:
    a: int = <<1|2>>
def f(): return A()
""",
    "order of fields": """
import dataclasses
@dataclasses.dataclass
class A:
    <<a|b>>: int
    <<b|a>>: int
def f(): return A(1, 2)
""",
    "factory of a field": """
import dataclasses
@dataclasses.dataclass
class A:
    a: list = dataclasses.field(default_factory=<<list|set>>)
def f(): return A()
""",
    "value of an enum's member": """
import enum
class E(enum.Enum): A = <<1|2>>
def f(): return E.A
""",
    "member of an enum": """
import enum
class E(enum.Enum):
    A, B = 1, 2
M = E.<<A|B>>
def f(): return M
""",
}

NOT_FELT = {
    "comment": "<<|# why>>\ndef f(x):\n    <<|# how>>\n    return x  <<|# what>>",
    "place in the file": "<<|'moved'\n\n\n\n>>def f(x): return x",
    "spelling": "def f(x): return <<x + 1|(x+1)>>",
    "docstring": "def f(x):\n    '<<one|two>>'\n    return None, 1",
    "docstring that comes": "def f(x):\n    <<|'one'>>\n    return x(1, None)",
    "docstring of a helper": "def g(): '<<one|two>>'\ndef f(): return g()",
    "docstring of an inner function": "def f():\n    def g(): '<<one|two>>'\n    return g",
    "docstring of a class": """
class A:
    '<<one|two>>'
    def m(self): '<<one|two>>'
def f(): return A()
""",
    "place of an inner class": """
<<|'moved'"""
    + "\n" * 300
    + """>>
def f():
    class A:
        '<<one|two>>'
        def m(self): self.a = self.b = 1
    return A
""",
    "order of definitions": """
<<N = 1|def f(): return g() + N>>
def g(): return 1
<<def f(): return g() + N|N = 1>>
""",
    "order of methods": """
class A:
    <<def a(self): pass|def b(self): pass>>
    <<def b(self): pass|def a(self): pass>>
def f(): return A()
""",
    "constant that is not read": "N = <<1|2>>\ndef f(): pass",
    "helper that is not called": "def g(): return <<1|2>>\ndef f(): pass",
    "annotation of a helper": "def g(x: <<int|float>>): return x\ndef f(x): return g(x)",
    "global named as an attribute": "low = <<1|[]>>\ndef f(x): return x.low",
    "contents of a global": "SEEN = [<<1|2>>]\ndef f(): return SEEN",
}


def versions(source):
    """Give a source before and after its edit."""
    return [re.sub("<<(.*?)\\|(.*?)>>", rf"\{side}", source, flags=re.DOTALL) for side in (1, 2)]


@pytest.mark.parametrize("edit", FELT)
def test_an_edit_that_is_felt_changes_the_items_and_its_undoing_restores_them(module, edit):
    before, after = versions(FELT[edit])
    seen = [identity(module(source).f) for source in (before, after, before)]
    assert before != after
    assert seen[0] == seen[2] != seen[1]


@pytest.mark.parametrize("edit", NOT_FELT)
def test_an_edit_that_is_not_felt_keeps_the_items(module, edit):
    before, after = versions(NOT_FELT[edit])
    assert before != after
    assert identity(module(before).f) == identity(module(after).f)
