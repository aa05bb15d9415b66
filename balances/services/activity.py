"""Blocks, transactions and transfers, newest first, a page at a time by their place in the chain.

Everybody's activity is kept, and shown, for the newest blocks only: what is older is kept where a
followed address takes part, so showing it to everybody would tell who is followed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar

from django.db.models import Exists, OuterRef, Q

from balances.constants import KEPT_BLOCKS, MAX_UINT256, NATIVE
from balances.models import Address, Block, Chain, Token, Transfer, Tx
from foundation import replica
from foundation.errors import InvalidInput

DIRECTIONS: Final = ("in", "out")
LAST_PLACE: Final = 2**31 - 1
CURSOR: Final = re.compile(r"(\d{1,19})\.([01])\.(\d{1,10})", re.ASCII)

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """``cursor`` continues; ``None`` at the end."""

    rows: list[Row]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is narrowed to. ``address`` is 20 bytes; ``direction`` is seen from it.

    ``min_value`` is in base units: of the token where one is given, else of the coin.
    """

    address: bytes | None = None
    direction: str = ""
    min_value: int = 0
    token: Token | None = None


@dataclass(frozen=True, slots=True)
class Movement:
    """The chain's coin or a token on its way. ``ok`` is false where the transaction failed."""

    chain: Chain
    token: Token
    block_number: int
    place: int
    at: datetime
    tx_hash: bytes
    sender: bytes
    recipient: bytes | None
    value: int
    ok: bool | None

    @property
    def is_native(self) -> bool:
        return not bytes(self.token.contract)

    @property
    def cursor(self) -> str:
        return f"{self.block_number}.{int(not self.is_native)}.{self.place}"

    def direction_of(self, address: bytes) -> str:
        """``in``, ``out`` or ``self``."""
        if self.sender == self.recipient:
            return "self"
        return "out" if self.sender == address else "in"


# --- For everybody ----------------------------------------------------------------------------


def newest_blocks(chain: Chain, limit: int = 20) -> list[Block]:
    return list(Block.objects.of(chain).applied()[:limit])


def blocks(
    chain: Chain, *, before: int | None = None, after: int | None = None, limit: int = 50
) -> Page[Block]:
    """Blocks below ``before``, or those above ``after``; newest first either way.

    Above ``after`` the oldest come first, so that a page that missed some can walk up to the head.
    """
    if after is not None:
        above = Block.objects.applied().filter(chain=chain, number__gt=after).order_by("number")
        found = list(above[: limit + 1])
        rows = found[:limit]
        cursor = str(rows[-1].number) if len(found) > limit else None
        return Page(rows[::-1], cursor)
    below = Block.objects.of(chain).applied()
    if before is not None:
        below = below.filter(number__lt=before)
    found = list(below[: limit + 1])
    rows = found[:limit]
    return Page(rows, str(rows[-1].number) if len(found) > limit else None)


def transactions(
    chain: Chain, filters: Filters | None = None, *, cursor: str = "", limit: int = 50
) -> Page[Tx]:
    """Transactions of the newest blocks. With a token: those that move it as the filters say.

    Raises ``InvalidInput`` for a direction without an address, or a cursor that is none.
    """
    filters = filters or Filters()
    _check(filters)
    if chain.head_number is None:
        return Page([], None)
    found = (
        Tx.objects.newest_of(chain)
        .filter(block_number__gt=chain.head_number - KEPT_BLOCKS, block__in=Block.objects.applied())
        .select_related("block")
    )
    if filters.token is not None and not filters.token.is_native:
        moved = Transfer.objects.filter(
            block=OuterRef("block"), tx_hash=OuterRef("hash"), token=filters.token
        )
        found = found.filter(Exists(_narrowed(moved, filters)))
    else:
        found = _narrowed(found, filters)
    if cursor:
        number, _, place = read_cursor(cursor)
        found = found.filter(_below(number, "idx", place))
    rows = list(found[: limit + 1])
    shown = rows[:limit]
    following = f"{shown[-1].block_number}.0.{shown[-1].idx}" if len(rows) > limit else None
    return Page(shown, following)


# --- Of one address ---------------------------------------------------------------------------


def transfers(
    address: Address | bytes,
    chain: Chain,
    filters: Filters | None = None,
    *,
    cursor: str = "",
    limit: int = 50,
    spam: bool = True,
) -> Page[Movement]:
    """What came to the address and left it, coin and tokens together, as far as blocks are known.

    Four walks along keys, one for each side and kind, in one query whatever there is. Fees are not
    in it. Raises ``InvalidInput`` for a cursor that is none.
    """
    raw = address if isinstance(address, bytes) else bytes(address.raw)
    filters = filters or Filters()
    _check(Filters(raw, filters.direction, filters.min_value, filters.token))
    facts: dict[str, Any] = {
        "chain": chain.pk,
        "raw": raw,
        "limit": limit + 1,
        "token": None if filters.token is None else filters.token.pk,
        "least": Decimal(filters.min_value),
        # A call that carries no coin is no transfer.
        "least_coin": Decimal(max(filters.min_value, 1)),
    }
    if cursor:
        number, kind, place = read_cursor(cursor)
        # Within a block tokens come before the coin.
        facts |= {"number": number, "coin_place": place if kind == 0 else LAST_PLACE}
        facts |= {"token_place": place if kind == 1 else -1}
    walks = [
        walk.format(side=side, after=after if cursor else "", narrowed=_narrowing(filters, spam))
        for side in _sides(filters.direction)
        for walk, after in _walks(filters.token)
    ]
    with replica.cursor() as database:
        # A transfer to oneself is found from both sides.
        database.execute(MOVEMENTS.format(walks=" UNION ".join(walks)), facts)
        found = database.fetchall()
    rows = _movements(chain, filters.token, found[:limit])
    return Page(rows, rows[-1].cursor if len(found) > limit else None)


MOVEMENTS: Final = """
SELECT w.block_number, w.place, w.hash, w.sender, w.recipient, w.value, w.ok, w.token, block.ts
FROM ({walks} ORDER BY block_number DESC, is_token DESC, place DESC LIMIT %(limit)s) w
JOIN balances_block block ON block.id = w.block_id
ORDER BY w.block_number DESC, w.is_token DESC, w.place DESC
"""
COIN: Final = """
(SELECT block_number, block_id, 0 AS is_token, idx AS place, hash, sender, recipient, value, ok,
        NULL::bigint AS token
 FROM balances_tx
 WHERE chain_id = %(chain)s AND {side} = %(raw)s AND value >= %(least_coin)s {after}
 ORDER BY block_number DESC, idx DESC LIMIT %(limit)s)
"""
AFTER_COIN: Final = """
AND block_number <= %(number)s AND (block_number < %(number)s OR idx < %(coin_place)s)
"""
ERC20: Final = """
(SELECT block_number, block_id, 1 AS is_token, log_index AS place, tx_hash AS hash, sender,
        recipient, value, true AS ok, token_id AS token
 FROM balances_transfer
 WHERE chain_id = %(chain)s AND {side} = %(raw)s AND value >= %(least)s {narrowed} {after}
 ORDER BY block_number DESC, log_index DESC LIMIT %(limit)s)
"""
AFTER_ERC20: Final = """
AND block_number <= %(number)s AND (block_number < %(number)s OR log_index < %(token_place)s)
"""
NO_SPAM: Final = """
AND NOT EXISTS (
    SELECT FROM balances_token t WHERE t.id = token_id AND t.status IN ('spam', 'hidden'))
"""


def _walks(token: Token | None) -> Sequence[tuple[str, str]]:
    """Each with what continues it after a cursor."""
    coin, tokens = (COIN, AFTER_COIN), (ERC20, AFTER_ERC20)
    if token is None:
        return coin, tokens
    return (coin,) if token.is_native else (tokens,)


def _narrowing(filters: Filters, spam: bool) -> str:
    if filters.token is not None:
        return "AND token_id = %(token)s"
    return "" if spam else NO_SPAM


def _movements(
    chain: Chain, token: Token | None, rows: Sequence[tuple[Any, ...]]
) -> list[Movement]:
    """One more query for the tokens, where they are not known and there are any."""
    tokens = [] if token is None else [token]
    if rows and token is None:
        moved = Q(pk__in={row[7] for row in rows if row[7] is not None}) | Q(contract=NATIVE)
        tokens = list(Token.objects.filter(moved, chain=chain))
    known = {None if each.is_native else each.pk: each for each in tokens}
    return [
        Movement(
            chain,
            known[token_id],
            number,
            place,
            ts.astimezone(UTC),
            bytes(name),
            bytes(sender),
            None if recipient is None else bytes(recipient),
            int(value),
            ok,
        )
        for number, place, name, sender, recipient, value, ok, token_id, ts in rows
    ]


# --- Shared -------------------------------------------------------------------------------------


def read_cursor(cursor: str) -> tuple[int, int, int]:
    """Block, kind (0 the coin, 1 a token), place. Raises ``InvalidInput``."""
    found = CURSOR.fullmatch(cursor)
    if found is None:
        problem = "Use the cursor of an earlier answer."
        raise InvalidInput(problem, code="bad_cursor", fields={"cursor": [problem]})
    number, kind, place = (int(part) for part in found.groups())
    return min(number, 2**63 - 1), kind, min(place, LAST_PLACE)


def _below(number: int, column: str, place: int) -> Q:
    """Rows after the cursor. The first condition alone is what the index can use."""
    same = Q(block_number=number, **{f"{column}__lt": place})
    return Q(block_number__lte=number) & (Q(block_number__lt=number) | same)


def _narrowed(rows: Any, filters: Filters) -> Any:
    if filters.address is not None:
        side = Q()
        for name in _sides(filters.direction):
            side |= Q(**{name: filters.address})
        rows = rows.filter(side)
    return rows.filter(value__gte=filters.min_value) if filters.min_value else rows


def _sides(direction: str) -> tuple[str, ...]:
    return {"in": ("recipient",), "out": ("sender",)}.get(direction, ("sender", "recipient"))


def _check(filters: Filters) -> None:
    problems: dict[str, list[str]] = {}
    if filters.direction not in ("", *DIRECTIONS):
        problems["direction"] = [f"Use one of {', '.join(DIRECTIONS)}."]
    elif filters.direction and filters.address is None:
        problems["direction"] = ["Name the address that this is seen from."]
    if not 0 <= filters.min_value <= MAX_UINT256:
        problems["min_value"] = ["Give a whole number of base units, from 0 to 2^256 - 1."]
    if problems:
        raise InvalidInput("Check the fields below.", fields=problems)
