"""What an answer proves: which of its interval is final, empty, too short, or may still change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from afml_cache.ranges.intervals import Interval, common, without
from afml_cache.ranges.states import (
    DATA,
    DAY,
    EMPTY,
    NEVER,
    NEW,
    RECHECKS,
    SHORT,
    SUSPECT,
    VENDOR_EMPTY,
    VOLATILE,
    Piece,
    nothing,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from afml_cache.ranges.axes import Axis, Limits

# Fewer rows than this are no answer that a vendor's cap has cut.
_LEAST_CAP = 10


class Proof(NamedTuple):
    """What one answer says of what was asked for."""

    kept: Interval
    """What is known now; the rest is asked for again."""
    holes: list[tuple[int, int, int]]
    """Where in it bars may be missing, and why: first, stop, reason."""

    def without_ends(self, unproven: Sequence[tuple[int, int, int]]) -> Proof:
        """Give what it says without some of the holes, as far as they lie at its ends."""
        first, stop = self.kept
        for begin, end, _ in unproven:
            first = max(first, end) if begin == self.kept[0] else first
            stop = min(stop, begin) if end == self.kept[1] else stop
        return Proof((first, stop), [hole for hole in self.holes if first <= hole[0] < stop])


class Caps(NamedTuple):
    """From how many rows on an answer lacks those before its first, and those behind its last."""

    before: int | None
    behind: int | None

    def learned(self, proven: Proof, asked: Interval, rows: int) -> Caps:
        """Give them as they are seen by an answer that was cut at one of its ends."""
        before, behind = asked[0] < proven.kept[0], proven.kept[1] < asked[1]
        if before == behind:
            return self
        if before:
            return self._replace(before=min(rows, self.before or rows))
        return self._replace(behind=min(rows, self.behind or rows))


def proof(axis: Axis, first: int, stop: int, at: np.ndarray[Any, Any], caps: Caps) -> Proof:
    """Tell what an answer proves.

    Nothing says where an answer was cut. What lies between two bars of it is proven. What lies
    before the first and behind the last is not, where it is longer than what lies between others
    and than a few holidays, or a night: then it is asked for at once, by itself. Neither is the
    shortest time where an answer has as many rows as one that was cut, nor the time outside of
    sessions if that has bars there.
    """
    if not len(at):
        return Proof((first, stop), [(first, stop, VENDOR_EMPTY)])
    begin, end = int(at[0]), axis.next(int(at[-1]))
    over = min(_end_of(axis, int(at[-1])), max(end, stop))
    front, back = axis.trading_time(first, begin), axis.trading_time(over, stop)
    quiet = max(_longest_quiet(axis, at), _usual_quiet(axis))
    full_before, full_behind = (cap is not None and len(at) >= cap for cap in caps)
    cut = full_before or full_behind or len(at) >= _LEAST_CAP
    extended = (full_before or full_behind) and _has_extended_hours(axis, at)
    kept_first, kept_stop, holes = first, stop, []
    why = VENDOR_EMPTY if axis.sessions is None else SHORT
    if extended and full_behind:
        kept_stop = min(end, stop)
    elif cut and not full_before and back > (0 if full_behind else quiet):
        kept_stop = end
    elif back or (over < stop and axis.sessions is None):
        holes.append((over, stop, why))
    # The rows that a vendor gives at most may as well be the last.
    if extended or (cut and not full_behind and front > (0 if full_before else quiet)):
        kept_first = begin
    elif front or (first < begin and axis.sessions is None):
        holes.append((first, begin, why))
    missing = axis.sessions_missing(begin, end, at)
    holes += [(low, high, SHORT) for low, high in missing]
    return Proof((kept_first, kept_stop), holes)


def _end_of(axis: Axis, label: int) -> int:
    """Give where a bar ends: later than others may begin, where they begin anywhere."""
    step = axis.timeframe.step
    return (
        axis.next(label)
        if axis.timeframe.is_dates or not step
        else max(axis.next(label), label + step)
    )


def _has_extended_hours(axis: Axis, at: np.ndarray[Any, Any]) -> bool:
    """Whether a bar lies outside of sessions."""
    if axis.sessions is None or axis.timeframe.is_dates:
        return False
    begin, end = axis.sessions.known_instants
    known = at[(at >= begin) & (at < end)]
    passed = axis.sessions.traded_before(np.stack((known, known + (axis.timeframe.step or 1))))
    return bool((passed[0] == passed[1]).any())


def _usual_quiet(axis: Axis) -> int:
    """Give for how long there may be no bar although one is to be expected."""
    if axis.sessions is None:
        return 5 * DAY if axis.timeframe.is_dates else DAY
    return DAY if axis.timeframe.is_dates else DAY // 8


def _longest_quiet(axis: Axis, at: np.ndarray[Any, Any]) -> int:
    """Give the longest time between two bars in which there could have been others."""
    if len(at) < 2:  # noqa: PLR2004
        return 0
    widest = np.argsort(np.diff(at))[-8:]
    return max(
        axis.trading_time(_end_of(axis, int(at[place])), int(at[place + 1])) for place in widest
    )


class Sent(NamedTuple):
    """When a call was sent, what was final then, and how long what was not is good for."""

    at: int
    limits: Limits
    settle: int
    volatile_ttl: int
    reason: int
    doubts: Sequence[Interval] = ()
    """What may change although its time is over: it was made of something that may."""


def pieces_of(
    axis: Axis, proven: Proof, before: Sequence[Piece], sent: Sent, *, has_rows: bool
) -> list[Piece]:
    """Give the pieces of what is known now, up to the bars that are still forming."""
    limits = sent.limits
    first, stop = proven.kept[0], min(proven.kept[1], limits.opened)
    empty = [(begin, end) for begin, end, _ in proven.holes]
    segment = NEW if has_rows else None
    pieces = []
    for begin, end in without([(first, stop)], empty):
        final = without([(begin, max(begin, min(end, limits.settled)))], sent.doubts)
        pieces += [Piece(*part, DATA, sent.reason, segment, 0, sent.at, NEVER) for part in final]
        for part in without([(begin, end)], final):
            settled = axis.settles_at(part[0]) + sent.settle
            later = sent.at + sent.volatile_ttl
            recheck = min(settled, later) if settled > sent.at else later
            pieces.append(Piece(*part, VOLATILE, sent.reason, segment, 0, sent.at, recheck))
    for begin, end, reason in proven.holes:
        for part in common([(begin, end)], [(first, stop)]):
            pieces += _hollow(axis, part, reason, before, sent)
    return pieces


def _hollow(
    axis: Axis,
    part: Interval,
    reason: int,
    before: Sequence[Piece],
    sent: Sent,
) -> list[Piece]:
    """Give the pieces of an interval without bars; each counts how often it was asked for again."""
    pieces = []
    old = [piece for piece in before if piece.state in {EMPTY, SUSPECT}]
    for piece in old:
        for begin, end in common([part], [(piece.first, piece.stop)]):
            attempt = piece.attempt + _is_spent(axis, piece, begin, sent)
            pieces.append(_late(axis, nothing(begin, end, reason, sent.at, attempt), sent))
    known = [(piece.first, piece.stop) for piece in pieces]
    for begin, end in without([part], known):
        pieces.append(_late(axis, nothing(begin, end, reason, sent.at), sent))
    return pieces


def _is_spent(axis: Axis, piece: Piece, begin: int, sent: Sent) -> bool:
    """Whether an attempt counts: one that was not due does not, nor one for a bar that is late.

    So neither does a bar of a minute become permanently empty within minutes of its end, nor
    anything that is asked for again and again by `refresh`.
    """
    if sent.at < piece.recheck_after:
        return False
    return sent.at - axis.settles_at(begin) > RECHECKS[piece.attempt]


def _late(axis: Axis, piece: Piece, sent: Sent) -> Piece:
    """Have bars that only just ended asked for again as soon as they may be there."""
    if piece.recheck_after == NEVER:
        return piece
    age = max(piece.fetched_at - axis.settles_at(piece.first), 0)
    soon = piece.fetched_at + max(age, sent.volatile_ttl)
    return piece._replace(recheck_after=min(piece.recheck_after, soon))
