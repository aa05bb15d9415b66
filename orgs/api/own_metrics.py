"""An organisation's own figures over HTTP: for its members, its keys and the desk's people."""

from __future__ import annotations

from datetime import UTC, date, timedelta
from typing import Any, Final

from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import TokenAuthentication
from accounts.permissions import Scoped
from foundation.csv_renderer import CSVRenderer
from foundation.queries import NamedFormats, StrictQuery
from orgs.api.organisations import OrgView
from orgs.authentication import KeyAuthentication
from orgs.models import ApiKey, KeyScope, Organisation
from orgs.services import cohorts, metrics, rights
from orgs.services.metrics import Figure
from orgs.services.rights import Act

DEFAULT_DAYS: Final = 30
SPREADSHEET: Final[dict[Any, Any]] = {(200, "text/csv"): OpenApiTypes.STR}


class ReadsOwnMetrics(BasePermission):
    """A key with the scope ``metrics``, or somebody who is signed in or sends a token."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if isinstance(request.auth, ApiKey):
            if KeyScope.METRICS not in request.auth.scopes:
                raise PermissionDenied("This needs the scope metrics.", code="insufficient_scope")
            return True
        if not IsAuthenticated().has_permission(request, view):
            raise NotAuthenticated
        return Scoped().has_permission(request, view)


class DaysQuery(StrictQuery):
    days = serializers.IntegerField(min_value=1, max_value=metrics.MAX_DAYS, default=DEFAULT_DAYS)


class OrgMetricsView(OrgView):
    """An organisation's own figures, for its members, its keys and the desk's managers."""

    authentication_classes = [KeyAuthentication, TokenAuthentication, SessionAuthentication]
    permission_classes = [ReadsOwnMetrics]
    content_negotiation_class = NamedFormats
    renderer_classes = [JSONRenderer, CSVRenderer, BrowsableAPIRenderer]

    def org(self, slug: str, act: Act = Act.VIEW) -> Organisation:
        key = self.request.auth
        if not isinstance(key, ApiKey):
            return super().org(slug, act)
        found = Organisation.objects.filter(pk=key.org_id, slug=slug).first()
        if found is None:
            raise rights.missing()
        return found

    def rows(self, rows: list[dict[str, Any]]) -> Response:
        is_csv = getattr(self.request.accepted_renderer, "format", "") == "csv"
        headers = {"Cache-Control": "private, max-age=60"}
        return Response(rows if is_csv else {"data": rows}, headers=headers)


class HeadlineView(OrgMetricsView):
    renderer_classes = [JSONRenderer, BrowsableAPIRenderer]

    @extend_schema(
        summary="Daily, weekly and monthly users, and stickiness, beside the period before",
        responses={(200, "application/json"): OpenApiTypes.OBJECT},
    )
    def get(self, request: Request, slug: str) -> Response:
        found = metrics.headline(self.org(slug).pk, today())
        names = ("dau", "wau", "mau", "stickiness", "actions")
        told = {name: _figure(getattr(found, name)) for name in names}
        headers = {"Cache-Control": "private, max-age=60"}
        return Response({"day": found.day.isoformat(), **told}, headers=headers)


class DaysView(OrgMetricsView):
    csv_columns = ("date", "dau", "actions")

    @extend_schema(
        summary="Daily users and actions, oldest day first, today included (UTC)",
        parameters=[DaysQuery],
        responses={(200, "application/json"): OpenApiTypes.OBJECT, **SPREADSHEET},
    )
    def get(self, request: Request, slug: str) -> Response:
        query = DaysQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        last = today()
        first = last - timedelta(days=query.validated_data["days"] - 1)
        return self.rows(
            [
                {"date": day.day.isoformat(), "dau": day.dau, "actions": day.actions}
                for day in metrics.org_days(self.org(slug).pk, first=first, last=last)
            ]
        )


class LifecycleView(OrgMetricsView):
    @extend_schema(
        summary="New, returning, resurrected and dormant users of twelve weeks",
        responses={(200, "application/json"): OpenApiTypes.OBJECT, **SPREADSHEET},
    )
    def get(self, request: Request, slug: str) -> Response:
        return self.rows(
            [
                {
                    "weekEnding": week.last.isoformat(),
                    "new": week.new,
                    "returning": week.returning,
                    "resurrected": week.resurrected,
                    "dormant": week.dormant,
                }
                for week in cohorts.lifecycle(self.org(slug).pk, today())
            ]
        )


class RetentionView(OrgMetricsView):
    @extend_schema(
        summary="Of the users first seen in a week, how many were active in each week since",
        responses={(200, "application/json"): OpenApiTypes.OBJECT, **SPREADSHEET},
    )
    def get(self, request: Request, slug: str) -> Response:
        found = cohorts.retention(self.org(slug).pk, today())
        is_csv = getattr(request.accepted_renderer, "format", "") == "csv"
        return self.rows([(_flat if is_csv else _nested)(cohort) for cohort in found])


def today() -> date:
    return timezone.now().astimezone(UTC).date()


def _figure(figure: Figure) -> dict[str, float | None]:
    return {"value": figure.now, "before": figure.before, "growth": figure.growth}


def _nested(cohort: cohorts.Cohort) -> dict[str, Any]:
    return {
        "weekEnding": cohort.last.isoformat(),
        "size": cohort.size,
        "active": cohort.active,
    }


def _flat(cohort: cohorts.Cohort) -> dict[str, Any]:
    """A line of the triangle; weeks that have not been yet are empty."""
    weeks: dict[str, Any] = dict.fromkeys((f"week{number}" for number in range(cohorts.WEEKS)), "")
    weeks.update({f"week{number}": count for number, count in enumerate(cohort.active)})
    return {"weekEnding": cohort.last.isoformat(), "size": cohort.size, **weeks}
