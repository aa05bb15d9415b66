"""What CoinMarketCap says of the key's plan: read once a day, believed where it is less."""

from __future__ import annotations

import pytest

from rates.coins import tasks
from rates.coins.services import health, plans, refresh
from rates.coins.sources import coinmarketcap, download
from rates.coins.sources.listing import Kind, Plan, SourceFailed
from rates.coins.tests.market import START
from rates.models import CoinSource, CoinSourceState

pytestmark = pytest.mark.django_db


def state():
    return CoinSourceState.objects.select_related("source").get(source__name="coinmarketcap")


def left():
    return {item.name: item.credits_left for item in health.sources(START)}["coinmarketcap"]


def test_credits_that_others_spent_with_the_same_key_are_counted(upstream):
    upstream.coins(plan=[10_000, 4_000])
    assert plans.read_plans(START) == ["coinmarketcap"]
    assert (state().plan_credits, state().credits, left()) == (10_000, 4_000, 6_000)


def test_of_the_operators_grant_and_the_plan_the_smaller_one_counts(upstream):
    upstream.coins(plan=[10_000, 0])
    plans.read_plans(START)
    assert left() == 10_000
    CoinSource.objects.filter(name="coinmarketcap").update(monthly_credits=500)
    assert left() == 500
    assert refresh.allowance(state()) == 500


def test_what_is_told_gives_no_credits_back(upstream):
    CoinSourceState.objects.update(credits=700, month="2026-11")
    upstream.coins(plan=[10_000, 3])
    plans.read_plans(START)
    assert state().credits == 700


def test_a_plan_that_is_used_up_ends_the_calls_of_this_month(upstream):
    upstream.coins(plan=[10_000, 10_000])
    plans.read_plans(START)
    outcome = refresh.refresh("price", clock=lambda: START)
    assert "coinmarketcap" not in outcome.asked


@pytest.mark.parametrize("mode", ["401", "429_minute", "500", "html", "200_error"])
def test_who_does_not_tell_keeps_what_it_told_before_and_is_asked_for_coins(upstream, mode):
    plans.read_plans(START)
    before = state()
    upstream.coins(service="coinmarketcap", mode=mode)
    assert plans.read_plans(START) == []
    assert (state().plan_credits, state().next_allowed_at, state().error) == (
        before.plan_credits,
        None,
        "",
    )


def test_without_a_key_nobody_is_asked(upstream, monkeypatch):
    monkeypatch.delenv("COINMARKETCAP_API_KEY")
    before = upstream.coins()["coinmarketcap"]["calls"]
    assert tasks.read_plans() == 0
    assert upstream.coins()["coinmarketcap"]["calls"] == before


@pytest.mark.parametrize(
    ("data", "plan"),
    [
        ({}, Plan(None, None)),
        ({"plan": {"credit_limit_monthly": 10**30}, "usage": []}, Plan(2**31 - 1, None)),
        (
            {"plan": {"credit_limit_monthly": -1}, "usage": {"current_month": None}},
            Plan(None, None),
        ),
        ({"plan": {"credit_limit_monthly": True}}, Plan(None, None)),
    ],
)
def test_a_plan_without_sense_is_no_plan(data, plan):
    document = {"status": {"error_code": "0"}, "data": data}
    assert coinmarketcap.read_plan(download.Answer(200, document, None)) == plan


def test_an_answer_without_a_plan_is_another_shape():
    document = {"status": {"error_code": 0}, "data": [1]}
    with pytest.raises(SourceFailed) as failed:
        coinmarketcap.read_plan(download.Answer(200, document, None))
    assert failed.value.kind is Kind.SHAPE
