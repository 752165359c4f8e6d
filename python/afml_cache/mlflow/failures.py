"""What an exception of MLflow's means: the server is away, or it refused something."""

from __future__ import annotations

import json
import re
from typing import Final

# What a proxy says for a server that is not there, or a server that wants to be left alone.
_AWAY: Final = frozenset({408, 429, 502, 503, 504})
_REFUSED: Final = range(400, 500)
_CREDENTIALS: Final = re.compile(r"//[^/\s@]+@")


def is_away(error: BaseException) -> bool:
    """Whether an exception means that nobody is there to take anything.

    A server that says what is wrong with a request is there; one that says nothing, or something
    that is not MLflow's, is not.
    """
    from mlflow.exceptions import MlflowException, RestException
    from requests import RequestException

    if isinstance(error, MlflowException):
        status = error.get_http_status_code()
        return status in _AWAY or (status not in _REFUSED and not isinstance(error, RestException))
    if isinstance(error, RequestException):
        status = getattr(error.response, "status_code", None)
        return status is None or status in _AWAY or status not in _REFUSED
    return isinstance(error, ConnectionError | TimeoutError | json.JSONDecodeError)


def in_words(error: BaseException) -> str:
    """Give the first line of what an exception says, shortened and without credentials."""
    lines = _CREDENTIALS.sub("//", str(error)).strip().splitlines() or [""]
    said = lines[0] if len(lines[0]) <= 300 else f"{lines[0][:300]}..."  # noqa: PLR2004 - a line
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
