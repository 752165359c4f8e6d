"""`describe` of classes that libraries put together: what the user wrote in them counts."""

import pytest
from plain import identity

KINDS = {
    "a method": "@dataclasses.dataclass\nclass A:\n    x: int = 1\n    def m(self): return {0}",
    "an equality": "@dataclasses.dataclass\nclass A:\n    x: int\n    def __eq__(*_): return {0}",
    "a guarded repr": (
        "@dataclasses.dataclass\nclass A:\n    x: int = 1\n"
        "    @reprlib.recursive_repr()\n    def __repr__(self): return '{0}'"
    ),
    "a repr of a named tuple": (
        "class A(typing.NamedTuple):\n    x: int = 1\n    def __repr__(self): return '{0}'"
    ),
    "a way of making members": (
        "class A(enum.Enum):\n    x = 1\n"
        "    def __new__(cls, v):\n        o = object.__new__(cls)\n"
        "        o._value_ = v\n        o.y = {0}\n        return o"
    ),
    "a slot": "@dataclasses.dataclass(slots=True)\nclass A:\n    x: int\n    def m(_): return {0}",
}


@pytest.mark.parametrize("source", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("with_file", [True, False])
def test_what_the_user_wrote_in_a_class_that_is_made_counts(module, source, with_file):
    imports = "import dataclasses, enum, reprlib, typing\n"
    seen = []
    for number in (1, 2, 1):
        text = f"{imports}{source.format(number)}\ndef f(): return A"
        features = module(text if with_file else "")
        if not with_file:
            del features.__file__
            exec(text, vars(features))  # noqa: S102 - as in a prompt
        seen.append(identity(features.f))
    assert seen[0] == seen[2] != seen[1]
