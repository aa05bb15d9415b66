"""Verdicts over a real socket: the fast lane answers as Django does, or leaves it to Django."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.test import Client

from foundation.errors import RateLimited, Unavailable
from orgs import fastlane
from orgs.constants import MailKind
from orgs.services import gathered_reads, ingest, own_connection
from orgs.services.gathered_reads import GatheredReads
from orgs.services.group_commit import plain_columns
from orgs.services.singles import Single
from orgs.tests.test_event_lane import end_session, web_process

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _nobody_came_before():
    fastlane.window.ends = 0.0


def deliver(domain, times):
    events = [Single(domain, MailKind.DELIVERED)] * times
    ingest._execute(*plain_columns(events))


@pytest.mark.parametrize("prefix", ["/v1/domain/", "/domains/"])
def test_it_answers_what_django_answers(prefix):
    deliver("known.example", 999)
    deliver("all.example", 1000)
    ingest.count_one("bad.example", MailKind.BOUNCED)
    names = [
        "known.example",
        "ALL.example.",
        "bad.example",
        "never.example",
        "a..b",
        "b\u00fccher.de",
    ]
    django = Client()
    before = fastlane.VERDICTS.labels(200)._value.get()
    with web_process() as client:
        for name in names:
            quick, slow = client.get(prefix + name), django.get(prefix + name)
            assert (quick.status_code, quick.json()) == (slow.status_code, slow.json())
            for told in ("content-type", "cache-control"):
                assert quick.headers[told] == slow.headers.get(told, "no-store")
    assert fastlane.VERDICTS.labels(200)._value.get() == before + 5


def test_an_event_is_in_the_verdict_that_is_asked_for_after_its_answer(settings):
    settings.OPEN_ENDPOINTS = ["events"]
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {"anon": "100000/min"},
    }

    def bounce_and_ask(number):
        client.put(f"/v1/events/d{number}.example/bounced")
        return client.get(f"/v1/domain/d{number}.example").json()

    with web_process() as client, ThreadPoolExecutor(16) as threads:
        assert set(threads.map(bounce_and_ask, range(300))) == {"not catch-all"}


def test_one_address_is_limited_as_it_is_by_the_views(settings):
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "DEFAULT_THROTTLE_RATES": {"anon": "3/min"},
    }
    with web_process() as client:
        answers = [client.get("/v1/domain/a.example") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) > 0


@pytest.mark.parametrize(
    "change",
    [
        {"method": "HEAD"},
        {"query_string": b"format=json"},
        {"path": "/v1/domain/a/b"},
        {"headers": [(b"authorization", b"Bearer x")]},
        {"headers": [(b"accept", b"text/html")]},
    ],
)
def test_whatever_is_no_plain_question_is_left_to_django(change):
    plain = {"method": "GET", "query_string": b"", "path": "/v1/domain/a", "headers": []}
    assert fastlane.takes_question(plain)
    assert not fastlane.takes_question({**plain, **change})


def asking(scenario):
    async def run():
        reads = GatheredReads()
        try:
            return await scenario(reads)
        finally:
            await reads.stop()

    return asyncio.run(run())


def test_a_lost_database_is_a_503_and_the_next_question_finds_it_again(monkeypatch):
    options = own_connection.connection_options

    async def scenario(reads):
        monkeypatch.setattr(own_connection, "connection_options", lambda: {**options(), "port": 1})
        with pytest.raises(Unavailable) as lost:
            await reads.verdict_of("a.example")
        assert lost.value.retry_after == 1
        monkeypatch.setattr(own_connection, "connection_options", options)
        assert await reads.verdict_of("a.example") == "unknown"
        for rested in (0, 60):
            await asyncio.to_thread(end_session, reads._own.held.info.backend_pid)
            reads._own.used = time.monotonic() - rested
            assert await reads.verdict_of("a.example") == "unknown"

    asking(scenario)


def test_too_many_questions_are_told_to_come_back(monkeypatch):
    monkeypatch.setattr(gathered_reads, "MAX_WAITING", 1)

    async def scenario(reads):
        first = asyncio.create_task(reads.verdict_of("a.example"))
        await asyncio.sleep(0)
        with pytest.raises(RateLimited):
            await reads.verdict_of("b.example")
        assert await first == "unknown"

    asking(scenario)
