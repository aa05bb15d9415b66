"""``/api/v1/coins`` and ``/coins.csv`` through Django: bodies, tags, ages, refusals."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from foundation import valkey
from rates.coins import constants as c
from rates.coins.services import board
from rates.coins.tests.market import listing, put, put_rows
from rates.models import CoinSnapshot

pytestmark = pytest.mark.django_db
URL = "/api/v1/coins"


@pytest.fixture(autouse=True)
def _nothing_remembered():
    board.memory.forget()
    yield
    board.memory.forget()


@pytest.fixture
def listed():
    return put_rows(
        [
            listing("BTC", 1, "84359.8100", name="Bitcoin", change_24h="-1.96", market_cap="168"),
            listing("@LFG", 2, "0.00000012", name="At"),
            listing("1INCH", 3, "0.2", name="1inch"),
        ]
    )


def test_the_plain_list_has_rank_symbol_and_price_as_text(client, listed):
    response = client.get(URL)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    body = response.json()
    assert body["data"][0] == {"rank": 1, "symbol": "BTC", "price": "84359.8100"}
    assert body["meta"] == {
        "count": 3,
        "hash": listed.hash,
        "rank_hash": listed.rank_hash,
        "simulated": True,
    }


def test_fields_are_added_in_one_order_whatever_was_asked(client, listed):
    rows = client.get(URL, {"fields": "change_24h,name,from"}).json()["data"]
    assert list(rows[0]) == ["rank", "symbol", "price", "name", "change_24h", "from"]
    assert rows[0]["from"]["price"] == "coingecko"
    assert rows[1]["change_24h"] is None


def test_limit_cuts_the_list(client, listed):
    assert [row["rank"] for row in client.get(URL, {"limit": 2}).json()["data"]] == [1, 2]
    assert client.get(URL, {"limit": 500}).json()["meta"]["count"] == 3


@pytest.mark.parametrize("limit", ["0", "501", "abc", "-1", "1.5", "", "9" * 5000])
def test_a_bad_limit_is_refused_and_the_allowed_ones_named(client, listed, limit):
    for path in (URL, "/coins.csv", "/api/v1/coins.csv"):
        response = client.get(path, {"limit": limit})
        error = response.json()["error"]
        assert (response.status_code, error["code"]) == (400, "invalid")
        assert response["Content-Type"] == "application/json"
        assert "1 to 500" in error["fields"]["limit"][0] or "valid integer" in str(error)


def test_unknown_formats_fields_and_parameters_are_refused_by_name(client, listed):
    error = client.get(URL, {"format": "xml"}).json()["error"]
    assert "json" in error["fields"]["format"][0]
    error = client.get(URL, {"fields": "name,colour"}).json()["error"]
    assert "market_cap" in error["fields"]["fields"][0]
    assert "limits" in client.get(URL, {"limits": "3"}).json()["error"]["fields"]
    assert client.get("/coins.csv", {"format": "json"}).status_code == 400


def test_csv_is_rfc_4180_with_the_sources_digits(client, listed):
    for path in (f"{URL}?format=csv", "/coins.csv", "/api/v1/coins.csv"):
        response = client.get(path)
        assert response["Content-Type"].startswith("text/csv")
        lines = [
            b"Rank,Symbol,Price USD",
            b"1,BTC,84359.8100",
            b"2,'@LFG,0.00000012",
            b"3,1INCH,0.2",
        ]
        assert response.content == b"".join(line + b"\r\n" for line in lines)


def test_csv_with_more_fields_has_their_heads(client, listed):
    text = client.get("/coins.csv", {"fields": "name,market_cap"}).content.decode()
    rows = list(csv.reader(io.StringIO(text), strict=True))
    assert rows[0] == ["Rank", "Symbol", "Price USD", "Name", "Market Cap USD"]
    assert rows[1] == ["1", "BTC", "84359.8100", "Bitcoin", "168"]


def test_accept_chooses_the_format(client, listed):
    assert client.get(URL, headers={"accept": "text/csv"})["Content-Type"].startswith("text/csv")
    assert client.get(URL, headers={"accept": "application/json"}).json()["data"]
    assert client.get(URL, headers={"accept": "image/png"}).status_code == 406
    assert client.get("/coins.csv", headers={"accept": "text/html"}).status_code == 200


def test_what_is_held_is_not_sent_again_until_a_price_moves(client):
    put("A", "B", price="1")
    tag = client.get(URL)["ETag"]
    held = client.get(URL, headers={"if-none-match": f'"other", W/{tag}'})
    assert (held.status_code, held.content) == (304, b"")
    assert held["ETag"] == tag
    # The same prices, fetched anew: another age, the same tag.
    put("A", "B", price="1")
    again = client.get(URL, headers={"if-none-match": tag})
    assert again.status_code == 304
    put("A", "B", price="1.01")
    assert client.get(URL, headers={"if-none-match": tag}).status_code == 200


def test_tags_differ_by_limit_format_and_fields(client, listed):
    queries = ["", "?limit=2", "?format=csv", "?fields=name", "?fields=name,market_cap"]
    tags = {client.get(URL + query)["ETag"] for query in queries}
    assert len(tags) == len(queries)


def test_caches_may_keep_it_and_serve_it_while_this_fails(client, listed):
    response = client.get(URL)
    assert response["Cache-Control"] == "public, max-age=15, stale-if-error=86400"
    assert response["X-Rank-Hash"] == listed.rank_hash[:16]
    assert response["X-Data-Stale"] == "0"
    assert response["Last-Modified"].endswith("GMT")


def test_age_and_staleness_are_told_and_change_no_tag(client):
    fresh = put("A")
    tag = client.get(URL)["ETag"]
    put("A", now=datetime.now(UTC) - timedelta(seconds=600))
    response = client.get(URL)
    assert response["X-Data-Stale"] == "1"
    assert 600 <= int(response["X-Data-Age"]) < 660
    assert response["ETag"] == tag
    assert fresh.hash == board.current().shown.hash


def test_before_the_first_fetch_there_is_nothing_and_it_says_when_to_come_back(client):
    response = client.get(URL)
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert response.json()["error"]["code"] == "no_coins"


def test_without_valkey_the_snapshot_is_served(client, listed, monkeypatch):
    valkey.client().flushall()
    board.memory.forget()
    assert client.get(URL).json()["meta"]["hash"] == listed.hash


def test_without_valkey_and_the_snapshot_memory_is_served(client, listed):
    client.get(URL)
    valkey.client().flushall()
    CoinSnapshot.objects.all().delete()
    board.memory.checked = float("-inf")
    assert client.get(URL).json()["meta"]["hash"] == listed.hash


def test_an_answer_asks_the_database_nothing(client, listed, django_assert_num_queries):
    client.get(URL)
    board.memory.forget()
    with django_assert_num_queries(0):
        client.get(URL)


def test_what_is_in_valkey_are_the_lines_as_served(client, listed):
    lines = valkey.client().get(c.KEY_JSON)
    assert lines is not None
    assert lines in client.get(URL).content.replace(b",\n", b"\n")


def test_one_coin_has_every_field_with_its_source_and_age(client, listed):
    body = client.get(f"{URL}/btc").json()
    assert body["data"]["symbol"] == "BTC"
    assert body["data"]["from"]["price"] in body["sources"]
    unknown = client.get(f"{URL}/NOPE")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_symbol")
    assert "Allowed" in unknown.json()["error"]["fields"]["symbol"][0]


# --- Show 3 ---------------------------------------------------------------------------------------


def test_every_price_of_the_csv_has_the_digits_that_the_source_sent(upstream, client):
    from rates.coins.services import refresh
    from rates.coins.sources import ADAPTERS

    sent = ADAPTERS["coinmarketcap"](f"{upstream.rest_url}/coinmarketcap", key="k").fetch(500)
    prices = {row.symbol: row.price for row in sent.rows}
    refresh.refresh("price")
    refresh.refresh("rank")
    board.memory.forget()
    text = client.get("/coins.csv", {"limit": 500}).content.decode()
    rows = list(csv.DictReader(io.StringIO(text), strict=True))
    assert len(rows) == 500
    for row in rows:
        symbol = row["Symbol"].removeprefix("'")
        assert row["Price USD"] == prices[symbol]
        assert "e" not in row["Price USD"]
    # What a spreadsheet would make of it and write again is the same file.
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerows(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert out.getvalue() == text


def test_json_prices_are_the_same_texts(client):
    put_rows([listing("A", 1, "1.20"), listing("B", 2, "0.000000000000012")])
    rows = json.loads(client.get(URL).content)["data"]
    assert [row["price"] for row in rows] == ["1.20", "0.000000000000012"]
    assert Decimal(rows[1]["price"]) == Decimal("1.2e-14")
