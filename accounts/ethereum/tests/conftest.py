from __future__ import annotations

import pytest
from django.db import connection

from accounts.ethereum.tests.desk import KeyWallet, Visitor
from accounts.signals import wallet_linked, wallet_unlinked


@pytest.fixture
def wallet():
    return KeyWallet()


@pytest.fixture
def visitor():
    return Visitor()


@pytest.fixture
def second():
    return KeyWallet()


@pytest.fixture
def heard():
    """Both signals, as (name, address) in the order they came."""
    events = []

    def linked(address, **kwargs):
        assert not connection.in_atomic_block
        events.append(("linked", address))

    def unlinked(address, **kwargs):
        assert not connection.in_atomic_block
        events.append(("unlinked", address))

    wallet_linked.connect(linked)
    wallet_unlinked.connect(unlinked)
    yield events
    wallet_linked.disconnect(linked)
    wallet_unlinked.disconnect(unlinked)
