"""The vendor of the examples refuses, fails and spoils its answers as it is told to."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import httpx
import pytest
from vendors import (
    EXAMPLES,
    OCTOBER,
    SESSIONS,
    TICKS,
    VendorEngine,
    day,
    fetch,
    labels,
    pages,
    rows,
    running,
)


def test_each_third_request_is_one_too_many(vendor):
    vendor.set(throttle_every=3)
    statuses = [fetch(vendor, **OCTOBER).status_code for _ in range(6)]
    assert statuses == [200, 200, 429, 200, 200, 429]


@pytest.mark.parametrize(
    ("told", "sent"),
    [(None, "1"), (30, "30"), (0.25, "0.25"), ("none", None), ("Fri, 01 Jan", "Fri, 01 Jan")],
)
def test_a_refusal_says_when_to_come_again(vendor, told, sent):
    vendor.set(throttle_every=1, retry_after=told)
    assert fetch(vendor, **OCTOBER).headers.get("Retry-After") == sent


def test_an_empty_bucket_refuses_and_says_how_long(vendor):
    vendor.set(bucket_size=2, bucket_per_second=0.01)
    answers = [fetch(vendor, **OCTOBER) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 90 <= int(answers[2].headers["Retry-After"]) <= 100


def test_a_bucket_fills_again(vendor):
    vendor.set(bucket_size=1, bucket_per_second=1e6)
    assert [fetch(vendor, **OCTOBER).status_code for _ in range(3)] == [200, 200, 200]


def test_an_outage_ends_after_so_many_requests(vendor):
    vendor.set(outage_after=1, outage_requests=2)
    statuses = [fetch(vendor, **OCTOBER).status_code for _ in range(4)]
    assert statuses == [200, 503, 503, 200]


def test_an_outage_may_answer_with_nothing(vendor):
    vendor.set(outage_requests=1, outage_answer="empty")
    answer = fetch(vendor, **OCTOBER)
    assert answer.status_code == 200
    assert answer.json() == {"bars": [], "next_page": None}
    assert len(rows(vendor, **OCTOBER)) == SESSIONS


def test_an_outage_may_break_off_amid_an_answer(vendor):
    vendor.set(outage_requests=1, outage_answer="cut")
    with pytest.raises(httpx.RemoteProtocolError):
        fetch(vendor, **OCTOBER)
    assert len(rows(vendor, **OCTOBER)) == SESSIONS


def test_an_outage_may_be_of_any_status(vendor):
    vendor.set(outage_requests=1, outage_answer=401)
    assert fetch(vendor, **OCTOBER).status_code == 401


def test_an_outage_of_a_day_fails_what_has_it_and_nothing_else(vendor):
    vendor.set(outage_dates=["2012-10-10"])
    assert fetch(vendor, **OCTOBER).status_code == 503
    assert fetch(vendor, **{**OCTOBER, "end": "2012-10-10"}).status_code == 503
    assert fetch(vendor, **{**OCTOBER, "start": "2012-10-11"}).status_code == 200


def test_latency_passes_before_an_answer(vendor):
    vendor.set(latency_ms=50)
    assert fetch(vendor, **OCTOBER).elapsed.total_seconds() >= 0.05


def test_duplicates_are_equal_rows(vendor):
    vendor.set(duplicates=["2012-10-05", "2012-10-08"])
    given = rows(vendor, **OCTOBER)
    assert len(given) == SESSIONS + 2
    assert given[4] == given[5]
    assert [row["t"] for row in given] == sorted(row["t"] for row in given)


def test_duplicates_have_other_prices(vendor):
    vendor.set(duplicates=["2012-10-05"], duplicate_shift=1.0)
    first, second = (row for row in rows(vendor, **OCTOBER) if row["t"] == "2012-10-05")
    assert second["c"] == first["c"] + 1.0
    assert second["v"] == first["v"]


@pytest.mark.parametrize("order", ["descending", "shuffled"])
def test_rows_come_out_of_order(vendor, order):
    whole = labels(vendor, **OCTOBER)
    vendor.set(order=order)
    given = labels(vendor, **OCTOBER)
    assert given != whole
    assert sorted(given) == whole


def test_rows_come_that_were_not_asked_for(vendor):
    vendor.set(outside=2)
    given = labels(vendor, **{**OCTOBER, "end": "2012-10-02"})
    assert given == [
        "2012-09-27",
        "2012-09-28",
        "2012-10-01",
        "2012-10-02",
        "2012-10-03",
        "2012-10-04",
    ]


def test_a_request_is_a_line(vendor):
    count = len(vendor.log())
    fetch(vendor, **{**OCTOBER, "end": "2012-10-02"})
    line = vendor.log()[count:][0]
    assert datetime.fromisoformat(line.pop("time")) <= datetime.now(timezone.utc)
    assert line == {
        "kind": "bars",
        "symbol": "GOOG",
        "timeframe": "1D",
        "start": "2012-10-01",
        "end": "2012-10-02",
        "status": 200,
        "rows": 2,
        "days": ["2012-10-01", "2012-10-02"],
    }


def test_each_page_and_each_refusal_is_a_line(vendor):
    count = len(vendor.log())
    vendor.set(page_size=8, throttle_every=4, outage_after=4, outage_requests=1)
    list(pages(vendor, **OCTOBER))
    fetch(vendor, **OCTOBER)
    fetch(vendor, **OCTOBER)
    new = vendor.log()[count:]
    assert [line["status"] for line in new] == [200, 200, 200, 429, 503]
    assert [line["rows"] for line in new] == [8, 8, 5, 0, 0]


def test_requests_at_once_are_a_line_each(vendor):
    count = len(vendor.log())
    vendor.set(latency_ms=20)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: fetch(vendor, **OCTOBER), range(64)))
    assert {answer.status_code for answer in answers} == {200}
    assert [line["rows"] for line in vendor.log()[count:]] == [SESSIONS] * 64


def test_ticks_are_told_from_bars(vendor):
    fetch(vendor, "/ticks", **TICKS)
    assert vendor.log()[-1]["kind"] == "ticks"


def test_what_is_switched_is_no_request(vendor):
    count = len(vendor.log())
    vendor.set(page_size=8)
    assert fetch(vendor, "/control").json()["page_size"] == 8
    assert len(vendor.log()) == count


def test_what_is_not_named_stays(vendor):
    vendor.set(page_size=8)
    vendor.set(cap=10)
    assert [len(page) for page in pages(vendor, **OCTOBER)] == [8, 2]


def test_a_behaviour_that_there_is_not_is_refused(vendor):
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        vendor.set(pagesize=8)


def test_a_vendor_starts_with_a_behaviour():
    with running(page_size=8, holes=["2012-10-05"], closed="left") as started:
        assert [len(page) for page in pages(started, **OCTOBER)] == [8, 8, 3]


def test_options_of_the_command_line_are_plain_texts_too(tmp_path):
    command = [sys.executable, EXAMPLES / "vendor.py", "--log", tmp_path / "log"]
    with subprocess.Popen([*command, "--set", "closed=left"], stdout=subprocess.PIPE) as own:
        url = f"http://127.0.0.1:{int(own.stdout.readline())}"
        answer = httpx.get(f"{url}/control", trust_env=False).json()
        own.send_signal(signal.SIGINT)
    assert answer["closed"] == "left"
    assert own.returncode == 0


def test_no_vendor_outlives_its_caller(tmp_path):
    command = [sys.executable, EXAMPLES / "vendor.py", "--log", tmp_path / "log"]
    with subprocess.Popen(
        [*command, "--leave-with-caller"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as own:
        own.stdout.readline()
        own.stdin.close()
        assert own.wait(timeout=30) == os.EX_OK


async def october(vendor):
    async with VendorEngine(vendor.url) as engine:
        return await engine.get_bars("GOOG", day("2012-10-01"), day("2012-10-31"), "1D")


def test_pages_are_followed(vendor):
    vendor.set(page_size=4)
    count = len(vendor.log())
    assert len(asyncio.run(october(vendor))) == SESSIONS
    assert len(vendor.log()) - count == 6


@pytest.mark.parametrize("status", [429, 503])
def test_refusals_are_errors(vendor, status):
    vendor.set(outage_requests=1, outage_answer=status)
    with pytest.raises(httpx.HTTPStatusError, match=str(status)):
        asyncio.run(october(vendor))
