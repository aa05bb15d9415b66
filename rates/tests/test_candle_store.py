"""Parts on their way into the table: each tick counted once, whatever is repeated or killed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D
from itertools import permutations
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from foundation import valkey
from rates.constants import KEY_CLOSED_CANDLES
from rates.models import Candle1m
from rates.services import candle_store
from rates.services.candle_partitions import (
    first_of_month,
    keep_partitions,
    make_partitions,
    partitions,
    shifted,
)
from rates.services.candle_store import store_closed, store_parts
from rates.services.candles import CandlePart, minute_of
from rates.tests.desk import make_pair

pytestmark = pytest.mark.django_db
MINUTE = minute_of(timezone.now()) - timedelta(days=1)


def part(bids=("10", "12", "9", "11"), *, seqs=(1, 5), ticks=5, epoch=1, **given):
    o, h, low, c = (D(bid) for bid in bids)
    facts: dict[str, Any] = {"pair": "BTC_USD", "bucket": MINUTE, "spread_version": 1}
    return CandlePart(
        **facts | given,
        bid_o=o,
        bid_h=h,
        bid_l=low,
        bid_c=c,
        ask_o=o + 1,
        ask_h=h + 1,
        ask_l=low + 1,
        ask_c=c + 1,
        ticks=ticks,
        epoch=epoch,
        first_seq=seqs[0],
        last_seq=seqs[1],
    )


def add(*parts):
    for item in parts:
        valkey.client().xadd(KEY_CLOSED_CANDLES, item.encode())


@pytest.fixture
def pair():
    return make_pair()


A = part(("10", "12", "9", "11"), seqs=(1, 9), ticks=5, epoch=1)
B = part(("20", "21", "8", "15"), seqs=(1, 4), ticks=3, epoch=2, spread_version=2)
C = part(("15", "16", "14", "16"), seqs=(7, 8), ticks=2, epoch=2, spread_version=2)


def row():
    candle = Candle1m.objects.get()
    bids = (candle.bid_o, candle.bid_h, candle.bid_l, candle.bid_c)
    return (*(int(bid) for bid in bids), candle.ticks, candle.spread_version)


@pytest.mark.parametrize("order", [*permutations([A, B, C]), (A, B, A), (B, A, B, C, A, C)])
def test_parts_of_one_minute_come_to_the_same_row_in_any_order_and_number(pair, order):
    for item in order:
        store_parts([item])
    with_c = C in order
    assert row() == (10, 21, 8, 16 if with_c else 15, 10 if with_c else 8, 2)


def test_parts_of_one_minute_may_come_in_one_batch(pair):
    assert store_parts([B, A, C, A]) == 4
    assert row() == (10, 21, 8, 16, 10, 2)


@pytest.mark.parametrize("shorter_first", [True, False])
def test_a_longer_form_of_a_part_replaces_the_shorter_one(pair, shorter_first):
    shorter = part(("10", "12", "10", "12"), seqs=(1, 4), ticks=3)
    for item in (shorter, A) if shorter_first else (A, shorter):
        store_parts([item])
    assert row() == (10, 12, 9, 11, 5, 1)


def test_the_stream_is_stored_and_acknowledged(pair):
    add(A, B)
    assert (store_closed(), store_closed()) == (2, 0)
    assert row()[4] == 8
    assert valkey.client().xpending(KEY_CLOSED_CANDLES, candle_store.GROUP)["pending"] == 0


def test_what_a_killed_writer_left_is_read_again(pair, monkeypatch):
    add(A)

    def killed(parts):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(candle_store, "_store", killed)
        with pytest.raises(KeyboardInterrupt):
            store_closed()
    assert not Candle1m.objects.exists()
    assert store_closed() == 1
    assert row()[4] == 5


def test_a_writer_killed_between_commit_and_acknowledgement_counts_nothing_twice(pair):
    add(A)
    candle_store._make_group()
    store_parts(candle_store._decoded(candle_store._read(b">")))
    assert store_closed() == 1
    assert row()[4] == 5


def test_a_stream_lost_and_said_again_counts_nothing_twice(pair):
    add(A, B)
    store_closed()
    valkey.client().flushall()
    add(A, B, C)
    assert store_closed() == 3
    assert row()[4] == 10


def test_more_than_a_batch_is_stored_in_one_go(pair, monkeypatch):
    monkeypatch.setattr(candle_store, "BATCH", 3)
    add(*(part(bucket=MINUTE + timedelta(minutes=n)) for n in range(8)))
    assert store_closed() == 8
    assert Candle1m.objects.count() == 8


def test_entries_that_are_no_parts_are_dropped_and_the_rest_is_stored(pair):
    valkey.client().xadd(KEY_CLOSED_CANDLES, {b"\xff": b"\xff"})
    valkey.client().xadd(KEY_CLOSED_CANDLES, A.encode() | {"bid_h": "Infinity"})
    add(part(pair="NO_SUCH"), part(bucket=MINUTE.replace(year=9999)), A)
    assert store_closed() == 5
    assert row()[4] == 5
    assert store_closed() == 0


@pytest.mark.django_db(transaction=True)
def test_two_writers_at_once_lose_and_double_nothing(pair):
    make_partitions([first_of_month(MINUTE)])

    def write(item):
        try:
            return store_parts([item])
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, [A, B, C, A] * 5))
    assert row() == (10, 21, 8, 16, 10, 2)


# --- Partitions ------------------------------------------------------------------


def months_kept():
    return [name[-6:] for name in partitions()]


def test_this_month_and_the_next_two_are_made():
    keep_partitions(datetime(2031, 11, 30, 23, 59, tzinfo=UTC))
    keep_partitions(datetime(2031, 11, 30, 23, 59, tzinfo=UTC))
    assert months_kept() == ["203111", "203112", "203201"]


def test_months_beyond_retention_are_dropped_with_their_candles(settings, pair):
    settings.RATES_CANDLE_RETENTION_MONTHS = 2
    store_parts([A])
    keep_partitions(shifted(first_of_month(MINUTE), 2))
    assert Candle1m.objects.count() == 1
    keep_partitions(shifted(first_of_month(MINUTE), 3))
    assert Candle1m.objects.count() == 0
    assert len(partitions()) == 4


def test_parts_of_months_that_were_dropped_do_not_bring_them_back(settings, pair):
    settings.RATES_CANDLE_RETENTION_MONTHS = 1
    old, before = part(bucket=shifted(first_of_month(MINUTE), -2)), partitions()
    assert store_parts([old]) == 0
    assert partitions() == before


def test_a_missing_month_is_made_when_its_first_part_comes(pair):
    earlier = part(bucket=shifted(first_of_month(MINUTE), -1))
    store_parts([A])
    store_parts([earlier])
    assert Candle1m.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_that_make_the_same_month_at_once_both_succeed():
    month = first_of_month(MINUTE)

    def make(_):
        try:
            with transaction.atomic():
                make_partitions([month, shifted(month, 1)])
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(8)))
    assert len(partitions()) >= 2


def test_the_table_of_candles_matches_its_model():
    call_command("makemigrations", "--check", "--dry-run")
