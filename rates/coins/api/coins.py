"""Top coins for everybody. ``rates.coins.fastlane`` gives most of these answers, in these bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from foundation.queries import StrictQuery
from rates.api.rates import PublicView, ReadyJSONRenderer, checked
from rates.coins import constants as c
from rates.coins.api import schema
from rates.coins.services import board
from rates.coins.services.rendering import Asked

ALLOWED = ", ".join(c.FIELDS)
LIMITS = f"Allowed: whole numbers from 1 to {c.MOST}."


class ReadyCSVRenderer(BaseRenderer):
    """Passes on bytes that are CSV already; an error stays JSON, in the envelope."""

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        if isinstance(data, bytes):
            return data
        (renderer_context or {})["response"]["Content-Type"] = JSONRenderer.media_type
        rendered: bytes = JSONRenderer().render(data)
        return rendered


class OnlyFirst(BaseContentNegotiation):
    """For addresses that name their format themselves."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return parsers[0]

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        return renderers[0], renderers[0].media_type


class CoinsQuery(StrictQuery):
    limit = serializers.IntegerField(
        min_value=1,
        max_value=c.MOST,
        default=c.USUAL,
        error_messages=dict.fromkeys(
            ("invalid", "min_value", "max_value", "max_string_length"), LIMITS
        ),
    )
    fields = serializers.CharField(required=False, max_length=200)  # type: ignore[assignment]

    def validate_fields(self, value: str) -> tuple[str, ...]:
        named = {item.strip() for item in value.split(",")}
        if not named <= set(c.FIELDS):
            raise serializers.ValidationError(f"Allowed, with commas between: {ALLOWED}.")
        # In one order, so that one selection has one body.
        return tuple(name for name in c.FIELDS if name in c.PLAIN_FIELDS or name in named)


class CsvQuery(CoinsQuery):
    format = serializers.ChoiceField(  # type: ignore[assignment]
        choices=["csv"], required=False, error_messages={"invalid_choice": "Allowed: csv."}
    )


class CoinsView(PublicView):
    renderer_classes = [ReadyJSONRenderer, ReadyCSVRenderer, BrowsableAPIRenderer]
    query: type[CoinsQuery] = CoinsQuery

    @schema.COINS
    def get(self, request: Request) -> Response:
        """The best ranked coins: rank, symbol, price in USD, and what ``fields`` adds."""
        return self.answer(request)

    def answer(self, request: Request) -> Response:
        values = checked(self.query, request.query_params)
        wanted = "csv" if request.accepted_renderer.format == "csv" else "json"
        asked = Asked(values["limit"], wanted, values.get("fields", c.PLAIN_FIELDS))
        ready = board.current()
        body = ready.body(asked)
        headers = board.headers(ready.shown, board.now())
        return self.conditional(request, body.content, body.etag, **headers)


class CoinsCsvView(CoinsView):
    """The same list at an address that spreadsheets can be given."""

    renderer_classes = [ReadyCSVRenderer]
    content_negotiation_class = OnlyFirst  # type: ignore[assignment]
    query = CsvQuery

    @schema.COINS_CSV
    def get(self, request: Request) -> Response:
        """The best ranked coins as CSV: ``Rank,Symbol,Price USD``."""
        return self.answer(request)


class CoinView(PublicView):
    renderer_classes = [JSONRenderer, BrowsableAPIRenderer]

    @schema.COIN
    def get(self, request: Request, symbol: str) -> Response:
        """One coin with all fields, which source gave each, and when each was fetched."""
        checked(StrictQuery, request.query_params)
        row = board.coin(symbol)
        shown = board.current().shown
        sources = {name: moment.isoformat() for name, moment in shown.sources.items()}
        headers = board.headers(shown, board.now())
        return Response({"data": row, "sources": sources}, headers=headers)


class CoinsFileView(CoinsCsvView):
    """``/coins.csv``, where the replaced system had it; the API's description names the other."""

    schema = None
