"""What leaves the desk with traces and reports of errors: no key, and nothing that somebody typed.

Addresses of nodes carry keys in their path or query, PostgreSQL tells the row that was
refused, and Valkey's keys carry names of sessions. What is left tells where it failed, and how.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status

ADDRESS: Final = re.compile(r"\b(?:https?|wss?|redis|rediss|postgresql)://[^\s'\"<>]+")
# The lines that PostgreSQL adds to its message.
DETAIL: Final = re.compile(r"\n(?:DETAIL|CONTEXT|LINE \d+):.*", re.DOTALL)
# Sentry's notes of what was asked of other machines, by type and by category.
TALKATIVE: Final = frozenset({"http", "httplib", "redis"})


def before_send(event: Any, hint: Any) -> Any:
    """For Sentry: an event without the query of its request and without values in its messages."""
    request = event.get("request", {})
    for part in ("query_string", "cookies", "data"):
        request.pop(part, None)
    if "url" in request:
        request["url"] = request["url"].split("?")[0]
    for problem in event.get("exception", {}).get("values", ()):
        if isinstance(problem.get("value"), str):
            problem["value"] = without_values(problem["value"])
    return event


def before_breadcrumb(crumb: Any, hint: Any) -> Any:
    return None if {crumb.get("type"), crumb.get("category")} & TALKATIVE else crumb


def without_values(text: str) -> str:
    return ADDRESS.sub(_host, DETAIL.sub("", text))


def _host(found: re.Match[str]) -> str:
    address = urlsplit(found[0])
    return f"{address.scheme}://{address.hostname or ''}/..."


class WithoutMessages(SpanExporter):
    """Another exporter's spans without messages of exceptions: their types are told."""

    def __init__(self, inner: SpanExporter) -> None:
        self.inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self.inner.export([_silenced(span) for span in spans])

    def shutdown(self) -> None:
        self.inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self.inner.force_flush(timeout_millis)


def _silenced(span: ReadableSpan) -> ReadableSpan:
    if not span.events and span.status.description is None:
        return span
    events = [
        Event(
            event.name,
            {
                name: value
                for name, value in (event.attributes or {}).items()
                if name not in ("exception.message", "exception.stacktrace")
            },
            event.timestamp,
        )
        for event in span.events
    ]
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=events,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
