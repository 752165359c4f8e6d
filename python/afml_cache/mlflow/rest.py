"""A store behind a server, each of whose requests is made once and has a time limit.

MLflow's own waits two minutes for an answer and asks eight times, unless the environment of the
whole process says otherwise.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from mlflow.protos.service_pb2 import MlflowService
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.proto_json_utils import parse_dict
from mlflow.utils.rest_utils import (
    _REST_API_PATH_PREFIX,
    extract_api_info_for_service,
    http_request,
    verify_rest_response,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def bounded_store(uri: str, seconds: Callable[[], float]) -> RestStore:
    """Give the store of a server.

    Parameters
    ----------
    uri : str
        Where the server is, an `http` or `https` URI.
    seconds : callable
        Gives how long a request may wait for a connection, and then for an answer.
    """
    calls = extract_api_info_for_service(MlflowService, _REST_API_PATH_PREFIX)

    class Bounded(RestStore):  # type: ignore[misc]
        def _call_endpoint(
            self,
            api: Any,
            json_body: Any = None,
            endpoint: str | None = None,
            retry_timeout_seconds: float | None = None,  # noqa: ARG002 - there is no second try
            response_proto: Any = None,
        ) -> Any:
            usual, method = calls[api]
            place = endpoint or usual
            body = None if json_body is None else json.loads(json_body)
            how = {"params" if method == "GET" else "json": body}
            once: dict[str, Any] = {"max_retries": 0, "raise_on_status": False}
            answer = http_request(
                self.get_host_creds(), place, method, timeout=seconds(), **once, **how
            )
            message = api.Response() if response_proto is None else response_proto
            parse_dict(json.loads(verify_rest_response(answer, place).text), message)
            return message

    return Bounded(functools.partial(get_default_host_creds, uri))
