"""The API's pages for people, in a browser that reports every broken rule of their policy."""

import pytest


def test_the_documentation_shows_every_operation_and_breaks_no_policy(feed, tab):
    opened = tab("/api/docs")
    opened.page.wait_for_selector("#operations-rates-rates_candles")
    assert opened.violations() == []
    assert opened.complaints == []


def test_a_request_can_be_tried_from_the_documentation(feed, tab):
    page = tab("/api/docs").page
    page.click("#operations-rates-rates_list .opblock-summary-control")
    page.click("#operations-rates-rates_list .try-out__btn")
    page.click("#operations-rates-rates_list .execute")
    answer = page.wait_for_selector("#operations-rates-rates_list .live-responses-table")
    assert "BTC_USD" in answer.inner_text()


@pytest.mark.parametrize("path", ["/api/v1/rates", "/api/v1/rates/BTC_USD/candles?interval=1h"])
def test_the_browsable_api_shows_the_answer(feed, tab, path):
    opened = tab(path)
    assert "BTC_USD" in opened.page.inner_text(".response-info")
    assert opened.violations() == []
