"""What collectors of traces and errors are told holds no key and nothing that somebody typed."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import sentry_sdk
from django.contrib.auth.models import Group
from django.core.handlers.wsgi import WSGIHandler
from django.db import IntegrityError, connection
from django.test import RequestFactory
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.transport import Transport

from config import discretion, tracing
from foundation import valkey

KEY = "k3y-0f-the-n0de"


class Kept(Transport):
    """What would have been sent."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.sent: list[Any] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.sent += [json.loads(item.get_bytes()) for item in envelope.items]


@pytest.fixture
def sentry(settings, monkeypatch):
    """The desk's own set-up with a transport that keeps what it is given."""
    transport, begin = Kept(), sentry_sdk.init
    settings.SENTRY_DSN = "https://public@errors.example/1"
    settings.OTEL_EXPORTER_OTLP_ENDPOINT = ""
    monkeypatch.setattr(
        sentry_sdk, "init", lambda dsn, **options: begin(dsn, transport=transport, **options)
    )
    with sentry_sdk.isolation_scope():
        tracing.begin()
        yield transport
    begin()


@pytest.mark.django_db
def test_a_report_of_an_error_holds_neither_queries_nor_addresses_of_nodes(sentry, monkeypatch):
    def broken(*arguments, **words):
        valkey.client().get(f"session:{KEY}")
        with httpx.Client(trust_env=False, transport=httpx.HTTPTransport()) as asking:
            try:
                asking.get(f"http://127.0.0.1:1/{KEY}")
            except httpx.ConnectError as problem:
                raise RuntimeError(
                    f"no answer for url 'https://node.example/v3/{KEY}'"
                ) from problem

    monkeypatch.setattr("config.health.report", broken)
    request = RequestFactory().get(f"/readyz?next={KEY}", headers={"cookie": f"sessionid={KEY}"})
    answered = []

    def start(status, headers, problem=None):
        answered.append(status)
        return answered.append

    b"".join(WSGIHandler()(request.environ, start))
    assert answered == ["500 Internal Server Error"]
    sentry_sdk.flush()
    [told] = [event for event in sentry.sent if "exception" in event]
    assert "https://node.example/..." in str(told["exception"])
    assert told["request"]["url"].endswith("/readyz")
    assert KEY not in json.dumps(sentry.sent)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "refused: wss://node.example/ws/abc?key=1, again",
            "refused: wss://node.example/... again",
        ),
        ('duplicate key "u"\nDETAIL:  Key (email)=(ann@example.com) exists.', 'duplicate key "u"'),
        ("redis://:secret@valkey:6379/0 is away", "redis://valkey/... is away"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_messages_lose_what_may_be_secret(text, expected):
    assert discretion.without_values(text) == expected


@pytest.mark.django_db
def test_a_span_of_a_statement_that_fails_tells_its_error_by_type_alone(monkeypatch):
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(discretion.WithoutMessages(kept)))
    monkeypatch.setattr(tracing, "tracer", provider.get_tracer("test"))
    Group.objects.create(name="ann@example.com")
    with (
        tracing.tracer.start_as_current_span("POST"),
        connection.execute_wrapper(tracing._statement),
        pytest.raises(IntegrityError),
    ):
        Group.objects.create(name="ann@example.com")
    spans = kept.get_finished_spans()
    events = [event for span in spans for event in span.events]
    assert {(event.attributes or {})["exception.type"] for event in events} == {
        "django.db.utils.IntegrityError"
    }
    assert "ann@example.com" not in "".join(span.to_json() for span in spans)
