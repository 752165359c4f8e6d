"""Answers of a range cache, as one process tells them to another."""

from typing import Any

from range_model import rows_of


def told(answer: Any, missing: Any) -> Any:
    """Give an answer as what JSON can hold."""
    return [rows_of(answer), list(missing)]


def heard(answer: Any) -> tuple[list[Any], list[Any]]:
    """Give rows and missing intervals, as they were told."""
    rows, missing = answer
    return [(at, tuple(row)) for at, row in rows], [tuple(one) for one in missing]
