"""The pages of rates as a browser without JavaScript sees them."""

import re
from datetime import timedelta
from decimal import Decimal as D

import pytest
from django.utils import timezone

from rates.services import sparklines
from rates.tests.desk import make_operator, make_pair, put_candles
from rates.tests.quotes import message, publish

pytestmark = pytest.mark.django_db


def text_of(response) -> str:
    """What a reader sees: no tags, no run of blanks."""
    body = re.sub(
        r"<(script|style|template|svg)\b.*?</\1>", " ", response.content.decode(), flags=re.S
    )
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", body))


@pytest.fixture
def quoted():
    """Publish a quote of a new pair; returns the pair."""

    def make(code="BTC_USD", **facts):
        record = make_pair(code, price_decimals=2, tick_size=D("0.01"))
        publish(message(code, **facts))
        return record

    return make


def test_a_row_names_both_customer_prices_the_market_and_the_spread(client, quoted):
    quoted()
    seen = text_of(client.get("/rates/"))
    for figure in ("BTC/USD", "84,781.70", "83,938.00", "84,359.90", "84,359.80", "843.70"):
        assert figure in seen


def test_the_spread_is_also_given_in_basis_points_of_the_mid(client, quoted):
    quoted()
    assert "100.0 bps" in text_of(client.get("/rates/"))


def test_rows_stand_in_the_desks_order(client, quoted):
    quoted("ETH_USD")
    make_pair("ADA_USD", position=1)
    body = client.get("/rates/").content.decode()
    assert body.index('data-pair="ADA_USD"') < body.index('data-pair="ETH_USD"')


def test_a_negative_change_has_a_real_minus_and_its_sign(client, quoted):
    quoted(change_pct="-1.5")
    assert "\N{MINUS SIGN}1.50%" in text_of(client.get("/rates/"))


def test_a_pair_without_a_quote_keeps_its_row_and_says_why(client):
    make_pair()
    response = client.get("/rates/")
    assert 'data-state="stale"' in response.content.decode()
    assert "no data" in response.content.decode()


def test_a_halted_pair_shows_a_dash_and_the_last_market_price(client):
    make_pair(price_decimals=2)
    quote = message(state="halted", reason="operator")
    publish(quote._replace(data=re.sub(rb'"withSpread":{[^}]*}', b'"withSpread":null', quote.data)))
    seen = text_of(client.get("/rates/"))
    assert "Halted" in seen
    assert "84,359.90" in seen
    assert "84,781.70" not in seen


def test_a_silent_feed_is_told_on_the_page(client, quoted):
    quoted()
    publish(age=6)
    response = client.get("/rates/")
    assert "Prices are not live (feed silent)" in text_of(response)
    assert "84,781.70" not in text_of(response)


def test_a_live_feed_hides_that_notice(client, quoted):
    quoted()
    assert re.search(r"data-market-notice hidden", client.get("/rates/").content.decode())


def test_an_empty_desk_says_what_comes_next(client):
    assert "No pairs yet" in text_of(client.get("/rates/"))


def test_simulated_prices_are_marked(client):
    assert "Simulated data" in text_of(client.get("/rates/"))


def test_the_boards_queries_do_not_grow_with_the_pairs(client, quoted, django_assert_num_queries):
    for code in ("BTC_USD", "ETH_USD", "ADA_USD", "XRP_USD"):
        quoted(code)
    with django_assert_num_queries(2):
        client.get("/rates/")


def test_no_page_holds_an_inline_style_or_script(client, quoted):
    quoted()
    for path in ("/rates/", "/rates/BTC_USD/", "/rates/NOPE/", "/accounts/login/"):
        body = client.get(path).content.decode()
        data = r'(?![^>]*\bsrc=|[^>]* type="application/json")'
        assert not re.search(rf"\sstyle=|<style|\son\w+=|<script{data}", body), path


def test_operators_get_a_link_to_each_pairs_spread(client, quoted):
    record = quoted()
    client.force_login(make_operator())
    assert f"/admin/rates/pair/{record.pk}/change/" in client.get("/rates/").content.decode()


def test_customers_get_no_link_into_the_admin(client, quoted):
    quoted()
    client.force_login(make_operator(edit=False))
    assert "/admin/rates/" not in client.get("/rates/").content.decode()


def test_the_sparkline_joins_the_half_hours_that_have_candles(client, quoted):
    put_candles(quoted(), 100, 110, 105, step=timedelta(minutes=30))
    points = re.search(r'points="([^"]+)"', client.get("/rates/").content.decode())
    assert points is not None
    assert len(points[1].split()) == 3
    assert points[1].endswith(",14.0")


def test_a_sparkline_forgets_what_is_older_than_a_day():
    pair = make_pair()
    put_candles(pair, 99, 101, step=timedelta(days=2))
    assert [value for _, value in sparklines.sparklines(timezone.now())["BTC_USD"]] == [D(101)]


def test_the_pair_page_shows_the_price_and_commands_for_this_host(client, quoted):
    quoted(high="86000.00", low="82000.00", last="84359.90", volume="1342.55")
    seen = text_of(client.get("/rates/BTC_USD/"))
    for part in (
        "84,781.70",
        "86,000.00",
        "1,342.55",
        "curl -s 'http://testserver/api/v1/rates/BTC_USD'",
        "ws://testserver/ws/live",
    ):
        assert part in seen


def test_an_unknown_pair_is_a_404_that_names_the_known_ones(client, quoted):
    quoted()
    make_pair("ETH_EUR")
    response = client.get("/rates/BTC-USD/")
    assert response.status_code == 404
    assert "BTC_USD" in text_of(response)
    assert "ETH_EUR" in text_of(response)


def test_a_hostile_pair_name_is_shown_as_text(client):
    response = client.get("/rates/%3Cscript%3Ealert(1)/")
    assert response.status_code == 404
    assert "<script>alert" not in response.content.decode()


def test_only_operators_see_the_spread_history(client, quoted):
    quoted()
    assert "Spread history" not in text_of(client.get("/rates/BTC_USD/"))
    client.force_login(make_operator())
    assert "Spread history" in text_of(client.get("/rates/BTC_USD/"))


@pytest.mark.parametrize("path", ["/rates/", "/rates/BTC_USD/"])
def test_pages_cannot_be_posted_to(client, path):
    assert client.post(path).status_code == 405


@pytest.mark.parametrize(("cookie", "mark"), [("dark", ' data-theme="dark"'), ("<x>", "")])
def test_the_theme_cookie_is_obeyed_before_the_first_paint_unless_it_is_nonsense(
    client, cookie, mark
):
    client.cookies["theme"] = cookie
    assert f'<html lang="en"{mark}>' in client.get("/rates/").content.decode()
