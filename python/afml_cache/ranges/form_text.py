"""The form of a series and where its bars begin, as text that is stored with them."""

from __future__ import annotations

import importlib
import json
import operator
from typing import TYPE_CHECKING, NamedTuple

from afml_cache.ranges import zones
from afml_cache.ranges.axes import DateAxis
from afml_cache.ranges.forms import Form

if TYPE_CHECKING:
    from afml_cache.ranges.axes import Axis


class Told(NamedTuple):
    """What such a text says: the form, where bars begin, and the zone of daily labels.

    Where bars begin is `guessed` as long as none has shown it.
    """

    form: Form
    anchor: int | None
    labels: str | None
    guessed: bool


def written_form(form: Form, anchor: int | None, axis: Axis, *, guessed: bool) -> tuple[str, bool]:
    """Give such a text, and whether we vouch for it."""
    told = {"form": json.loads(form.to_json()), "anchor": anchor}
    if guessed and not isinstance(axis, DateAxis):
        told["guessed"] = True
    if isinstance(axis, DateAxis) and axis.labels is not None:
        told["labels"] = axis.labels
    # A class that only the disk names is never sealed: whoever reads the seal imports it.
    return json.dumps(told), form.kind != "objects" or form.bound is not None


def read_form(text: str) -> Told:
    """Read what `written_form` wrote.

    Raises
    ------
    CacheCorruptError, LookupError, TypeError, ValueError
        It is something else.
    """
    told = json.loads(text)
    form = Form.from_json(json.dumps(told["form"]))
    anchor, labels = told["anchor"], told.get("labels")
    if labels is not None:
        zones.zone_of(labels, "labels")
    return Told(form, anchor, labels, told.get("guessed", False))


def bound(form: Form) -> Form:
    """Give a form with the class of its objects, for which its seal vouches."""
    if form.kind != "objects" or form.bound is not None:
        return form
    module, name = form.details["class"][:2]
    try:
        found = operator.attrgetter(name)(importlib.import_module(module))
    except (ImportError, AttributeError):
        return form
    return form.bind(found) if isinstance(found, type) else form
