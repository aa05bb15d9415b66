"""Single events with an organisation's key: asked for seldom, revoked within seconds."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from rest_framework.throttling import SimpleRateThrottle

from orgs import authentication, fastlane
from orgs.models import ApiKey, KeyScope
from orgs.services import keys
from orgs.tests.events import an_organisation
from orgs.tests.test_event_lane import counts, web_process

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/v1/events/example.com/delivered"


@pytest.fixture(autouse=True)
def _a_closed_door(settings):
    settings.OPEN_ENDPOINTS = []


@pytest.fixture
def asked(monkeypatch):
    """How often the database was asked about a key."""
    times, before, lock = [], keys.authenticate, threading.Lock()

    def authenticate(secret):
        with lock:
            times.append(secret)
        return before(secret)

    monkeypatch.setattr(keys, "authenticate", authenticate)
    return times


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def test_a_crowd_with_a_key_is_counted_exactly_and_its_key_is_asked_for_once(asked, monkeypatch):
    monkeypatch.setattr(authentication, "REMEMBERED_SECONDS", 3600.0)
    _, secret = an_organisation()
    before = fastlane.REQUESTS.labels(204)._value.get()
    with web_process() as client, ThreadPoolExecutor(32) as threads:
        put = lambda _: client.put(PATH, headers=bearer(secret)).status_code  # noqa: E731
        assert set(threads.map(put, range(500))) == {204}
    assert counts() == (500, 0)
    assert fastlane.REQUESTS.labels(204)._value.get() == before + 500
    assert len(asked) == 1
    assert ApiKey.objects.get().last_used_at is not None


def test_a_revoked_key_is_refused_when_it_is_asked_for_again(monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(authentication, "monotonic", lambda: clock[0])
    _, secret = an_organisation()
    with web_process() as client:
        assert client.put(PATH, headers=bearer(secret)).status_code == 204
        ApiKey.objects.all().delete()
        clock[0] += authentication.REMEMBERED_SECONDS + 1
        refused = client.put(PATH, headers=bearer(secret))
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_token")
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert authentication.REMEMBERED_SECONDS <= 5
    assert counts() == (1, 0)


def test_guesses_are_counted_by_address(settings, monkeypatch):
    rates = {"anon": "3/hour", "user": None, "events": None}
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", rates)
    settings.TRUSTED_PROXIES, proxies = 1, {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
    settings.REST_FRAMEWORK = proxies
    address = {"X-Forwarded-For": f"192.0.2.{uuid.uuid4().int % 250}, {uuid.uuid4()}"}

    def guess(client, number):
        return client.put(PATH, headers=bearer(f"qo_{number:043}") | address)

    with web_process() as client:
        answers = [guess(client, number) for number in range(4)]
        _, secret = an_organisation()
        good = client.put(PATH, headers=bearer(secret) | address)
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert good.status_code == 204


def test_a_key_without_the_scope_is_told_so_as_django_tells_it():
    _, secret = an_organisation(scopes=[KeyScope.METRICS])
    with web_process() as client:
        quick = client.put(PATH, headers=bearer(secret))
        slow = client.post("/api/v1/events", headers=bearer(secret), json=[])
    assert (quick.status_code, quick.json()) == (slow.status_code, slow.json())
    assert quick.json()["error"]["code"] == "insufficient_scope"
    assert counts() == (0, 0)


def test_an_expired_key_is_refused_though_it_is_remembered(monkeypatch):
    monkeypatch.setattr(authentication, "REMEMBERED_SECONDS", 3600.0)
    _, secret = an_organisation()
    with web_process() as client:
        assert client.put(PATH, headers=bearer(secret)).status_code == 204
        assert fastlane._keys is not None
        for _, key in fastlane._keys._good.values():
            key.expires_at = key.created_at
        ApiKey.objects.update(expires_at=key.created_at)
        refused = client.put(PATH, headers=bearer(secret))
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "expired_token")
