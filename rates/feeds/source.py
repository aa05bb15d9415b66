"""What every exchange adapter yields, and the one method the feed asks of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Tick:
    """The top of one pair's book, with every price exactly as the exchange wrote it.

    ``bid`` and ``ask`` may still be crossed, zero or absurd: judging them is the quoting service's
    work. ``received`` is the monotonic clock in seconds; ``source_time`` is the exchange's own
    clock and may be missing.
    """

    symbol: str  # the exchange's name, "BTC/USD"
    bid: Decimal
    ask: Decimal
    last: Decimal
    volume: Decimal
    low: Decimal
    high: Decimal
    change_pct: Decimal
    received: float
    received_at: datetime
    source_time: datetime | None
    snapshot: bool


@dataclass(frozen=True, slots=True)
class ConnectionChanged:
    """The exchange spoke on a new socket (``live``), or the socket was lost or could not be opened.

    ``reason`` is a short word for people and logs.
    """

    live: bool
    reason: str


@dataclass(frozen=True, slots=True)
class VenueStatus:
    """The exchange's own state: ``online``, ``cancel_only``, ``maintenance`` or ``post_only``."""

    system: str


@dataclass(frozen=True, slots=True)
class SymbolRefused:
    """The exchange does not offer this symbol; the others go on."""

    symbol: str
    message: str


@dataclass(frozen=True, slots=True)
class SymbolAccepted:
    symbol: str


SourceEvent = Tick | ConnectionChanged | VenueStatus | SymbolRefused | SymbolAccepted


class PriceSource(Protocol):
    """One exchange. Reconnects by itself for ever; ``events`` ends only when it is closed."""

    name: str

    def events(self, symbols: Sequence[str]) -> AsyncIterator[SourceEvent]:
        """Subscribe to ``symbols`` and yield what happens, in order."""
        ...

    async def resubscribe(self, symbols: Sequence[str]) -> None:
        """Change the subscription on the open socket, or remember it for the next one."""
        ...

    async def renew(self, symbols: Sequence[str]) -> None:
        """Ask for fresh snapshots of ``symbols``: they are thought to have moved unseen."""
        ...

    def counters(self) -> dict[str, int]:
        """Totals: ``frames``, ``bad_frames``, ``dials``, ``reconnects``, ``out_of_order``."""
        ...
