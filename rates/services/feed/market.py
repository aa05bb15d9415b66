"""What the exchange last said of one pair, and whether to believe it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from rates.constants import BPS
from rates.feeds.source import Tick
from rates.services.quoting import EXACT, market_defect

# A price that jumped is believed when this many ticks in a row agree on it.
AGREEING_TICKS = 3
# After this long without a believed price any sound price is news, not a jump (seconds).
MEMORY = 60.0


@dataclass(slots=True)
class Market:
    """The believed price of one pair. ``tick`` never holds a price that was judged unsound."""

    tick: Tick | None = None
    seen: float = 0.0  # monotonic seconds of the last sign that the price holds
    doubt: str | None = None
    refused: str | None = None
    _held: list[Tick] = field(default_factory=list)

    def take(self, tick: Tick, max_jump_bps: Decimal) -> bool:
        """Judge ``tick``; return whether anything that is published changed.

        An unsound price, or one too far from the last, leaves the believed price alone and sets
        ``doubt``. The same bid and ask again only refreshes the age.
        """
        self.refused = None
        before = self.tick, self.doubt
        defect = market_defect(tick.bid, tick.ask)
        if defect is not None:
            self.doubt = defect
            return before != (self.tick, self.doubt)
        if self._jumped(tick, max_jump_bps) and not self._agreed(tick, max_jump_bps):
            self.doubt = "jump"
            return before[1] != "jump"
        self._held.clear()
        self.doubt = None
        self.seen = tick.received
        same_price = before[0] is not None and (before[0].bid, before[0].ask) == (
            tick.bid,
            tick.ask,
        )
        self.tick = tick
        return not same_price or before[1] is not None

    def confirm(self, at: float) -> None:
        """Another source says that the believed price still holds."""
        self.seen = at

    def _jumped(self, tick: Tick, max_jump_bps: Decimal) -> bool:
        if self.tick is None or tick.received - self.seen > MEMORY:
            return False
        return jump_bps(self.tick, tick) > max_jump_bps

    def _agreed(self, tick: Tick, max_jump_bps: Decimal) -> bool:
        if self._held and jump_bps(self._held[0], tick) > max_jump_bps:
            self._held.clear()
        self._held.append(tick)
        return len(self._held) >= AGREEING_TICKS


def jump_bps(old: Tick, new: Tick) -> Decimal:
    """The change of the mid price in basis points of the old one, without its sign."""
    before, after = old.bid + old.ask, new.bid + new.ask
    return EXACT.divide(abs(after - before) * BPS, before)
