"""A compiled helper of a user's."""

import numba

SPREAD = 0.5


@numba.njit
def compiled(price: float) -> float:
    """Add the spread."""
    return price + SPREAD
