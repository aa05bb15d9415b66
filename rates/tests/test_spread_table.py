"""The table for the feed: what it holds, and how it reaches Valkey."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import redis
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from foundation import valkey
from rates.models import SpreadRule
from rates.services import halts, pair_book, spread_table, spreads
from rates.services.feed.table import Table
from rates.tests.desk import make_house_default, make_operator, make_pair

pytestmark = pytest.mark.django_db

D = Decimal


@pytest.fixture
def pair():
    return make_pair()


def set_own(pair, **given):
    values: dict[str, Any] = {
        "unit": "bps",
        "buy": D(10),
        "sell": D(-10),
        "reason": "x",
        "by": None,
    }
    return spreads.set_spread(pair=pair, origin="seed", **values | given)


def entry(code="BTC_USD"):
    return spread_table.resolve()["pairs"][code]


@pytest.fixture
def dead_valkey(monkeypatch):
    """A client whose server is not there."""
    nobody = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(valkey, "client", lambda: nobody)


def test_amounts_are_strings_and_times_are_milliseconds(pair):
    rule = set_own(pair, buy=D("12.5"), max_bps=D(300))
    assert entry() == {
        "symbol": "BTC/USD",
        "tick": "0.1",
        "decimals": 1,
        "max_age_quiet": 600,
        "max_jump_bps": 500,
        "halted": None,
        "rules": [
            {
                "unit": "bps",
                "buy": "12.5",
                "sell": "-10",
                "min_bps": "0",
                "max_bps": "300",
                "version": rule.version,
                "from": int(rule.effective_from.timestamp() * 1000),
                "to": None,
            }
        ],
    }


def test_the_feed_reads_what_is_resolved(pair):
    rule = set_own(pair)
    table = Table.parse(spread_table.resolve())
    now = int(timezone.now().timestamp() * 1000) + 1
    spread = table.pairs["BTC_USD"].spread(now)
    assert spread is not None
    assert spread.version == rule.version


def test_a_pair_without_its_own_version_takes_the_house_default(pair):
    house = make_house_default()
    assert [rule["version"] for rule in entry()["rules"]] == [house.version]


def test_the_house_default_holds_until_a_pairs_first_own_version_begins(pair):
    house = make_house_default()
    own = set_own(pair, effective_from=timezone.now() + timedelta(hours=1))
    first, second = entry()["rules"]
    assert (first["version"], second["version"]) == (house.version, own.version)
    assert first["to"] == second["from"]


def test_a_scheduled_house_default_is_there_too(pair):
    make_house_default()
    later = make_house_default(effective_from=timezone.now() + timedelta(hours=1))
    assert entry()["rules"][1]["version"] == later.version


def test_disabled_pairs_are_left_out():
    make_pair(enabled=False)
    assert spread_table.resolve()["pairs"] == {}


def test_a_halt_stands_in_the_table_with_its_reason(pair):
    row = halts.halt(pair=pair, reason="bad data", by=make_operator())
    assert entry()["halted"]["reason"] == "bad data"
    assert spread_table.resolve()["version"] == row.version


def test_a_resumed_pair_is_not_halted_and_its_number_is_the_newest(pair):
    set_own(pair)
    halts.halt(pair=pair, reason="bad data", by=make_operator())
    row = halts.resume(pair=pair, reason="good data", by=make_operator("second"))
    assert entry()["halted"] is None
    assert spread_table.resolve()["version"] == row.version


def test_numbers_are_written_without_zeros_that_say_nothing(pair):
    set_own(pair, unit="absolute", buy=D("100.00"), sell=D("-0.0"), min_bps=D("-0.2500"))
    (rule,) = entry()["rules"]
    assert (rule["buy"], rule["sell"], rule["min_bps"]) == ("100", "0", "-0.25")


def test_what_has_ended_or_waits_is_left_out_but_counts_as_the_newest_number(pair, settings):
    set_own(pair)
    second = set_own(pair, buy=D(20))
    settings.RATES_FOUR_EYES = "always"
    set_own(pair, buy=D(5), by=make_operator())
    assert [rule["version"] for rule in entry()["rules"]] == [second.version]
    assert spread_table.resolve()["version"] == second.version


def test_an_empty_database_resolves_to_an_empty_table():
    assert spread_table.resolve() == {"version": 0, "pairs": {}}


@pytest.mark.parametrize("pairs", [1, 12])
def test_resolving_costs_one_query_however_many_pairs(pairs, django_assert_num_queries):
    for number in range(pairs):
        make_pair(f"C{number}_USD")
    with django_assert_num_queries(1):
        spread_table.resolve()


def test_publishing_writes_the_table_its_version_and_a_notice(pair):
    rule = set_own(pair)
    with valkey.client().pubsub() as control:
        control.subscribe("rates:ctl")
        assert control.get_message(timeout=5)["type"] == "subscribe"
        assert spread_table.publish()
        notice = control.get_message(timeout=5)
    assert json.loads(notice["data"]) == {"t": "spreads", "v": rule.version}
    stored = valkey.client().get("rates:spreads")
    assert stored is not None
    assert json.loads(stored) == spread_table.resolve()
    assert valkey.client().get("rates:spreads:v") == str(rule.version).encode()


def test_an_older_table_never_replaces_a_newer_one(pair):
    set_own(pair)
    valkey.client().mset({"rates:spreads": "newer", "rates:spreads:v": 10**9})
    assert not spread_table.publish()
    assert valkey.client().get("rates:spreads") == b"newer"


def test_the_same_version_may_be_written_again(pair):
    set_own(pair)
    assert spread_table.publish()
    assert spread_table.publish()


@pytest.mark.django_db(transaction=True)
def test_a_save_is_published_when_it_is_committed():
    rule = set_own(make_pair())
    assert valkey.client().get("rates:spreads:v") == str(rule.version).encode()


@pytest.mark.django_db(transaction=True)
def test_a_save_outlives_a_dead_valkey(dead_valkey):
    rule = set_own(make_pair())
    assert SpreadRule.objects.get() == rule
    assert spread_table.applied(rule.version) == spread_table.Applied(live=False, milliseconds=None)


@pytest.mark.django_db(transaction=True)
def test_a_changed_pair_is_published_under_a_new_revision():
    pair = make_pair()
    pair.enabled = False
    pair_book.save(pair)
    assert valkey.client().get("rates:spreads:v") == str(pair.revision).encode()


@pytest.mark.django_db(transaction=True)
def test_the_table_is_read_outside_a_transaction():
    rule = set_own(make_pair())
    assert spread_table.resolve()["version"] == rule.version


def test_a_change_is_live_once_the_feed_has_said_so(pair):
    rule = set_own(pair)
    made = int(rule.created_at.timestamp() * 1000)
    assert not spread_table.applied(rule.version).live
    valkey.client().hset("rates:feed", mapping={"applied_v": rule.version, "applied_at": made + 7})
    assert spread_table.applied(rule.version) == spread_table.Applied(live=True, milliseconds=7)


def test_a_change_that_a_later_one_has_overtaken_is_live_without_a_time(pair):
    rule = set_own(pair)
    valkey.client().hset("rates:feed", mapping={"applied_v": rule.version + 1, "applied_at": 1})
    assert spread_table.applied(rule.version) == spread_table.Applied(live=True, milliseconds=None)
