"""The books outlive who wrote them."""

import pytest

from accounts.models import User
from accounts.services import deletion
from rates.models import SpreadRule
from rates.tests.desk import make_house_default, make_operator

pytestmark = pytest.mark.django_db


def test_a_spread_keeps_pointing_at_one_and_the_same_nobody():
    operator = make_operator("olga")
    rule = make_house_default(by=operator, reason="wider at night")
    assert deletion.close(operator) is deletion.Outcome.ANONYMISED
    nobody = SpreadRule.objects.get(pk=rule.pk).created_by
    assert nobody is not None
    assert nobody.username == f"deleted-{nobody.pk}"
    assert not nobody.is_active
    assert not nobody.user_permissions.exists()


def test_an_operator_who_never_changed_a_price_is_deleted():
    operator = make_operator("olga")
    assert deletion.close(operator) is deletion.Outcome.DELETED
    assert not User.objects.exists()
