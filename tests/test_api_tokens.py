"""API tokens at the doors: what a token opens, and what is refused."""

import json
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django.utils import timezone
from rest_framework.throttling import SimpleRateThrottle

from accounts.fastlane import with_tokens
from accounts.models import ApiToken, Scope, User
from accounts.services import roles, tokens
from accounts.services.roles import Role
from rates.tests.desk import make_pair

SPREAD, RATES, HISTORY = (
    f"/api/v1/rates{rest}" for rest in ("/BTC_USD/spread", "", "/BTC_USD/spread/history")
)
EDIT = {"unit": "bps", "buy": "10", "sell": "-10", "reason": "Calm market"}
pytestmark = pytest.mark.django_db


@pytest.fixture
def user():
    return User.objects.create_user("customer", password="x")


@pytest.fixture
def operator():
    user = User.objects.create_user("operator", password="x")
    roles.join(user, Role.OPERATOR)
    return User.objects.get(pk=user.pk)


def make(user, *scopes, **more):
    expires_at = timezone.now() + timedelta(days=1)
    given = {"name": "script", "scopes": scopes or [Scope.READ], "expires_at": expires_at}
    return tokens.create(user=user, **given | more)


def bearer(secret):
    return {"HTTP_AUTHORIZATION": f"Bearer {secret}"}


def put_spread(client, secret=None):
    headers = bearer(secret) if secret else {}
    return client.put(SPREAD, EDIT, content_type="application/json", **headers)


def code(response):
    return response.json()["error"]["code"]


def test_a_good_token_reads_what_is_public(client, user):
    make_pair("BTC_USD")
    response = client.get("/api/v1/rates/BTC_USD/candles", **bearer(make(user)[1]))
    assert response.status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer qs_",
        "Bearer x",
        "bearer qs_" + "a" * 43,
        "Bearer qs_" + "a" * 44,
        "Bearer qs_" + "a" * 43 + " b",
        "Bearer qs_\xe9" + "a" * 42,
        "Bearer " + "q" * 8000,
    ],
)
def test_a_wrong_token_is_refused_on_public_addresses_too(client, header):
    make_pair("BTC_USD")
    response = client.get("/api/v1/rates/BTC_USD/candles", HTTP_AUTHORIZATION=header)
    assert (response.status_code, code(response)) == (401, "invalid_token")
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_an_expired_token_is_refused(client, user):
    token, secret = make(user)
    ApiToken.objects.filter(pk=token.pk).update(expires_at=timezone.now())
    response = client.get(RATES, **bearer(secret))
    assert (response.status_code, code(response)) == (401, "expired_token")


def test_a_revoked_token_is_refused_at_once(client, user):
    token, secret = make(user)
    tokens.revoke(user=user, token_id=token.pk)
    assert (client.get(RATES, **bearer(secret)).status_code) == 401


def test_a_disabled_users_token_is_refused(client, user):
    secret = make(user)[1]
    User.objects.update(is_active=False)
    response = client.get(RATES, **bearer(secret))
    assert (response.status_code, code(response)) == (401, "account_inactive")


def test_a_token_in_the_url_is_none(client, operator):
    make_pair("BTC_USD")
    secret = make(operator, Scope.OPERATOR)[1]
    for name in ("token", "access_token", "api_key", "authorization"):
        assert client.get(SPREAD, {name: secret}).status_code == 401


def test_only_the_bearer_scheme_is_read(client, operator):
    make_pair("BTC_USD")
    secret = make(operator, Scope.OPERATOR)[1]
    for header in (f"Token {secret}", f"Basic {secret}", secret):
        assert client.get(SPREAD, HTTP_AUTHORIZATION=header).status_code == 401


def test_the_operator_scope_changes_a_spread_without_csrf(operator):
    make_pair("BTC_USD")
    strict = Client(enforce_csrf_checks=True)
    assert put_spread(strict, make(operator, Scope.OPERATOR)[1]).status_code == 200


def test_a_session_needs_csrf(operator):
    make_pair("BTC_USD")
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(operator)
    assert put_spread(strict).status_code == 403


@pytest.mark.parametrize("scope", [Scope.READ, Scope.EVENTS])
def test_other_scopes_change_no_spread(client, operator, scope):
    make_pair("BTC_USD")
    response = put_spread(client, make(operator, scope)[1])
    assert (response.status_code, code(response)) == (403, "insufficient_scope")


def test_the_operator_scope_ends_with_the_operators_rights(client, operator):
    make_pair("BTC_USD")
    secret = make(operator, Scope.OPERATOR)[1]
    operator.groups.clear()
    response = put_spread(client, secret)
    assert (response.status_code, code(response)) == (403, "permission_denied")


def test_a_token_beside_a_session_decides_alone(client, operator, user):
    make_pair("BTC_USD")
    client.force_login(operator)
    assert put_spread(client, make(user)[1]).status_code == 403


def limit(monkeypatch, **rates):
    # DRF reads the settings once, when it loads.
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", {"anon": None, "user": None} | rates)


def test_guesses_count_against_their_address(client, monkeypatch):
    limit(monkeypatch, anon="3/min")
    answers = [client.get(RATES, **bearer("qs_" + "a" * 43)) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]
    assert int(answers[-1]["Retry-After"]) > 0


def test_sessions_and_tokens_of_an_account_share_one_limit(client, operator, monkeypatch):
    make_pair("BTC_USD")
    limit(monkeypatch, user="3/min")
    secrets = [make(operator, Scope.OPERATOR)[1] for _ in range(2)]
    session = Client()
    session.force_login(operator)
    assert session.get(HISTORY).status_code == 200
    assert [client.get(HISTORY, **bearer(secret)).status_code for secret in secrets] == [200, 200]
    assert session.get(HISTORY).status_code == 429


# --- The event stream, which Django does not answer ------------------------------------


async def listen(secret=None):
    """The status, headers and scope of a request to a fast lane that ends at once."""
    sent, seen = [], []

    async def inner(scope, receive, send):
        seen.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        sent.append(message)

    headers = [] if secret is None else [(b"authorization", f"Bearer {secret}".encode())]
    scope = {"type": "http", "method": "GET", "path": "/api/v1/live", "headers": headers}
    await with_tokens(inner)(scope | {"query_string": b""}, None, send)
    return sent, seen[0].get("user") if seen else None


@pytest.mark.django_db(transaction=True)
async def test_the_event_stream_refuses_a_wrong_token_as_django_does():
    (start, body), _ = await listen("qs_" + "a" * 43)
    assert (start["status"], json.loads(body["body"])["error"]["code"]) == (401, "invalid_token")
    assert (b"www-authenticate", b'Bearer realm="api"') in start["headers"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("scope", "known"), [(Scope.READ, True), (Scope.EVENTS, False)])
async def test_the_event_stream_knows_who_holds_a_token_that_reads(scope, known):
    user = await sync_to_async(User.objects.create_user)("customer")
    _, secret = await sync_to_async(make)(user, scope)
    sent, listener = await listen(secret)
    assert sent[0]["status"] == 200
    assert (listener == user, listener.is_authenticated) == (known, known)


async def test_the_event_stream_without_a_token_asks_nobody():
    sent, listener = await listen()
    assert (sent[0]["status"], listener) == (200, None)


# --- The websocket ------------------------------------------------------------------------


async def connect(secret):
    """What a websocket with this token is sent, and who listens if somebody may."""
    sent, seen = [], []

    async def inner(scope, receive, send):
        seen.append(scope["user"])

    async def send(message):
        sent.append(message)

    headers = [(b"authorization", f"Bearer {secret}".encode())]
    scope = {"type": "websocket", "path": "/ws/live", "headers": headers, "query_string": b""}
    await with_tokens(inner)(scope, None, send)
    return sent, seen[0] if seen else None


@pytest.mark.django_db(transaction=True)
async def test_a_websocket_with_a_wrong_token_is_told_why_and_closed():
    (accepted, told, closed), listener = await connect("qs_" + "a" * 43)
    assert (accepted["type"], closed["code"], listener) == ("websocket.accept", 4401, None)
    assert json.loads(told["text"])["error"]["code"] == "invalid_token"


@pytest.mark.django_db(transaction=True)
async def test_a_websocket_knows_who_holds_a_token_that_reads():
    user = await sync_to_async(User.objects.create_user)("customer")
    _, secret = await sync_to_async(make)(user, Scope.READ)
    assert await connect(secret) == ([], user)
