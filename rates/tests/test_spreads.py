"""Setting a spread: versions, clamps, refusals, schedules."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, InternalError, transaction
from django.utils import timezone

from foundation.errors import Forbidden, InvalidInput, PreconditionFailed
from rates.models import SpreadRule
from rates.services import spread_table, spreads
from rates.services.spread_check import Change, SpreadRefused
from rates.tests.desk import make_house_default, make_operator, make_pair, put_market

pytestmark = pytest.mark.django_db

D = Decimal


@pytest.fixture
def pair():
    return make_pair()


@pytest.fixture
def operator():
    return make_operator()


@pytest.fixture
def edit(pair, operator):
    """Set a spread in basis points, 50 a side unless told otherwise."""

    def edit(**given):
        wanted = {"pair": pair, "unit": "bps", "buy": D(50), "sell": D(-50), "reason": "a reason"}
        return spreads.set_spread(**wanted | {"by": operator, "origin": "admin"} | given)

    return edit


def rules(pair_code="BTC_USD"):
    return spread_table.resolve()["pairs"][pair_code]["rules"]


def test_the_first_version_is_active_at_once(edit):
    rule = edit()
    assert (rule.status, rule.supersedes, rule.effective_to) == ("active", None, None)


def test_an_edit_ends_the_version_before_it_at_the_same_moment(edit):
    first, second = edit(), edit(buy=D(60))
    first.refresh_from_db()
    assert (first.status, first.effective_to) == ("superseded", second.effective_from)
    assert second.supersedes == first
    assert second.version > first.version


def test_the_clamp_is_kept_when_it_is_left_out(edit):
    edit(min_bps=D(10), max_bps=D(80))
    assert edit(buy=D(70)).max_bps == 80


def test_a_pair_without_its_own_version_takes_the_clamp_of_the_house_default(edit):
    make_house_default(max_bps=D(55))
    with pytest.raises(SpreadRefused, match="outside the allowed 0 to 55 basis points"):
        edit(buy=D(56))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("buy", D("NaN")),
        ("buy", D("sNaN")),
        ("sell", D("-Infinity")),
        ("buy", D("1e999")),
        ("buy", D("1e999999999")),
        ("sell", D("-50.00001")),
        ("buy", D("501")),
        ("sell", D("1")),
        ("max_bps", D("10000")),
        ("min_bps", D("501")),
        ("min_bps", D("0.00001")),
        ("unit", "percent"),
    ],
)
def test_a_bad_number_is_refused_by_name_and_nothing_is_stored(edit, field, value):
    with pytest.raises(SpreadRefused) as refused:
        edit(**{field: value})
    assert field in refused.value.fields
    assert not SpreadRule.objects.exists()


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "nul \x00", "half \ud800"])
def test_a_reason_that_says_nothing_or_cannot_be_stored_is_refused(edit, reason):
    with pytest.raises(InvalidInput) as refused:
        edit(reason=reason)
    assert "reason" in refused.value.fields


def test_an_amount_has_no_more_digits_than_the_tick(edit):
    put_market("BTC_USD", "84359.80", "84359.90")
    with pytest.raises(SpreadRefused, match="At most 1 digits after the point"):
        edit(unit="absolute", buy=D("0.25"), sell=D("-0.2"))
    assert edit(unit="absolute", buy=D("0.30"), sell=D("-0.2")).buy == D("0.3")


def test_an_amount_is_held_to_the_clamp_at_the_last_price(edit):
    put_market("BTC_USD", "84359.80", "84359.90")
    with pytest.raises(SpreadRefused, match=r"outside the allowed 0 to 4217\.9 USD"):
        edit(unit="absolute", buy=D("4218"), sell=D("-1"))


def test_crossing_offsets_are_refused_with_the_numbers_that_cross(edit):
    put_market("BTC_USD", "100.0", "100.0")
    with pytest.raises(SpreadRefused, match=r"buying at 99\.5, selling at 99\.7") as refused:
        edit(buy=D(-50), sell=D(-30), min_bps=D(-100))
    assert set(refused.value.fields) == {"buy", "sell"}


def test_crossing_offsets_are_refused_without_a_market_too(edit):
    with pytest.raises(SpreadRefused, match="lies below the sell offset"):
        edit(buy=D(-50), sell=D(-30), min_bps=D(-100))


def test_a_price_of_nothing_is_refused(edit):
    put_market("BTC_USD", "0.1", "0.1")
    with pytest.raises(SpreadRefused, match="would sell at"):
        edit(sell=D(-5000), max_bps=D(9000))


def test_an_inward_offset_needs_its_own_permission(edit):
    with pytest.raises(Forbidden, match="in the customer's favour"):
        edit(buy=D(-1), sell=D(-5), min_bps=D(-10))
    boss = make_operator("boss", "allow_negative_spread")
    assert edit(buy=D(-1), sell=D(-5), min_bps=D(-10), by=boss).buy == -1


def test_nobody_without_the_right_changes_a_spread(edit):
    with pytest.raises(Forbidden):
        edit(by=make_operator("guest", edit=False))


def test_the_house_default_is_in_basis_points(edit):
    with pytest.raises(SpreadRefused, match="house default is in basis points"):
        edit(pair=None, unit="absolute")


def test_who_comes_second_is_told_who_was_first(edit):
    seen = edit().version
    newer = edit(buy=D(60), expected_version=seen, reason="Fed day")
    with pytest.raises(PreconditionFailed, match=rf"version {newer.version}, set by operator.*Fed"):
        edit(buy=D(70), expected_version=seen)


def test_a_pair_that_inherits_is_compared_with_the_house_default(edit):
    house = make_house_default()
    assert edit(expected_version=house.version).version > house.version
    with pytest.raises(PreconditionFailed):
        edit(expected_version=house.version)


def test_a_schedule_leaves_the_present_version_in_force_until_then(edit):
    now_holds, start = edit(), timezone.now() + timedelta(hours=1)
    later = edit(buy=D(60), effective_from=start)
    now_holds.refresh_from_db()
    assert (now_holds.status, now_holds.effective_to) == ("active", start)
    assert [rule["version"] for rule in rules()] == [now_holds.version, later.version]
    assert rules()[0]["to"] == rules()[1]["from"]


def test_an_immediate_edit_cancels_what_was_scheduled(edit):
    edit()
    later = edit(buy=D(60), effective_from=timezone.now() + timedelta(hours=1))
    newest = edit(buy=D(70))
    later.refresh_from_db()
    assert later.status == "superseded"
    assert [rule["version"] for rule in rules()] == [newest.version]


def test_schedules_follow_each_other_and_an_earlier_one_replaces_a_later(edit):
    start = timezone.now() + timedelta(hours=1)
    present, first = edit(), edit(effective_from=start)
    second = edit(effective_from=start + timedelta(hours=1))
    assert [r["version"] for r in rules()] == [present.version, first.version, second.version]
    between = edit(effective_from=start + timedelta(minutes=30))
    assert [r["version"] for r in rules()] == [present.version, first.version, between.version]


@pytest.mark.parametrize("shift", [timedelta(seconds=-1), timedelta(days=400)])
def test_a_start_in_the_past_or_years_ahead_is_refused(edit, shift):
    with pytest.raises(SpreadRefused) as refused:
        edit(effective_from=timezone.now() + shift)
    assert "effective_from" in refused.value.fields


def test_a_revert_copies_the_old_values_into_a_new_version(edit, operator):
    first = edit(buy=D(40), max_bps=D(300))
    edit(buy=D(60), max_bps=D(200))
    back = spreads.revert(rule=first, reason="too wide", by=operator)
    assert (back.buy, back.max_bps, back.origin) == (D(40), D(300), "revert")
    assert SpreadRule.objects.count() == 3


def test_a_bulk_change_is_all_or_nothing(pair, operator):
    other = make_pair("ETH_USD")
    changes = [Change(pair, "bps", D(10), D(-10)), Change(other, "bps", D(900), D(-10))]
    with pytest.raises(InvalidInput) as refused:
        spreads.set_spreads_bulk(changes, reason="a reason", by=operator)
    assert set(refused.value.fields) == {"ETH_USD"}
    assert not SpreadRule.objects.exists()


def test_a_bulk_change_stores_one_version_a_pair_with_one_reason(pair, operator):
    changes = [Change(p, "bps", D(10), D(-10)) for p in (pair, make_pair("ETH_USD"))]
    made = spreads.set_spreads_bulk(changes, reason="weekend", by=operator)
    assert {(rule.origin, rule.reason) for rule in made} == {("bulk", "weekend")}


def test_a_bulk_change_that_names_a_pair_twice_is_refused(pair, operator):
    with pytest.raises(InvalidInput, match="twice"):
        spreads.set_spreads_bulk(
            [Change(pair, "bps", D(10), D(-10))] * 2, reason="a reason", by=operator
        )


@pytest.mark.parametrize("column", ["buy", "reason", "created_at", "version", "unit"])
def test_the_database_refuses_to_rewrite_history(edit, column):
    rule = edit()
    value = timezone.now() if column == "created_at" else "9"
    with pytest.raises((InternalError, IntegrityError), match="never change"), transaction.atomic():
        SpreadRule.objects.filter(pk=rule.pk).update(**{column: value})


def test_the_database_refuses_to_delete_history(edit):
    rule = edit()
    with pytest.raises((InternalError, IntegrityError), match="never deleted"):
        SpreadRule.objects.filter(pk=rule.pk).delete()


def test_a_version_that_ended_never_comes_back(edit):
    first = edit()
    edit()
    with pytest.raises((InternalError, IntegrityError), match="never change"):
        SpreadRule.objects.filter(pk=first.pk).update(status="active")


def test_the_market_of_a_broken_message_is_no_market(edit):
    from foundation import valkey

    valkey.client().hset("rates:raw", "BTC_USD", json.dumps({"bid": "x"}))
    assert edit(unit="absolute", buy=D(1), sell=D(-1)).unit == "absolute"
