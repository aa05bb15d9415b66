"""What the exchange says of its pairs, taken over into ours."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from foundation import valkey
from rates.constants import KEY_SPREADS
from rates.feeds.kraken_rest import AssetPair, ExchangeUnavailable
from rates.models import Pair
from rates.services.pairs import PairChange, sync_pairs
from rates.tests.desk import make_pair

pytestmark = pytest.mark.django_db


class Directory:
    """An exchange that offers what it is told to."""

    def __init__(self, **ticks):
        self.ticks = ticks

    def asset_pairs(self):
        return [
            AssetPair(code, f"X{code}", Decimal(tick), len(tick.partition(".")[2]), "online")
            for code, tick in self.ticks.items()
        ]


@pytest.fixture
def pair():
    """One pair in step with the exchange, with the revision it had then."""
    pair = make_pair(tick_size=Decimal("0.1"), price_decimals=1, rest_key="XBTC_USD")
    sync_pairs(Directory(BTC_USD="0.1"))
    pair.refresh_from_db()
    return pair


def test_an_unchanged_pair_is_only_stamped(pair):
    assert sync_pairs(Directory(BTC_USD="0.1")) == []
    again = Pair.objects.get()
    assert again.revision == pair.revision == 0
    assert again.synced_at > pair.synced_at


def test_a_new_tick_is_taken_over_and_draws_a_revision(pair):
    changes = sync_pairs(Directory(BTC_USD="0.01"))
    assert changes == [
        PairChange("BTC_USD", "tick_size", "0.100000000000", "0.01"),
        PairChange("BTC_USD", "price_decimals", "1", "2"),
    ]
    pair.refresh_from_db()
    assert (pair.tick_size, pair.price_decimals) == (Decimal("0.01"), 2)
    assert pair.revision > 0


def test_running_it_twice_changes_nothing_more(pair):
    sync_pairs(Directory(BTC_USD="0.01"))
    revision = Pair.objects.get().revision
    assert sync_pairs(Directory(BTC_USD="0.01")) == []
    assert Pair.objects.get().revision == revision


def test_a_new_rest_name_alone_does_not_disturb_the_feed(pair):
    Pair.objects.update(rest_key="")
    assert [change.field for change in sync_pairs(Directory(BTC_USD="0.1"))] == ["rest_key"]
    assert Pair.objects.get().revision == 0


def test_a_pair_no_longer_offered_is_disabled_and_stays_so(pair):
    make_pair("ETH_USD", rest_key="XETH_USD")
    gone = PairChange("BTC_USD", "enabled", "True", "False")
    assert sync_pairs(Directory(ETH_USD="0.1")) == [gone]
    assert sync_pairs(Directory(ETH_USD="0.1", BTC_USD="0.1")) == []
    pair.refresh_from_db()
    assert not pair.enabled
    assert pair.revision > 0


def test_an_answer_that_lacks_most_of_our_pairs_is_not_believed(pair):
    for code in ("ETH_USD", "SOL_USD"):
        make_pair(code)
    with pytest.raises(ExchangeUnavailable, match="only 1 of our 3 pairs"):
        sync_pairs(Directory(SOL_USD="0.5"))
    assert Pair.objects.filter(enabled=True, tick_size=Decimal("0.1")).count() == 3


def test_pairs_we_do_not_know_are_not_added(pair):
    sync_pairs(Directory(BTC_USD="0.1", ETH_USD="0.01"))
    assert Pair.objects.count() == 1


def test_a_change_reaches_the_feeds_table(pair, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        sync_pairs(Directory(BTC_USD="0.01"))
    published = valkey.client().get(KEY_SPREADS)
    assert isinstance(published, bytes)
    table = json.loads(published)
    assert table["pairs"]["BTC_USD"]["tick"] == "0.01"


def test_the_configured_exchange_is_asked_by_default(pair, simulator, settings):
    settings.KRAKEN_REST_URL = simulator.rest_url
    sync_pairs()
    pair.refresh_from_db()
    assert pair.rest_key == "XXBTZUSD"
