"""The other end of `vendor.py`: its process, and a client that gives its bars as frames."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pandas as pd

VENDOR = Path(__file__).with_name("vendor.py")
COLUMNS = {"o": "open", "h": "high", "l": "low", "c": "close", "v": "volume"}


class VendorProcess:
    """A vendor in a process of its own; what it was asked is counted from its log alone."""

    def __init__(self, folder: Path, behaviour: dict[str, Any]) -> None:
        self._log = folder / "requests.jsonl"
        command = [sys.executable, VENDOR, "--log", self._log, "--leave-with-caller"]
        for name, value in behaviour.items():
            command += ["--set", f"{name}={json.dumps(value)}"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        port = self._process.stdout.readline().strip()
        if not port:
            self._end()
            message = f"the vendor `{VENDOR}` did not start; what it printed says why"
            raise RuntimeError(message)
        self.url = f"http://127.0.0.1:{port}"
        # no proxy of the environment lies on the way to this machine
        self.client = httpx.Client(base_url=self.url, trust_env=False, timeout=30)

    def log(self) -> list[dict[str, Any]]:
        """Every request so far: time, kind, symbol, start, end, status, rows, days."""
        return [json.loads(line) for line in self._log.read_text("utf-8").splitlines()]

    def set(self, **behaviour: Any) -> None:
        """Switch some behaviours, as `vendor_rows.Behaviour` names them; the others stay."""
        self.client.post("/control", json=behaviour).raise_for_status()

    def reset(self) -> None:
        """Have a vendor without faults again."""
        self.set()

    def close(self) -> None:
        self.client.close()
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        self._process.communicate()


@contextmanager
def running(**behaviour: Any) -> Iterator[VendorProcess]:
    """Start a vendor, and end it afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        process = VendorProcess(Path(folder), behaviour)
        try:
            yield process
        finally:
            process.close()


class VendorEngine:
    """A data engine as backtests have them: bars of [start, end], both ends included."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=30)

    async def get_bars(
        self, symbol: str, start: datetime, end: datetime, timeframe: str
    ) -> pd.DataFrame:
        """Ask for all pages of a range; a 429 or 503 raises `httpx.HTTPStatusError`."""
        asked = query(symbol, start, end, timeframe)
        rows: list[dict[str, Any]] = []
        while True:
            answer = await self._client.get("/bars", params=asked)
            body = answer.raise_for_status().json()
            rows += body["bars"]
            if body["next_page"] is None:
                return frame(rows, timeframe)
            asked["page"] = body["next_page"]

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()


def query(symbol: str, start: datetime, end: datetime, timeframe: str) -> dict[str, str]:
    times = {"start": start.isoformat(), "end": end.isoformat()}
    return {"symbol": symbol, "timeframe": timeframe, **times}


def frame(rows: list[dict[str, Any]], timeframe: str) -> pd.DataFrame:
    """Make a frame of an answer, with the same columns and dtypes if it is empty."""
    of_days = timeframe[-1] in "DdM"  # labelled by dates
    times = pd.to_datetime([row["t"] for row in rows], utc=not of_days).as_unit("ns")
    values = {name: [row[letter] for row in rows] for letter, name in COLUMNS.items()}
    kinds: dict[str, type | str] = dict.fromkeys(("open", "high", "low", "close"), float)
    if not rows:
        kinds["volume"] = "int64"
    return pd.DataFrame(values, index=times.rename("time")).astype(kinds)
