"""Time zones as JSON: by key or by offset, and by the library whose class they are of."""

from __future__ import annotations

import datetime as dt
import importlib
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable

Json = Any

_MICROSECOND: Final = dt.timedelta(microseconds=1)
_MINUTE: Final = 60_000_000_000


def encode(zone: dt.tzinfo) -> Json:
    """Write a zone as JSON; `None` for one that has no key and no fixed offset."""
    if isinstance(zone, dt.timezone):
        if zone is dt.timezone.utc:
            return {"utc": "datetime"}
        name = zone.tzname(None)
        given = name != dt.timezone(zone.utcoffset(None)).tzname(None)
        offset = zone.utcoffset(None) // _MICROSECOND
        return {"offset": [offset, name] if given else [offset]}
    if isinstance(zone, ZoneInfo):
        return {"zoneinfo": zone.key} if zone.key else None
    library = type(zone).__module__.partition(".")[0]
    if library == "pytz":
        return _encode_pytz(zone)
    if library == "dateutil" and type(zone).__name__ == "tzutc":
        return {"utc": "dateutil"}
    return None


def _encode_pytz(zone: Any) -> Json:
    key = getattr(zone, "zone", None)
    if key:
        return {"pytz": key}
    minutes = getattr(zone, "_minutes", None)
    return None if minutes is None else {"pytz_offset": minutes}


def decode(text: Json) -> dt.tzinfo:
    """Read what `encode` wrote; where its library is not installed, a zone that counts alike.

    Raises
    ------
    ValueError
        It was not written by `encode`, or there is no such zone here.
    """
    if not isinstance(text, dict) or len(text) != 1:
        message = f"no time zone: {text!r}"
        raise ValueError(message)
    ((sort, given),) = text.items()
    if sort == "utc":
        return _of_library("dateutil.tz", "UTC") if given == "dateutil" else dt.timezone.utc
    if sort == "offset":
        offset, *name = given
        return dt.timezone(dt.timedelta(microseconds=offset), *name)
    if sort == "pytz_offset":
        return _of_pytz("FixedOffset", given) or dt.timezone(dt.timedelta(minutes=given))
    if sort == "pytz":
        return _of_pytz("timezone", given) or _zone_of(given)
    if sort == "zoneinfo":
        return _zone_of(given)
    message = f"no time zone: {text!r}"
    raise ValueError(message)


def _zone_of(key: str) -> dt.tzinfo:
    try:
        return ZoneInfo(key)
    except ZoneInfoNotFoundError as missing:
        message = f"no time zone {key!r} is known here; install `tzdata`"
        raise ValueError(message) from missing


def _of_pytz(name: str, given: Any) -> dt.tzinfo | None:
    try:
        make: Callable[[Any], dt.tzinfo] = getattr(importlib.import_module("pytz"), name)
        return make(given)
    except (ImportError, KeyError):  # an unknown zone of pytz's is a KeyError
        return None


def _of_library(module: str, name: str) -> dt.tzinfo:
    try:
        zone: dt.tzinfo = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return dt.timezone.utc
    return zone


def told(text: Json) -> str | int:
    """Tell a zone by its key or, where it has none, by nanoseconds ahead of UTC."""
    ((sort, given),) = text.items()
    if sort in {"zoneinfo", "pytz"}:
        key: str = given
        return key
    if sort == "pytz_offset":
        return int(given) * _MINUTE
    if sort == "offset" and isinstance(given, str):  # as pyarrow writes it
        minutes = int(given[1:3]) * 60 + int(given[4:6])
        return (minutes if given[0] == "+" else -minutes) * _MINUTE
    return int(given[0]) * 1000 if sort == "offset" else "UTC"


def known_to_polars(text: Json) -> str:
    """Name a zone for polars, which knows keys only; UTC for a fixed offset."""
    key: str = text.get("zoneinfo") or text.get("pytz") or "UTC"
    return key


def local(times: list[dt.datetime | None], zone: dt.tzinfo) -> list[dt.datetime | None]:
    """Give naive times in UTC as times of a zone."""
    if zone is dt.timezone.utc:
        return [None if time is None else time.replace(tzinfo=zone) for time in times]
    return [None if time is None else zone.fromutc(time.replace(tzinfo=zone)) for time in times]
