"""The life of a call of a backtest: look up, and only then compute and record."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING, Any

from afml_cache.exceptions import CacheError, CacheMissError, UncacheableArgumentError
from afml_cache.look_ahead import note_seen, refuse_future, simulation, watched
from afml_cache.runs import answers, flights
from afml_cache.runs.index import note_latest
from afml_cache.runs.reading import payload_of, tell_once
from afml_cache.runs.recording import Recording
from afml_cache.runs.shown import as_json, as_text

if TYPE_CHECKING:
    import inspect
    from collections.abc import Iterator

    from afml_cache.runs.decorator import CachedBacktest
    from afml_cache.runs.identity import Call, Identity


class Hit:
    """A run that is there."""

    def __init__(self, payload: dict[str, Any]) -> None:
        self.seconds: float = payload.get("seconds", 0.0)
        self.seen_ns: int | None = payload.get("seen_ns")
        self.answer = payload["answer"] if "answer" in payload else _usual(payload)


def _usual(payload: dict[str, Any]) -> tuple[Any, ...]:
    """Give the answer of a run that was recorded by hand: metrics, trades, equity, and the rest."""
    parts = [payload.get(name) for name in answers.SLOTS]
    while len(parts) > 3 and parts[-1] is None:  # noqa: PLR2004 - metrics, trades, equity
        parts.pop()
    return tuple(parts)


class Task:
    """One call."""

    def __init__(
        self,
        backtest: CachedBacktest,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        mode: str,
    ) -> None:
        self._backtest = backtest
        self._strategy = backtest.strategy
        self._given = args, kwargs
        self._mode = mode
        self._call: Call | None = None
        self._seconds = 0.0
        self._leaves_out = False
        self._seen = watched()

    def answered(self) -> Any:
        """Give the answer."""
        try:
            return self._answered()
        except BaseException:  # Ctrl-C and a cancelled task leave no run either
            self._note(None)
            raise

    async def awaited(self) -> Any:
        """Give the answer of a coroutine function."""
        try:
            return await self._awaited()
        except BaseException:
            self._note(None)
            raise

    def _answered(self) -> Any:
        identity = self._identified()
        if identity is None:
            return self._past_the_cache()
        found = self._looked_up(identity)
        if found is None and self._mode == "normal":
            found = flights.awaited(self._waiting(identity, threading.get_ident()))
        if isinstance(found, Hit):
            return self._given_back(found, identity)
        with found or flights.Turn(identity.run):
            with self._computing(identity) as bound:
                answer = self._strategy.function(*bound.args, **bound.kwargs)
            return self._kept(answer, identity)

    async def _awaited(self) -> Any:
        identity = self._identified()
        if identity is None:
            return await self._past_the_cache()
        found = self._looked_up(identity)
        if found is None and self._mode == "normal":
            found = await flights.aawaited(self._waiting(identity))
        if isinstance(found, Hit):
            return self._given_back(found, identity)
        with found or flights.Turn(identity.run):
            with self._computing(identity) as bound:
                answer = await self._strategy.function(*bound.args, **bound.kwargs)
            return self._kept(answer, identity)

    def _past_the_cache(self) -> Any:
        args, kwargs = self._given
        return self._strategy.function(*args, **kwargs)

    def _identified(self) -> Identity | None:
        """Tell which run it is; `None` where it goes past the cache."""
        args, kwargs = self._given
        if self._mode == "off":
            self._passed_by()
            return None
        start = time.perf_counter()
        try:
            self._call = self._strategy.bind(args, kwargs)
        except TypeError:  # the function itself says it best
            return None
        try:
            return self._strategy.identity(self._call)
        except UncacheableArgumentError as error:
            if self._mode == "frozen":
                raise self._missing(str(error)) from error
            tell_once(
                "UncacheableArgumentWarning",
                f"the backtest {self._strategy.name!r} runs without the cache: {error}; pass plain "
                "values, leave arguments out with ignore=(...) or globals with ignore_deps=(...)",
            )
            self._passed_by()
            return None
        finally:
            self._backtest.counts.add(seconds_keyed=time.perf_counter() - start)

    def _passed_by(self) -> None:
        self._backtest.counts.add(bypasses=1)
        self._note(None)

    def _note(self, run_id: str | None) -> None:
        """Note which run this thread's last one is."""
        self._backtest.note_latest(run_id)
        with contextlib.suppress(CacheError):  # the store can't be opened: nothing is noted there
            note_latest(self._backtest.cache.native, run_id)

    def _looked_up(self, identity: Identity) -> Hit | None:
        if self._mode == "fresh":
            return None
        found = self._found(identity)
        if found is None and self._mode == "frozen":
            reason = f"there is no run {identity.run}, or it was pruned, or lacks its trades"
            raise self._missing(reason)
        return found

    def _missing(self, reason: str) -> CacheMissError:
        return CacheMissError(
            f"the backtest {self._strategy.name!r} has no run for this call ({reason}), and "
            'nothing is computed in mode "frozen"'
        )

    def _found(self, identity: Identity) -> Hit | None:
        payload = payload_of(self._backtest.cache.native, identity.run)
        if payload is None or payload.get("pruned"):
            return None
        lacks = self._backtest.save_trades and payload.get(answers.LEFT_OUT)
        return None if lacks else Hit(payload)

    def _waiting(self, identity: Identity, thread: int | None = None) -> flights.Waiting:
        runs = self._backtest.cache.native
        return flights.Waiting(runs, identity.run, lambda: self._found(identity), thread)

    def _given_back(self, hit: Hit, identity: Identity) -> Any:
        refuse_future(f"backtest {self._strategy.name}", hit.seen_ns)
        note_seen(hit.seen_ns)
        self._backtest.counts.add(hits=1, disk_hits=1, seconds_saved=hit.seconds)
        self._note(identity.run)
        return hit.answer if self._backtest.save_trades else answers.without_trades(hit.answer)

    @contextlib.contextmanager
    def _computing(self, identity: Identity) -> Iterator[inspect.BoundArguments]:
        """Watch and time what computes the answer of these arguments."""
        self._tell_files()
        start = time.perf_counter()
        try:
            with self._seen:
                yield self._known.bound
        except Exception as error:
            self._failed(error, identity)
            raise
        self._seconds = time.perf_counter() - start
        self._backtest.counts.add(misses=1, seconds_computed=self._seconds)

    @property
    def _known(self) -> Call:
        assert self._call is not None  # noqa: S101 - it has an identity
        return self._call

    def _tell_files(self) -> None:
        """Warn of arguments that name a file whose content tells no runs apart."""
        for name in self._strategy.undeclared(self._known.bound.arguments):
            tell_once(
                "UndeclaredFileWarning",
                f"the backtest {self._strategy.name!r} is given the name of a file as `{name}`, "
                f"and the name alone counts: an edit of the file would not be seen; name it "
                f'in files=("{name}",), or filter this warning if the file is not read',
            )

    def _kept(self, answer: Any, identity: Identity) -> Any:
        """Record what was computed; whatever fails there costs a warning."""
        self._leaves_out = not self._backtest.save_trades and answers.has_trades(answer)
        answer = answers.without_trades(answer) if self._leaves_out else answer
        seen = self._seen_until()
        note_seen(seen)
        # What asked for bars up to now within `as_of` is true of that time alone.
        is_of_then = self._seen.open_ended and simulation() is not None
        if self._mode == "readonly" or is_of_then:
            self._note(None)
            return answer
        try:
            self._record(answer, identity, seen)
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller has the answer
            self._backtest.counts.add(errors=1)
            flights.note(identity.run, kept=False)
            self._note(None)
            tell_once(
                "CacheWriteWarning",
                f"a run of {self._strategy.name!r} was not recorded: {error}",
                cause=str(error),
            )
        else:
            flights.note(identity.run, kept=True)
            self._note(identity.run)
        return answer

    def _record(self, answer: Any, identity: Identity, seen: int | None) -> None:
        backtest, call = self._backtest, self._known
        parts = answers.taken_apart(answer)
        found, code = self._strategy.described(call)
        if found != identity:
            message = "it changed its own arguments, or its code was changed while it ran"
            raise CacheError(message)
        recording = Recording(
            identity,
            self._strategy.name,
            call.parameters,
            call.data,
            parts,
            code,
            backtest.about,
            seconds=self._seconds,
            seen_ns=seen,
            answer=answer,
            trades_left_out=self._leaves_out,
        )
        backtest.cache.record(recording)

    def _seen_until(self) -> int | None:
        """Give the last instant that the arguments and all that was read have seen, in ns UTC."""
        try:
            given = self._strategy.bars.seen_until(self._known.bound.arguments.values())
        except Exception as error:  # noqa: BLE001 - of values of any kind; the caller has the answer
            message = (
                f"up to when the backtest {self._strategy.name!r} has seen can't be told: {error}"
            )
            tell_once("TimeRangeWarning", message, cause=str(error))
            given = None
        known = [until for until in (given, self._seen.until) if until is not None]
        return max(known, default=None)

    def _failed(self, error: Exception, identity: Identity) -> None:
        """Note in the ledger that it raised."""
        self._backtest.counts.add(misses=1)
        if self._mode == "readonly":
            return
        call = self._known
        told = {"parameters": call.parameters, "error": f"{type(error).__name__}: {as_text(error)}"}
        try:
            family = self._strategy.name, *self._backtest.about.family(call.data)
            about = json.dumps(as_json(told))
            self._backtest.cache.native.fail(identity.run, family, time.time_ns(), about)
        except Exception as failure:  # noqa: BLE001 - the caller is to have the backtest's own
            message = f"a failed backtest was not noted: {failure}"
            tell_once("CacheWriteWarning", message, cause=str(failure))
