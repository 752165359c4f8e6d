"""Tracking servers for tests: a real one, one in front of it that fails on demand, a mute one."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RealServer:
    """`mlflow server` on this machine, started at once and waited for when it is needed."""

    def __init__(self, folder):
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self._log = (folder / "server.log").open("w")
        command = ["server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        places = [
            *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
            *("--artifacts-destination", str(folder / "files")),
        ]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *command, *places],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **QUIET},
            cwd=folder,
            start_new_session=True,
        )

    def wait(self):
        """Wait until it answers."""
        until = time.monotonic() + 60
        while time.monotonic() < until and self._process.poll() is None:
            asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
            with contextlib.suppress(OSError), contextlib.closing(asked):
                asked.request("GET", "/health")
                asked.getresponse().read()
                return self
            threading.Event().wait(0.05)
        message = f"no server: see `{self._log.name}`"
        raise AssertionError(message)

    def stop(self):
        """End it and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()


class Front(ThreadingHTTPServer):
    """Stands before a server: refuses what it is told to, and goes away when it is told to.

    `refuses` maps a piece of a path to the status with which requests for such paths are answered;
    `dies_at` is a piece of the path at which it begins to close every connection without an answer,
    until `is_dead` is set back.
    """

    daemon_threads = True

    def __init__(self, behind):
        super().__init__(("127.0.0.1", 0), _Forward)
        self.behind = behind
        self.refuses = {}
        self.dies_at = None
        self.is_dead = False
        self.asked = []
        self.uri = f"http://127.0.0.1:{self.server_address[1]}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def handle_error(self, *_):
        """A client that is gone is no news."""

    def stop(self):
        self.shutdown()
        self.server_close()
        self._thread.join()


class _Forward(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def _forward(self):
        front = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        front.asked.append(self.path)
        if front.dies_at is not None and front.dies_at in self.path:
            front.is_dead = True
        if front.is_dead:
            self.close_connection = True
            self.connection.close()
            return
        place = self.path.partition("?")[0]
        status = next((to for path, to in front.refuses.items() if path in place), None)
        if status is not None:
            self._answer(status, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}')
            return
        asked = http.client.HTTPConnection("127.0.0.1", front.behind.port, timeout=30)
        with contextlib.closing(asked):
            asked.request(self.command, self.path, body, dict(self.headers))
            answer = asked.getresponse()
            self._answer(answer.status, answer.read())

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _forward  # noqa: N815 - the names it calls


@contextlib.contextmanager
def mute(on_connection=lambda: None):
    """A server that accepts every connection and never answers; gives its URI."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=64)
    held = []

    def accept():
        while True:
            try:
                held.append(listening.accept()[0])
            except OSError:
                return
            on_connection()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
        for connection in held:
            connection.close()
