"""The operators' pages: who may see them, what they show, what they save."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Group
from django.urls import reverse

from accounts.models import User
from foundation import valkey
from rates.models import Candle1m, PairHalt, SpreadRule
from rates.services import spreads
from rates.tests.desk import make_house_default, make_operator, make_pair, newest, put_market

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair():
    return make_pair()


@pytest.fixture
def operator(pair):
    """A member of the group that migrations make, and of nothing else."""
    user = User.objects.create_user("operator", is_staff=True)
    user.groups.add(Group.objects.get(name="Operators"))
    return user


@pytest.fixture
def desk(client, operator):
    client.force_login(operator)
    return client


@pytest.fixture
def standing(pair, operator):
    return spreads.set_spread(
        pair=pair, unit="bps", buy=Decimal(50), sell=Decimal(-50),
        reason="opening", by=operator, origin="admin",
    )  # fmt: skip


def at(name, *args):
    return reverse(f"admin:rates_{name}", args=args)


def values(**given):
    fields = {"unit": "bps", "buy": "55", "sell": "-55", "min_bps": "0", "max_bps": "500"}
    return fields | {"reason": "busy", "expected_version": "0"} | given


def pages(pair, version):
    return [
        at("pair_changelist"),
        at("pair_change", pair.pk),
        at("pair_spread", pair.pk),
        at("pair_preview", pair.pk),
        at("pair_history_list", pair.pk),
        at("pair_halt", pair.pk),
        at("house_spread"),
        at("house_preview"),
        at("house_history_list"),
        at("revert", version),
        at("pending"),
        at("applied", version),
        at("bulk") + f"?pairs={pair.pk}",
        at("spreadrule_changelist"),
        at("pairhalt_changelist"),
    ]


def test_an_operator_opens_every_page(desk, pair, standing):
    put_market("BTC_USD", "84359.8", "84359.9")
    answers = {url: desk.get(url).status_code for url in pages(pair, standing.version)}
    assert set(answers.values()) == {200}, answers


def test_staff_without_the_right_is_refused_everywhere(client, pair, standing):
    client.force_login(make_operator("guest", edit=False))
    answers = {url: client.get(url).status_code for url in pages(pair, standing.version)}
    assert set(answers.values()) == {403}, answers


@pytest.mark.parametrize("name", ["customer", None])
def test_customers_and_strangers_are_sent_to_sign_in(client, pair, standing, name):
    if name:
        client.force_login(User.objects.create_user(name))
    answers = {url: client.get(url).status_code for url in pages(pair, standing.version)}
    assert set(answers.values()) == {302}, answers


def test_no_page_holds_inline_script_or_style(desk, pair, standing):
    for url in pages(pair, standing.version):
        html = desk.get(url).content.decode()
        assert "<script>" not in html
        assert " style=" not in html, url
        assert " onclick=" not in html


def test_the_list_shows_market_customer_price_margin_and_state(desk, pair, standing):
    put_market("BTC_USD", "84359.8", "84359.9")
    html = desk.get(at("pair_changelist")).content.decode()
    for text in ("84,359.8", "84,359.9", "83,938.0", "84,781.7", "+421.8 (+50.0)", "-50 / +50 bps"):
        assert text in html


def test_the_list_costs_the_same_queries_for_many_pairs(desk, django_assert_max_num_queries):
    for number in range(20):
        make_pair(f"C{number}_USD")
    desk.get(at("pair_changelist"))  # a session's first request also lists the session
    with django_assert_max_num_queries(12):
        desk.get(at("pair_changelist"))


def test_the_history_costs_the_same_queries_for_many_versions(
    desk, pair, operator, django_assert_max_num_queries
):
    for number in range(1, 12):
        spreads.set_spread(
            pair=pair, unit="bps", buy=Decimal(number), sell=Decimal(-number),
            reason="step", by=operator, origin="admin",
        )  # fmt: skip
    desk.get(at("pair_changelist"))
    with django_assert_max_num_queries(12):
        html = desk.get(at("pair_history_list", pair.pk)).content.decode()
    assert html.count("Revert to this") == 10


def test_saving_stores_a_version_and_leads_to_its_receipt(desk, pair, standing):
    answer = desk.post(at("pair_spread", pair.pk), values(expected_version=standing.version))
    rule = newest(pair)
    assert (rule.buy, rule.reason, rule.origin) == (Decimal(55), "busy", "admin")
    assert answer["Location"] == f"{at('pair_spread', pair.pk)}?saved={rule.version}"
    assert b"saved, not yet live" in desk.get(answer["Location"]).content


def test_the_receipt_says_how_fast_the_feed_was(desk, pair, standing):
    made = int(standing.created_at.timestamp() * 1000)
    facts: dict[Any, Any] = {"applied_v": standing.version, "applied_at": made + 4}
    valkey.client().hset("rates:feed", mapping=facts)
    assert (
        b"is live in 4 ms"
        in desk.get(f"{at('pair_spread', pair.pk)}?saved={standing.version}").content
    )
    assert desk.get(at("applied", standing.version)).json() == {"live": True, "milliseconds": 4}


def test_a_large_change_asks_first(desk, pair, standing):
    large = values(buy="90", sell="-90", expected_version=standing.version)
    question = desk.post(at("pair_spread", pair.pk), large)
    assert b"Yes, change it" in question.content
    assert SpreadRule.objects.count() == 1
    desk.post(at("pair_spread", pair.pk), large | {"confirmed": "on"})
    assert newest(pair).buy == 90


def test_who_comes_second_is_told_who_changed_what(desk, pair, standing):
    desk.post(at("pair_spread", pair.pk), values(expected_version=standing.version))
    late = values(buy="60", expected_version=standing.version)
    html = desk.post(at("pair_spread", pair.pk), late).content.decode()
    assert "set by operator" in html
    assert "Load the newest version" in html
    assert newest(pair).buy == 55


@pytest.mark.parametrize(
    "given",
    [
        {"buy": "NaN"}, {"buy": "sNaN"}, {"buy": "1e999"}, {"buy": "abc"}, {"buy": ""},
        {"buy": "501"}, {"sell": "1"}, {"buy": "50.00001"}, {"unit": "percent"}, {"reason": " "},
        {"effective_from": "2001-01-01T00:00"}, {"effective_from": "soon"},
        {"expected_version": "x"}, {"reason": "nul \x00"}, {"max_bps": "10001"},
    ],
)  # fmt: skip
def test_a_bad_form_is_shown_again_and_stores_nothing(desk, pair, given):
    answer = desk.post(at("pair_spread", pair.pk), values(**given))
    assert answer.status_code == 200
    assert b"errorlist" in answer.content
    assert not SpreadRule.objects.exists()


def test_the_preview_shows_the_prices_that_would_result(desk, pair, standing):
    put_market("BTC_USD", "84359.8", "84359.9")
    html = desk.get(at("pair_preview", pair.pk), values(buy="100")).content.decode()
    assert "version" in html  # expected_version 0 is not what the pair is at
    html = desk.get(
        at("pair_preview", pair.pk), values(buy="100", expected_version=standing.version)
    ).content.decode()
    assert "85,203.5" in html
    assert "saving asks you to confirm" in html


def test_the_preview_of_the_house_default_lists_the_pairs_it_moves(desk, pair):
    put_market("BTC_USD", "100.0", "100.0")
    html = desk.get(at("house_preview"), values()).content.decode()
    assert "BTC_USD" in html
    assert "100.6" in html


def test_a_revert_asks_why_and_brings_the_values_back(desk, pair, standing):
    desk.post(at("pair_spread", pair.pk), values(expected_version=standing.version))
    desk.post(at("revert", standing.version), {"reason": "too wide"})
    latest = newest(pair)
    assert (latest.buy, latest.origin, latest.reason) == (Decimal(50), "revert", "too wide")


def test_halting_and_resuming_ask_why(desk, pair):
    assert b"required" in desk.post(at("pair_halt", pair.pk), {"halt": ""}).content
    desk.post(at("pair_halt", pair.pk), {"halt": "", "reason": "bad data"})
    assert b"bad data" in desk.get(at("pair_halt", pair.pk)).content
    desk.post(at("pair_halt", pair.pk), {"resume": "", "reason": "fixed"})
    assert [row.action for row in PairHalt.objects.all()] == ["resume", "halt"]


def test_a_second_halt_is_told_of_the_first(desk, pair):
    for _ in range(2):
        answer = desk.post(at("pair_halt", pair.pk), {"halt": "", "reason": "bad data"})
    assert b"was halted by operator" in answer.content


def test_selected_pairs_are_changed_together_after_a_preview(desk, pair, standing):
    other = make_pair("ETH_USD")
    chosen = desk.post(
        at("pair_changelist"),
        {"action": "change_spreads", "_selected_action": [pair.pk, other.pk]},
    )["Location"]
    edit = {"mode": "set", "buy": "20", "sell": "-20", "reason": "calm"}
    assert b"Save all 2" in desk.post(chosen, edit | {"preview": ""}).content
    assert SpreadRule.objects.count() == 1
    desk.post(chosen, edit | {"save": ""})
    assert {newest(each).buy for each in (pair, other)} == {20}


def test_selected_pairs_move_away_from_the_market_by_the_same_distance(desk, pair, standing):
    edit = {"mode": "widen", "buy": "5", "sell": "7", "reason": "storm", "save": ""}
    desk.post(f"{at('bulk')}?pairs={pair.pk}", edit)
    latest = newest(pair)
    assert (latest.buy, latest.sell) == (Decimal(55), Decimal(-57))


def test_a_bulk_change_with_one_bad_pair_changes_none(desk, pair, operator):
    other = make_pair("ETH_USD")
    spreads.set_spread(
        pair=other, unit="bps", buy=Decimal(5), sell=Decimal(-5), max_bps=Decimal(10),
        reason="tight", by=operator, origin="admin",
    )  # fmt: skip
    edit = {"mode": "set", "buy": "20", "sell": "-20", "reason": "calm", "save": ""}
    html = desk.post(f"{at('bulk')}?pairs={pair.pk},{other.pk}", edit).content.decode()
    assert "outside the allowed" in html
    assert SpreadRule.objects.count() == 1


def test_a_second_person_approves_and_the_author_cannot(desk, client, pair, standing, settings):
    settings.RATES_FOUR_EYES = "always"
    desk.post(at("pair_spread", pair.pk), values(buy="45", expected_version=standing.version))
    waiting = SpreadRule.objects.get(status="pending")
    assert b'name="approve"' not in desk.get(at("pending")).content
    desk.post(at("decide", waiting.version), {"approve": ""})
    assert newest(pair) == standing
    client.force_login(make_operator("second", "approve_spreads"))
    client.post(at("decide", waiting.version), {"approve": ""})
    assert newest(pair) == waiting


def test_a_waiting_change_is_rejected_with_a_reason(desk, client, pair, standing, settings):
    settings.RATES_FOUR_EYES = "always"
    desk.post(at("pair_spread", pair.pk), values(buy="45", expected_version=standing.version))
    waiting = SpreadRule.objects.get(status="pending")
    client.force_login(make_operator("second", "approve_spreads"))
    client.post(at("decide", waiting.version), {"reject": "", "reason": "not today"})
    waiting.refresh_from_db()
    assert (waiting.status, waiting.rejection) == ("rejected", "not today")


def test_an_operator_cannot_change_or_delete_a_pair(desk, pair):
    assert desk.post(at("pair_change", pair.pk), {"enabled": ""}).status_code == 403
    assert desk.post(at("pair_delete", pair.pk)).status_code == 403


def test_an_administrator_changes_a_pair_under_a_new_revision(client, pair):
    client.force_login(User.objects.create_superuser("root"))
    fields = {
        "ws_symbol": "BTC/USD", "rest_key": "", "tick_size": "0.5", "price_decimals": "1",
        "enabled": "on", "position": "1", "max_age_quiet": "60", "max_jump_bps": "500",
    }  # fmt: skip
    assert client.post(at("pair_change", pair.pk), fields).status_code == 302
    pair.refresh_from_db()
    assert (pair.tick_size, pair.revision > 0) == (Decimal("0.5"), True)


@pytest.mark.parametrize("model", ["spreadrule", "pairhalt"])
def test_audit_rows_are_for_reading_even_for_administrators(client, standing, model):
    client.force_login(User.objects.create_superuser("root"))
    assert client.get(at(f"{model}_add")).status_code == 403
    assert client.post(at(f"{model}_delete", standing.pk)).status_code in (302, 403)
    assert SpreadRule.objects.filter(pk=standing.pk).exists()


def test_the_group_holds_just_the_desks_rights():
    rights = Group.objects.get(name="Operators").permissions
    desks = rights.filter(content_type__app_label="rates").exclude(codename__contains="coin")
    assert set(desks.values_list("codename", flat=True)) == {
        "view_pair", "view_spreadrule", "view_pairhalt", "edit_spreads", "approve_spreads",
    }  # fmt: skip
    others = rights.exclude(content_type__app_label="rates").exclude(codename__startswith="view_")
    acts = set(others.values_list("codename", flat=True))
    assert acts == {"change_token", "change_backfilljob"}


def test_candles_are_not_in_the_admin():
    assert Candle1m not in site._registry


def test_an_unknown_pair_or_version_is_not_found(desk):
    make_house_default()
    assert desk.get(at("pair_spread", 10**15)).status_code == 404
    assert desk.get(at("revert", 10**15)).status_code == 404
