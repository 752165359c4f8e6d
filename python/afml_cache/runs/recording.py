"""From what a backtest returned to what is kept of it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheConfigError
from afml_cache.runs import parquet, provenance
from afml_cache.runs.answers import LEFT_OUT
from afml_cache.runs.curves import curve_of
from afml_cache.runs.datasets import dataset_of
from afml_cache.runs.fold import was_looked_at
from afml_cache.runs.shown import as_json, as_text, metric
from afml_cache.time_ranges import whole_span

if TYPE_CHECKING:
    from afml_cache._native import Runs
    from afml_cache.runs.answers import Parts
    from afml_cache.runs.identity import Code, Identity


@dataclass(frozen=True, slots=True)
class About:
    """What the user says of runs.

    Attributes
    ----------
    dataset, purpose : str or None, str
        To which family a run belongs beside its strategy.
    equity_kind : str
        What an equity curve is.
    notes, tags, costs, splits
        To be shown.
    """

    dataset: str | None = None
    purpose: str = ""
    equity_kind: str = "price"
    notes: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    costs: dict[str, Any] = field(default_factory=dict)
    splits: int | None = None

    def __post_init__(self) -> None:
        given: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        for name in ("dataset", "purpose"):
            if not isinstance(given[name], str) and (name, given[name]) != ("dataset", None):
                message = f"`{name}` is a text that families are told apart by, not {given[name]!r}"
                raise CacheConfigError(message)
        for name in ("tags", "costs"):
            if not isinstance(given[name], Mapping):
                message = f"`{name}` is a mapping of names to values, not {given[name]!r}"
                raise CacheConfigError(message)

    def family(self, data: Any) -> tuple[str, str]:
        """Give the data set and the purpose that a family is told by, beside its strategy."""
        return dataset_of(data) if self.dataset is None else self.dataset, self.purpose


@dataclass(frozen=True)
class Recording:
    """A run that is to be recorded.

    Attributes
    ----------
    identity, strategy, data, parts, code, about
        What it is, what it is of, what it came to, and what the user says of it.
    parameters : dict
        As `typed` gives them.
    seconds : float
        How long it took.
    seen_ns : int or None
        The last instant that its inputs have seen, in nanoseconds UTC.
    answer : object
        What the backtest returned; `None` for a run that is recorded by hand.
    trades_left_out : bool
        Whether it returned trades that are not kept.
    at_ns : int or None
        When it was computed, in nanoseconds UTC; `None` for now.
    """

    identity: Identity
    strategy: str
    parameters: dict[Any, Any]
    data: Any
    parts: Parts
    code: Code
    about: About
    seconds: float = 0.0
    seen_ns: int | None = None
    answer: Any = None
    trades_left_out: bool = False
    at_ns: int | None = None

    def save(self, runs: Runs) -> None:
        """Record it.

        Raises
        ------
        CacheStoreError
            It can't be written, or what it holds can't be stored.
        """
        curve, step, reason = curve_of(self.parts.equity_curve, self.data, self.about.equity_kind)
        files, unwritten = parquet.written(self.parts._asdict())
        if self.code.digest is not None and self.code.parts:
            runs.note_code(self.code.digest, json.dumps(self.code.parts))
        given = {
            **self._told(),
            "is_test": was_looked_at(self.identity.data) or runs.is_test(self.identity.data),
            "step_ns": step,
            "reason": reason,
            "about": json.dumps(self._shown(unwritten)),
        }
        runs.record(given, curve, self._payload(), files)

    def _told(self) -> dict[str, Any]:
        """Give what is known of it before anything is written."""
        dataset, purpose = self.about.family(self.data)
        return {
            "run": self.identity.run,
            "strategy": self.strategy,
            "dataset": dataset,
            "purpose": purpose,
            "trial": self.identity.trial,
            "code": self.code.digest,
            "parameters": self.identity.parameters,
            "data": self.identity.data,
            "at_ns": time.time_ns() if self.at_ns is None else self.at_ns,
            "seconds": self.seconds,
            "time_range": whole_span(self.data),
            "seen_ns": self.seen_ns,
            "metrics": list(self._metrics().items()),
        }

    def _payload(self) -> dict[str, Any]:
        payload = {
            **self.parts._asdict(),
            "metrics": dict(self.parts.metrics),
            "parameters": self.parameters,
            "seconds": self.seconds,
            "seen_ns": self.seen_ns,
        }
        if self.answer is not None:
            payload["answer"] = self.answer
        if self.trades_left_out:
            payload[LEFT_OUT] = True
        return payload

    def _metrics(self) -> dict[str, float | int | str]:
        return {as_text(name): metric(value) for name, value in self.parts.metrics.items()}

    def _shown(self, unwritten: dict[str, str]) -> dict[str, Any]:
        commit = None if self.code.folder is None else provenance.checked_out(self.code.folder)
        about = {
            "parameters": self.parameters,
            "git": commit,
            "host": provenance.host(),
            "notes": self.about.notes,
            "tags": self.about.tags,
            "costs": self.about.costs,
            "splits": self.about.splits,
            "packages": self.code.packages,
            "others": self.code.others,
            "no_parquet": unwritten,
        }
        return {name: as_json(value) for name, value in about.items() if value}
