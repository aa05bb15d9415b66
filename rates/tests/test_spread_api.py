"""Spreads over HTTP: the same rules as in the admin, told with status codes."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal

import pytest
from django.urls import path
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from accounts.models import User
from rates.api.spreads import SpreadHistoryView, SpreadView
from rates.models import SpreadRule
from rates.tests.desk import make_house_default, make_operator, make_pair, put_market

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

URL = "/api/v1/rates/BTC_USD/spread"
HISTORY = f"{URL}/history"
BODY = {"unit": "bps", "buy": "50", "sell": "-50", "reason": "opening"}

urlpatterns = [
    path("api/v1/rates/<str:pair>/spread", SpreadView.as_view()),
    path("api/v1/rates/<str:pair>/spread/history", SpreadHistoryView.as_view()),
]


@pytest.fixture
def client():
    make_pair()
    client = APIClient()
    client.force_login(make_operator())
    return client


def put(client, body=BODY, **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body)
    return client.put(URL, raw, content_type="application/json", headers=headers or None)


def test_an_operator_sets_a_spread_and_gets_its_version_as_entity_tag(client):
    answer = put(client)
    assert answer.status_code == 200
    assert answer["ETag"] == f'"{answer.data["version"]}"'
    assert (answer.data["buy"], answer.data["by"], answer.data["origin"]) == (
        "50",
        "operator",
        "api",
    )


def test_numbers_keep_every_digit(client):
    put_market("BTC_USD", "84359.80", "84359.90")
    answer = put(client, b'{"unit":"absolute","buy":421.8,"sell":-421.80,"reason":"x"}')
    assert SpreadRule.objects.get().buy == Decimal("421.8")
    assert (answer.data["buy"], answer.data["sell"]) == ("421.8", "-421.8")


def test_a_lost_race_is_told_and_stores_nothing(client):
    first = put(client)
    assert put(client, **{"If-Match": first["ETag"]}).status_code == 200
    late = put(client, **{"If-Match": first["ETag"]})
    assert late.status_code == 412
    assert "set by operator" in late.data["error"]["message"]
    assert SpreadRule.objects.count() == 2


def test_reading_gives_the_tag_that_the_next_write_matches(client):
    make_house_default()
    seen = client.get(URL)
    assert (seen.status_code, seen.data["pair"]) == (200, None)
    assert put(client, **{"If-Match": seen["ETag"]}).status_code == 200


def test_a_pair_that_never_had_a_spread_says_so(client):
    assert client.get(URL).status_code == 404


@pytest.mark.parametrize("tag", ["17", 'W/"17"', '"x"', '"1", "2"'])
def test_an_entity_tag_of_another_form_is_refused(client, tag):
    answer = put(client, **{"If-Match": tag})
    assert answer.status_code == 400
    assert "If-Match" in answer.data["error"]["fields"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (BODY | {"buy": "NaN"}, "buy"),
        (BODY | {"buy": "sNaN"}, "buy"),
        (BODY | {"buy": "1e999"}, "buy"),
        (b'{"unit":"bps","buy":1e999,"sell":-50,"reason":"x"}', "buy"),
        (BODY | {"buy": "abc"}, "buy"),
        (BODY | {"buy": None}, "buy"),
        (BODY | {"buy": [1]}, "buy"),
        (BODY | {"buy": True}, "buy"),
        (BODY | {"sell": "-50.00001"}, "sell"),
        (BODY | {"buy": "501"}, "buy"),
        (BODY | {"sell": "5"}, "sell"),
        (BODY | {"unit": "percent"}, "unit"),
        (BODY | {"reason": "  "}, "reason"),
        (BODY | {"reason": "nul \x00"}, "reason"),
        (BODY | {"effective_from": "2001-01-01T00:00:00Z"}, "effective_from"),
        (BODY | {"effective_from": "soon"}, "effective_from"),
        (BODY | {"max_bp": "10"}, "max_bp"),
        ({"unit": "bps", "sell": "-50", "reason": "x"}, "buy"),
    ],
)
def test_bad_input_is_refused_by_name_and_stores_nothing(client, body, field):
    answer = put(client, body)
    assert answer.status_code == 400, answer.content
    assert field in answer.data["error"]["fields"]
    assert not SpreadRule.objects.exists()


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b'"x"', b"NaN", b"[" * 100_000, b'{"buy":1e9999999999999999999}', b"\xff"],
)
def test_a_body_that_is_no_object_is_refused(client, raw):
    assert put(client, raw).status_code == 400


def test_an_unknown_pair_is_told_with_the_known_ones(client):
    answer = client.put("/api/v1/rates/XBT_USD/spread", BODY, format="json")
    assert answer.status_code == 404
    assert "BTC_USD" in answer.data["error"]["message"]


@pytest.mark.parametrize("url", [URL, HISTORY])
def test_strangers_and_customers_are_kept_out(client, url):
    stranger, customer = APIClient(), APIClient()
    customer.force_login(User.objects.create_user("customer"))
    for person, status in ((stranger, 401), (customer, 403)):
        assert (person.get(url).status_code, put(person).status_code) == (status, status)
    assert not SpreadRule.objects.exists()


def test_a_superuser_may(client):
    root = APIClient()
    root.force_login(User.objects.create_superuser("root"))
    assert put(root).status_code == 200


def test_an_inward_offset_needs_more_than_an_operator(client):
    answer = put(client, BODY | {"buy": "-1", "sell": "-5", "min_bps": "-10"})
    assert (answer.status_code, answer.data["error"]["code"]) == (403, "permission_denied")


def test_a_change_that_waits_is_accepted_not_done(client, settings):
    standing = put(client)
    settings.RATES_FOUR_EYES = "always"
    answer = put(client, BODY | {"buy": "40"})
    assert (answer.status_code, answer.data["status"]) == (202, "pending")
    assert answer["ETag"] == standing["ETag"]


def test_history_comes_in_pages_newest_first(client):
    for buy in (10, 20, 30):
        put(client, BODY | {"buy": buy})
    page = client.get(f"{HISTORY}?limit=2")
    assert [row["buy"] for row in page.data["results"]] == ["30", "20"]
    assert [row["buy"] for row in client.get(page.data["next"]).data["results"]] == ["10"]


def test_history_costs_the_same_queries_however_long(client, django_assert_num_queries):
    for buy in (10, 20, 30):
        put(client, BODY | {"buy": buy})
    with django_assert_num_queries(5):  # user, two of permissions, pairs, versions
        client.get(HISTORY)


@pytest.mark.parametrize("limit", ["0", "-1", "201", "x", ""])
def test_a_page_length_out_of_range_is_refused(client, limit):
    answer = client.get(f"{HISTORY}?limit={limit}")
    assert answer.status_code == 400
    assert "limit" in answer.data["error"]["fields"]


def test_an_unknown_format_of_the_history_is_told_which_there_are(client):
    answer = client.get(f"{HISTORY}?format=xml")
    assert answer.status_code == 400
    assert "csv" in answer.json()["error"]["fields"]["format"][0]


def test_history_as_csv_disarms_formulas(client):
    put(client, BODY | {"reason": "=1+1"})
    answer = client.get(f"{HISTORY}?format=csv")
    (row,) = csv.DictReader(io.StringIO(answer.content.decode()))
    assert (row["reason"], row["sell"]) == ("'=1+1", "-50")


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.decimals().map(str),
)
bodies = st.dictionaries(
    st.sampled_from([*BODY, "min_bps", "max_bps", "effective_from", "x"]), values, max_size=8
)


@settings(suppress_health_check=[*HealthCheck], max_examples=80, deadline=None)
@given(body=bodies)
def test_no_body_ever_breaks_the_server(client, body):
    assert put(client, BODY | body).status_code in (200, 400, 403)
