from __future__ import annotations

import pytest

from accounts.ethereum.tests.desk import KeyWallet, Visitor


@pytest.fixture
def wallet():
    return KeyWallet()


@pytest.fixture
def visitor():
    return Visitor()
