"""What the API's description says of top coins."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from rates.api.schema import NOT_MODIFIED, SPREADSHEET, ErrorEnvelopeSerializer
from rates.coins.constants import FIELDS, FORMATS, MOST, PLAIN_FIELDS, USUAL

REFUSALS: Final = {
    400: "A parameter is wrong; `fields` names it and what is allowed.",
    401: "A token was sent, and it is not good. Without one, no credentials are needed.",
    406: "None of the formats that `Accept` names is served.",
    429: "Too many requests; see `Retry-After`.",
    503: "Nothing was ever fetched; see `Retry-After`.",
}
AGES: Final = {
    "ETag": "Changes with ranks and prices, never with age alone.",
    "Last-Modified": "When the prices were fetched.",
    "Cache-Control": "Caches may keep it 15 s, and a day while this service fails.",
    "X-Data-As-Of": "When the prices were fetched.",
    "X-Data-Age": "Seconds since then.",
    "X-Data-Stale": "`1` when prices are older than three minutes, or ranks than they last.",
    "X-Ranks-As-Of": "When the ranks were fetched.",
    "X-Rank-Hash": "Changes only when some rank does.",
}


class CoinSerializer(serializers.Serializer[Any]):
    """The plain fields are always there, the others where ``fields`` names them."""

    rank = serializers.IntegerField(min_value=1)
    symbol = serializers.CharField()
    price = serializers.CharField(help_text="USD, with the source's own digits.")
    name = serializers.CharField(required=False)
    change_1h = serializers.CharField(required=False, allow_null=True, help_text="Per cent.")
    change_24h = serializers.CharField(required=False, allow_null=True, help_text="Per cent.")
    change_7d = serializers.CharField(required=False, allow_null=True, help_text="Per cent.")
    market_cap = serializers.CharField(required=False, allow_null=True, help_text="USD.")
    volume_24h = serializers.CharField(required=False, allow_null=True, help_text="USD.")

    def get_fields(self) -> dict[str, Any]:
        # A word of Python's, so it cannot be declared like the others.
        origin = serializers.DictField(
            child=serializers.CharField(), required=False, help_text="Field to its source."
        )
        return {**super().get_fields(), "from": origin}


class CoinsMetaSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    hash = serializers.CharField(help_text="Of ranks, symbols and prices of the whole list.")
    rank_hash = serializers.CharField(help_text="Of ranks and symbols only.")
    simulated = serializers.BooleanField()
    sources = serializers.DictField(
        child=serializers.DateTimeField(),
        required=False,
        help_text="Where `fields` names `from`: when each source was fetched.",
    )


class CoinsSerializer(serializers.Serializer[Any]):
    data = CoinSerializer(many=True)  # type: ignore[assignment]
    meta = CoinsMetaSerializer()


class CoinDetailSerializer(serializers.Serializer[Any]):
    data = CoinSerializer()  # type: ignore[assignment]
    sources = serializers.DictField(
        child=serializers.DateTimeField(), help_text="When each source was fetched."
    )


def _query(name: str, text: str, kind: Any = OpenApiTypes.STR, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, description=text, **more)


def _header(name: str, text: str, statuses: list[int]) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=text, response=statuses)


def _refusals(*more: int) -> dict[Any, Any]:
    texts = REFUSALS | {404: "No such symbol among the coins that are served."}
    codes = (400, 401, 429, 503, *more)
    return {
        code: OpenApiResponse(ErrorEnvelopeSerializer, description=texts[code]) for code in codes
    }


LIMIT: Final = _query("limit", f"1 to {MOST}.", OpenApiTypes.INT, default=USUAL)
EXTRA: Final = [field for field in FIELDS if field not in PLAIN_FIELDS]
MORE: Final = _query("fields", f"More fields, with commas between them: {', '.join(EXTRA)}.")
HELD: Final = [
    OpenApiParameter(
        "If-None-Match",
        str,
        OpenApiParameter.HEADER,
        description="An `ETag` of an earlier answer; 304 while it still holds.",
    ),
    *(_header(name, text, [200, 304]) for name, text in AGES.items()),
    _header("Retry-After", "Seconds to wait.", [429, 503]),
]
EXAMPLE: Final = OpenApiExample(
    "Two coins",
    value={
        "data": [
            {"rank": 1, "symbol": "BTC", "price": "84359.8123"},
            {"rank": 2, "symbol": "ETH", "price": "2771.0451"},
        ],
        "meta": {"count": 2, "hash": "9f86d0", "rank_hash": "2c2624", "simulated": False},
    },
    response_only=True,
    media_type="application/json",
)

COINS = extend_schema(
    operation_id="coins_list",
    parameters=[
        LIMIT,
        MORE,
        _query("format", "The same as the `Accept` header.", enum=list(FORMATS)),
        *HELD,
    ],
    responses={
        (200, "application/json"): CoinsSerializer,
        **SPREADSHEET,
        **NOT_MODIFIED,
        **_refusals(406),
    },
    examples=[EXAMPLE],
)
COINS_CSV = extend_schema(
    operation_id="coins_csv",
    parameters=[LIMIT, MORE, *HELD],
    responses={**SPREADSHEET, **NOT_MODIFIED, **_refusals()},
)
COIN = extend_schema(
    operation_id="coins_retrieve",
    parameters=[_query("format", "JSON only.", enum=["json"])],
    responses={(200, "application/json"): CoinDetailSerializer, **_refusals(404, 406)},
)
