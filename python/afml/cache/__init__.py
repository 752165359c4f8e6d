"""The names of `afml_cache`, for scripts that import `afml.cache`."""

from afml_cache import *
from afml_cache import __all__ as __all__
