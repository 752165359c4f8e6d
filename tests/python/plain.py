"""What a test compares of a description: its items, by type and content."""

import datetime as dt
import decimal
import hashlib
import pathlib
import uuid

from afml_cache.code import describe
from afml_cache.identity import own_package

PLAIN = {
    *(type(None), bool, float, complex, str, bytes, type(...), decimal.Decimal, uuid.UUID),
    *(dt.date, dt.datetime, dt.time, dt.timedelta, pathlib.PurePosixPath, pathlib.PosixPath),
}


def fingerprint(value):
    """Hash plain values, and refuse everything else."""
    kind = type(value)
    if kind is tuple:
        body = b"".join(map(fingerprint, value))
    elif kind is frozenset:
        body = b"".join(sorted(map(fingerprint, value)))
    elif kind is slice or kind is range:
        body = fingerprint((value.start, value.stop, value.step))
    elif kind is int:
        body = hex(value).encode()
    elif kind in PLAIN:
        body = repr(value).encode()
    else:
        message = f"{kind} is no plain value"
        raise AssertionError(message)
    return hashlib.blake2b(kind.__name__.encode() + b"\0" + body).digest()


def identity(function, **options):
    return fingerprint(tuple(item.value for item in described(function, **options).items))


def labels(function, **options):
    return [item.label for item in described(function, **options).items]


def texts(function):
    return {item.label: item.text for item in described(function).items if item.text}


def mutables(function):
    return dict(described(function).mutables)


def described(function, **options):
    """Describe a function as a decorated one is."""
    return describe(function, **{"own": own_package(function), **options})
