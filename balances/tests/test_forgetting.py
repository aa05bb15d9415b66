"""Addresses that are forgotten while somebody wants them, or a block moves what they hold."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.tests.people import make_user
from balances.models import Address, Balance, BalancePoint, Chain
from balances.services import bulk, keeps, lookup, upkeep, watches
from balances.tests import ledger
from balances.tests.following import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def somebody_waits():
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return cursor.fetchone()[0]


def apart(work, *given):
    """Do it on a connection of its own."""
    try:
        return work(*given)
    finally:
        connection.close()


def test_forgetting_waits_for_a_block_that_moves_what_the_address_holds():
    chain = ledger.make_chain(head=100)
    address, coin = ledger.make_address(), ledger.native(chain)
    held = ledger.hold(address, coin, 5)
    ledger.make_chain(10, enabled=False)
    with ThreadPoolExecutor(1) as threads:
        # As a block does it: the chain first, then what is held, then what it was before.
        with transaction.atomic():
            Chain.objects.select_for_update(no_key=True).get(pk=chain.pk)
            Balance.objects.filter(pk=held.pk).update(value=6)
            gone = threads.submit(apart, upkeep.prune, timezone.now())
            eventually(somebody_waits, "waiting", seconds=15)
            ledger.point(address, coin, 100, 6)
        assert gone.result() > 0
    assert not Address.objects.exists()
    assert not BalancePoint.objects.exists()


def test_many_are_forgotten_a_few_at_a_time(monkeypatch):
    ledger.make_chain(head=5)
    monkeypatch.setattr(upkeep, "FORGOTTEN_AT_ONCE", 2)
    for number in range(5):
        ledger.make_address(number)
    assert upkeep.prune(timezone.now()) == 5
    assert not Address.objects.exists()


@pytest.mark.parametrize("way", ["watch", "wallet", "file", "organisation", "page"])
def test_who_wants_an_address_that_is_being_forgotten_has_it_anew(way):
    ledger.make_chain(head=5)
    old = ledger.make_address(1)
    user = make_user()
    ways = {
        "watch": lambda: watches.add(user, ledger.raw(1)),
        "wallet": lambda: watches.prove(user.pk, ledger.text(1)),
        "file": lambda: bulk.import_watches([ledger.text(1), ledger.text(2)], owner=user),
        "organisation": lambda: keeps.keep(ledger.raw(1), "organisation:1"),
        "page": lambda: lookup.look_up(ledger.raw(1)),
    }
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            Address.objects.filter(pk=old.pk).delete()
            wanted = threads.submit(apart, ways[way])
            eventually(somebody_waits, "waiting", seconds=15)
        wanted.result()
    new = Address.objects.get(raw=ledger.raw(1))
    assert new.pk != old.pk
    assert not Address.objects.forgotten(timezone.now()).exists()
