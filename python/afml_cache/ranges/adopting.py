"""Segments that lie there although the catalog was lost: they are taken in again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from afml_cache.exceptions import CacheCorruptError
from afml_cache.ranges.intervals import Interval, joined, without
from afml_cache.ranges.segments import about
from afml_cache.ranges.states import EVER, NEW, REASONS, STATES, Piece

if TYPE_CHECKING:
    from afml_cache._native import Series as NativeSeries
    from afml_cache.ranges.reservations import Reservations

_HIGHEST: Final = 2**63
_ATTEMPTS: Final = 256


class Stray(NamedTuple):
    """A segment that no catalog names, and what it says of itself."""

    written: int
    name: str
    rows: int
    pieces: list[Piece]
    told: dict[str, Any]

    def form(self, native: NativeSeries) -> tuple[str, bool] | None:
        """Give how its values look; and whether that has a seal of ours, and may have one again."""
        form, seal = self.told.get("form"), self.told.get("seal")
        if not isinstance(form, str):
            return None
        return form, isinstance(seal, str) and native.is_ours(form, seal)


def adopt(
    native: NativeSeries, reservations: Reservations, cache: str, key: str, revision: int
) -> int:
    """Take in the segments of a series that its catalog does not name; give how many.

    While another process fetches, none are: it may have written what it is about to enter.

    Of each position the latest counts, but for what was cut out of it later. What the catalog knows
    by now stays as it is.

    Raises
    ------
    CacheStoreError
        The folder or the catalog can't be read, or not be written.
    """
    strays = native.strays()
    if strays is None or not strays[0]:
        return 0
    number, _ = reservations.reserve([])
    try:
        if reservations.lock(number) is None:
            return 0
        return _adopted(native, cache, key, revision)
    finally:
        reservations.release(number)


def _adopted(native: NativeSeries, cache: str, key: str, revision: int) -> int:
    found = native.strays()
    if found is None or not found[0]:
        return 0
    names, cuts = found
    strays = sorted(one for name in names if (one := _read(native, cache, key, name)))
    known = joined([(first, stop) for first, stop, *_ in native.pieces(*EVER)])
    pieces, files = [], []
    for place, stray in enumerate(strays):
        gone = [span for at, spans in cuts if at >= stray.written for span in spans]
        pieces += _numbered(stray.pieces, joined([*gone, *known]), NEW - place)
        first, stop = stray.pieces[0].first, stray.pieces[-1].stop
        files.append((stray.name, first, stop, stray.rows, json.dumps(stray.told)))
    forms = [form for stray in strays if (form := stray.form(native))]
    form = forms[-1] if forms and native.form() is None else None
    made = native.commit(pieces, files=files, form=form, expected=revision, adopts=True)
    return 0 if made is None else len(strays)


def _numbered(pieces: list[Piece], gone: list[Interval], segment: int) -> list[Piece]:
    return [
        piece.within(*part)._replace(segment=segment)
        for piece in pieces
        for part in without([(piece.first, piece.stop)], gone)
    ]


def _read(native: NativeSeries, cache: str, key: str, name: str) -> Stray | None:
    """Read what a segment says of itself; `None` for one that is damaged, or another series'."""
    try:
        told = about(native.read_stray(name))
    except CacheCorruptError:
        native.set_stray_aside(name)
        return None
    if told is None or told.get("cache") != cache or told.get("key") != key:
        return None
    try:
        pieces = [_piece(row) for row in told.pop("pieces")]
        written, rows = told["written"], told["rows"]
    except (KeyError, TypeError, ValueError):
        return None
    if not pieces or not (_is_number(written) and _is_number(rows)):
        return None
    return Stray(written, name, rows, sorted(pieces), told)


def _piece(row: Any) -> Piece:
    piece = Piece(*row)
    numbers = [*piece[:4], *piece[5:]]
    is_sound = (
        all(map(_is_number, numbers))
        and piece.first < piece.stop
        and 0 <= piece.state < len(STATES)
        and 0 <= piece.reason < len(REASONS)
        and 0 <= piece.attempt < _ATTEMPTS
    )
    if not is_sound:
        message = f"no piece: {row!r}"
        raise ValueError(message)
    return piece


def _is_number(value: object) -> bool:
    return type(value) is int and -_HIGHEST <= value < _HIGHEST
