"""``GET /api/v1/domains``: the mail domains that somebody told us of, as JSON or as one file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from foundation.conditional import ALWAYS_ASK
from foundation.csv_files import csv_file, lines
from foundation.queries import StrictQuery
from orgs.api.doors import MetricsView
from orgs.constants import MAX_DOMAIN_OCTETS
from orgs.services import mail_domains
from orgs.services.mail_domains import Line, Order, Question
from orgs.services.verdicts import Verdict

DEFAULT_ROWS, MAX_ROWS = 50, 1000
COLUMNS: Final = ("domain", "delivered", "bounced", "verdict", "events_7_days", "events_7_before")


class DomainsQuery(StrictQuery):
    search = serializers.CharField(
        max_length=MAX_DOMAIN_OCTETS, required=False, allow_blank=True, default=""
    )
    verdict = serializers.ChoiceField(
        choices=[str(verdict) for verdict in Verdict], required=False, allow_blank=True, default=""
    )
    sort = serializers.ChoiceField(choices=[str(order) for order in Order], default=str(Order.NAME))
    after = serializers.CharField(max_length=300, required=False, allow_blank=True, default="")
    limit = serializers.IntegerField(min_value=1, max_value=MAX_ROWS, default=DEFAULT_ROWS)


class DomainLineSerializer(serializers.Serializer[Any]):
    domain = serializers.CharField()
    delivered = serializers.IntegerField()
    bounced = serializers.IntegerField()
    verdict = serializers.ChoiceField(choices=[str(verdict) for verdict in Verdict])
    events_7_days = serializers.IntegerField(help_text="Of the last seven days (UTC).")
    events_7_before = serializers.IntegerField(help_text="Of the seven days before those.")


class DomainLinesSerializer(serializers.Serializer[Any]):
    domains = DomainLineSerializer(many=True)
    next = serializers.URLField(allow_null=True)


class MailDomainsView(MetricsView):
    """For those who may see the metrics of all organisations: anybody's mail is counted here."""

    @extend_schema(
        operation_id="mail_domains",
        summary="Mail domains with counts, verdict and trend",
        description="`format=csv` sends all that match, by name, whatever `sort` and `limit` say.",
        parameters=[DomainsQuery, OpenApiParameter("format", str, enum=["json", "csv"])],
        responses={
            (200, "application/json"): DomainLinesSerializer,
            (200, "text/csv"): OpenApiTypes.STR,
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        query = DomainsQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        given = query.validated_data
        verdict = Verdict(given["verdict"]) if given["verdict"] else None
        asked = Question(given["search"].strip(), verdict, Order(given["sort"]))
        if request.accepted_renderer.format == "csv":
            mail_domains.check(asked)
            return csv_file("mail-domains", _file(asked))
        page = mail_domains.page(
            asked, after=given["after"], rows=given["limit"], today=timezone.now().date()
        )
        body = {
            "domains": [dict(zip(COLUMNS, row(line), strict=True)) for line in page.lines],
            "next": _next(request, page.after),
        }
        return Response(body, headers={"Cache-Control": ALWAYS_ASK})


def row(line: Line) -> tuple[Any, ...]:
    figures = (line.delivered, line.bounced)
    return (line.domain, *figures, str(line.verdict), line.trend.week, line.trend.before)


def _file(asked: Question) -> Iterator[str]:
    yield lines([COLUMNS])
    for part in mail_domains.walk(asked, today=timezone.now().date()):
        yield lines(map(row, part))


def _next(request: Request, after: str) -> str | None:
    if not after:
        return None
    query = request.query_params.copy()
    query["after"] = after
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
