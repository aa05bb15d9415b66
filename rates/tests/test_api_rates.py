"""``GET /api/v1/rates`` and one pair, through Django."""

import csv
import io
import json

import pytest
from redis.exceptions import ConnectionError as Down
from rest_framework.throttling import AnonRateThrottle

from foundation import throttling, valkey
from rates.tests.desk import make_pair
from rates.tests.quotes import message, publish

pytestmark = pytest.mark.django_db
URL = "/api/v1/rates"


@pytest.fixture
def quoted():
    """Three pairs with quotes, one of them halted."""
    make_pair("BTC_USD", position=0)
    make_pair("ETH_USD", position=1)
    make_pair("XRP_USD", position=2)
    halted = message("XRP_USD", seq=3, position=2, state="halted", reason="operator")
    data = halted.data.replace(b'{"buy":84781.70,"sell":83938.00}', b"null")
    publish(message(seq=1), message("ETH_USD", seq=2, position=1), halted._replace(data=data))


def error(response):
    return response.json()["error"]


def test_every_pair_is_listed_in_the_boards_order_with_the_published_digits(client, quoted):
    response = client.get(URL)
    assert response.status_code == 200
    assert list(response.json()["data"]) == ["BTC_USD", "ETH_USD", "XRP_USD"]
    assert message(seq=1).data in response.content
    assert response.json()["meta"]["BTC_USD"]["spread_version"] == 17


def test_named_pairs_come_in_the_order_named_and_once(client, quoted):
    response = client.get(URL, {"pairs": "XRP_USD, BTC_USD,XRP_USD"})
    assert list(response.json()["data"]) == ["XRP_USD", "BTC_USD"]


def test_one_pair_has_the_shape_of_the_list(client, quoted):
    response = client.get(f"{URL}/ETH_USD")
    assert list(response.json()["data"]) == list(response.json()["meta"]) == ["ETH_USD"]


def test_a_pair_that_is_not_live_is_a_good_answer_without_a_quote(client, quoted):
    response = client.get(f"{URL}/XRP_USD")
    assert (response.status_code, response.json()["data"]["XRP_USD"]["withSpread"]) == (200, None)


def test_a_silent_feed_withdraws_every_quote_and_changes_the_entity_tag(client, quoted):
    fresh = client.get(URL)["ETag"]
    publish(age=6)
    response = client.get(URL, headers={"If-None-Match": fresh})
    assert response.status_code == 200
    assert {pair["withSpread"] for pair in response.json()["data"].values()} == {None}
    assert {meta["state"] for meta in response.json()["meta"].values()} == {"stale"}


@pytest.mark.parametrize("url", [f"{URL}/NO_SUCH", f"{URL}?pairs=BTC_USD,NO_SUCH"])
def test_an_unknown_pair_is_404_with_the_known_ones(client, quoted, url):
    response = client.get(url)
    assert (response.status_code, error(response)["code"]) == (404, "unknown_pair")
    assert "BTC_USD, ETH_USD, XRP_USD" in error(response)["message"]


def test_a_pair_without_a_quote_is_503_and_says_when_to_come_back(client, quoted):
    make_pair("NEW_USD")
    response = client.get(f"{URL}/NEW_USD")
    assert (response.status_code, response["Retry-After"]) == (503, "1")


def test_a_board_without_quotes_is_503(client):
    assert (client.get(URL).status_code, error(client.get(URL))["code"]) == (503, "no_quote")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("pair=BTC_USD", "pair"),
        ("pairs=", "pairs"),
        ("pairs=BTC_USD,,ETH_USD", "pairs"),
        ("pairs=A&pairs=B", "pairs"),
        ("pairs=" + ",".join(f"A{n}" for n in range(201)), "pairs"),
        ("pairs=" + "x" * 9000, "pairs"),
        ("pairs=%00", "pairs"),
        ("format=xml", "format"),
    ],
)
def test_a_bad_parameter_is_400_and_named(client, quoted, query, field):
    response = client.get(f"{URL}?{query}")
    assert response.status_code == 400
    assert list(error(response)["fields"]) == [field]


def test_the_same_board_is_not_sent_twice(client, quoted):
    first = client.get(URL)
    again = client.get(URL, headers={"If-None-Match": f'"other", W/{first["ETag"]}'})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    publish(message(seq=9))
    assert client.get(URL, headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_a_pair_that_leaves_the_board_changes_the_entity_tag(client, quoted):
    before = client.get(URL)["ETag"]
    valkey.client().hdel("rates:q:public", "BTC_USD")
    assert client.get(URL)["ETag"] != before


def test_no_cache_may_answer_by_itself(client, quoted):
    assert client.get(URL)["Cache-Control"] == "no-cache"
    assert "Accept" in client.get(URL)["Vary"]


def test_the_table_has_a_row_a_pair_and_plain_numbers(client, quoted):
    response = client.get(URL, {"format": "csv"})
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    assert [row["pair"] for row in rows] == ["BTC_USD", "ETH_USD", "XRP_USD"]
    assert (rows[0]["buy"], rows[0]["spread_sell"], rows[2]["buy"]) == ("84781.70", "-421.80", "")
    assert response.content.count(b"\r\n") == 4
    assert response["ETag"] != client.get(URL)["ETag"]


def test_a_table_can_be_asked_for_by_its_media_type(client, quoted):
    assert client.get(URL, headers={"Accept": "text/csv"}).content.startswith(b"pair,state,")


def test_an_error_of_the_table_is_json(client, quoted):
    response = client.get(f"{URL}/NO_SUCH?format=csv")
    assert response["Content-Type"] == "application/json"
    assert error(response)["code"] == "unknown_pair"


def test_people_see_a_page(client, quoted):
    response = client.get(URL, headers={"Accept": "text/html"})
    assert response["Content-Type"].startswith("text/html")
    assert b"84781.70" in response.content
    assert "ETag" not in response


def test_only_reading_is_allowed(client, quoted):
    response = client.post(URL, {})
    assert (response.status_code, error(response)["code"]) == (405, "method_not_allowed")


def test_too_many_requests_are_told_when_to_come_back(client, quoted, monkeypatch):
    monkeypatch.setattr(AnonRateThrottle, "get_rate", lambda self: "2/min")
    assert [client.get(URL).status_code for _ in range(3)] == [200, 200, 429]
    assert int(client.get(URL)["Retry-After"]) > 0


def test_a_cache_that_is_down_refuses_nobody(client, quoted, monkeypatch):
    def down(*args):
        raise Down

    monkeypatch.setattr(throttling, "_count", down)
    assert client.get(URL).status_code == 200


def test_a_head_request_has_the_headers_only(client, quoted):
    response = client.head(URL)
    assert (response.status_code, response.content) == (200, b"")
    assert response["ETag"] == client.get(URL)["ETag"]


def test_an_unknown_path_of_the_api_is_a_json_404(client):
    for path in ("/api/v1/nothing", "/api/v1/rates/", "/api/"):
        response = client.get(path)
        assert (response.status_code, error(response)["code"]) == (404, "not_found")


def test_the_body_is_valid_json_however_it_was_joined(client, quoted):
    assert json.loads(client.get(f"{URL}/BTC_USD").content)["data"]["BTC_USD"]["original"]
