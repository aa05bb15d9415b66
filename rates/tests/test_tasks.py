"""The background work, as the worker runs it."""

from decimal import Decimal as D
from typing import Any

import pytest
from django.utils import timezone

from foundation import valkey
from rates import tasks
from rates.constants import KEY_CLOSED_CANDLES
from rates.models import Candle1m, Pair
from rates.services.candle_partitions import partitions
from rates.services.candles import CandleBuilder
from rates.tests.desk import make_pair

pytestmark = pytest.mark.django_db


def test_closed_candles_are_stored():
    pair = make_pair()
    builder = CandleBuilder()
    builder.add("BTC_USD", D(1), D(2), timezone.now(), seq=1, epoch=1, spread_version=1)
    (part,) = builder.open_parts()
    words: dict[Any, Any] = {**part.encode()}
    valkey.client().xadd(KEY_CLOSED_CANDLES, words)
    assert tasks.store_closed_candles() == 1
    assert Candle1m.objects.get().pair == pair


def test_partitions_are_kept():
    tasks.keep_candle_partitions()
    assert len(partitions()) >= 3


def test_pairs_are_brought_up_to_date_from_the_exchange(simulator, settings):
    settings.KRAKEN_REST_URL = simulator.rest_url
    make_pair("BTC_USD", tick_size="0.5")
    assert tasks.sync_pair_metadata() > 0
    assert Pair.objects.get().synced_at is not None
