"""Blocks, transactions and transfers, newest first, a page at a time by their place in the chain.

Everybody's activity is kept, and shown, for the newest blocks only: what is older is kept where a
followed address takes part, so showing it to everybody would tell who is followed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any, Final, Generic, TypeVar

from django.db.models import Exists, OuterRef, Q

from balances.constants import KEPT_BLOCKS, MAX_UINT256
from balances.models import Address, Block, Chain, Token, Transfer, Tx
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

    Four walks along keys, one for each side and kind, whatever there is. Fees are not in it. Raises
    ``InvalidInput`` for a cursor that is none.
    """
    raw = address if isinstance(address, bytes) else bytes(address.raw)
    filters = filters or Filters()
    _check(Filters(raw, filters.direction, filters.min_value, filters.token))
    after = read_cursor(cursor) if cursor else None
    walks = [
        list(walk(raw, chain, side, filters, after, limit + 1, spam))
        for side in _sides(filters.direction)
        for walk in _walks(filters.token)
    ]
    # A transfer to oneself is found from both sides.
    found = islice(_unique(merge(*walks, key=_newest_first)), limit + 1)
    rows = list(found)
    shown = rows[:limit]
    return Page(shown, shown[-1].cursor if len(rows) > limit else None)


Walk = Callable[
    [bytes, Chain, str, Filters, "tuple[int, int, int] | None", int, bool], Iterable[Movement]
]


def _walks(token: Token | None) -> Sequence[Walk]:
    if token is None:
        return (_coin, _tokens)
    return (_coin,) if token.is_native else (_tokens,)


def _coin(
    raw: bytes,
    chain: Chain,
    side: str,
    filters: Filters,
    after: tuple[int, int, int] | None,
    limit: int,
    spam: bool,
) -> Iterable[Movement]:
    coin = filters.token or Token.objects.native().filter(chain=chain).first()
    if coin is None:
        return []
    rows = Tx.objects.filter(chain=chain, **{side: raw}).moving(max(filters.min_value, 1))
    if after is not None:
        number, kind, place = after
        # Within a block tokens come before the coin.
        rows = rows.filter(_below(number, "idx", place if kind == 0 else LAST_PLACE))
    rows = rows.select_related("block").order_by("-block_number", "-idx")
    return [
        Movement(
            chain,
            coin,
            row.block_number,
            row.idx,
            row.block.ts,
            bytes(row.hash),
            bytes(row.sender),
            None if row.recipient is None else bytes(row.recipient),
            row.value,
            row.ok,
        )
        for row in rows[:limit]
    ]


def _tokens(
    raw: bytes,
    chain: Chain,
    side: str,
    filters: Filters,
    after: tuple[int, int, int] | None,
    limit: int,
    spam: bool,
) -> Iterable[Movement]:
    rows = Transfer.objects.filter(chain=chain, **{side: raw}).moving(filters.min_value)
    if filters.token is not None:
        rows = rows.filter(token=filters.token)
    elif not spam:
        rows = rows.exclude(token__status__in=[Token.Status.SPAM, Token.Status.HIDDEN])
    if after is not None:
        number, kind, place = after
        rows = rows.filter(_below(number, "log_index", place if kind == 1 else -1))
    rows = rows.select_related("block", "token").order_by("-block_number", "-log_index")
    return [
        Movement(
            chain,
            row.token,
            row.block_number,
            row.log_index,
            row.block.ts,
            bytes(row.tx_hash),
            bytes(row.sender),
            bytes(row.recipient),
            row.value,
            True,
        )
        for row in rows[:limit]
    ]


def _newest_first(movement: Movement) -> tuple[int, int, int]:
    return (-movement.block_number, int(movement.is_native), -movement.place)


def _unique(found: Iterable[Movement]) -> Iterable[Movement]:
    last = None
    for movement in found:
        if movement.cursor != last:
            yield movement
        last = movement.cursor


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
