"""A vendor of bars on this machine, as good or as bad as it is told to be.

    python examples/vendor.py --port 0 --log requests.jsonl --set page_size=100 --set closed=left

It prints its port, serves daily bars of GOOG, hourly ones of EURUSD and monthly ones of BTCUSD from
the `backtesting` package, and writes a line of JSON for each request into its log.

    GET  /bars?symbol=GOOG&timeframe=1D&start=2012-10-01&end=2012-10-31[&limit=...][&page=...]
    GET  /ticks?symbol=EURUSD&start=2017-05-02T09:00&end=2017-05-02T12:00[&limit=...][&page=...]
    POST /control {"page_size": 10}; {} for a vendor without faults; GET shows what is switched
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import sys
import threading
import time
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from vendor_rows import Behaviour, Request, Row, label, page_of, series, spoiled, whole_answer

KINDS = {"/bars": "bars", "/ticks": "ticks"}
CUT = "cut"


@dataclass
class Reply:
    """An answer before it is sent, and the rows in it."""

    status: int
    body: dict[str, Any]
    rows: list[Row]
    retry_after: float | str | None = None
    cut: bool = False


class Vendor(ThreadingHTTPServer):
    """The vendor's state: its behaviour, the count of requests, its token bucket and its log."""

    daemon_threads = True
    request_queue_size = 128  # many callers at once are no fault of theirs

    def __init__(self, port: int, log: Path, behaviour: Behaviour) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self._lock = threading.Lock()
        self._log = log.open("a", encoding="utf-8")
        self._requests = 0
        self.behave(behaviour)

    def behave(self, behaviour: Behaviour) -> None:
        with self._lock:
            self.behaviour = behaviour
            self._switched = self._requests
            self._tokens, self._filled = float(behaviour.bucket_size or 0), time.monotonic()

    def control(self, changes: dict[str, Any]) -> None:
        self.behave(replace(self.behaviour, **changes) if changes else Behaviour())

    def answer(self, query: dict[str, str], kind: str) -> Reply:
        """Answer a request for rows, and write it into the log before the answer is sent."""
        arrived = datetime.now(timezone.utc).isoformat()
        with self._lock:
            self._requests += 1
            behaviour, number = self.behaviour, self._requests
            since, wait = number - self._switched, self._take_token()
        time.sleep(behaviour.latency_ms / 1000)
        try:
            request = Request.of(query, ticks=kind == "ticks")
            series(request.symbol, request.timeframe)
        except (KeyError, ValueError) as error:
            reply = Reply(400, {"error": f"no such request: {error!r}"}, [])
        else:
            reply = fault(request, behaviour, since, wait) or well(request, behaviour, number, kind)
        self._write({"time": arrived, "kind": kind, **query}, reply)
        return reply

    def _take_token(self) -> float:
        """Take a token out of the bucket; give the seconds until the next if there is none."""
        if self.behaviour.bucket_size is None:
            return 0.0
        now, rate = time.monotonic(), self.behaviour.bucket_per_second
        self._tokens += (now - self._filled) * rate
        self._tokens = min(self._tokens, self.behaviour.bucket_size)
        self._filled = now
        if self._tokens < 1:
            return (1 - self._tokens) / rate
        self._tokens -= 1
        return 0.0

    def _write(self, request: dict[str, str], reply: Reply) -> None:
        days = sorted({row["t"].date().isoformat() for row in reply.rows})
        record = {**request, "status": reply.status, "rows": len(reply.rows), "days": days}
        with self._lock:
            self._log.write(json.dumps(record) + "\n")
            self._log.flush()


def fault(request: Request, behaviour: Behaviour, since: int, wait: float) -> Reply | None:
    """Give the answer of a vendor that is down or has had enough, if it is so now."""
    every = behaviour.throttle_every
    if wait > 0 or (every and since % every == 0):
        shown = behaviour.retry_after
        shown = max(math.ceil(wait), 1) if shown is None else shown
        return Reply(429, {"error": "too many requests"}, [], None if shown == "none" else shown)
    answered = behaviour.outage_after
    if answered < since <= answered + behaviour.outage_requests or any(
        request.has_day(day) for day in behaviour.outage_dates
    ):
        if isinstance(behaviour.outage_answer, int):
            return Reply(behaviour.outage_answer, {"error": "out of order"}, [])
        kind = "ticks" if request.timeframe == "tick" else "bars"
        return Reply(200, {kind: [], "next_page": None}, [], cut=behaviour.outage_answer == CUT)
    return None


def well(request: Request, behaviour: Behaviour, number: int, kind: str) -> Reply:
    rows, next_page = page_of(whole_answer(request, behaviour, number), request, behaviour)
    rows = spoiled(rows, behaviour)
    shown = [{**row, "t": label(row, request.timeframe)} for row in rows]
    token = None if next_page is None else str(next_page)
    return Reply(200, {kind: shown, "next_page": token}, rows)


class Handler(BaseHTTPRequestHandler):
    """HTTP around the vendor."""

    server: Vendor
    protocol_version = "HTTP/1.1"
    # headers and body leave together: one packet waiting for the other's receipt costs 40 ms
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path in KINDS:
            query = dict(parse_qsl(address.query))
            self._send(self.server.answer(query, KINDS[address.path]))
        elif address.path == "/control":
            self._send(Reply(200, asdict(self.server.behaviour), []))
        else:
            self._send(Reply(404, {"error": f"nothing at {address.path}"}, []))

    def do_POST(self) -> None:
        changes = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        unknown = changes.keys() - {each.name for each in fields(Behaviour)}
        if unknown:
            self._send(Reply(400, {"error": f"no such behaviour: {sorted(unknown)}"}, []))
            return
        self.server.control(changes)
        self._send(Reply(200, asdict(self.server.behaviour), []))

    def _send(self, reply: Reply) -> None:
        body = json.dumps(reply.body).encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if reply.retry_after is not None:
            self.send_header("Retry-After", str(reply.retry_after))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if reply.cut else body)
        self.close_connection |= reply.cut

    def log_message(self, *_: object) -> None:
        """Say nothing on the terminal: the log has the requests."""


def switched(settings: list[str]) -> dict[str, Any]:
    """Read `name=value`, the value in JSON or a plain text."""
    read = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        try:
            read[name] = json.loads(value)
        except json.JSONDecodeError:
            read[name] = value
    return read


def leave_with_caller() -> None:
    """End when the other end of standard input does: no vendor outlives a test that was killed."""
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes one that is free")
    parser.add_argument("--log", type=Path, required=True, metavar="FILE")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--leave-with-caller", action="store_true")
    arguments = parser.parse_args()
    vendor = Vendor(arguments.port, arguments.log, Behaviour(**switched(arguments.set)))
    print(vendor.server_port, flush=True)
    if arguments.leave_with_caller:
        threading.Thread(target=leave_with_caller, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        vendor.serve_forever()


if __name__ == "__main__":
    main()
