"""The decorators, where scripts look for them."""

from afml_cache import (
    cacheable,
    data_tracking_cacheable,
    robust_cacheable,
    time_aware_cacheable,
    time_aware_data_tracking_cacheable,
)

__all__ = [
    "cacheable",
    "data_tracking_cacheable",
    "robust_cacheable",
    "time_aware_cacheable",
    "time_aware_data_tracking_cacheable",
]
