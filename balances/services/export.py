"""Whole lists as CSV, a page of rows at a time, so that a million rows need the memory of one page.

Symbols and labels come from strangers: what a spreadsheet would execute is guarded.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from balances.models import Address, Chain, Token
from balances.services import activity
from balances.services.activity import Filters, Movement
from balances.services.amounts import address_text, hash_text, in_units
from balances.services.changes import Change
from balances.services.changes import changes as page_of_changes
from foundation.csv_files import lines

ROWS: Final = 1_000

TRANSFERS: Final = (
    "time", "block", "transaction", "direction", "from", "to",
    "contract", "symbol", "amount", "value", "ok",
)  # fmt: skip
CHANGES: Final = (
    "time", "block", "block_hash", "symbol", "amount", "value", "delta", "known_to", "source",
    "kind",
)  # fmt: skip


def transfers(
    address: Address, chain: Chain, filters: Filters, *, spam: bool = True, cursor: str = ""
) -> Iterator[str]:
    """Every transfer from the cursor on, newest first."""
    raw = bytes(address.raw)
    yield lines([TRANSFERS])
    following: str | None = cursor
    while following is not None:
        page = activity.transfers(raw, chain, filters, cursor=following, limit=ROWS, spam=spam)
        yield lines(_transfer(movement, raw) for movement in page.rows)
        following = page.cursor


def changes(address: Address, token: Token, *, before: int | None = None) -> Iterator[str]:
    """Every change of a cell below ``before``, newest first."""
    yield lines([CHANGES])
    while True:
        page = page_of_changes(address, token, before=before, limit=ROWS)
        yield lines(_change(row, token) for row in page.rows)
        before = page.before
        if before is None:
            return


def _transfer(movement: Movement, raw: bytes) -> tuple[object, ...]:
    token = movement.token
    return (
        _iso(movement.at),
        movement.block_number,
        hash_text(movement.tx_hash),
        movement.direction_of(raw),
        address_text(movement.sender),
        "" if movement.recipient is None else address_text(movement.recipient),
        "" if token.is_native else address_text(bytes(token.contract)),
        token.symbol,
        in_units(movement.value, token.decimals),
        movement.value,
        movement.ok,
    )


def _change(row: Change, token: Token) -> tuple[object, ...]:
    return (
        _iso(row.at),
        row.block_number,
        hash_text(row.block_hash),
        token.symbol,
        in_units(row.value, token.decimals),
        row.value,
        row.delta,
        row.known_to,
        row.source,
        row.kind,
    )


def _iso(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
