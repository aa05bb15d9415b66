"""What a spread does to prices: before it is saved, and on the operator's list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.models import User
from rates.constants import HALTED, STALE
from rates.models import Pair, PairHalt, SpreadRule
from rates.services import four_eyes, markets, spreads
from rates.services.markets import Market
from rates.services.quoting import EXACT, Quote, Spread, Unquotable, quote
from rates.services.spread_check import Change, to_bps

DISABLED: Final = "disabled"


@dataclass(frozen=True, slots=True)
class Sides:
    """What a customer would see at the last market price, and what the desk earns by it."""

    market: Market
    quote: Quote

    @property
    def buy_bps(self) -> Decimal:
        return to_bps("absolute", self.quote.spread_buy, self.market.ask)

    @property
    def sell_bps(self) -> Decimal:
        return to_bps("absolute", self.quote.spread_sell, self.market.bid)

    @property
    def total(self) -> Decimal:
        """Between the customer's two prices, in the quote currency."""
        return self.quote.buy - self.quote.sell

    @property
    def total_percent(self) -> Decimal:
        """The same, as a part of the middle of the market."""
        return EXACT.divide(self.total * 200, self.market.bid + self.market.ask)


@dataclass(frozen=True, slots=True)
class Preview:
    """A change that would be accepted: what it follows, what it does, and who must agree."""

    change: Change
    spread: Spread
    standing: SpreadRule | None
    before: Sides | None
    after: Sides | None
    change_bps: Decimal | None
    waits: bool

    @property
    def is_large(self) -> bool:
        """Whether the person should confirm it: also when nobody can say how large it is."""
        if self.standing is None:
            return False
        return self.change_bps is None or self.change_bps > settings.RATES_WARN_CHANGE_BPS


@dataclass(frozen=True, slots=True)
class DeskRow:
    """One pair on the operator's list."""

    rule: SpreadRule | None
    scheduled: bool
    sides: Sides | None
    market: Market | None
    state: str
    reason: str
    received_ms: int | None


def preview(change: Change, *, by: User | None) -> Preview:
    """What ``spreads.enter`` would do. Raises what it raises, and stores nothing."""
    spread, standing = spreads.dry_run(change, by=by)
    market = markets.last_market(change.pair.code) if change.pair else None
    old = as_spread(standing) if standing else None
    return Preview(
        change=change,
        spread=spread,
        standing=standing,
        before=sides(change.pair, old, market),
        after=sides(change.pair, spread, market),
        change_bps=four_eyes.change_bps(spread, standing, market),
        waits=four_eyes.needed(change, spread, standing=standing, market=market),
    )


def sides(pair: Pair | None, spread: Spread | None, market: Market | None) -> Sides | None:
    """The quote at ``market``; ``None`` where there is no pair, price, spread or sound result."""
    if pair is None or spread is None or market is None:
        return None
    try:
        made = quote(bid=market.bid, ask=market.ask, spread=spread, tick=pair.tick_size)
    except Unquotable:
        return None
    return Sides(market=market, quote=made)


def house_effects(spread: Spread) -> list[tuple[Pair, Sides | None]]:
    """What a house default does to the pairs that have no spread of their own."""
    own = SpreadRule.objects.in_force_from(at=timezone.now()).exclude(pair=None).values("pair")
    pairs = list(Pair.objects.quoted().exclude(pk__in=own))
    found = markets.last_markets([pair.code for pair in pairs])
    return [(pair, sides(pair, spread, found.get(pair.code))) for pair in pairs]


def as_spread(rule: SpreadRule) -> Spread:
    return Spread(
        unit=rule.unit,
        buy=rule.buy,
        sell=rule.sell,
        min_bps=rule.min_bps,
        max_bps=rule.max_bps,
        version=rule.version,
    )


def desk_rows(pairs: Sequence[Pair]) -> dict[int, DeskRow]:
    """Rows by the pairs' keys. ``pairs`` carry the annotations of ``PairQuerySet.with_halt``."""
    now = timezone.now()
    rules = (
        SpreadRule.objects.in_force_from(at=now).select_related("pair").order_by("effective_from")
    )
    holding = {r.pair_id: r for r in rules if r.effective_from <= now}
    coming = {r.pair_id for r in rules if r.effective_from > now}
    found = markets.last_markets([pair.code for pair in pairs])
    return {
        pair.pk: _row(
            pair,
            holding.get(pair.pk) or holding.get(None),
            scheduled=pair.pk in coming,
            market=found.get(pair.code),
        )
        for pair in pairs
    }


def _row(pair: Pair, rule: SpreadRule | None, *, scheduled: bool, market: Market | None) -> DeskRow:
    received = parse_datetime(market.received_at) if market else None
    state, reason = (market.state, "") if market else (STALE, "no price yet")
    if getattr(pair, "last_halt_action", None) == PairHalt.Action.HALT:
        state, reason = HALTED, getattr(pair, "last_halt_reason", "")
    if not pair.enabled:
        state, reason = DISABLED, ""
    return DeskRow(
        rule=rule,
        scheduled=scheduled,
        sides=sides(pair, as_spread(rule) if rule else None, market),
        market=market,
        state=state,
        reason=reason,
        received_ms=int(received.timestamp() * 1000) if received else None,
    )
