"""The data-access tracker, where scripts look for it."""

from afml_cache import (
    DataAccessTracker,
    get_data_tracker,
    log_data_access,
    print_contamination_report,
    save_access_log,
)

__all__ = [
    "DataAccessTracker",
    "get_data_tracker",
    "log_data_access",
    "print_contamination_report",
    "save_access_log",
]
