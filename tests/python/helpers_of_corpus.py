"""What the functions of `corpus` use of another module."""

import types

LEVEL = 3


def smooth(x):
    return x + LEVEL


inner = types.ModuleType("helpers_of_corpus")
inner.deep = smooth
