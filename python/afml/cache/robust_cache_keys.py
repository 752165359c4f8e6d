"""The decorators, where scripts look for them."""

from afml_cache import cacheable, robust_cacheable, time_aware_cacheable

__all__ = ["cacheable", "robust_cacheable", "time_aware_cacheable"]
