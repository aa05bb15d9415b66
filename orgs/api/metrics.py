"""The metrics of all organisations, in the shapes of the system that this one replaces."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from foundation.queries import StrictQuery
from orgs.api.doors import MetricsView
from orgs.services import metrics, search
from orgs.services.board import Period
from orgs.services.board_orders import Order
from orgs.services.search import Page, Row

PERIODS: Final = [str(period) for period in Period]
DEFAULT_ROWS, MAX_ROWS = 50, 1000
# A table to work with; whoever needs all million rows reads the stream.
CSV_ROWS: Final = 10_000
MAX_PAGE: Final = 10**9
DEFAULT_DAYS: Final = 30
# From when the rows are, where they do not hold every change since.
AS_OF: Final = "X-Board-As-Of"


class TopOrgsQuery(StrictQuery):
    page = serializers.IntegerField(min_value=1, max_value=MAX_PAGE, default=1)
    limit = serializers.IntegerField(min_value=1, max_value=MAX_ROWS, required=False)
    search = serializers.CharField(
        max_length=search.MAX_TERM, required=False, allow_blank=True, default=""
    )
    period = serializers.ChoiceField(choices=PERIODS, default=str(Period.ALL))
    sort = serializers.ChoiceField(
        choices=[str(order) for order in Order], default=str(Order.MOST_ACTIONS)
    )
    exactTotal = serializers.BooleanField(default=False)  # as the others are spelled


class DauQuery(StrictQuery):
    days = serializers.IntegerField(min_value=1, max_value=metrics.MAX_DAYS, default=DEFAULT_DAYS)


class TopOrgSerializer(serializers.Serializer[Any]):
    rank = serializers.IntegerField(
        allow_null=True, help_text="Null for what changed since ranks were last given."
    )
    id = serializers.IntegerField()
    name = serializers.CharField()
    slug = serializers.CharField(allow_null=True)
    actions = serializers.IntegerField()
    lastActiveAt = serializers.DateTimeField(allow_null=True)


class PaginationSerializer(serializers.Serializer[Any]):
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    total = serializers.IntegerField(help_text="Exact up to 1,000 where there is a search.")
    totalPages = serializers.IntegerField()
    hasMore = serializers.BooleanField()
    totalIsCapped = serializers.BooleanField(
        required=False, help_text="There are more than `total`; ask with `exactTotal`."
    )


class TopOrgsSerializer(serializers.Serializer[Any]):
    data = TopOrgSerializer(many=True)  # type: ignore[assignment]
    pagination = PaginationSerializer()


class DauDaySerializer(serializers.Serializer[Any]):
    date = serializers.DateField()
    dau = serializers.IntegerField()
    actions = serializers.IntegerField()


class DauSerializer(serializers.Serializer[Any]):
    data = DauDaySerializer(many=True)  # type: ignore[assignment]


SPREADSHEET: Final[dict[Any, Any]] = {(200, "text/csv"): OpenApiTypes.STR}
NOT_MODIFIED: Final[dict[Any, Any]] = {
    304: OpenApiResponse(description="What you hold is the newest.")
}
FORMAT: Final = OpenApiParameter("format", str, enum=["json", "csv"])


class TopOrgsView(MetricsView):
    csv_columns = ("rank", "id", "name", "slug", "actions", "lastActiveAt")

    @extend_schema(
        summary="Organisations by actions, any page, any search",
        parameters=[TopOrgsQuery, FORMAT],
        responses={(200, "application/json"): TopOrgsSerializer, **SPREADSHEET, **NOT_MODIFIED},
    )
    def get(self, request: Request) -> Response:
        asked = _read(TopOrgsQuery, request)
        period = Period(asked["period"])
        is_csv = request.accepted_renderer.format == "csv"
        limit = asked.get("limit") or (CSV_ROWS if is_csv else DEFAULT_ROWS)
        term = asked["search"].strip()
        search.check_term(term)
        question = f"{asked['page']} {limit} {asked['exactTotal']} {asked['sort']} {term}"

        def answer() -> tuple[str, Any]:
            page = search.page(
                skip=(asked["page"] - 1) * limit,
                limit=limit,
                term=term,
                period=period,
                order=Order(asked["sort"]),
            )
            body: Any = [item(row) for row in page.rows]
            if not is_csv:
                told = pagination(page, asked["page"], limit)
                if asked["exactTotal"] and page.capped:
                    told = _with_total(
                        told, search.count_exactly(term, period, Order(asked["sort"]))
                    )
                body = {"data": body, "pagination": told}
            return _tag(page.state.tag, question), body

        state = search.state(period)
        as_of = state.as_of(Order(asked["sort"]), asked["page"] * limit)
        # Beside the shape, which is the replaced system's.
        headers = {AS_OF: as_of.astimezone(UTC).isoformat()} if as_of else None
        return self.conditional(request, _tag(state.tag, question), answer, headers)


class DauView(MetricsView):
    max_age = 300
    csv_columns = ("date", "dau", "actions")

    @extend_schema(
        summary="The desk's daily users, oldest day first, today included (UTC)",
        parameters=[DauQuery, FORMAT],
        responses={(200, "application/json"): DauSerializer, **SPREADSHEET, **NOT_MODIFIED},
    )
    def get(self, request: Request) -> Response:
        days = _read(DauQuery, request)["days"]
        today = timezone.now().astimezone(UTC).date()
        found = metrics.desk_days(first=today - timedelta(days=days - 1), last=today)
        rows = [
            {"date": day.day.isoformat(), "dau": day.dau, "actions": day.actions} for day in found
        ]
        body = rows if request.accepted_renderer.format == "csv" else {"data": rows}
        state = _tag("dau", str(found))
        return self.conditional(request, state, lambda: (state, body))


def item(row: Row) -> dict[str, Any]:
    """An organisation as the replaced system spelled it."""
    return {
        "rank": row.rank,
        "id": row.id,
        "name": row.name,
        "slug": row.slug,
        "actions": row.actions,
        "lastActiveAt": written(row.last_active_at),
    }


def written(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def pagination(page: Page, number: int, limit: int) -> dict[str, Any]:
    told: dict[str, Any] = {
        "page": number,
        "limit": limit,
        "total": page.total,
        "totalPages": -(-page.total // limit),
        "hasMore": page.more,
    }
    return {**told, "totalIsCapped": True} if page.capped else told


def _with_total(told: dict[str, Any], total: int) -> dict[str, Any]:
    exact = {**told, "total": total, "totalPages": -(-total // told["limit"])}
    exact.pop("totalIsCapped")
    return exact


def _tag(state: str, question: str) -> str:
    return f"{state}-{hashlib.sha256(f'{state} {question}'.encode()).hexdigest()[:16]}"


def _read(query: type[StrictQuery], request: Request) -> dict[str, Any]:
    reader = query(data=request.query_params)
    reader.is_valid(raise_exception=True)
    values: dict[str, Any] = reader.validated_data
    return values
