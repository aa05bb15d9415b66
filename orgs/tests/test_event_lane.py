"""Single events over a real socket: the fast lane, and Django where the lane is off."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import httpx
import psycopg
import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from uvicorn import Server

from config import asgi
from config.serve import listen, server_config
from foundation.errors import RateLimited, Unavailable
from live import hub, topics
from orgs import fastlane
from orgs.constants import ACCEPTED_DAYS
from orgs.models import MailDomain, MailEvent
from orgs.services import group_commit, ids, own_connection, partitions, singles
from orgs.services.group_commit import GroupCommit
from orgs.services.statements import COUNTS
from orgs.tests.events import an_organisation

DEADLINE = 15.0
pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def web_process():
    hub.install(hub.Hub(topics.registered().values()))
    (listener,), server = listen("127.0.0.1", 0), Server(server_config())
    thread = threading.Thread(target=server.run, args=[[listener]], daemon=True)
    thread.start()
    try:
        port = listener.getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(DEADLINE)
        hub.install(None)


class DjangoOnly:
    """What answers where no lane stands in front."""

    def put(self, path, headers=None):
        return Client().put(path, headers=headers or {})


@pytest.fixture(params=["fast lane", "Django"])
def door(request, settings):
    settings.OPEN_ENDPOINTS = ["events"]
    if request.param == "Django":
        yield DjangoOnly()
    else:
        with web_process() as client:
            yield client


def counts(domain="example.com"):
    row = MailDomain.objects.filter(domain=domain).first()
    return (row.delivered, row.bounced) if row else (0, 0)


def key(**ago):
    return ids.new_id((timezone.now() - timedelta(**ago)).timestamp())


@pytest.mark.parametrize("prefix", ["/v1/events/", "/events/"])
def test_an_event_is_counted_when_it_is_answered(door, prefix):
    assert door.put(f"{prefix}example.com/delivered").status_code == 204
    assert counts() == (1, 0)
    answer = door.put(f"{prefix}EXAMPLE.com./bounced")
    assert (answer.status_code, answer.content) == (204, b"")
    assert counts() == (1, 1)


def test_a_key_makes_a_repeat_count_once(door):
    header = {"Idempotency-Key": key(days=1)}
    for _ in range(3):
        assert door.put("/v1/events/a.example/delivered", headers=header).status_code == 204
    assert counts("a.example") == (1, 0)
    event = MailEvent.objects.get()
    # On the day of the key, or a repeat after midnight would count twice.
    assert event.ts == ids.moment_of(header["Idempotency-Key"])
    assert event.day == event.ts.date()


@pytest.mark.parametrize(
    ("path", "given", "status", "code"),
    [
        ("/v1/events/a..b/delivered", None, 400, "invalid_domain"),
        ("/v1/events/a%00b/bounced", None, 400, "invalid_domain"),
        ("/v1/events/%ff%fe/bounced", None, 400, "invalid_domain"),
        ("/events/example.com/delivered", "7", 400, "invalid_key"),
        ("/events/example.com/delivered", "", 400, "invalid_key"),
        ("/events/a.example/delivered", str(uuid.UUID(int=2**126)), 400, "invalid_key"),
        (
            "/events/example.com/delivered",
            "00000000-0000-7c60-9057-b754db3d094d",
            422,
            "unprocessable",
        ),
        # The 48 bits of their time say 1970, and a day in the far future.
        (
            "/events/example.com/delivered",
            "b5e620f4-8000-7e90-b904-36aa166275a8",
            422,
            "unprocessable",
        ),
        ("/events/example.com/delivered", "f" * 8 + "-ffff-7fff-8fff-" + "f" * 12, 422, ""),
        ("/events/example.com/opened", None, 404, "not_found"),
    ],
)
def test_what_is_refused_is_refused_alike_and_counted_nowhere(door, path, given, status, code):
    answer = door.put(path, headers=None if given is None else {"Idempotency-Key": given})
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == (code or "unprocessable")
    assert not MailDomain.objects.exists()


def test_a_key_is_taken_as_long_as_events_are(door):
    for ago, status in [
        ({"days": ACCEPTED_DAYS}, 204),
        ({"days": ACCEPTED_DAYS + 1}, 422),
        ({"minutes": -4}, 204),
        ({"minutes": -6}, 422),
    ]:
        header = {"Idempotency-Key": key(**ago)}
        assert door.put("/events/example.com/delivered", headers=header).status_code == status


def test_a_closed_door_asks_for_a_credential(door, settings):
    settings.OPEN_ENDPOINTS = []
    answer = door.put("/v1/events/example.com/delivered")
    assert answer.status_code == 401
    _, secret = an_organisation()
    header = {"Authorization": f"Bearer {secret}"}
    assert door.put("/v1/events/example.com/delivered", headers=header).status_code == 204
    bad = {"Authorization": "Bearer qo_" + "x" * 43}
    assert door.put("/v1/events/example.com/delivered", headers=bad).status_code == 401
    assert counts() == (1, 0)


def test_a_bad_credential_is_refused_at_the_open_door_too(door):
    bad = {"Authorization": "Bearer qo_" + "x" * 43}
    assert door.put("/v1/events/example.com/delivered", headers=bad).status_code == 401


def scope(path="/v1/events/example.com/delivered", method="PUT", *headers, **extra):
    return {"type": "http", "method": method, "path": path, "headers": headers, **extra}


def test_the_lane_takes_puts_of_events_at_an_open_door_or_with_an_organisations_key(settings):
    settings.OPEN_ENDPOINTS = ["events"]
    assert fastlane.takes(scope())
    assert fastlane.takes(scope("/events/example.com/bounced"))
    for path in ("/v1/events/", "/events/a/b/delivered", "/v1/events/a/opened", "/events/a"):
        assert not fastlane.takes(scope(path))
    assert not fastlane.takes(scope(method="GET"))
    for credential, taken in (
        (b"Bearer x", False),
        (b"Bearer qs_x", False),
        (b"bearer qo_x", True),
    ):
        signed = (b"authorization", credential)
        for doors in (["events"], []):
            settings.OPEN_ENDPOINTS = doors
            assert fastlane.takes(scope("/events/a/delivered", "PUT", signed)) is taken
    settings.OPEN_ENDPOINTS = ["metrics"]
    assert not fastlane.takes(scope())


def test_the_lane_leaves_plain_http_to_django_where_that_redirects(settings):
    settings.OPEN_ENDPOINTS, settings.SECURE_SSL_REDIRECT = ["events"], True
    assert not fastlane.takes(scope(scheme="http"))
    assert fastlane.takes(scope(scheme="https"))


def test_prefixes_choose_the_lane_and_exact_paths_come_first():
    assert asgi.lane_for("/v1/events/a/delivered") is asgi.FAST_PREFIXES["/v1/events/"]
    assert asgi.lane_for("/api/v1/rates") is asgi.FAST_LANE["/api/v1/rates"]
    assert asgi.lane_for("/v1/domain/a") is asgi.FAST_PREFIXES["/v1/domain/"]
    assert asgi.lane_for("/v1/domains/a") is None


def test_a_crowd_at_once_is_counted_exactly(settings):
    settings.OPEN_ENDPOINTS = ["events"]
    paths = [
        f"/v1/events/d{number % 40}.example/{'bounced' if number % 20 == 0 else 'delivered'}"
        for number in range(1_500)
    ]
    with web_process() as client, ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(lambda path: client.put(path).status_code, paths))
    assert set(answers) == {204}
    rows = MailDomain.objects.all()
    assert sum(row.delivered + row.bounced for row in rows) == 1_500
    assert sum(row.bounced for row in rows) == 75


async def count_all(group, events):
    return await asyncio.gather(*(group.count(event) for event in events), return_exceptions=True)


def grouped(scenario):
    """Run ``scenario(group)`` on a loop of its own."""

    async def run():
        group = GroupCommit()
        try:
            return await scenario(group)
        finally:
            await group.stop()

    return asyncio.run(run())


def single(domain="example.com", kind="delivered", given=None):
    return singles.read(domain, kind, given, now=timezone.now())


def test_events_that_wait_together_share_a_commit(monkeypatch):
    commits = []
    before = GroupCommit._store

    async def store(self, events, *, keyed):
        commits.append((keyed, len(events)))
        await before(self, events, keyed=keyed)

    monkeypatch.setattr(GroupCommit, "_store", store)
    events = [single() for _ in range(50)] + [single(given=key()) for _ in range(50)]
    assert grouped(lambda group: count_all(group, events)) == [None] * 100
    # Two transactions: two sorted passes over one table in one could deadlock.
    assert commits == [(False, 50), (True, 50)]
    assert counts() == (100, 0)


def test_more_than_the_queue_holds_is_told_to_come_again(monkeypatch):
    monkeypatch.setattr(group_commit, "MAX_WAITING", 10)
    outcomes = grouped(lambda group: count_all(group, [single() for _ in range(15)]))
    refused = [outcome for outcome in outcomes if outcome is not None]
    assert [(error.status, error.retry_after) for error in refused] == [(429, 1)] * 5
    assert counts() == (10, 0)


def test_a_commit_that_takes_too_long_refuses_the_next(monkeypatch):
    monkeypatch.setattr(group_commit, "SLOW_SECONDS", 0.0)

    async def scenario(group):
        first = asyncio.create_task(group.count(single()))
        # Taken, then begun.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(RateLimited):
            await group.count(single())
        await first

    grouped(scenario)
    assert counts() == (1, 0)


@pytest.mark.direct
def test_a_lost_database_is_a_503_and_the_next_event_finds_it_again(monkeypatch):
    options = own_connection.connection_options
    monkeypatch.setattr(
        own_connection, "connection_options", lambda: {**options(), "port": 1, "host": "127.0.0.1"}
    )

    async def scenario(group):
        with pytest.raises(Unavailable) as lost:
            await group.count(single())
        assert (lost.value.status, lost.value.retry_after) == (503, 1)
        monkeypatch.setattr(own_connection, "connection_options", options)
        await group.count(single())
        # The server ends our session while we rest.
        pid = group._own.held.info.backend_pid
        group._own.used = time.monotonic() - 60
        await asyncio.to_thread(end_session, pid)
        await group.count(single())
        # And while we are at work: told, and over with the next.
        pid = group._own.held.info.backend_pid
        await asyncio.to_thread(end_session, pid)
        outcomes = [await count_all(group, [single()]) for _ in range(2)]
        assert isinstance(outcomes[0][0], Unavailable)
        assert outcomes[1] == [None]

    grouped(scenario)
    assert counts() == (3, 0)


def end_session(pid):
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    finally:
        connection.close()


def test_what_was_rolled_back_for_no_fault_of_its_own_is_repeated(monkeypatch):
    failures = [psycopg.errors.DeadlockDetected(), psycopg.errors.SerializationFailure()]
    before = psycopg.AsyncConnection.execute

    async def execute(self, query, *args, **kwargs):
        if failures and query is COUNTS:
            raise failures.pop()
        return await before(self, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", execute)
    assert grouped(lambda group: count_all(group, [single()])) == [None]
    assert counts() == (1, 0)


def test_a_day_that_cannot_be_made_is_told_to_everybody_and_the_next_event_is_counted(monkeypatch):
    failures = [psycopg.errors.CheckViolation()]
    before = psycopg.AsyncConnection.execute

    async def execute(self, query, *args, **kwargs):
        if failures and query is COUNTS:
            raise failures.pop()
        return await before(self, query, *args, **kwargs)

    async def mend(problem):
        raise OperationalError("no connection is left") from problem

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", execute)
    monkeypatch.setattr(group_commit, "_mend", mend)

    async def scenario(group):
        events = [single() for _ in range(3)] + [single(given=key())]
        told = await asyncio.wait_for(count_all(group, events), DEADLINE)
        assert [type(outcome) for outcome in told] == [Unavailable] * 3 + [type(None)]
        await group.count(single())
        await group.stop()
        assert group._own.held is None

    grouped(scenario)
    assert counts() == (2, 0)


def test_a_missing_day_is_made_for_keyed_events_too():
    today = timezone.now().date()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {partitions.name_of('orgs_mail_event', today)}")
    assert grouped(lambda group: count_all(group, [single(given=key())])) == [None]
    assert counts() == (1, 0)


def test_a_client_that_left_does_not_stop_the_others():
    async def scenario(group):
        leaving = asyncio.create_task(group.count(single()))
        staying = asyncio.create_task(group.count(single()))
        await asyncio.sleep(0)
        leaving.cancel()
        await staying
        await group.count(single())

    grouped(scenario)
    assert counts() == (3, 0)


def test_what_waits_is_committed_before_the_end():
    async def scenario(group):
        waiting = [asyncio.create_task(group.count(single())) for _ in range(5)]
        await asyncio.sleep(0)
        await group.stop()
        await asyncio.gather(*waiting)

    grouped(scenario)
    assert counts() == (5, 0)
