"""A collector of traces that speaks OTLP over HTTP and keeps what it is sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Span(NamedTuple):
    """Times are nanoseconds since 1970; ``parent`` is empty at the top of a trace."""

    trace: bytes
    number: bytes
    parent: bytes
    service: str
    name: str
    began: int
    ended: int
    facts: dict[str, str]


class Collector:
    def __init__(self) -> None:
        self.spans: list[Span] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words: object) -> None:
                """The desk has a log of its own."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, request: Any) -> None:
        for resource in request.resource_spans:
            service = _texts(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                self.spans += [_read(span, service) for span in scope.spans]

    def trace_of(self, name: str) -> list[Span]:
        """All spans of the newest trace that has a span of this name."""
        found = [span.trace for span in self.spans if span.name == name]
        return [span for span in self.spans if found and span.trace == found[-1]]

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    try:
        yield collector
    finally:
        collector.stop()


def _read(span: Any, service: str) -> Span:
    return Span(
        trace=span.trace_id,
        number=span.span_id,
        parent=span.parent_span_id,
        service=service,
        name=span.name,
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        facts=_texts(span.attributes),
    )


def _texts(attributes: Any) -> dict[str, str]:
    return {fact.key: fact.value.string_value for fact in attributes}
