"""What templates are given: the state of a chain, sums, holdings in the order of pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone

from balances.models import Token
from balances.services import preferences, valuation
from balances.services.holdings import Holding


def milliseconds() -> int:
    """The server's clock, for the ages that pages count on from it."""
    return int(timezone.now().timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Sum:
    """A total and what it leaves out. ``usd`` is ``None`` while nothing at all is known.

    ``hidden`` are tokens that are held and left out, as spam or because their owner hid them.
    ``oldest`` is when the oldest balance in it was read, ``price_oldest`` the same of prices.
    """

    usd: Decimal | None
    unpriced: list[Token] = field(default_factory=list)
    loading: int = 0
    unknown: int = 0
    hidden: int = 0
    oldest: datetime | None = None
    price_oldest: datetime | None = None
    shares: list[valuation.Share] = field(default_factory=list)


def sum_of(holdings: Sequence[Holding], left_out: Iterable[Holding] = ()) -> Sum:
    """``holdings`` are what the user wishes to see, whatever the desk takes it for."""
    totals = valuation.totals(holdings, shows=lambda token: True)
    known = [holding for holding in holdings if holding.value is not None]
    ages = [holding.at for holding in known if holding.at is not None and holding.value]
    # Nothing of it has a price: that is no sum of zero.
    priced = bool(totals.shares) or not totals.unpriced
    return Sum(
        usd=totals.usd if known and priced else None,
        unpriced=totals.unpriced,
        loading=totals.loading,
        unknown=totals.unknown,
        hidden=len({h.token.pk for h in left_out if h.value}),
        oldest=min(ages, default=None),
        price_oldest=totals.oldest,
        shares=totals.shares,
    )


class Taste:
    """Holdings as their user wishes to see them."""

    def __init__(self, user: Any) -> None:
        self.shows = preferences.of(user)

    def shown(self, holdings: Iterable[Holding]) -> list[Holding]:
        """What is worth most first, then what is held, then coins that are not."""
        kept = [h for h in holdings if self.shows(h.token) and (h.value != 0 or h.token.is_native)]
        return sorted(kept, key=_rank)

    def hidden(self, holdings: Iterable[Holding]) -> list[Holding]:
        return [holding for holding in holdings if not self.shows(holding.token)]


def _rank(holding: Holding) -> tuple[bool, Decimal, bool, bool]:
    worth = holding.usd or Decimal(0)
    return holding.value == 0, -worth, not holding.token.is_native, holding.value is None


def cells(holdings: Iterable[Holding]) -> str:
    """``chain:token=value`` of each: what a page knows of and does not draw."""
    return " ".join(f"{h.key}={'' if h.value is None else h.value}" for h in holdings)
