"""What tests of the desk need: pairs, people, a market."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Permission
from django.db import connection
from django.utils import timezone

from accounts.models import User
from foundation import valkey
from rates.models import Candle1m, Pair, PriceTier, SpreadRule
from rates.services import spreads


def make_pair(code: str = "BTC_USD", **given: Any) -> Pair:
    """A pair with a tick of 0.1; the tier that a flushed database has lost comes with it."""
    PriceTier.objects.get_or_create(code="public", defaults={"name": "Public", "is_default": True})
    base, quote = code.split("_")
    facts = {
        "base": base,
        "quote": quote,
        "ws_symbol": f"{base}/{quote}",
        "tick_size": Decimal("0.1"),
        "price_decimals": 1,
    }
    return Pair.objects.create(code=code, **facts | given)


def make_operator(username: str = "operator", *rights: str, edit: bool = True) -> User:
    """Staff who may edit spreads, and what ``rights`` names on top."""
    user = User.objects.create_user(username, password="x", is_staff=True)
    wanted = [*rights, *(["edit_spreads", "view_spreadrule", "view_pair"] if edit else [])]
    user.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    return user


def make_house_default(**given: Any) -> SpreadRule:
    values: dict[str, Any] = {
        "buy": Decimal(50),
        "sell": Decimal(-50),
        "reason": "first set-up",
        "by": None,
    }
    PriceTier.objects.get_or_create(code="public", defaults={"name": "Public", "is_default": True})
    return spreads.set_spread(pair=None, unit="bps", origin="seed", **values | given)


def put_candles(pair: Pair, *mids: Decimal | int | str, step: timedelta) -> None:
    """Candles of one price each, ``step`` apart, the last of them in the running minute."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS rates_candle1m_rest PARTITION OF rates_candle1m DEFAULT"
        )
    newest = timezone.now().replace(second=0, microsecond=0)
    rows = []
    for back, mid in enumerate(reversed(mids)):
        sides = {f"{side}_{part}": Decimal(mid) for side in ("bid", "ask") for part in "ohlc"}
        at = newest - back * step
        rows.append(Candle1m(pair=pair, bucket=at, ticks=1, spread_version=1, **sides))
    Candle1m.objects.bulk_create(rows)


def put_market(code: str, bid: str, ask: str) -> None:
    """What the feed leaves in Valkey after a tick."""
    facts = {"bid": bid, "ask": ask, "received_at": timezone.now().isoformat(), "state": "live"}
    valkey.client().hset("rates:raw", code, json.dumps(facts))


def newest(pair: Pair) -> SpreadRule:
    """The pair's newest decision, which must exist."""
    rule = spreads.standing(pair)
    assert rule is not None
    return rule
