"""What is known of one asset of one address, and how well it is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from balances.models import Token
from balances.services.amounts import in_units


class State(StrEnum):
    """How well a value is known. ``LOADING``: somebody has been sent to ask."""

    EXACT = "exact"
    SAMPLED = "sampled"
    LOADING = "loading"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why a value is not known, or not exact."""

    SEEDING = "seeding"
    READING = "reading"
    REREADING = "rereading"
    LOCATING = "locating"
    NO_ARCHIVE = "no_archive"
    PRUNED = "pruned"
    BEFORE_TOKEN = "before_token"  # noqa: S105
    NOT_COVERED = "not_covered"
    CHAIN_BEHIND = "chain_behind"
    FAILED = "failed"
    BUSY = "busy"
    SAMPLED = "sampled"
    TOKEN_LIES = "bugged_events"  # noqa: S105


class NoPrice(StrEnum):
    """Why a value has no worth in dollars."""

    NO_PAIR = "no_pair"
    NO_QUOTE = "no_quote"
    NO_PRICE_THEN = "no_price_then"
    NO_DECIMALS = "no_decimals"
    NO_VALUE = "no_value"


# What the pages say for each.
WORDS: dict[str, str] = {
    Reason.SEEDING: "It is being read for the first time.",
    Reason.READING: "It is being read from the chain.",
    Reason.REREADING: "The chain took blocks back; it is being read again.",
    Reason.LOCATING: "The block of that time is being looked for.",
    Reason.NO_ARCHIVE: "No node here keeps the state of old blocks.",
    Reason.PRUNED: "The nodes here have dropped the state of that block.",
    Reason.BEFORE_TOKEN: "The token was not there yet.",
    Reason.NOT_COVERED: "Nobody followed this address then.",
    Reason.CHAIN_BEHIND: "The chain is behind here: its blocks until then have not come yet.",
    Reason.FAILED: "The node could not say.",
    Reason.BUSY: "Too many readings wait already. Ask again later.",
    Reason.SAMPLED: "Read now and then; changes in between may have been missed.",
    Reason.TOKEN_LIES: "The token's transfers do not add up to its balances.",
    NoPrice.NO_PAIR: "No price of it is known here.",
    NoPrice.NO_QUOTE: "Its price is not known at present.",
    NoPrice.NO_PRICE_THEN: "No price of that time is known.",
    NoPrice.NO_DECIMALS: "The token does not say how many decimals it has.",
    NoPrice.NO_VALUE: "The amount is not known.",
}


@dataclass(frozen=True, slots=True)
class Holding:
    """``value`` in base units, ``None`` where it is not known: then ``reason`` says why.

    It is true at ``block_number`` and ``block_hash``; ``at`` is that block's time, or for what is
    held now the time at which a node said so. ``usd_at`` is the age of the price.
    """

    token: Token
    value: int | None
    state: str
    reason: str | None = None
    source: str | None = None
    block_number: int | None = None
    block_hash: bytes | None = None
    at: datetime | None = None
    kind: str | None = None
    usd: Decimal | None = None
    usd_at: datetime | None = None
    usd_reason: str | None = None
    version: int = 0

    @property
    def key(self) -> str:
        """How pushes name it: ``1:native``, ``1:0x...`` in lower case."""
        contract = bytes(self.token.contract)
        return f"{self.token.chain_id}:{f'0x{contract.hex()}' if contract else 'native'}"

    @property
    def amount(self) -> str | None:
        """In units of the token, every digit kept; in base units where it tells no decimals."""
        return None if self.value is None else in_units(self.value, self.token.decimals)

    @property
    def words(self) -> str:
        """The reason as a sentence; empty where there is none."""
        return WORDS.get(self.reason or "", "")

    @property
    def usd_words(self) -> str:
        return WORDS.get(self.usd_reason or "", "")
