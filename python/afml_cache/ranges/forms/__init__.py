"""What a loader gives becomes a table of polars, and a table what the caller wants, exactly."""

from afml_cache.ranges.forms.converting import Output, check_output, read, restore, write
from afml_cache.ranges.forms.form import Column, Form
from afml_cache.ranges.forms.hold import Held, hold
from afml_cache.ranges.forms.polars import readable
from afml_cache.ranges.forms.times import zone_of
from afml_cache.ranges.forms.unite import United, unite

__all__ = [
    "Column",
    "Form",
    "Held",
    "Output",
    "United",
    "check_output",
    "hold",
    "read",
    "readable",
    "restore",
    "unite",
    "write",
    "zone_of",
]
