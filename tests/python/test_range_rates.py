"""How many calls of a loader a vendor takes, and how soon an identical one."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from driven import DRIVERS, Drive
from pyrate_limiter import (
    BucketFactory,
    Duration,
    InMemoryBucket,
    Limiter,
    Rate,
    RateItem,
    SingleBucketFactory,
)
from scripted_vendor import KEY, VALUES, Vendor

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.effects import Call, Pause
from afml_cache.ranges.loaders import Loader, fetch, make_policy


def times(vendor: Vendor, policy: Any, count: int) -> list[float]:
    """When each of so many different calls was made, from the first on."""
    for number in range(count):
        vendor.drive(vendor.fetch(policy, {**VALUES, "symbol": str(number)}))
    return [round(moment - vendor.calls[0][0], 3) for moment, _ in vendor.calls]


@pytest.mark.parametrize(
    ("rate", "count", "made"),
    [
        ("2/s", 5, [0, 0, 1, 1, 2]),
        ("1/ 2 s", 3, [0, 2, 4]),
        ("3/1.5s", 4, [0, 0, 0, 1.5]),
        ("2/min", 3, [0, 0, 60]),
        ("1/2hours", 2, [0, 7200]),
        ("1/day", 2, [0, 86400]),
        ("1/100ms", 3, [0, 0.1, 0.2]),
        (["1/s", "3/10s"], 5, [0, 1, 2, 10, 11]),
        (("3/10s", "1/s"), 5, [0, 1, 2, 10, 11]),
        (Rate(2, Duration.SECOND), 3, [0, 0, 1]),
        ([Rate(1, Duration.SECOND), "3/10s"], 4, [0, 1, 2, 10]),
    ],
)
def test_calls_keep_to_the_rate(rate: object, count: int, made: list[float]) -> None:
    vendor = Vendor()
    policy = make_policy(rate_limit=rate)
    assert times(vendor, policy, count) == pytest.approx(made, abs=0.02)


def test_sixty_calls_in_ten_minutes_are_never_exceeded() -> None:
    vendor = Vendor()
    made = times(vendor, make_policy(rate_limit="60/10min"), 200)
    assert all(later - earlier >= 600 for earlier, later in zip(made, made[60:], strict=False))
    assert made[-1] == pytest.approx(1800, abs=0.1)


def test_tries_count_too_and_what_is_waited_is_told() -> None:
    vendor = Vendor(TimeoutError(), TimeoutError())
    fetched = vendor.drive(vendor.fetch(make_policy(retries=2, rate_limit="1/10s")))
    assert [moment for moment, _ in vendor.calls] == pytest.approx([100, 110, 120], abs=0.01)
    assert fetched.effort.tries == 3
    assert fetched.effort.waited == pytest.approx(20, abs=0.01)


def test_one_limiter_is_shared_by_all_loaders() -> None:
    vendor, policy = Vendor(), make_policy(rate_limit="1/s")
    for _ in range(2):
        vendor.drive(vendor.fetch(policy, loader=Loader(vendor.load, KEY)))
    assert vendor.now == pytest.approx(101, abs=0.01)


def test_identical_calls_are_apart_and_others_are_not() -> None:
    vendor, policy = Vendor(), make_policy(identical=15)
    for symbol in ("A", "A", "B", "A", "B"):
        vendor.drive(vendor.fetch(policy, {**VALUES, "symbol": symbol}))
    assert [moment for moment, _ in vendor.calls] == pytest.approx([100, 115, 115, 130, 130])


def test_a_second_try_is_an_identical_call() -> None:
    vendor = Vendor(TimeoutError())
    vendor.drive(vendor.fetch(make_policy(retries=1, identical=timedelta(seconds=15))))
    assert [moment for moment, _ in vendor.calls] == pytest.approx([100, 115])


def test_identical_calls_that_wait_together_do_not_go_together() -> None:
    vendor, policy = Vendor(), make_policy(rate_limit="1/s", identical=15)
    vendor.drive(vendor.fetch(policy, {**VALUES, "symbol": "B"}))
    waiting = [vendor.fetch(policy) for _ in range(2)]
    for fetching in waiting:  # each waits for a token
        assert next(fetching) == Pause(pytest.approx(1, abs=0.01))
    vendor.now += 1.01
    assert isinstance(next(waiting[0]), Call)
    vendor.now += 1.01
    assert next(waiting[1]) == Pause(pytest.approx(15 - 1.01))
    assert isinstance(next(waiting[1]), Call)


def test_an_identical_call_takes_its_token_when_it_goes() -> None:
    vendor, policy = Vendor(), make_policy(rate_limit="1/10s", identical=15)
    for symbol in "AAB":
        vendor.drive(vendor.fetch(policy, {**VALUES, "symbol": symbol}))
    assert [moment for moment, _ in vendor.calls] == pytest.approx([100, 115, 125], abs=0.01)


def test_arguments_that_have_no_hash_may_be_identical() -> None:
    vendor, policy = Vendor(), make_policy(identical=15)
    for _ in range(2):
        vendor.drive(vendor.fetch(policy, {"symbol": ["A", "B"], "timeframe": "1D"}))
    assert vendor.pauses == [pytest.approx(15)]


def test_calls_that_were_long_ago_are_forgotten() -> None:
    vendor, policy = Vendor(), make_policy(identical=15, rate_limit="20/10s")
    for number in range(100):
        vendor.now += 1
        vendor.drive(vendor.fetch(policy, {**VALUES, "symbol": str(number)}))
    (local,) = policy.limit._local.values()
    assert len(local._last) <= 16
    assert local._bucket.count() <= 20


class Told(InMemoryBucket):
    """A bucket on a test's clock."""

    def __init__(self, vendor: Vendor, rates: list[Rate]) -> None:
        super().__init__(rates)
        self.vendor = vendor

    def now(self) -> int:
        return int(self.vendor.now * 1000)


def test_a_limiter_of_the_users_is_asked() -> None:
    vendor = Vendor()
    bucket = Told(vendor, [Rate(2, 1000)])
    limiter = Limiter(SingleBucketFactory(bucket, schedule_leak=False))
    assert limiter.try_acquire("elsewhere", blocking=False)
    made = times(vendor, make_policy(rate_limit=limiter), 3)
    assert made == pytest.approx([0, 1, 1], abs=0.02)
    limiter.close()


def test_a_limiter_that_is_awaited_is_asked() -> None:
    class Awaited(Told):
        is_async = True

        async def put(self, item: RateItem) -> bool:
            return super().put(item)

        async def waiting(self, item: RateItem) -> int:
            return InMemoryBucket.waiting(self, item)

    class Awaiting(BucketFactory):
        async def wrap_item(self, name: str, weight: int = 1) -> RateItem:
            names.append(name)
            return RateItem(name, bucket.now(), weight)

        async def get(self, item: RateItem) -> Awaited:  # noqa: ARG002
            return bucket

    names: list[str] = []
    vendor = Vendor()
    bucket = Awaited(vendor, [Rate(1, 1000)])
    assert times(vendor, make_policy(rate_limit=Limiter(Awaiting())), 2) == pytest.approx(
        [0, 1], abs=0.02
    )
    assert set(names) == {"Vendor.load"}


@pytest.mark.parametrize(
    "rate",
    ["60", "60/", "/s", "0/s", "5/0s", "5/fortnight", "5/M", "-5/s", "5 per s", "", 5, [], [5], {}],
)
def test_other_rates_are_refused_with_examples(rate: object) -> None:
    with pytest.raises(CacheConfigError, match="60/10min") as caught:
        make_policy(rate_limit=rate)
    assert repr(rate) in str(caught.value)


@pytest.mark.parametrize("rates", [["5/s", "5/s"], ["60/10min", "100/5min"], ["1/s", "100/10s"]])
def test_rates_that_contradict_each_other_are_refused(rates: list) -> None:
    with pytest.raises(CacheConfigError, match="contradict each other"):
        make_policy(rate_limit=rates)


@pytest.mark.parametrize("identical", [-1, "some"])
def test_a_distance_that_is_none_is_refused(identical: object) -> None:
    with pytest.raises(CacheConfigError, match="`identical` takes a length of time"):
        make_policy(identical=identical)


def test_without_options_nothing_is_limited() -> None:
    assert make_policy().limit is None


@pytest.mark.parametrize(
    ("package", "options"),
    [("tenacity", {"retries": 1}), ("pyrate_limiter", {"rate_limit": "5/s"})],
)
def test_a_package_that_is_missing_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch, package: str, options: dict
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    name = package.replace("_", "-")
    with pytest.raises(CacheConfigError, match=f"needs {name}: pip install 'afml-cache"):
        make_policy(**options)
    make_policy()


def test_neither_package_is_imported_before_it_is_needed(run_python) -> None:
    assert (
        run_python("""
import sys
from afml_cache.ranges.effects import run
from afml_cache.ranges.loaders import Loader, fetch, make_policy
run(fetch(Loader(lambda a, start, end: a, ("a",)), {"a": 1}, 1, 2, make_policy(retries=3)))
print([name for name in ("tenacity", "pyrate_limiter") if name in sys.modules])
""")
        == "[]\n"
    )


FORKED = """
import os, threading
from pyrate_limiter import Limiter, Rate
from afml_cache.ranges.effects import run
from afml_cache.ranges.loaders import Loader, fetch, make_policy

policy = make_policy(rate_limit=RATE, identical=0.001)
loader = Loader(lambda symbol, start, end: symbol, ("symbol",))
held = threading.Event()

def load(symbol):
    return run(fetch(loader, {"symbol": symbol}, 1, 2, policy)).value

def hold(first, second):
    with first, second:
        held.set()
        threading.Event().wait()

print(load("parent"), threading.active_count(), flush=True)
local, = policy.limit._local.values()
threading.Thread(target=hold, args=(local._lock, LOCK), daemon=True).start()
held.wait()
child = os.fork()
if child == 0:
    print(load("child"), threading.active_count(), flush=True)
    os._exit(0)
print(os.waitpid(child, 0)[1], flush=True)
"""


@pytest.mark.parametrize(
    ("rate", "lock", "threads"),
    [
        ('"1/day"', "local._bucket._lock", 1),
        ("Limiter(Rate(1, 86_400_000))", "policy.limit._limiter.lock", 2),
    ],
)
def test_a_forked_child_has_a_limiter_of_its_own(run_python, rate, lock, threads) -> None:
    printed = run_python(FORKED.replace("RATE", rate).replace("LOCK", lock))
    assert printed == f"parent {threads}\nchild 1\n0\n"


def test_threads_share_a_limiter() -> None:
    vendor, policy = Vendor(), make_policy(rate_limit="7/day")
    meeting = Barrier(16)

    def begin(number: int) -> object:
        meeting.wait()
        return next(vendor.fetch(policy, {**VALUES, "symbol": str(number)}))

    with ThreadPoolExecutor(16) as pool:
        first = list(pool.map(begin, range(16)))
    assert sum(isinstance(effect, Call) for effect in first) == 7
    assert sum(isinstance(effect, Pause) for effect in first) == 9


@pytest.mark.parametrize("drive", DRIVERS.values(), ids=DRIVERS)
def test_the_drivers_wait_for_the_rate(drive: Drive) -> None:
    policy, moments = make_policy(rate_limit="1/5ms"), []
    loader = Loader(lambda **asked: moments.append((time.monotonic(), asked)), ("symbol",))
    waited = [
        drive(fetch(loader, {"symbol": symbol}, 1, 2, policy)).effort.waited for symbol in "abc"
    ]
    assert moments[-1][0] - moments[0][0] >= sum(waited[1:])
    assert [asked["symbol"] for _, asked in moments] == ["a", "b", "c"]
