from __future__ import annotations

import pytest
from django.db import IntegrityError
from django.db.models import Sum
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from balances.constants import MAX_UINT256
from balances.models import Address, Balance, Chain, Token


class Amounts(TestCase):
    def setUp(self):
        chain = Chain.objects.create(id=31337, name="Local")
        self.token = Token.objects.create(chain=chain, contract=b"")

    @given(st.integers(0, MAX_UINT256))
    def test_every_amount_of_the_evm_is_kept_to_the_last_digit(self, value):
        address, _ = Address.objects.get_or_create(raw=bytes(20))
        Balance.objects.update_or_create(
            address=address, token=self.token, defaults={"value": value}
        )
        kept = Balance.objects.get().value
        assert (kept, type(kept)) == (value, int)


@pytest.fixture
def token(db):
    chain = Chain.objects.create(id=31337, name="Local")
    return Token.objects.create(chain=chain, contract=b"")


def test_the_largest_amounts_are_found_and_added_up(token):
    for number in range(3):
        address = Address.objects.create(raw=bytes([number]) * 20)
        Balance.objects.create(address=address, token=token, value=MAX_UINT256)
    assert Balance.objects.filter(value=MAX_UINT256).count() == 3
    assert int(Balance.objects.aggregate(all=Sum("value"))["all"]) == 3 * MAX_UINT256


def test_no_balance_is_negative(token):
    address = Address.objects.create(raw=bytes(20))
    with pytest.raises(IntegrityError):
        Balance.objects.create(address=address, token=token, value=-1)


@pytest.mark.parametrize("length", [0, 19])
def test_an_address_has_twenty_bytes(db, length):
    with pytest.raises(IntegrityError):
        Address.objects.create(raw=bytes(length))
