"""Spreads for operators' programs: the same service, rules and refusals as the admin."""

from __future__ import annotations

import re
from typing import Any, cast

from django.db import DataError
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound as DRFNotFound
from rest_framework.exceptions import ValidationError
from rest_framework.generics import ListAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import BasePermission
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Scope, User
from accounts.permissions import Scoped
from foundation import replica
from foundation.csv_renderer import CSVRenderer
from foundation.decimal_json import DecimalJSONParser
from foundation.errors import InvalidInput, NotFound
from foundation.queries import NamedFormats
from rates.models import Pair, SpreadRule
from rates.querysets import SpreadRuleQuerySet
from rates.serializers import SpreadEditSerializer, SpreadVersionSerializer
from rates.services import pair_book, rights, spreads

ETAG = re.compile(r'"(\d{1,18})"')
PAGE, LONGEST_PAGE, LONGEST_CSV = 50, 200, 10_000


class MayEditSpreads(BasePermission):
    message = "Only operators see and change spreads."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.user.has_perm(rights.EDIT)


class SpreadView(APIView):
    """The spread of one pair. ``version`` is the newest decision and the entity tag."""

    permission_classes = [Scoped, MayEditSpreads]
    token_scope = Scope.OPERATOR
    parser_classes = [DecimalJSONParser]

    @extend_schema(responses=SpreadVersionSerializer, operation_id="rates_spread_retrieve")
    def get(self, request: Request, pair: str) -> Response:
        """The pair's newest version, or the house default (``pair`` is null) where it has none."""
        record = pair_book.by_code(pair)
        rule = spreads.standing(record)
        if rule is None:
            raise NotFound(f"No spread was ever set for {record}.", code="no_spread")
        return _versioned(rule, status.HTTP_200_OK)

    @extend_schema(
        request=SpreadEditSerializer,
        responses={200: SpreadVersionSerializer, 202: SpreadVersionSerializer},
        parameters=[
            OpenApiParameter(
                "If-Match",
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                description=(
                    'The version you looked at, as `"17"`. When somebody changed the spread since, '
                    "the answer is 412 and nothing is stored. Without it the last write wins."
                ),
            )
        ],
        operation_id="rates_spread_update",
    )
    def put(self, request: Request, pair: str) -> Response:
        """Store the next version. 202: it waits for a second person."""
        record = pair_book.by_code(pair)
        expected = _expected_version(request)
        body = SpreadEditSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        rule = spreads.set_spread(
            pair=record,
            **body.validated_data,
            by=cast("User", request.user),  # the permission let nobody else pass
            origin=SpreadRule.Origin.API,
            expected_version=expected,
        )
        waits = rule.status == SpreadRule.Status.PENDING
        return _versioned(rule, status.HTTP_202_ACCEPTED if waits else status.HTTP_200_OK)


class HistoryPagination(CursorPagination):
    ordering = "-version"
    page_size = PAGE
    page_size_query_param = "limit"

    def paginate_queryset(self, *args: Any, **kwargs: Any) -> Any:
        """DRF checks how a cursor is written, but not what it says."""
        try:
            return super().paginate_queryset(*args, **kwargs)
        except (ValueError, DataError) as problem:
            raise DRFNotFound(self.invalid_cursor_message) from problem

    def get_page_size(self, request: Request) -> int:
        asked = request.query_params.get("limit", str(PAGE))
        if not re.fullmatch(r"[1-9]\d{0,2}", asked) or int(asked) > LONGEST_PAGE:
            raise ValidationError({"limit": [f"A number from 1 to {LONGEST_PAGE}."]})
        return int(asked)


class SpreadHistoryView(ListAPIView[SpreadRule]):
    """Every version of the pair's own spread, newest first: who, when, what, why."""

    permission_classes = [Scoped, MayEditSpreads]
    token_scope = Scope.OPERATOR
    serializer_class = SpreadVersionSerializer
    pagination_class = HistoryPagination
    content_negotiation_class = NamedFormats
    renderer_classes = [JSONRenderer, CSVRenderer, BrowsableAPIRenderer]

    def get_queryset(self) -> SpreadRuleQuerySet:
        if getattr(self, "swagger_fake_view", False):
            return SpreadRule.objects.none()
        return spreads.history(self._pair())

    @extend_schema(operation_id="rates_spread_history")
    @replica.reads
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of versions; ``?format=csv`` gives them all at once."""
        if request.accepted_renderer.format != "csv":
            return super().get(request, *args, **kwargs)
        rows = self.get_queryset()[:LONGEST_CSV]
        name = f"{self.kwargs['pair']}-spreads.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(list(self.get_serializer(rows, many=True).data), headers=headers)

    def _pair(self) -> Pair:
        return pair_book.by_code(str(self.kwargs["pair"]))


def _versioned(rule: SpreadRule, code: int) -> Response:
    # A version that waits is not what the pair is at: its number would fail the next If-Match.
    tagged = rule if rule.status != SpreadRule.Status.PENDING else spreads.standing(rule.pair)
    headers = {"ETag": f'"{tagged.version}"'} if tagged else None
    return Response(SpreadVersionSerializer(rule).data, status=code, headers=headers)


def _expected_version(request: Request) -> int | None:
    given = request.headers.get("If-Match", "*").strip()
    if given == "*":
        return None
    found = ETAG.fullmatch(given)
    if found is None:
        problem = 'Send one version in quotes, for example "17".'
        raise InvalidInput(problem, code="bad_if_match", fields={"If-Match": [problem]})
    return int(found[1])
