"""First contents of a demo desk. Running it again adds what is missing and changes nothing else."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import roles
from accounts.services.roles import Role
from balances.models import Chain, Watch
from balances.services import rollback, watches
from balances.sources import sync_chains
from demo import chain_genesis, chain_node, history
from demo.home import Home, write_private
from demo.simulators.pairs import PAIRS, SimulatedPair
from rates.models import Pair, SpreadRule
from rates.services import spreads, versions

USERNAMES = ("operator", "customer")
# What the customer calls the accounts that it watches: the first ones of the local chain.
WATCHED = ("Savings", "Everyday", "Trading")

HOUSE_BPS = 50
# What differs from the house default: the offset of each side, in basis points or the currency.
PAIR_SPREADS = {
    "BTC_USD": (SpreadRule.Unit.BPS, "35", "-35"),
    "ETH_USD": (SpreadRule.Unit.BPS, "40", "-45"),
    "USDT_USD": (SpreadRule.Unit.ABSOLUTE, "0.0012", "-0.0015"),
    "XMR_USD": (SpreadRule.Unit.BPS, "120", "-120"),
}


@transaction.atomic
def seed(home: Home) -> dict[str, str]:
    """Create pairs, spreads and users where missing. Returns username -> password of the users."""
    credentials = passwords(home)
    add_users(credentials)
    add_pairs()
    add_spreads()
    add_chains(home)
    if settings.SIMULATED:
        history.add_history(timezone.now())
    return credentials


def passwords(home: Home) -> dict[str, str]:
    """Username -> password, drawn once and kept beside the data."""
    known: dict[str, str] = home.read_json(home.credentials_file)
    drawn = {name: known.get(name) or secrets.token_urlsafe(12) for name in USERNAMES}
    if drawn != known:
        write_private(home.credentials_file, json.dumps(drawn, indent=2))
    return drawn


def add_users(credentials: dict[str, str]) -> None:
    for username, password in credentials.items():
        user = User.objects.filter(username=username).first()
        if user is None:
            user = User.objects.create_user(username, password=password)
            if username == "operator":
                user.is_staff = True
                user.save(update_fields=["is_staff"])
                roles.join(user, Role.OPERATOR)
        if not user.emailaddress_set.exists():
            # Nobody signs in without a confirmed address, and a demo sends no mail.
            user.emailaddress_set.create(
                email=f"{username}@demo.invalid", verified=True, primary=True
            )


def add_pairs() -> None:
    known = set(Pair.objects.values_list("ws_symbol", flat=True))
    for position, simulated in enumerate(PAIRS, start=1):
        if simulated.symbol not in known:
            pair_of(simulated, position=position * 10).save()


def pair_of(simulated: SimulatedPair, *, position: int) -> Pair:
    return Pair(
        code=f"{simulated.base}_{simulated.quote}",
        base=simulated.base,
        quote=simulated.quote,
        ws_symbol=simulated.symbol,
        rest_key=simulated.rest_key,
        tick_size=simulated.tick,
        price_decimals=simulated.decimals,
        position=position,
        revision=versions.draw(),
    )


def add_spreads() -> None:
    """Give the house a default and some pairs their own, where nobody has decided yet."""
    if not SpreadRule.objects.filter(pair=None).exists():
        _set(None, SpreadRule.Unit.BPS, str(HOUSE_BPS), str(-HOUSE_BPS))
    for pair in Pair.objects.filter(code__in=PAIR_SPREADS, spread_rules=None):
        _set(pair, *PAIR_SPREADS[pair.code])


def add_chains(home: Home) -> None:
    """The configured chains; the customer watches the demo wallet's accounts on the local one.

    What is known of an earlier local chain goes: it was begun anew.
    """
    facts = chain_genesis.facts(home.chain)
    sync_chains([_with_tokens(entry, facts) for entry in settings.CHAINS])
    local = Chain.objects.filter(pk=chain_node.CHAIN_ID).first()
    if local is None or not facts:
        return
    if local.genesis_hash and f"0x{bytes(local.genesis_hash).hex()}" != facts["genesis"]:
        rollback.forget(local.pk)
    customer = User.objects.get(username="customer")
    if Watch.objects.filter(owner=customer).exists():
        return
    for label, account in zip(WATCHED, facts["accounts"], strict=False):
        watches.add(customer, account, label=label, group="Demo wallet")


def _with_tokens(entry: Mapping[str, Any], facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The local chain's tokens stand in for the real ones of their symbols."""
    if entry["id"] != chain_node.CHAIN_ID or not facts:
        return entry
    return {**entry, "tokens": {contract: name for name, contract in facts["tokens"].items()}}


def _set(pair: Pair | None, unit: str, buy: str, sell: str) -> None:
    spreads.set_spread(
        pair=pair,
        unit=unit,
        buy=Decimal(buy),
        sell=Decimal(sell),
        reason="First set-up of the demo",
        by=None,
        origin=SpreadRule.Origin.SEED,
    )
