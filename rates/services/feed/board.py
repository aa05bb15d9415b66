"""Every pair's market, spread and state in one place. Pure: time and events come from outside."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rates.constants import HALTED, LIVE, STALE, SUSPECT, UNSUPPORTED
from rates.feeds.source import (
    ConnectionChanged,
    SourceEvent,
    SymbolAccepted,
    SymbolRefused,
    Tick,
    VenueStatus,
)
from rates.services.feed.market import Market
from rates.services.feed.table import QuotedPair, Table
from rates.services.quoting import Quote, Spread, Unquotable, quote

ONLINE = "online"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be published of a pair now. ``quote`` stays for display when it is withdrawn."""

    state: str
    reason: str | None
    quote: Quote | None
    spread: Spread | None


class Board:
    """Feed events and tables in, learn which pairs changed, ask for their verdicts."""

    def __init__(self) -> None:
        self.table = Table.empty()
        self.markets: dict[str, Market] = {}
        self.connected = False
        self.connection_reason = "connecting"
        self.venue = ONLINE
        self._by_symbol: dict[str, str] = {}
        self._last_states: dict[str, tuple[str, str | None]] = {}

    # --- What changes it; each returns the codes of the pairs to publish again --------------

    def load(self, table: Table) -> set[str]:
        """Take over newer decisions. Every pair counts as changed; an older table is ignored."""
        if table.version < self.table.version:
            return set()
        self.table = table
        self._by_symbol = {pair.symbol: pair.code for pair in table.pairs.values()}
        self.markets = {code: self.markets.get(code, Market()) for code in table.pairs}
        return set(table.pairs)

    def forget_version(self) -> None:
        """Let any table follow: numbers were given anew, so this one's says nothing any more."""
        self.table = replace(self.table, version=-1)

    def apply(self, event: SourceEvent) -> set[str]:
        match event:
            case Tick():
                return self._take(event)
            case ConnectionChanged():
                self.connected, self.connection_reason = event.live, event.reason
                return set(self.table.pairs)
            case VenueStatus():
                changed = event.system != self.venue
                self.venue = event.system
                return set(self.table.pairs) if changed else set()
            case SymbolRefused():
                return self._refuse(event.symbol, event.message)
            case SymbolAccepted():
                return self._refuse(event.symbol, None)

    def aged(self, now: float, wall_ms: int) -> set[str]:
        """Pairs whose state changed by the mere passing of time."""
        return {
            code
            for code in self.table.pairs
            if self._last_states.get(code) != self._state(code, now, wall_ms)
        }

    # --- What may be asked of it --------------------------------------------------------------

    @property
    def source_state(self) -> tuple[str, str | None]:
        """The state of the exchange as a whole, and the reason when it is not live."""
        if not self.connected:
            return STALE, self.connection_reason
        if self.venue != ONLINE:
            return STALE, f"venue_{self.venue}"
        return LIVE, None

    @property
    def symbols(self) -> list[str]:
        return list(self._by_symbol)

    def code(self, symbol: str) -> str | None:
        return self._by_symbol.get(symbol)

    def quiet(self, now: float) -> list[QuotedPair]:
        """Pairs that have said nothing for too long on a connection that lives."""
        if self.source_state[0] != LIVE:
            return []
        return [
            pair
            for pair in self.table.pairs.values()
            if (market := self.markets[pair.code]).tick and now - market.seen > pair.max_age_quiet
        ]

    def verdict(self, code: str, now: float, wall_ms: int) -> Verdict:
        """Judge a pair at ``now`` (monotonic seconds) and ``wall_ms`` (milliseconds since 1970)."""
        spread = self.table.pairs[code].spread(wall_ms)
        state, reason = self._last_states[code] = self._state(code, now, wall_ms)
        try:
            priced = self._quote(code, spread)
        except Unquotable:
            priced = None
        return Verdict(state, reason, priced, spread)

    # --- How it decides -----------------------------------------------------------------------

    def _state(self, code: str, now: float, wall_ms: int) -> tuple[str, str | None]:
        pair, market = self.table.pairs[code], self.markets[code]
        if market.refused is not None:
            return UNSUPPORTED, market.refused
        if pair.halted is not None:
            return HALTED, pair.halted
        if self.source_state[0] != LIVE:
            return self.source_state
        if market.tick is None:
            return (SUSPECT, market.doubt) if market.doubt else (STALE, "no_data")
        if now - market.seen > pair.max_age_quiet:
            return STALE, "quiet"
        if market.doubt is not None:
            return SUSPECT, market.doubt
        return self._quotable(code, pair.spread(wall_ms))

    def _quotable(self, code: str, spread: Spread | None) -> tuple[str, str | None]:
        if spread is None:
            return HALTED, "no_spread"
        try:
            self._quote(code, spread)
        except Unquotable as problem:
            return SUSPECT, problem.reason
        return LIVE, None

    def _quote(self, code: str, spread: Spread | None) -> Quote | None:
        tick = self.markets[code].tick
        if tick is None or spread is None:
            return None
        return quote(bid=tick.bid, ask=tick.ask, spread=spread, tick=self.table.pairs[code].tick)

    def _take(self, tick: Tick) -> set[str]:
        code = self._by_symbol.get(tick.symbol)
        if code is None:
            return set()
        changed = self.markets[code].take(tick, self.table.pairs[code].max_jump_bps)
        return {code} if changed else set()

    def _refuse(self, symbol: str, message: str | None) -> set[str]:
        code = self._by_symbol.get(symbol)
        if code is None or self.markets[code].refused == message:
            return set()
        self.markets[code].refused = message
        return {code}
