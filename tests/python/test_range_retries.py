"""Which calls of a loader are tried again, and when."""

import asyncio
import email.message
import urllib.error
from email.utils import formatdate
from types import SimpleNamespace

import httpx
import pytest
import tenacity
import tenacity.asyncio
from scripted_vendor import Vendor, failing, with_attributes

from afml_cache.exceptions import CacheConfigError
from afml_cache.ranges.effects import Call, arun, run
from afml_cache.ranges.loaders import Effort, make_policy
from afml_cache.ranges.retries import classify


def of_urllib(status: int) -> urllib.error.HTTPError:
    return urllib.error.HTTPError("https://x", status, "", email.message.Message(), None)


def of_package(module: str, name: str, *bases: type) -> Exception:
    """An exception as a package that is not installed here would raise it."""
    return type(name, bases or (Exception,), {"__module__": module})()


PASSING = [
    ConnectionResetError(),
    TimeoutError(),
    asyncio.TimeoutError(),
    urllib.error.URLError(ConnectionRefusedError()),
    urllib.error.URLError(TimeoutError()),
    httpx.ConnectError(""),
    httpx.ReadTimeout(""),
    httpx.RemoteProtocolError(""),
    of_package("requests.exceptions", "ConnectionError", OSError),
    of_package("requests.exceptions", "Timeout", OSError),
    of_package("aiohttp.client_exceptions", "ClientConnectionError"),
    *(failing(status) for status in (408, 425, 429, 500, 502, 503, 504)),
    of_urllib(503),
    with_attributes(status=429),
    with_attributes(status_code=502),
    with_attributes(response=SimpleNamespace(status_code=500)),
]
FINAL = [
    ValueError(),
    KeyError("bars"),
    OSError(),
    MemoryError(),
    urllib.error.URLError("unknown url type"),
    httpx.UnsupportedProtocol(""),
    httpx.InvalidURL(""),
    *(failing(status) for status in (400, 401, 403, 404, 501)),
    of_urllib(404),
    with_attributes(status="429"),
    with_attributes(status=True),
    with_attributes(code=1006),
    of_package("vendor", "ConnectionError"),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_passes_is_tried_again(error: Exception) -> None:
    assert classify(error) == "retry"


@pytest.mark.parametrize("error", FINAL, ids=repr)
def test_what_does_not_pass_is_final(error: Exception) -> None:
    assert classify(error) == "fatal"


def test_an_exception_whose_attributes_fail_is_final() -> None:
    class OddError(Exception):
        @property
        def response(self) -> object:
            raise RuntimeError

    assert classify(OddError()) == "fatal"
    vendor = Vendor(OddError())
    with pytest.raises(OddError):
        vendor.drive(vendor.fetch(make_policy(retries=2, classify=lambda _: "fatal")))


def test_a_call_that_succeeds_is_made_once() -> None:
    vendor = Vendor()
    fetched = vendor.drive(vendor.fetch(make_policy(retries=3)))
    assert fetched.value == "bars"
    assert fetched.effort == Effort(tries=1, waited=0.0)
    assert vendor.pauses == []


def test_pauses_double_from_half_a_second_with_some_jitter() -> None:
    vendor = Vendor(*[TimeoutError()] * 9)
    fetched = vendor.drive(vendor.fetch(make_policy(retries=9)))
    assert fetched.value == "bars"
    least = [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    assert all(low <= pause <= low + 0.5 for low, pause in zip(least, vendor.pauses, strict=True))
    assert fetched.effort.tries == 10
    assert fetched.effort.waited == pytest.approx(sum(vendor.pauses))


def test_the_last_error_goes_up_as_it_is_and_the_effort_is_told() -> None:
    errors = [TimeoutError(number) for number in range(4)]
    vendor, effort = Vendor(*errors), Effort()
    with pytest.raises(TimeoutError) as caught:
        vendor.drive(vendor.fetch(make_policy(retries=2), effort=effort))
    assert caught.value is errors[2]
    assert effort.tries == 3
    assert effort.waited == pytest.approx(sum(vendor.pauses))


@pytest.mark.parametrize(("retries", "error"), [(0, TimeoutError()), (5, ValueError())])
def test_without_retries_and_for_what_is_final_there_is_one_try(
    retries: int, error: Exception
) -> None:
    vendor = Vendor(error)
    with pytest.raises(type(error)):
        vendor.drive(vendor.fetch(make_policy(retries=retries)))
    assert len(vendor.calls) == 1
    assert vendor.pauses == []


def test_what_is_no_exception_is_not_tried_again() -> None:
    vendor = Vendor()
    fetching = vendor.fetch(make_policy(retries=tenacity.Retrying(retry=tenacity.retry_always)))
    assert isinstance(next(fetching), Call)
    with pytest.raises(asyncio.CancelledError):
        fetching.throw(asyncio.CancelledError())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0.75", 0.75),
        (formatdate(1_700_000_000 + 100 + 9, usegmt=True), 9.0),
        ("Tue, 14 Nov 2023 22:15:09 -0000", 9.0),
    ],
)
def test_retry_after_is_the_least_pause(text: str, seconds: float) -> None:
    vendor = Vendor(failing(429, {"retry-after": text}))
    vendor.drive(vendor.fetch(make_policy(retries=1)))
    assert vendor.pauses == [pytest.approx(max(seconds, vendor.pauses[0]))]
    assert seconds <= vendor.pauses[0] <= max(seconds, 1.0)


@pytest.mark.parametrize("text", ["soon", "-5", "nan", "inf", "", formatdate(0, usegmt=True)])
def test_a_retry_after_that_says_nothing_is_passed_over(text: str) -> None:
    vendor = Vendor(failing(429, {"Retry-After": text}))
    vendor.drive(vendor.fetch(make_policy(retries=1)))
    assert 0.5 <= vendor.pauses[0] <= 1


def test_a_vendor_that_says_to_wait_for_hours_is_not_waited_for(caplog) -> None:
    vendor = Vendor(failing(429, {"Retry-After": "3601"}))
    with pytest.raises(httpx.HTTPStatusError):
        vendor.drive(vendor.fetch(make_policy(retries=3)))
    assert vendor.pauses == []
    assert "3601 s" in caplog.text


def headers_of(text: str) -> email.message.Message:
    message = email.message.Message()
    message["Retry-After"] = text
    return message


@pytest.mark.parametrize(
    "error",
    [
        urllib.error.HTTPError("https://x", 503, "", headers_of("30"), None),
        with_attributes(status=503, headers={"RETRY-AFTER": "30"}),
        with_attributes(response=SimpleNamespace(status_code=503, headers={"Retry-After": 30})),
    ],
)
def test_retry_after_is_found_in_the_exceptions_of_several_clients(error: Exception) -> None:
    vendor = Vendor(error)
    vendor.drive(vendor.fetch(make_policy(retries=1)))
    assert vendor.pauses == [30.0]


def test_strategies_of_tenacity_decide() -> None:
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_delay(10),
        wait=tenacity.wait_incrementing(start=1, increment=2),
        retry=tenacity.retry_if_exception_type(KeyError),
    )
    vendor, effort = Vendor(*[KeyError()] * 9), Effort()
    with pytest.raises(KeyError):
        vendor.drive(vendor.fetch(make_policy(retries=retrying), effort=effort))
    assert vendor.pauses == [1, 3, 5, 7]  # after 16 seconds it is over
    assert effort == Effort(tries=5, waited=16)
    vendor = Vendor(TimeoutError())
    with pytest.raises(TimeoutError):
        vendor.drive(vendor.fetch(make_policy(retries=retrying)))


def test_strategies_that_are_awaited_decide_too() -> None:
    async def passes(error: BaseException) -> bool:
        await asyncio.sleep(0)
        return isinstance(error, KeyError)

    retrying = tenacity.AsyncRetrying(
        stop=tenacity.stop_after_attempt(3),
        retry=tenacity.asyncio.retry_if_exception(passes),
    )
    for drive in (run, lambda generator: asyncio.run(arun(generator))):
        vendor = Vendor(KeyError(), KeyError())
        assert drive(vendor.fetch(make_policy(retries=retrying))).effort.tries == 3
        vendor = Vendor(IndexError())
        with pytest.raises(IndexError):
            drive(vendor.fetch(make_policy(retries=retrying)))


def test_an_explicit_try_again_is_followed() -> None:
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(2), retry=tenacity.retry_if_exception_type(KeyError)
    )
    vendor = Vendor(tenacity.TryAgain())
    assert vendor.drive(vendor.fetch(make_policy(retries=retrying))).effort.tries == 2


def test_a_result_that_tenacity_refuses_is_no_answer() -> None:
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(3),
        wait=tenacity.wait_fixed(2),
        retry=tenacity.retry_if_result(lambda value: value is None),
    )
    vendor = Vendor(None, None)
    assert vendor.drive(vendor.fetch(make_policy(retries=retrying))).value == "bars"
    assert vendor.pauses == [2, 2]
    vendor = Vendor(None, None, None)
    with pytest.raises(tenacity.RetryError):
        vendor.drive(vendor.fetch(make_policy(retries=retrying)))


def test_retrying_that_is_switched_off_tries_once() -> None:
    vendor = Vendor(TimeoutError())
    with pytest.raises(TimeoutError):
        vendor.drive(vendor.fetch(make_policy(retries=tenacity.Retrying(enabled=False))))


@pytest.mark.parametrize("retries", [-1, True, 1.5, "3", None, tenacity.Retrying])
def test_other_retries_are_refused(retries: object) -> None:
    with pytest.raises(CacheConfigError, match="how many further tries"):
        make_policy(retries=retries)
