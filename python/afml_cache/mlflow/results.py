"""What of a result is logged: numbers as metrics, estimators as models, the rest as files."""

from __future__ import annotations

import math
import numbers
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from afml_cache._values import attribute
from afml_cache.mlflow.files import Snapshot
from afml_cache.mlflow.names import free, legal
from afml_cache.mlflow.texts import key

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_METRICS: Final = 1000
_DEPTH: Final = 10


class Findings(NamedTuple):
    """What was found in a result.

    Attributes
    ----------
    metrics : dict
        Names to numbers.
    snapshot : Snapshot or None
        Files of the models and of other parts, taken when the call ended.
    left_out : list of str
        What could not be logged, and why, in words.
    """

    metrics: dict[str, float]
    snapshot: Snapshot | None
    left_out: list[str]


def examine(result: Any, *, files: bool, rest: bool) -> Findings:
    """Look through a result.

    A mapping of numbers, alone or in a tuple, is metrics; so is a number alone, as `result`. An
    estimator of scikit-learn's kind is a model: the first is `model`, others have their place or
    key behind it.

    Parameters
    ----------
    result
        What the function gave.
    files : bool
        Whether models, and what `rest` asks for, are written to files, or the metrics are all.
    rest : bool
        Whether what is neither metrics nor model is written to files too.
    """
    metrics: dict[str, float] = {}
    snapshot = Snapshot()
    left_out: list[str] = []
    for name, part in _parts(result):
        left_out.extend(_add(metrics, _numbers(part), name))
        if not files:
            continue
        for path, estimator in _estimators(name, part):
            left_out.extend(snapshot.add_model(path, estimator))
        if rest and not is_estimator(part) and not _is_all_numbers(part):
            left_out.extend(snapshot.add_file(name or "result", part))
    return Findings(metrics, snapshot if snapshot.used else None, left_out)


def _parts(result: Any) -> list[tuple[str, Any]]:
    """Give the parts of a tuple with their places or names, else the result without a name."""
    if isinstance(result, tuple):
        names = getattr(result, "_fields", None) or map(str, range(len(result)))
        return list(zip(names, result, strict=True))
    if number(result) is not None:
        return [("", {"result": result})]
    return [("", result)]


def _add(metrics: dict[str, float], found: list[tuple[str, float]], part: str) -> list[str]:
    """Add metrics, or say that there are too many; a name that is taken has its part's behind."""
    if len(metrics) + len(found) > _MOST_METRICS:
        return [f"a mapping of numbers that are more than {_MOST_METRICS} metrics"]
    for name, value in found:
        wanted = legal(name)
        if wanted in metrics:
            wanted = free(f"{name}.{part}", metrics, f"{name}.{part}={len(metrics)}")
        metrics[wanted] = value
    return []


def number(value: Any) -> float | None:
    """Give a number as a float: one of Python or NumPy, a truth value; `None` for no number."""
    if isinstance(value, int | float | Decimal | numbers.Real):
        return _as_float(value)
    # NumPy's truth values, and arrays and tensors of one element without an axis
    if attribute(value, "shape") == () and attribute(value, "item") is not None:
        try:
            return number(value.item())
        except Exception:  # noqa: BLE001 - the code of others
            return None
    return None


def _as_float(value: Any) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        return None


def _numbers(part: Any, prefix: str = "", depth: int = 0) -> list[tuple[str, float]]:
    if not isinstance(part, Mapping) or depth > _DEPTH:
        return []
    found: list[tuple[str, float]] = []
    for name, value in part.items():
        path = f"{prefix}{key(name)}"
        as_number = number(value)
        if as_number is not None:
            found.append((path, as_number))
        else:
            found.extend(_numbers(value, f"{path}.", depth + 1))
        if len(found) > _MOST_METRICS:
            break
    return found


def _is_all_numbers(part: Any, depth: int = 0) -> bool:
    if isinstance(part, Mapping) and depth <= _DEPTH:
        return all(_is_all_numbers(value, depth + 1) for value in part.values())
    return depth > 0 and number(part) is not None


def is_estimator(value: Any) -> bool:
    """Whether a value is an estimator of scikit-learn, or of a library that follows it."""
    base = getattr(sys.modules.get("sklearn.base"), "BaseEstimator", None)
    return base is not None and isinstance(value, base)


def _estimators(name: str, part: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    if is_estimator(part):
        yield name, part
    elif isinstance(part, Mapping) and depth <= _DEPTH:
        for own, value in part.items():
            yield from _estimators(f"{name}.{key(own)}" if name else key(own), value, depth + 1)
