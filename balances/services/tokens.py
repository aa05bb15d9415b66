"""Rows of the assets that blocks mention, and what their contracts say of themselves."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Final

from django.db.models import Exists, OuterRef
from django.utils import timezone

from balances.constants import NATIVE
from balances.models import Balance, Chain, Token
from foundation.evm import tokens as contracts
from foundation.evm.nodes import Nodes
from foundation.evm.tokens import TokenData

BAIT: Final = re.compile(
    r"[<>]|^\s*[=+@]|https?:|www\.|\bt\.me\b|[a-z0-9]\.(com|net|org|io|xyz|app|site|top|finance)\b"
    r"|\b(claim|visit|airdrop|reward|bonus|voucher|giveaway)s?\b",
    re.IGNORECASE,
)


def native_of(chain: Chain) -> Token:
    """The chain's own coin."""
    found = Token.objects.filter(chain=chain, contract=NATIVE).first()
    if found is not None:
        return found
    coin = Token(
        chain=chain,
        contract=NATIVE,
        symbol=chain.native_symbol,
        name=chain.native_symbol,
        decimals=chain.native_decimals,
        status=Token.Status.LISTED,
        price_symbol=chain.native_symbol,
        asked_at=timezone.now(),
    )
    # Several processes meet a new chain at once, and none of them is to fail.
    Token.objects.bulk_create([coin], ignore_conflicts=True)
    return Token.objects.get(chain=chain, contract=NATIVE)


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
    taken = _names_taken(chain)
    for row, said in zip(rows, answers, strict=True):
        row.symbol, row.name, row.decimals = said.symbol, said.name, said.decimals
        row.asked_at = timezone.now()
        if row.status == Token.Status.UNKNOWN and looks_like_spam(said, taken):
            row.status = Token.Status.SPAM
    Token.objects.bulk_update(rows, ["symbol", "name", "decimals", "status", "asked_at"])
    return len(rows)


def looks_like_spam(said: TokenData, taken: Collection[str] = ()) -> bool:
    """Whether a token's own words are bait: markup, an address to visit, a gift to claim, or the
    symbol of one that is listed (``taken``, as ``plain_symbol`` writes them).

    An operator's word goes before it, and so does each user's for themselves.
    """
    return bool(BAIT.search(f"{said.symbol} {said.name}")) or plain_symbol(said.symbol) in taken


def plain_symbol(symbol: str) -> str:
    """As the eye reads it: full-width and accented letters are the plain ones."""
    apart = unicodedata.normalize("NFKD", symbol).casefold()
    return "".join(letter for letter in apart if letter.isalnum())


def _names_taken(chain: Chain) -> set[str]:
    listed = Token.objects.filter(chain=chain, status=Token.Status.LISTED)
    symbols = {plain_symbol(symbol) for symbol in listed.values_list("symbol", flat=True)}
    return symbols - {""}


def _found(chain: Chain, addresses: Collection[bytes]) -> dict[bytes, Token]:
    if not addresses:
        return {}
    rows = Token.objects.filter(chain=chain, contract__in=addresses)
    return {bytes(row.contract): row for row in rows}
