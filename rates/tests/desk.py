"""What tests of the desk need: pairs, people, a market."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Permission
from django.utils import timezone

from accounts.models import User
from foundation import valkey
from rates.models import Pair, PriceTier, SpreadRule
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


def put_market(code: str, bid: str, ask: str) -> None:
    """What the feed leaves in Valkey after a tick."""
    facts = {"bid": bid, "ask": ask, "received_at": timezone.now().isoformat(), "state": "live"}
    valkey.client().hset("rates:raw", code, json.dumps(facts))


def newest(pair: Pair) -> SpreadRule:
    """The pair's newest decision, which must exist."""
    rule = spreads.standing(pair)
    assert rule is not None
    return rule
