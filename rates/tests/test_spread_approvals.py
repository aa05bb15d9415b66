"""Four eyes: what waits, who decides, what has changed meanwhile."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from foundation.errors import Conflict, Forbidden, InvalidInput
from rates.checks import check_spread_settings
from rates.services import approvals, spread_table, spreads
from rates.services.spread_check import SpreadRefused
from rates.tests.desk import make_house_default, make_operator, make_pair, put_market

pytestmark = pytest.mark.django_db

D = Decimal


@pytest.fixture
def pair():
    return make_pair()


@pytest.fixture
def author():
    return make_operator("author")


@pytest.fixture
def second():
    return make_operator("second", "approve_spreads")


@pytest.fixture
def edit(pair, author):
    def edit(buy, sell=None, **given):
        values = {"pair": pair, "unit": "bps", "reason": "x", "by": author, "origin": "admin"}
        sell = -D(buy) if sell is None else D(sell)
        return spreads.set_spread(**values | {"buy": D(buy), "sell": sell} | given)

    return edit


@pytest.fixture
def four_eyes(edit, settings):
    """A pair at 100 basis points a side, after which everything narrower needs two people."""
    first = edit(100)
    settings.RATES_FOUR_EYES = "always"
    return first


def in_force(code="BTC_USD"):
    return spread_table.resolve()["pairs"][code]["rules"][-1]["version"]


def test_a_narrower_spread_waits_and_changes_nothing_yet(edit, four_eyes):
    before = spread_table.resolve()
    assert edit(50).status == "pending"
    assert spread_table.resolve() == before


def test_approval_by_another_brings_it_into_force_under_a_new_table_version(
    edit, four_eyes, second
):
    waiting, before = edit(50), spread_table.resolve()["version"]
    approved = approvals.approve(rule=waiting, by=second)
    assert (approved.status, approved.approved_by) == ("active", second)
    assert in_force() == waiting.version
    assert spread_table.resolve()["version"] == approved.approval_version > before
    four_eyes.refresh_from_db()
    assert (four_eyes.status, four_eyes.effective_to) == ("superseded", approved.effective_from)


def test_the_author_cannot_approve(edit, four_eyes, author):
    waiting = edit(50)
    make_operator("other", "approve_spreads")
    author.user_permissions.set(make_operator("third", "approve_spreads").user_permissions.all())
    author = type(author).objects.get(pk=author.pk)
    with pytest.raises(Forbidden, match="Somebody else"):
        approvals.approve(rule=waiting, by=author)


def test_approval_needs_its_own_right(edit, four_eyes):
    with pytest.raises(Forbidden):
        approvals.approve(rule=edit(50), by=make_operator("clerk"))


def test_what_another_version_has_overtaken_is_not_approved(edit, four_eyes, second):
    waiting, wider = edit(50), edit(120)
    assert wider.status == "active"
    with pytest.raises(Conflict, match=f"Version {wider.version} by author came first"):
        approvals.approve(rule=waiting, by=second)


def test_a_decision_is_made_once(edit, four_eyes, second):
    waiting = edit(50)
    approvals.reject(rule=waiting, by=second, reason="no")
    with pytest.raises(Conflict, match="rejected already"):
        approvals.approve(rule=waiting, by=second)


def test_the_author_may_withdraw(edit, four_eyes, author):
    rule = approvals.reject(rule=edit(50), by=author, reason="a slip")
    assert (rule.status, rule.rejected_by, rule.rejection) == ("rejected", author, "a slip")


def test_a_rejection_needs_a_reason_and_a_right(edit, four_eyes, second):
    waiting = edit(50)
    with pytest.raises(InvalidInput):
        approvals.reject(rule=waiting, by=second, reason="")
    with pytest.raises(Forbidden):
        approvals.reject(rule=waiting, by=make_operator("clerk"), reason="no")


def test_it_is_checked_again_at_the_market_of_the_approval(edit, four_eyes, second):
    put_market("BTC_USD", "1000.0", "1000.0")
    waiting = edit(40, -40, unit="absolute")
    put_market("BTC_USD", "500.0", "500.0")
    with pytest.raises(SpreadRefused, match="outside the allowed"):
        approvals.approve(rule=waiting, by=second)


def test_a_scheduled_change_keeps_its_moment(edit, four_eyes, second):
    start = timezone.now() + timedelta(hours=2)
    approved = approvals.approve(rule=edit(50, effective_from=start), by=second)
    assert approved.effective_from == start
    four_eyes.refresh_from_db()
    assert (four_eyes.status, four_eyes.effective_to) == ("active", start)


def test_an_inward_offset_needs_the_right_of_both(edit, four_eyes, second):
    author = make_operator("bold", "allow_negative_spread")
    waiting = edit(-1, -5, min_bps=D(-10), by=author)
    with pytest.raises(Forbidden, match="in the customer's favour"):
        approvals.approve(rule=waiting, by=second)


@pytest.mark.parametrize(
    ("sides", "given", "status"),
    [
        ((101, -100), {}, "active"),  # wider on one side
        ((100, -100), {}, "active"),  # the same: below every threshold
        ((60, -60), {}, "active"),  # narrower by 40
        ((49, -100), {}, "pending"),  # narrower by 51 on one side
        ((100, -100), {"max_bps": D(400)}, "pending"),  # other limits
        ((150, -150), {"max_bps": D(600)}, "pending"),  # wider, but with other limits
        ((160, -90), {}, "pending"),  # wider by 60 on one side, narrower on the other
    ],
)
def test_over_the_threshold_a_second_person_is_needed(edit, settings, sides, given, status):
    edit(100)
    settings.RATES_FOUR_EYES = "over_threshold"
    assert edit(*sides, **given).status == status


def test_the_house_default_needs_two_unless_it_widens(settings, author):
    make_house_default()
    settings.RATES_FOUR_EYES = "over_threshold"
    assert make_house_default(by=author, buy=D(49)).status == "pending"
    assert make_house_default(by=author, buy=D(51)).status == "active"


def test_a_change_of_unit_that_nobody_can_measure_needs_two(edit, settings):
    edit(100)
    settings.RATES_FOUR_EYES = "over_threshold"
    assert edit(1, unit="absolute").status == "pending"


def test_a_waiting_change_is_no_version_to_go_back_to(edit, four_eyes, author):
    with pytest.raises(InvalidInput, match="never held"):
        spreads.revert(rule=edit(50), reason="x", by=author)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("RATES_FOUR_EYES", "sometimes", ["rates.E001"]),
        ("RATES_WARN_CHANGE_BPS", -1, ["rates.E002"]),
        ("RATES_FOUR_EYES", "over_threshold", []),
    ],
)
def test_bad_settings_are_found_at_start(settings, name, value, found):
    setattr(settings, name, value)
    assert [problem.id for problem in check_spread_settings(None)] == found
