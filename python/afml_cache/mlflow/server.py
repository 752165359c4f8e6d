"""A tracking server as a process knows it: asked by one thread, and left alone while it is away."""

from __future__ import annotations

import atexit
import concurrent.futures.thread  # noqa: F401 - registers its end before ours
import os
import threading
import time
import weakref
from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from afml_cache._native import digest
from afml_cache.config import cache_dir
from afml_cache.exceptions import TrackingError
from afml_cache.mlflow.breaker import Breaker
from afml_cache.mlflow.failures import in_words, is_away
from afml_cache.mlflow.installed import INSTALL, installed, is_news
from afml_cache.mlflow.names import without_credentials
from afml_cache.mlflow.notices import Notices
from afml_cache.mlflow.worker import Job, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from afml_cache.mlflow.backend import Backend

# How long importing MLflow and making a local database may take: work of this machine's own, and
# nothing that a server could hold up.
_PREPARING: Final = 20.0
# A job that takes longer is stuck in a request that MLflow has no limit for.
_STUCK: Final = 60.0
# How long a question that somebody asks waits for its answer.
_PATIENCE: Final = 30.0
_REMOTE_NAMES: Final = ("databricks", "databricks-uc", "uc")
_AWAY: Final = "away"
_TOO_MUCH: Final = (
    'so many runs wait to be logged to `{}` that later ones are dropped: `log_hits="first"` logs '
    "fewer"
)

_servers: weakref.WeakSet[Server] = weakref.WeakSet()


class Server:
    """What is behind a tracking URI, and how much of it may be waited for.

    Parameters
    ----------
    uri : str or None
        The tracking URI; `None` is `$MLFLOW_TRACKING_URI`, else a database in the cache folder,
        looked up when it is first needed.
    seconds : float
        How long a call may wait for it.
    pause : float
        How long it is left alone after a failure, at first.
    """

    def __init__(self, uri: str | None, seconds: float, pause: float) -> None:
        self._given = uri
        self.seconds = seconds
        self.counts = Counter(dict.fromkeys(("runs", "hits", "dropped", "refused"), 0))
        self._breaker = Breaker(pause)
        self._places: dict[str, str] = {}
        self._begin()
        _servers.add(self)

    def _begin(self) -> None:
        """Begin with no thread and no connection, as a forked child does too."""
        self.notices = Notices()
        self._counting = threading.Lock()
        self._worker = Worker(self._perform)
        self._backend: Backend | None = None
        self._prepared = threading.Event()
        self._lags = False

    def count(self, what: str, how_many: int = 1) -> None:
        """Count what became of something that was to be logged."""
        with self._counting:
            self.counts[what] += how_many

    @property
    def uri(self) -> str:
        """The tracking URI; the first question for it settles it."""
        if self._given is None:
            self._given = os.environ.get("MLFLOW_TRACKING_URI") or None
        if self._given is None:
            folder = cache_dir().absolute()
            self._given = f"sqlite:///{folder}/mlflow.db"
        return self._given

    def place_of(self, experiment: str) -> str:
        """Name an experiment of this server's, without what a URI may hold of passwords."""
        place = self._places.get(experiment)
        if place is None:
            place = self._places[experiment] = digest((self.shown, experiment))
        return place

    @property
    def shown(self) -> str:
        """The tracking URI without credentials."""
        return without_credentials(self.uri)

    @property
    def is_local(self) -> bool:
        """Whether it is a file of this machine's."""
        scheme = urlsplit(self.uri).scheme
        return scheme in {"sqlite", "file"} or (not scheme and self.uri not in _REMOTE_NAMES)

    @property
    def is_tried(self) -> bool:
        """Whether it is asked now: no failure holds it back, and MLflow is there."""
        if not installed():
            if is_news():
                self.notices.tell("installed", INSTALL)
            return False
        self._go_on()
        return self._breaker.allows

    def _go_on(self) -> None:
        """Leave a thread behind that is stuck in what MLflow has no time limit for."""
        if self._worker.seconds_busy() > _STUCK:
            self._worker.abandon()
            self._backend = None
            self._fails(TimeoutError(f"no answer for {_STUCK:.0f} s"))

    def put(self, job: Job, *, can_wait: bool = False) -> bool:
        """Have a job done; says whether it is going to be."""
        tried = self.is_tried
        if tried and self._worker.put(job, can_wait=can_wait):
            return True
        if tried:
            self.notices.tell("room", _TOO_MUCH.format(self.shown))
        self.count("dropped")
        job.end()
        return False

    def patience(self) -> float:
        """Give how long a call may wait for its job: nothing while the server is late or doubted.

        What this machine has to prepare for a database of its own comes before that.
        """
        if self._lags and self._worker.urgent > 1:
            return 0.0
        self._lags = False
        if not self._breaker.is_closed:
            return 0.0
        if self.is_local and not self._prepared.is_set():
            return self.seconds + _PREPARING
        return self.seconds

    def lags(self) -> None:
        """Note that a job was waited for in vain: nobody waits until all that is queued is done."""
        self._lags = True

    def wait(self, job: Job) -> None:
        """Wait for a job, for as long as a call may."""
        patience = self.patience()
        if patience and not job.wait(patience):
            self.lags()

    def ask(self, work: Callable[[Backend], Any]) -> Any:
        """Have a question answered, behind all that is queued.

        Raises
        ------
        TrackingError
            There is no answer: nobody is there, or the server refuses.
        ImportError
            MLflow is not installed.
        """
        if not installed():
            raise ImportError(INSTALL, name="mlflow")
        self._go_on()
        job = Job(work, is_question=True)
        in_time = self._worker.put(job) and job.wait(_PATIENCE)
        if isinstance(job.error, TrackingError):
            raise job.error
        if job.error is not None or not in_time:
            reason = "it takes too long" if job.error is None else in_words(job.error)
            message = f"the tracking server `{self.shown}` gives no answer: {reason}"
            raise TrackingError(message) from job.error
        return job.value

    def flush(self, seconds: float) -> bool:
        """Have everything done that is queued, and wait for it; says whether it is."""
        self._go_on()
        done = self._worker.flush(seconds)
        self.notices.speak()
        return done

    @property
    def pending(self) -> int:
        """How many jobs are not over."""
        return self._worker.pending

    @property
    def is_away(self) -> bool:
        """Whether the last try failed."""
        return not self._breaker.is_closed

    def _perform(self, job: Job) -> None:
        """Do a job, in the worker's thread."""
        try:
            if not job.is_question and not self._breaker.allows:
                self.count("dropped")
                return
            backend = self._opened()
            backend.seconds = self.seconds
            job.value = job.work(backend)
        except Exception as error:  # noqa: BLE001 - told, counted, and never the caller's
            job.error = error
            if not job.is_question or self._backend is None or is_away(error):
                self.count("dropped", 0 if job.is_question else 1)
                self._fails(error)
            return
        self._breaker.succeeded()
        self.notices.forget(_AWAY)

    def _opened(self) -> Backend:
        backend = self._backend
        if backend is None:
            try:
                from afml_cache.mlflow.backend import Backend

                backend = self._backend = Backend(self.uri, self.seconds)
            finally:
                self._prepared.set()
        return backend

    def _fails(self, error: Exception) -> None:
        """Leave the server alone for a while, and say so once."""
        self._breaker.failed()
        self.count("dropped", self._worker.drop(error))
        self.notices.tell(
            _AWAY,
            f"the tracking server `{self.shown}` can't be used ({in_words(error)}): results are "
            f"cached as ever, and runs are not logged for {self._breaker.seconds_left:.0f} s and "
            "until it answers again; see that it is up and that the tracking URI is right",
        )

    def at_exit(self, until: float) -> None:
        """Have done what can be done until then, and log what is left undone."""
        if self.pending and not self._prepared.is_set() and not self.is_away:
            self._prepared.wait(_PREPARING / 2)
            until = time.monotonic() + self.seconds
        if self.pending:
            self._worker.flush(max(0.0, until - time.monotonic()))
        left = self.pending
        if left:
            self.notices.tell("exit", f"{left} runs were not logged to `{self.shown}` at the end")
        self.notices.log()

    def after_fork(self) -> None:
        """Begin anew in a forked child: the thread, and what is queued, are the parent's."""
        _parents.append((self._worker, self._backend))
        self._begin()


# What a child must not close, nor wait for.
_parents: list[Any] = []


def _flush_all() -> None:
    until = time.monotonic() + max((server.seconds for server in _servers), default=0.0)
    for server in list(_servers):
        try:
            server.at_exit(until)
        except KeyboardInterrupt:
            return


def _after_fork() -> None:
    from afml_cache.mlflow import opening

    opening.forked()
    for server in list(_servers):
        server.after_fork()


# Before the interpreter forbids new threads, which uploads of files start: `atexit` is too late,
# and what is registered last is called first, so that pools are imported above.
getattr(threading, "_register_atexit", atexit.register)(_flush_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
