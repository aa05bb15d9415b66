"""Traces by OpenTelemetry and reports of errors by Sentry: both off until an address is set.

A trace begins with a request that Django answers, holds its statements, goes on in the tasks that
it queued and in the feed that applies a spread (``rates.services.spread_table``). Hot lanes, ticks
and pushes are counted, not traced: a span costs more than they do (docs/decisions/0121).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.db.backends.signals import connection_created
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from opentelemetry import propagate, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, StatusCode

from config import discretion

# Statements are as Django writes them, without their values.
LONGEST_STATEMENT: Final = 1000

tracer = trace.get_tracer("quayside")


def begin() -> None:
    """For the start of every process."""
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        export_to(OTLPSpanExporter(f"{settings.OTEL_EXPORTER_OTLP_ENDPOINT}/v1/traces", timeout=5))
    if settings.SENTRY_DSN:
        import sentry_sdk

        sentry_sdk.init(
            settings.SENTRY_DSN,
            release=settings.VERSION,
            server_name=process_name(),
            # Neither who it was, nor what they sent, nor what variables held.
            send_default_pii=False,
            max_request_body_size="never",
            include_local_variables=False,
            before_send=discretion.before_send,
            before_breadcrumb=discretion.before_breadcrumb,
        )


def export_to(exporter: SpanExporter) -> None:
    """Trace this process from now on."""
    from opentelemetry.instrumentation.celery import CeleryInstrumentor

    # By the trace's id alone: all processes decide alike, and no client decides for us.
    ratio = TraceIdRatioBased(settings.TRACES_SAMPLE_RATIO)
    provider = TracerProvider(
        sampler=ParentBased(ratio, remote_parent_sampled=ratio, remote_parent_not_sampled=ratio),
        resource=Resource.create(
            {"service.name": process_name(), "service.version": settings.VERSION}
        ),
    )
    provider.add_span_processor(BatchSpanProcessor(discretion.WithoutMessages(exporter)))
    trace.set_tracer_provider(provider)
    CeleryInstrumentor().instrument()  # type: ignore[no-untyped-call]
    connection_created.connect(_trace_statements)


def process_name() -> str:
    """``quayside-web``, ``quayside-worker``, ``quayside-follow_chain`` and so on."""
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    if "celery" in sys.argv[0]:
        return f"quayside-{'beat' if 'beat' in words else 'worker'}"
    return f"quayside-{words[0]}" if words and "manage" in sys.argv[0] else "quayside-web"


def trace_requests(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: a span for each request, named after its route and never its address."""
    if not settings.OTEL_EXPORTER_OTLP_ENDPOINT:
        raise MiddlewareNotUsed

    def answer(request: HttpRequest) -> HttpResponseBase:
        above = propagate.extract(request.headers)
        with tracer.start_as_current_span(
            str(request.method), context=above, kind=SpanKind.SERVER
        ) as span:
            response = get_response(request)
            match = request.resolver_match
            route = f"/{match.route}" if match else "unmatched"
            span.update_name(f"{request.method} {route}")
            span.set_attributes(
                {
                    "http.request.method": str(request.method),
                    "http.route": route,
                    "http.response.status_code": response.status_code,
                }
            )
            if response.status_code >= 500:
                span.set_status(StatusCode.ERROR)
            return response

    return answer


def _trace_statements(connection: Any, **kwargs: object) -> None:
    if _statement not in connection.execute_wrappers:
        connection.execute_wrappers.append(_statement)


def _statement(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    # Outside of a request or a task a statement belongs to nothing.
    if not trace.get_current_span().is_recording():
        return execute(sql, params, many, context)
    # What is composed in psycopg's way may hold values.
    text = sql[:LONGEST_STATEMENT] if isinstance(sql, str) else "(composed)"
    facts = {"db.system.name": "postgresql", "db.query.text": text}
    name = text.split(None, 1)[0].upper() if text.strip() else "SQL"
    with tracer.start_as_current_span(name, kind=SpanKind.CLIENT, attributes=facts):
        return execute(sql, params, many, context)
