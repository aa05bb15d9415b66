"""``GET /api/v1/rates/{pair}/candles``: what is put together, paged, refused."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest
from django.utils import timezone

from rates.models import Candle1m
from rates.services.candle_partitions import first_of_month, make_partitions
from rates.tests.desk import make_pair

pytestmark = pytest.mark.django_db
URL = "/api/v1/rates/BTC_USD/candles"
DAY = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def pair():
    return make_pair(price_decimals=1)


def minutes(pair, *bids, start=DAY, step=timedelta(minutes=1)):
    """A candle a step; each closes at ``bid`` and opens, dips and peaks 1, 3 and 2 away from it."""
    make_partitions({first_of_month(start + n * step) for n in range(len(bids))})
    for n, text in enumerate(bids):
        b = D(text)
        Candle1m.objects.create(
            pair=pair,
            bucket=start + n * step,
            bid_o=b - 1,
            bid_h=b + 2,
            bid_l=b - 3,
            bid_c=b,
            ask_o=b,
            ask_h=b + 3,
            ask_l=b - 2,
            ask_c=b + 1,
            ticks=n + 1,
            spread_version=1,
            parts=[[1, 1, 1, n + 1]],
        )


def get(client, **query):
    response = client.get(URL, {"from": DAY.isoformat(), "to": "2026-03-03", **query})
    assert response.status_code == 200, response.content
    return response.json()


def test_minutes_come_oldest_first_with_plain_amounts_at_the_pairs_places(client, pair):
    minutes(pair, "100", "101.25")
    first, second = get(client)["candles"]
    assert first == {
        "start": "2026-03-01T00:00:00Z",
        "bid": {"open": "99.0", "high": "102.0", "low": "97.0", "close": "100.0"},
        "ask": {"open": "100.0", "high": "103.0", "low": "98.0", "close": "101.0"},
        "ticks": 1,
    }
    assert second["bid"]["close"] == "101.25"


@pytest.mark.parametrize(
    ("interval", "starts"),
    [
        ("5m", ["2026-03-01T00:55:00Z", "2026-03-01T01:00:00Z"]),
        ("1h", ["2026-03-01T00:00:00Z", "2026-03-01T01:00:00Z"]),
        ("1d", ["2026-03-01T00:00:00Z"]),
    ],
)
def test_longer_candles_begin_at_whole_multiples_in_utc(client, pair, interval, starts):
    minutes(pair, "100", "110", "90", "105", start=DAY + timedelta(minutes=58))
    candles = get(client, interval=interval)["candles"]
    assert [candle["start"] for candle in candles] == starts
    assert sum(candle["ticks"] for candle in candles) == 10


def test_a_longer_candle_opens_with_its_first_minute_and_closes_with_its_last(client, pair):
    minutes(pair, "100", "110", "90", "105")
    (candle,) = get(client, interval="1h")["candles"]
    assert candle["bid"] == {"open": "99.0", "high": "112.0", "low": "87.0", "close": "105.0"}
    assert candle["ask"] == {"open": "100.0", "high": "113.0", "low": "88.0", "close": "106.0"}


def test_another_pairs_candles_are_not_mixed_in(client, pair):
    minutes(make_pair("ETH_USD"), "5")
    assert get(client)["candles"] == []


def test_pages_follow_each_other_without_gap_or_repeat(client, pair):
    minutes(pair, *(str(100 + n) for n in range(7)), step=timedelta(minutes=3))
    seen, url = [], f"{URL}?from={DAY.timestamp():.0f}&to=2026-03-03&interval=5m&limit=2"
    while url:
        body = client.get(url).json()
        seen += [candle["start"] for candle in body["candles"]]
        assert len(body["candles"]) in (1, 2)
        url = body["next"]
    assert seen == sorted(set(seen))
    assert len(seen) == 4


def test_the_next_page_is_also_named_in_a_header_for_tables(client, pair):
    minutes(pair, "100", "101")
    response = client.get(URL, {"from": DAY.isoformat(), "limit": 1, "format": "csv"})
    assert response["Link"].endswith('; rel="next"')
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    assert [(row["start"], row["bid_close"], row["ticks"]) for row in rows] == [
        ("2026-03-01T00:00:00Z", "100.0", "1")
    ]


def test_a_table_without_rows_has_its_columns(client, pair):
    response = client.get(URL, {"format": "csv"})
    assert response.content.startswith(b"start,bid_open,bid_high,")
    assert response.content.count(b"\r\n") == 1


def test_without_a_range_the_newest_are_given(client, pair):
    now = timezone.now().replace(second=0, microsecond=0)
    minutes(pair, "100", start=now - timedelta(minutes=3))
    minutes(pair, "100", start=now - timedelta(minutes=30))
    assert len(client.get(URL, {"limit": 10}).json()["candles"]) == 1
    assert len(client.get(URL).json()["candles"]) == 2


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"interval": "2m"}, "interval"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-02-30"}, "from"),
        ({"from": "99999999999999999999"}, "from"),
        ({"from": "1e9"}, "from"),
        ({"from": "1969-01-01"}, "from"),
        ({"from": "9" * 5000}, "from"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "from"),
        ({"to": "\u0661\u0662"}, "to"),
        ({"from": "2026-03-02", "to": "2026-03-01"}, "from"),
        ({"to": "nan"}, "to"),
        ({"limit": 0}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"intervall": "1m"}, "intervall"),
        ({"format": "xml"}, "format"),
    ],
)
def test_a_bad_parameter_is_400_and_named(client, pair, query, field):
    response = client.get(URL, query)
    assert response.status_code == 400
    assert list(response.json()["error"]["fields"]) == [field]


@pytest.mark.parametrize(
    "start", ["2026-03-01", "2026-03-01T01:00:00+01:00", "2026-03-01T01:00:00 01:00", "1772323200"]
)
def test_a_time_may_be_written_in_several_ways(client, pair, start):
    minutes(pair, "99", start=DAY - timedelta(minutes=1))
    minutes(pair, "100")
    assert [c["bid"]["close"] for c in get(client, **{"from": start})["candles"]] == ["100.0"]


def test_an_unknown_pair_is_404_with_the_known_ones(client, pair):
    response = client.get("/api/v1/rates/NO_SUCH/candles")
    assert response.status_code == 404
    assert "BTC_USD" in response.json()["error"]["message"]


def test_the_same_candles_are_not_sent_twice(client, pair):
    minutes(pair, "100")
    query = {"from": DAY.isoformat(), "to": "2026-03-02"}
    held = {"If-None-Match": client.get(URL, query)["ETag"]}
    assert client.get(URL, query, headers=held).status_code == 304
    minutes(pair, "101", start=DAY + timedelta(minutes=1))
    assert client.get(URL, query, headers=held).status_code == 200
