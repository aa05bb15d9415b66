"""The query strings of the API of balances, read strictly."""

from __future__ import annotations

from typing import Any, Final

from django.http import QueryDict
from rest_framework import serializers

from balances.models import Chain, Token
from balances.services import addresses, history
from balances.services.activity import DIRECTIONS, Filters
from foundation.errors import NotFound
from foundation.queries import MomentField, StrictQuery

DEFAULT_ROWS: Final = 50
MAX_ROWS: Final = 500
NATIVE_NAME: Final = "native"
LONGEST: Final = 100


def checked(query: type[StrictQuery], given: QueryDict) -> dict[str, Any]:
    """The query's values. Raises DRF's ``ValidationError``, which names the parameter."""
    reader = query(data=given)
    reader.is_valid(raise_exception=True)
    values: dict[str, Any] = reader.validated_data
    return values


class ListQuery(StrictQuery):
    limit = serializers.IntegerField(min_value=1, max_value=MAX_ROWS, default=DEFAULT_ROWS)


class WatchesQuery(ListQuery):
    after = serializers.IntegerField(min_value=0, max_value=history.MAX_BLOCK, required=False)


class BlocksQuery(ListQuery):
    chain = serializers.CharField(required=False, max_length=LONGEST)
    before = serializers.IntegerField(min_value=0, max_value=history.MAX_BLOCK, required=False)
    after = serializers.IntegerField(min_value=0, max_value=history.MAX_BLOCK, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "before" in attrs and "after" in attrs:
            raise serializers.ValidationError({"after": ["Give it without before."]})
        return attrs


class MovesQuery(ListQuery):
    """What lists of transactions and of transfers can be narrowed to."""

    chain = serializers.CharField(required=False, max_length=LONGEST)
    direction = serializers.ChoiceField(
        choices=DIRECTIONS,
        required=False,
        error_messages={"invalid_choice": f"Use one of {', '.join(DIRECTIONS)}."},
    )
    min_value = serializers.IntegerField(min_value=0, default=0)
    token = serializers.CharField(required=False, max_length=LONGEST)
    cursor = serializers.CharField(required=False, max_length=LONGEST)


class TransactionsQuery(MovesQuery):
    address = serializers.CharField(required=False, max_length=LONGEST)


class TransfersQuery(MovesQuery):
    spam = serializers.BooleanField(default=True)


class BalancesQuery(StrictQuery):
    chain = serializers.CharField(required=False, max_length=LONGEST)
    block = serializers.IntegerField(required=False)
    at = MomentField(required=False)


class HistoryQuery(ListQuery):
    chain = serializers.CharField(required=False, max_length=LONGEST)
    token = serializers.CharField(default=NATIVE_NAME, max_length=LONGEST)
    before = serializers.IntegerField(min_value=0, max_value=history.MAX_BLOCK, required=False)


def chain_of(asked: dict[str, Any]) -> Chain:
    """The chain that is named, or the only one. Raises ``NotFound`` and ``InvalidInput``."""
    named = named_chain(asked)
    return history.only_chain() if named is None else named


def named_chain(asked: dict[str, Any]) -> Chain | None:
    return addresses.chain_by_id(asked["chain"]) if "chain" in asked else None


def token_of(asked: dict[str, Any], chain: Chain) -> Token | None:
    """The token by its contract, or the coin as ``native``. Raises ``NotFound``."""
    given = asked.get("token")
    if given is None:
        return None
    contract = b"" if given == NATIVE_NAME else addresses.parse(given, field="token")
    token = Token.objects.filter(chain=chain, contract=contract).select_related("chain").first()
    if token is None:
        problem = f"No such token was ever seen on {chain.name}."
        raise NotFound(problem, code="unknown_token", fields={"token": [problem]})
    return token


def filters_of(asked: dict[str, Any], chain: Chain) -> Filters:
    """Raises ``NotFound`` and ``InvalidInput``."""
    address = asked.get("address")
    return Filters(
        address=None if address is None else addresses.parse(address),
        direction=asked.get("direction", ""),
        min_value=asked["min_value"],
        token=token_of(asked, chain),
    )
