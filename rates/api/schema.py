"""What OpenAPI says of the public rates: parameters, headers, answers and refusals."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from rates.services.candle_series import INTERVALS

# A status, or a status and a media type, to what is answered.
Answers = dict[int | tuple[int, str], Any]

# The document's bodies are described as JSON Schema where serializers have no words for them.
NUMBER: Final = {"type": ["number", "null"]}
SIDES: Final = {
    "type": "object",
    "required": ["buy", "sell"],
    "properties": {"buy": NUMBER, "sell": NUMBER},
}
TEXT: Final = {"type": ["string", "null"]}
RATE: Final = {
    "type": "object",
    "required": ["original", "withSpread", "currentSpread"],
    "properties": {
        "original": SIDES | {"description": "The market: `buy` is the ask, `sell` the bid."},
        "withSpread": {
            "description": "What the customer gets; null in every state but `live`.",
            "anyOf": [SIDES, {"type": "null"}],
        },
        "currentSpread": SIDES
        | {"description": "`withSpread` less `original`, to the last digit."},
    },
}
META: Final = {
    "type": "object",
    "required": ["seq", "epoch", "state", "spread_version"],
    "properties": {
        "seq": {"type": "integer"},
        "epoch": {"type": "integer"},
        "ts": {"type": ["integer", "null"], "description": "The exchange's time, ms since 1970."},
        "received": {"type": ["integer", "null"], "description": "Our time of receipt, ms."},
        "age_ms": {"type": ["integer", "null"], "description": "Age when it was published."},
        "state": {"enum": ["live", "stale", "suspect", "halted", "unsupported"]},
        "reason": TEXT,
        "spread_unit": TEXT,
        "spread_configured": {"type": ["object", "null"], "additionalProperties": TEXT},
        "spread_version": {"type": "integer"},
        "clamped": {"type": "boolean"},
        "valid_until": {"type": "integer", "description": "Stale after this without news, ms."},
        "locked": {"type": "boolean", "description": "Bid and ask are equal."},
        **dict.fromkeys(("last", "high", "low", "volume", "change_pct"), TEXT),
        "decimals": {"type": "integer"},
        "position": {"type": "integer"},
    },
}
BOARD: Final = {
    "type": "object",
    "required": ["data", "meta"],
    "properties": {
        "data": {"type": "object", "additionalProperties": RATE},
        "meta": {"type": "object", "additionalProperties": META},
    },
}
EXAMPLE: Final = OpenApiExample(
    "One pair",
    value={
        "data": {
            "BTC_USD": {
                "original": {"buy": 84359.9, "sell": 84359.8},
                "withSpread": {"buy": 84781.7, "sell": 83938.0},
                "currentSpread": {"buy": 421.8, "sell": -421.8},
            }
        },
        "meta": {"BTC_USD": {"seq": 4711, "epoch": 3, "state": "live", "spread_version": 17}},
    },
    response_only=True,
    media_type="application/json",
)


class ErrorSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="Stable, for programs.")
    message = serializers.CharField(help_text="A sentence, for people.")
    fields = serializers.DictField(  # type: ignore[assignment]
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="The input to blame, and why.",
    )


class ErrorEnvelopeSerializer(serializers.Serializer[Any]):
    error = ErrorSerializer()


class SideSerializer(serializers.Serializer[Any]):
    open = serializers.CharField()
    high = serializers.CharField()
    low = serializers.CharField()
    close = serializers.CharField()


class CandleSerializer(serializers.Serializer[Any]):
    start = serializers.DateTimeField()
    bid = SideSerializer()
    ask = SideSerializer()
    ticks = serializers.IntegerField()


class CandlesSerializer(serializers.Serializer[Any]):
    pair = serializers.CharField()
    interval = serializers.ChoiceField(choices=list(INTERVALS))
    candles = CandleSerializer(many=True)
    next = serializers.URLField(
        allow_null=True, help_text="The rest of the range; null at its end. Also in `Link`."
    )


def _query(name: str, text: str, kind: Any = OpenApiTypes.STR, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, description=text, **more)


def _header(name: str, text: str, statuses: list[int]) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=text, response=statuses)


def _refusals(*statuses: int) -> Answers:
    texts = {
        400: "A parameter is wrong; `fields` names it.",
        401: "A token was sent, and it is not good. Without one, no credentials are needed.",
        404: "Unknown pair; the message lists the known ones.",
        406: "None of the formats that `Accept` names is served.",
        429: "Too many requests; see `Retry-After`.",
        503: "Nothing to answer with yet, or a part is down; see `Retry-After`.",
    }
    return {
        code: OpenApiResponse(ErrorEnvelopeSerializer, description=texts[code])
        for code in (*statuses, 401, 406, 429, 503)
    }


CONDITIONAL: Final = [
    OpenApiParameter(
        "If-None-Match",
        str,
        OpenApiParameter.HEADER,
        description="An `ETag` of an earlier answer; 304 while it still holds.",
    ),
    _header("ETag", "Changes with the answer.", [200, 304]),
    _header("Cache-Control", "`no-cache`: ask every time.", [200, 304]),
    _header("Retry-After", "Seconds to wait.", [429, 503]),
]
NOT_MODIFIED: Final[Answers] = {304: OpenApiResponse(description="What you hold is the newest.")}
FORMAT: Final = _query("format", "The same as the `Accept` header.", enum=["json", "csv"])
SPREADSHEET: Final[Answers] = {(200, "text/csv"): OpenApiTypes.STR}

_board = OpenApiResponse(
    BOARD, description="A pair that is not live is here too, with `withSpread` null."
)
_rates_answers: Answers = {(200, "application/json"): _board, **SPREADSHEET, **NOT_MODIFIED}

RATES = extend_schema(
    operation_id="rates_list",
    parameters=[
        _query("pairs", "Codes with commas between them; every pair when absent."),
        FORMAT,
        *CONDITIONAL,
    ],
    responses={**_rates_answers, **_refusals(400, 404)},
    examples=[EXAMPLE],
)
RATE_OF_PAIR = extend_schema(
    operation_id="rates_retrieve",
    parameters=[FORMAT, *CONDITIONAL],
    responses={**_rates_answers, **_refusals(400, 404)},
    examples=[EXAMPLE],
)
CANDLES = extend_schema(
    operation_id="rates_candles",
    parameters=[
        _query("from", "Start, ISO 8601 or seconds since 1970. Default: `limit` candles ago."),
        _query("to", "End, exclusive. Default: now."),
        _query("interval", "Length of a candle; UTC.", enum=list(INTERVALS), default="1m"),
        _query("limit", "At most so many, 1 to 1,000.", OpenApiTypes.INT, default=500),
        FORMAT,
        *CONDITIONAL,
        _header("Link", 'The rest of the range, as `rel="next"`.', [200]),
    ],
    responses={
        (200, "application/json"): CandlesSerializer,
        **SPREADSHEET,
        **NOT_MODIFIED,
        **_refusals(400, 404),
    },
)
