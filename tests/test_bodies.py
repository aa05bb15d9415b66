"""How much of a body is read, whatever it is for, before anybody looks at it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import settings

from config.asgi import application

LIMIT = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
PATHS = [
    "/healthz",
    "/api/v1/auth/wallet/verify",
    "/_allauth/browser/v1/auth/login",
    "/accounts/login/",
]


async def post(path, pieces, *headers):
    """The status, the body, and how many pieces were taken."""
    taken: list[bytes] = []
    sent: list[Any] = []

    async def receive():
        if len(taken) == len(pieces):
            return {"type": "http.disconnect"}
        taken.append(pieces[len(taken)])
        more = len(taken) < len(pieces)
        return {"type": "http.request", "body": taken[-1], "more_body": more}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json"), *headers],
        "server": ("localhost", 80),
    }
    await application(scope, receive, send)
    return sent[0]["status"], sent[-1].get("body", b""), len(taken)


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_that_says_it_is_too_long_is_not_read_at_all(path):
    status, body, taken = await post(path, [b"x"], (b"content-length", b"%d" % (LIMIT + 1)))
    assert (status, json.loads(body)["error"]["code"], taken) == (413, "too_large", 0)


@pytest.mark.parametrize("path", PATHS)
async def test_a_body_that_does_not_say_is_read_up_to_the_limit(path):
    pieces = [b"x" * (LIMIT // 4)] * 100
    status, _, taken = await post(path, pieces)
    assert (status, taken) == (413, 5)


@pytest.mark.parametrize("length", [b"-1", b"1e9", b"\xb2"])
async def test_a_length_that_is_none_is_refused(length):
    status, _, taken = await post("/healthz", [b"x"], (b"content-length", length))
    assert (status, taken) == (413, 0)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/_allauth/browser/v1/auth/login", r'{"username": "\ud800", "password": "x"}'),
        ("/_allauth/browser/v1/auth/login", r'{"username": "a", "password": "\udc00\ud800"}'),
        ("/api/v1/rates/BTC_USD/spread", r'{"unit": "\ud800"}'),
        ("/api/v1/auth/wallet/verify", r'{"message": "\ud800", "signature": ""}'),
    ],
)
def test_half_a_surrogate_pair_is_no_text(client, path, body):
    method = client.put if path.endswith("spread") else client.post
    answer = method(path, body, content_type="application/json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "malformed_request")


@pytest.mark.django_db
def test_a_whole_surrogate_pair_is_a_character(client):
    body = r'{"username": "\ud83d\ude00", "password": "x"}'
    answer = client.post("/_allauth/browser/v1/auth/login", body, content_type="application/json")
    assert answer.status_code in (400, 401)
    assert "error" not in answer.json()
