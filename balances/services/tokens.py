"""Rows of the assets that blocks mention, and what their contracts say of themselves."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Exists, OuterRef
from django.utils import timezone

from balances.constants import NATIVE
from balances.models import Balance, Chain, Token
from foundation.evm import tokens as contracts
from foundation.evm.nodes import Nodes


def native_of(chain: Chain) -> Token:
    """The chain's own coin."""
    token, _ = Token.objects.get_or_create(
        chain=chain,
        contract=NATIVE,
        defaults={
            "symbol": chain.native_symbol,
            "name": chain.native_symbol,
            "decimals": chain.native_decimals,
            "status": Token.Status.LISTED,
            "price_symbol": chain.native_symbol,
            "asked_at": timezone.now(),
        },
    )
    return token


def tokens_of(chain: Chain, addresses: Collection[bytes]) -> dict[bytes, Token]:
    """By contract; those that are seen for the first time are made, with nothing known of them."""
    wanted = set(addresses)
    found = _found(chain, wanted)
    if missing := wanted - found.keys():
        new = [Token(chain=chain, contract=contract) for contract in sorted(missing)]
        Token.objects.bulk_create(new, ignore_conflicts=True)
        found |= _found(chain, missing)
    return found


def refresh_metadata(chain: Chain, nodes: Nodes, *, limit: int = 100) -> int:
    """Ask contracts that were never asked for symbol, name and decimals; return how many.

    Those that somebody holds come first. Raises ``foundation.evm.node.NodeError``.
    """
    held = Exists(Balance.objects.filter(token=OuterRef("pk")))
    rows = list(
        Token.objects.filter(chain=chain, asked_at=None)
        .exclude(contract=NATIVE)
        .order_by(held.desc(), "-pk")[:limit]
    )
    if not rows:
        return 0
    answers = contracts.metadata(nodes, [bytes(row.contract) for row in rows])
    for row, said in zip(rows, answers, strict=True):
        row.symbol, row.name, row.decimals = said.symbol, said.name, said.decimals
        row.asked_at = timezone.now()
    Token.objects.bulk_update(rows, ["symbol", "name", "decimals", "asked_at"])
    return len(rows)


def _found(chain: Chain, addresses: Collection[bytes]) -> dict[bytes, Token]:
    if not addresses:
        return {}
    rows = Token.objects.filter(chain=chain, contract__in=addresses)
    return {bytes(row.contract): row for row in rows}
