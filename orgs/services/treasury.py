"""Addresses that an organisation names as its own, and what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from django.db import transaction

from accounts.constants import EventKind
from accounts.models import User
from balances.models import Address
from balances.services import addresses, history, lookup, valuation
from balances.services.amounts import EXACT, address_text
from balances.services.holdings import Holding
from foundation.errors import Conflict, InvalidInput, NotFound
from orgs.models import Organisation, TreasuryAddress
from orgs.services import acts
from orgs.services.rights import Act, require

MAX_ADDRESSES: Final = 100
MAX_LABEL: Final = 60


@dataclass(frozen=True, slots=True)
class Worth:
    """Dollars to the cent; ``None`` while nothing is known, and zero only where that is known.

    Not ``complete``: something is held that has no price or could not be read.
    """

    usd: Decimal | None = None
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """An address of the treasury; ``worth`` is ``None`` for whom it is not to see."""

    row: TreasuryAddress
    worth: Worth | None = None

    @property
    def address(self) -> str:
        return address_text(bytes(self.row.raw))


@transaction.atomic
def add(*, org: Organisation, by: User, address: str, label: str = "") -> TreasuryAddress:
    """Name an address as the organisation's; it is followed from now on.

    Raises ``Forbidden``, ``InvalidInput``, ``Conflict`` for one that is there or too many, and
    ``RateLimited`` for too many in a day that nobody here followed.
    """
    require(by, org, Act.MANAGE)
    raw, text = addresses.parse(address), _checked_label(label)
    # Of two requests at once the second waits here, and then counts the first one's address.
    Organisation.objects.select_for_update(no_key=True).get(pk=org.pk)
    if org.treasury.filter(raw=raw).exists():
        problem = "This address is there already."
        raise Conflict(problem, code="address_exists", fields={"address": [problem]})
    if org.treasury.count() >= MAX_ADDRESSES:
        raise Conflict(f"There are {MAX_ADDRESSES} addresses.", code="too_many_addresses")
    lookup.count_new(by.pk, raw)
    row = org.treasury.create(raw=raw, label=text, added_by=by)
    acts.note(org=org, by=by, kind=EventKind.ORG_TREASURY_ADDED, detail=address_text(raw))
    return row


@transaction.atomic
def remove(*, org: Organisation, by: User, address: str) -> None:
    """Raises ``Forbidden``, ``InvalidInput`` and ``NotFound``."""
    require(by, org, Act.MANAGE)
    raw = addresses.parse(address)
    deleted, _ = org.treasury.filter(raw=raw).delete()
    if not deleted:
        raise NotFound("This organisation has no such address.")
    acts.note(org=org, by=by, kind=EventKind.ORG_TREASURY_REMOVED, detail=address_text(raw))


def of(org: Organisation) -> list[Held]:
    """The addresses alone, in the order in which they were added."""
    return [Held(row) for row in org.treasury.all()]


def valued(org: Organisation) -> list[Held]:
    """The same with what each is worth now, in a number of queries that does not grow with them."""
    rows = list(org.treasury.all())
    known = {
        bytes(a.raw): a for a in Address.objects.filter(raw__in=[bytes(row.raw) for row in rows])
    }
    held = history.current_of(list(known.values())) if known else {}
    flat = [(key, holding) for key, found in held.items() for holding in found]
    priced: dict[int, list[Holding]] = {}
    for (key, _), holding in zip(flat, valuation.value([h for _, h in flat]), strict=True):
        priced.setdefault(key, []).append(holding)
    found = []
    for row in rows:
        address = known.get(bytes(row.raw))
        found.append(Held(row, _worth(priced.get(address.pk, []) if address else [])))
    return found


def total(held: Sequence[Held]) -> Worth:
    """What they are worth together, of what is known."""
    worths = [one.worth for one in held if one.worth is not None]
    known = [worth.usd for worth in worths if worth.usd is not None]
    usd = Decimal(0)
    for part in known:
        usd = EXACT.add(usd, part)
    return Worth(usd if known else None, complete=all(worth.complete for worth in worths))


def _worth(holdings: Sequence[Holding]) -> Worth:
    totals = valuation.totals(holdings)
    known = any(holding.value is not None for holding in holdings)
    # Nothing of it has a price: that is no sum of zero.
    priced = bool(totals.shares) or not totals.unpriced
    return Worth(totals.usd if known and priced else None, complete=known and totals.complete)


def _checked_label(label: str) -> str:
    text = label.strip()
    if len(text) > MAX_LABEL or not text.isprintable():
        problem = f"Use at most {MAX_LABEL} printable characters."
        raise InvalidInput(problem, fields={"label": [problem]})
    return text
