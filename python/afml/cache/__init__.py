"""The names of `afml_cache`, for scripts that import `afml.cache`."""

import afml_cache
from afml_cache import *
from afml_cache import __all__ as __all__


def __getattr__(name: str) -> object:
    return getattr(afml_cache, name)
