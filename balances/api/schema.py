"""What OpenAPI says of chains, balances and watches: parameters, answers and refusals."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from balances.api.queries import DEFAULT_ROWS, MAX_ROWS
from balances.serializers import WatchAddSerializer, WatchChangeSerializer
from balances.services.activity import DIRECTIONS
from balances.services.holdings import NoPrice, Reason, State
from rates.api.schema import ErrorEnvelopeSerializer

# A status, or a status and a media type, to what is answered.
Answers = dict[int | tuple[int, str], Any]

AMOUNT: Final[dict[str, Any]] = {
    "help_text": "A whole number of base units, as text: JSON numbers lose digits."
}
UNITS: Final[dict[str, Any]] = {"help_text": "In units of the token, every digit kept."}


class ChainSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField(help_text="EIP-155.")
    name = serializers.CharField()
    symbol = serializers.CharField()
    decimals = serializers.IntegerField()
    state = serializers.ChoiceField(choices=["live", "stale", "down", "halted"])
    reason = serializers.CharField(allow_null=True)
    head_number = serializers.IntegerField(allow_null=True)
    head_hash = serializers.CharField(allow_null=True)
    head_at = serializers.DateTimeField(allow_null=True)
    head_age_seconds = serializers.FloatField(allow_null=True)
    seen_at = serializers.DateTimeField(allow_null=True)
    finalized_number = serializers.IntegerField(allow_null=True)
    epoch = serializers.IntegerField(help_text="Rises when blocks are taken back.")
    block_time_ms = serializers.IntegerField()
    explorer = serializers.URLField(allow_null=True)


class ListSerializer(serializers.Serializer[Any]):
    next = serializers.URLField(allow_null=True, help_text="The next page; null at the end.")


class ChainsSerializer(ListSerializer):
    chains = ChainSerializer(many=True)


class BlockSerializer(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    hash = serializers.CharField()
    parent_hash = serializers.CharField()
    at = serializers.DateTimeField()
    tx_count = serializers.IntegerField()
    transfer_count = serializers.IntegerField()
    gas_used = serializers.CharField()
    gas_limit = serializers.CharField()
    base_fee = serializers.CharField(allow_null=True, help_text="Wei for each gas.")
    miner = serializers.CharField()


class BlocksSerializer(ListSerializer):
    blocks = BlockSerializer(many=True)


class SidesSerializer(serializers.Serializer[Any]):
    to = serializers.CharField(allow_null=True, help_text="Null where a contract is made.")

    def get_fields(self) -> dict[str, Any]:
        # A word of Python's, so it cannot be declared like the others.
        return {**super().get_fields(), "from": serializers.CharField()}


class TransactionSerializer(SidesSerializer):
    hash = serializers.CharField()
    block_number = serializers.IntegerField()
    index = serializers.IntegerField()
    at = serializers.DateTimeField()
    value = serializers.CharField(**AMOUNT)
    amount = serializers.CharField(**UNITS)
    nonce = serializers.IntegerField()
    fee = serializers.CharField(allow_null=True, help_text="Wei, where known.")
    ok = serializers.BooleanField(allow_null=True)


class TransactionsSerializer(ListSerializer):
    transactions = TransactionSerializer(many=True)


class TokenSerializer(serializers.Serializer[Any]):
    contract = serializers.CharField(allow_null=True, help_text="Null for the chain's coin.")
    symbol = serializers.CharField(help_text="As its contract says: the words of a stranger.")
    name = serializers.CharField()
    decimals = serializers.IntegerField(allow_null=True, help_text="Null: amounts are base units.")
    status = serializers.ChoiceField(choices=["listed", "unknown", "spam", "hidden"])


class HoldingSerializer(serializers.Serializer[Any]):
    key = serializers.CharField(help_text="How pushes on `balances:<address>` name it.")
    chain = serializers.IntegerField()
    token = TokenSerializer()
    value = serializers.CharField(allow_null=True, help_text="Base units; null: not known.")
    amount = serializers.CharField(allow_null=True, **UNITS)
    state = serializers.ChoiceField(choices=[str(state) for state in State])
    reason = serializers.ChoiceField(choices=[str(reason) for reason in Reason], allow_null=True)
    # A field has an attribute of this name, which this one hides.
    source = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    block_number = serializers.IntegerField(allow_null=True, help_text="It is true at this block.")
    block_hash = serializers.CharField(allow_null=True)
    at = serializers.DateTimeField(
        allow_null=True, help_text="Now: when a node said so. Then: the block's time."
    )
    age_seconds = serializers.FloatField(allow_null=True)
    usd = serializers.CharField(allow_null=True)
    usd_at = serializers.DateTimeField(allow_null=True, help_text="The age of the price.")
    usd_reason = serializers.ChoiceField(choices=[str(why) for why in NoPrice], allow_null=True)


class ShareSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    usd = serializers.CharField()
    percent = serializers.CharField()


class TotalsSerializer(serializers.Serializer[Any]):
    usd = serializers.CharField(help_text="Of what has a price; the rest is named below.")
    complete = serializers.BooleanField(help_text="Whether nothing is left out.")
    unpriced = TokenSerializer(many=True)
    loading = serializers.IntegerField()
    unknown = serializers.IntegerField()
    spam = serializers.IntegerField(
        help_text="Tokens taken for spam or hidden by you, in no total."
    )
    oldest_price_at = serializers.DateTimeField(allow_null=True)
    shares = ShareSerializer(many=True)


class BalancesSerializer(serializers.Serializer[Any]):
    address = serializers.CharField()
    holdings = HoldingSerializer(many=True)
    totals = TotalsSerializer()


class ChangeSerializer(serializers.Serializer[Any]):
    block_number = serializers.IntegerField()
    block_hash = serializers.CharField()
    at = serializers.DateTimeField(allow_null=True)
    value = serializers.CharField(**AMOUNT)
    amount = serializers.CharField(**UNITS)
    delta = serializers.CharField(
        allow_null=True, help_text="Null where nobody knows what was before."
    )
    known_to = serializers.IntegerField(
        allow_null=True,
        help_text="The last block of which it is known, where nobody knows what came after it.",
    )
    source = serializers.ChoiceField(  # type: ignore[assignment]
        choices=["multicall", "archive", "trace", "transfer"]
    )
    kind = serializers.ChoiceField(choices=["exact", "sampled"])


class ChangesSerializer(ListSerializer):
    changes = ChangeSerializer(many=True)


class MovementSerializer(SidesSerializer):
    chain = serializers.IntegerField()
    block_number = serializers.IntegerField()
    at = serializers.DateTimeField()
    transaction = serializers.CharField()
    direction = serializers.ChoiceField(choices=[*DIRECTIONS, "self"])
    token = TokenSerializer()
    value = serializers.CharField(**AMOUNT)
    amount = serializers.CharField(**UNITS)
    ok = serializers.BooleanField(allow_null=True)


class MovementsSerializer(ListSerializer):
    transfers = MovementSerializer(many=True)


class WatchSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    address = serializers.CharField()
    chain = serializers.IntegerField(allow_null=True, help_text="Null: every chain.")
    # A serializer has an attribute of this name, which the field hides.
    label = serializers.CharField()  # type: ignore[assignment]
    group = serializers.CharField()
    colour = serializers.CharField()
    hidden = serializers.BooleanField()
    proven = serializers.BooleanField(help_text="A wallet that is linked to your account.")
    added_at = serializers.DateTimeField()


class WatchesSerializer(ListSerializer):
    watches = WatchSerializer(many=True)


def _query(name: str, text: str, kind: Any = OpenApiTypes.STR, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, description=text, **more)


def _header(name: str, text: str, statuses: list[int]) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=text, response=statuses)


def _refusals(*statuses: int) -> Answers:
    texts = {
        400: "Something given is wrong; `fields` names it.",
        401: "Not signed in, or the token is not good.",
        403: "A token without the scope, or one where a session is needed.",
        404: "There is no such chain, token, block or watch; `code` says which.",
        406: "None of the formats that `Accept` names is served.",
        409: "It is watched already, or is a wallet of the account; `code` says which.",
        429: "Too many requests; see `Retry-After`.",
        503: "A part is down; see `Retry-After`.",
    }
    return {
        code: OpenApiResponse(ErrorEnvelopeSerializer, description=texts[code])
        for code in sorted({*statuses, 401, 429, 503})
    }


def _table(serializer: Any, *statuses: int) -> Answers:
    return {
        (200, "application/json"): serializer,
        (200, "text/csv"): OpenApiTypes.STR,
        **_refusals(400, 404, 406, *statuses),
    }


RETRY: Final = _header("Retry-After", "Seconds to wait.", [429, 503])
NEXT: Final = _header("Link", 'The next page, as `rel="next"`.', [200])
FORMAT: Final = _query("format", "The same as the `Accept` header.", enum=["json", "csv"])
CHAIN: Final = _query("chain", "A chain's id. Not needed where there is one only.")
LIMIT: Final = _query(
    "limit", f"At most so many, 1 to {MAX_ROWS}.", OpenApiTypes.INT, default=DEFAULT_ROWS
)
CURSOR: Final = _query("cursor", "From `next` of an earlier answer.")
NARROWED: Final = [
    _query("direction", "Seen from the address.", enum=list(DIRECTIONS)),
    _query("min_value", "At least so many base units."),
    _query("token", "A token's contract, or `native` for the coin."),
]

CHAINS = extend_schema(
    operation_id="chains_list",
    parameters=[FORMAT, RETRY],
    responses=_table(ChainsSerializer),
)
BLOCKS = extend_schema(
    operation_id="blocks_list",
    parameters=[
        CHAIN,
        _query("before", "Blocks below this number.", OpenApiTypes.INT),
        _query("after", "Blocks above this number, the lowest of them.", OpenApiTypes.INT),
        LIMIT,
        FORMAT,
        NEXT,
        RETRY,
    ],
    responses=_table(BlocksSerializer),
)
TRANSACTIONS = extend_schema(
    operation_id="transactions_list",
    parameters=[
        CHAIN,
        _query("address", "Sender or recipient."),
        *NARROWED,
        CURSOR,
        LIMIT,
        FORMAT,
        NEXT,
        RETRY,
    ],
    responses=_table(TransactionsSerializer),
)
BALANCES = extend_schema(
    operation_id="balances_retrieve",
    parameters=[
        _query("block", "At this block of one chain.", OpenApiTypes.INT),
        _query("at", "At the last block until then: ISO 8601 or seconds since 1970."),
        _query("chain", "A chain's id; every chain when absent."),
        FORMAT,
        RETRY,
    ],
    responses=_table(BalancesSerializer, 403),
)
HISTORY = extend_schema(
    operation_id="balances_history",
    parameters=[
        CHAIN,
        _query("token", "A token's contract, or `native`.", default="native"),
        _query("before", "Changes below this block.", OpenApiTypes.INT),
        LIMIT,
        FORMAT,
        NEXT,
        RETRY,
    ],
    responses=_table(ChangesSerializer, 403),
)
TRANSFERS = extend_schema(
    operation_id="balances_transfers",
    parameters=[
        CHAIN,
        *NARROWED,
        _query("spam", "Whether tokens taken for spam are in it.", OpenApiTypes.BOOL, default=True),
        CURSOR,
        LIMIT,
        FORMAT,
        NEXT,
        RETRY,
    ],
    responses=_table(MovementsSerializer, 403),
)
WATCHES = extend_schema(
    operation_id="watches_list",
    parameters=[
        _query("after", "Watches above this id.", OpenApiTypes.INT),
        LIMIT,
        FORMAT,
        NEXT,
        RETRY,
    ],
    responses=_table(WatchesSerializer, 403),
)
WATCH_ADD = extend_schema(
    operation_id="watches_create",
    request=WatchAddSerializer,
    parameters=[_header("Retry-After", "Seconds to wait.", [429, 503])],
    responses={201: WatchSerializer, **_refusals(400, 403, 404, 409)},
)
WATCH_CHANGE = extend_schema(
    operation_id="watches_partial_update",
    request=WatchChangeSerializer,
    responses={200: WatchSerializer, **_refusals(400, 403, 404)},
)
WATCH_REMOVE = extend_schema(
    operation_id="watches_destroy",
    responses={204: None, **_refusals(403, 404, 409)},
)
