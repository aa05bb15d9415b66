"""Rates for everybody: what is quoted now, and the market's candles.

``rates.fastlane`` answers the plainest of these requests with the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from django.http import QueryDict
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.gzip import gzip_page
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.services import acts
from foundation.conditional import ALWAYS_ASK, matches
from foundation.csv_renderer import CSVRenderer
from foundation.errors import Unavailable
from foundation.queries import MomentField, NamedFormats, StrictQuery
from rates.api import schema, tables
from rates.constants import QUOTE_VIEWED
from rates.services import board, pair_book
from rates.services.board import MAX_PAIRS, BoardSnapshot
from rates.services.candle_series import INTERVALS, Series, series

DEFAULT_ROWS, MAX_ROWS = 500, 1000


class ReadyJSONRenderer(JSONRenderer):
    """Passes on bytes that are JSON already, so that nobody rewrites the feed's digits."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if isinstance(data, bytes):
            return data
        rendered: bytes = super().render(data, accepted_media_type, renderer_context)
        return rendered


class PublicView(APIView):
    permission_classes = [AllowAny]
    content_negotiation_class = NamedFormats
    renderer_classes = [ReadyJSONRenderer, CSVRenderer, BrowsableAPIRenderer]
    # What the table has when it has no rows.
    csv_columns: Collection[str] = ()

    def conditional(self, request: Request, body: Any, etag: str, **headers: str) -> Response:
        """``body``, or 304 when the client holds it. Pages for people are never conditional."""
        shared = {"Cache-Control": ALWAYS_ASK, **headers}
        if request.accepted_renderer.format == "api":
            return Response(body, headers=shared)
        shared["ETag"] = etag
        if matches(request.headers.get("If-None-Match"), etag):
            return Response(status=304, headers=shared)
        return Response(body, headers=shared)


class RatesQuery(StrictQuery):
    pairs = serializers.CharField(required=False, max_length=MAX_PAIRS * 20)

    def validate_pairs(self, value: str) -> list[str]:
        named = list(dict.fromkeys(item.strip() for item in value.split(",")))
        if not all(named):
            raise serializers.ValidationError("Write codes with commas between them.")
        if len(named) > MAX_PAIRS:
            raise serializers.ValidationError(f"Name at most {MAX_PAIRS} pairs.")
        return named


class CandlesQuery(StrictQuery):
    to = MomentField(required=False)
    interval = serializers.ChoiceField(
        choices=list(INTERVALS),
        default="1m",
        error_messages={"invalid_choice": f"Use one of {', '.join(INTERVALS)}."},
    )
    limit = serializers.IntegerField(min_value=1, max_value=MAX_ROWS, default=DEFAULT_ROWS)

    def get_fields(self) -> dict[str, Any]:
        # A word of Python's, so it cannot be declared like the others.
        return {**super().get_fields(), "from": MomentField(required=False)}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        end = attrs.setdefault("to", timezone.now())
        length = INTERVALS[attrs["interval"]]
        attrs.setdefault("from", end - attrs["limit"] * length)
        if attrs["from"] >= end:
            raise serializers.ValidationError(
                {"from": ["It must lie before the end of the range."]}
            )
        return attrs


class BoardView(PublicView):
    csv_columns = tables.RATE_COLUMNS

    def answer(self, request: Request, named: Collection[str] | None) -> Response:
        shown = quoted(board.read(), named)
        etag = board.etag(list(shown.messages.values()), silent=shown.silent)
        if request.accepted_renderer.format == "csv":
            rows = [tables.rate_row(code, entry) for code, entry in shown.entries.items()]
            return self.conditional(request, rows, f'{etag[:-1]}-csv"')
        return self.conditional(request, board.join(list(shown.messages.values())), etag)


class RatesView(BoardView):
    @schema.RATES
    def get(self, request: Request) -> Response:
        """Every pair, or those named, in the order named."""
        named = checked(RatesQuery, request.query_params).get("pairs")
        return self.answer(request, named)


class RateView(BoardView):
    @schema.RATE_OF_PAIR
    def get(self, request: Request, pair: str) -> Response:
        """One pair, in the same shape."""
        checked(StrictQuery, request.query_params)
        answer = self.answer(request, [pair])
        acts.note(request.user, QUOTE_VIEWED, pair)
        return answer


# Hundreds of rows of digits, and nothing secret: a tenth of the bytes.
@method_decorator(gzip_page, name="dispatch")
class CandlesView(PublicView):
    csv_columns = tables.CANDLE_COLUMNS

    @schema.CANDLES
    def get(self, request: Request, pair: str) -> Response:
        """The market's bid and ask, oldest first. Minutes without a tick are absent."""
        record = pair_book.by_code(pair)
        asked = checked(CandlesQuery, request.query_params)
        found = series(
            record,
            asked["interval"],
            start=asked["from"],
            end=asked["to"],
            limit=asked["limit"],
        )
        following = _next_url(request, asked, found)
        headers = {"Link": f'<{following}>; rel="next"'} if following else {}
        if request.accepted_renderer.format == "csv":
            rows = [tables.candle_row(candle) for candle in found.candles]
            return self.conditional(request, rows, _digest("csv", found), **headers)
        body = {
            "pair": record.code,
            "interval": asked["interval"],
            "candles": [tables.candle_object(candle) for candle in found.candles],
            "next": following,
        }
        return self.conditional(request, body, _digest("json", found), **headers)


def checked(query: type[StrictQuery], given: QueryDict) -> dict[str, Any]:
    """The query's values. Raises DRF's ``ValidationError``, which names the parameter."""
    reader = query(data=given)
    reader.is_valid(raise_exception=True)
    values: dict[str, Any] = reader.validated_data
    return values


def quoted(snapshot: BoardSnapshot, named: Collection[str] | None) -> BoardSnapshot:
    """The part of the board that was asked for.

    Raises ``NotFound`` for a code that is no pair of ours, and ``Unavailable`` for a pair, or a
    board, that nothing was published of yet.
    """
    for code in named or ():
        if code not in snapshot.messages:
            pair_book.by_code(code)
            raise Unavailable(f"{code} has no quote yet.", code="no_quote", retry_after=1)
    if not snapshot.messages:
        raise Unavailable("There are no quotes yet.", code="no_quote", retry_after=1)
    return snapshot if named is None else snapshot.only(named)


def _next_url(request: Request, asked: Mapping[str, Any], found: Series) -> str | None:
    if found.next_start is None:
        return None
    query = request.query_params.copy()
    query["from"] = found.next_start.strftime("%Y-%m-%dT%H:%M:%SZ")
    # Fixed, so that the pages of one walk share one end.
    query["to"] = asked["to"].isoformat().replace("+00:00", "Z")
    return request.build_absolute_uri(f"{request.path}?{query.urlencode(safe=':')}")


def _digest(form: str, found: Series) -> str:
    return f'"{hashlib.sha256(f"{form}{found}".encode()).hexdigest()[:20]}"'
