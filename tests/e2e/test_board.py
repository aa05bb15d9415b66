"""The board in a real browser: live values, silence, and what a visitor can do with it."""

import os
import signal

import pytest
from playwright.sync_api import expect

from live.messages import PRIORITY
from rates.tests.quotes import message, publish

BUY = "[data-pair=BTC_USD] [data-cell=buy]"
WORD = "[data-pair=BTC_USD] [data-state-word]"
NARROW = {"width": 390, "height": 844}


@pytest.fixture
def board(feed, tab):
    """An open board with a live connection."""
    page = tab("/rates/").page
    expect(page.locator("[data-status-link]")).to_have_attribute("data-connection", "live")
    return page


def test_a_new_quote_appears_on_every_open_page_without_reload(board, feed, tab):
    other = tab("/rates/BTC_USD/").page
    publish(feed.message(buy="85000.05")._replace(flag=PRIORITY))
    for page in (board, other):
        expect(page.locator("[data-cell=buy]").first).to_have_text("85,000.05")


def test_an_older_number_never_replaces_a_newer_one(board, feed):
    feed.quote(buy="84800.00")
    expect(board.locator(BUY)).to_have_text("84,800.00")
    publish(message(seq=1, buy="1.00"))
    feed.quote("ETH_USD", buy="84801.00")
    expect(board.locator("[data-pair=ETH_USD] [data-cell=buy]")).to_have_text("84,801.00")
    expect(board.locator(BUY)).to_have_text("84,800.00")


def test_a_silent_server_greys_the_page_and_its_return_heals_it(board, feed, desk):
    os.kill(desk.process.pid, signal.SIGSTOP)
    try:
        expect(board.locator(".connection")).to_be_visible(timeout=15_000)
        expect(board.locator("[data-board].is-lost")).to_be_visible()
        expect(board.locator(BUY)).to_have_text("84,781.70")
        expect(board.locator(WORD)).to_have_text("Last known")
    finally:
        os.kill(desk.process.pid, signal.SIGCONT)
    expect(board.locator("[data-board]:not(.is-lost)")).to_be_visible(timeout=30_000)
    expect(board.locator(WORD)).to_have_text("Live")
    feed.quote(buy="85001.00")
    expect(board.locator(BUY)).to_have_text("85,001.00")


def test_a_silent_feed_withdraws_the_quotes_and_its_return_brings_them_back(board, feed):
    feed.silent.set()
    expect(board.locator("[data-market-notice]")).to_be_visible(timeout=15_000)
    expect(board.locator(BUY)).to_have_text("\N{EN DASH}")
    expect(board.locator("[data-pair=BTC_USD] [data-state-word]")).to_have_text("Stale")
    expect(board.locator("[data-pair=BTC_USD] [data-cell=ask]")).to_have_text("84,359.90")
    feed.quote(buy="85002.00")
    expect(board.locator(BUY)).to_have_text("85,002.00")


def test_a_browser_whose_websockets_fail_gets_events_instead(feed, tab):
    page = tab("/healthz").page
    page.route_web_socket("**/ws/live", lambda socket: socket.close())
    page.add_init_script("Math.random = () => 0")
    page.goto("/rates/")
    expect(page.locator("[data-status-link]")).to_have_attribute("data-connection", "live")
    feed.quote(buy="85003.00")
    expect(page.locator(BUY)).to_have_text("85,003.00")


def test_without_javascript_the_prices_are_there_and_nothing_that_cannot_work(feed, tab):
    page = tab("/rates/", java_script_enabled=False).page
    expect(page.locator(BUY)).to_have_text("84,781.70")
    for dead in ("[data-filter]", "[data-converter-open]", "[data-star]", "[data-theme-switch]"):
        expect(page.locator(dead).first).to_be_hidden()


def test_amounts_are_written_in_the_visitors_locale(feed, tab):
    page = tab("/rates/", locale="de-DE").page
    expect(page.locator(BUY)).to_have_text("84.781,70")


def test_the_filter_takes_a_name_in_any_form_and_escape_clears_it(board):
    board.keyboard.press("/")
    board.keyboard.type("eth/us")
    expect(board.locator("[data-count]")).to_have_text("1 of 2 pairs")
    expect(board.locator("[data-pair=BTC_USD]")).to_be_hidden()
    board.keyboard.press("Escape")
    expect(board.locator("[data-count]")).to_have_text("2 pairs")


def test_a_favourite_comes_first_and_is_remembered(board):
    board.click("[data-pair=ETH_USD] [data-star]")
    expect(board.locator("tbody tr").first).to_have_attribute("data-pair", "ETH_USD")
    board.reload()
    expect(board.locator("tbody tr").first).to_have_attribute("data-pair", "ETH_USD")


def test_a_click_on_a_head_sorts_and_says_so(board, feed):
    feed.quote("ETH_USD", buy="90000.00")
    expect(board.locator("[data-pair=ETH_USD] [data-cell=buy]")).to_have_text("90,000.00")
    board.click("th[data-sort=buy] button")
    expect(board.locator("th[data-sort=buy]")).to_have_attribute("aria-sort", "descending")
    expect(board.locator("tbody tr").first).to_have_attribute("data-pair", "ETH_USD")


def test_the_theme_is_remembered_by_the_server(board):
    board.click("[data-theme-switch]")
    board.reload()
    expect(board.locator("html")).to_have_attribute("data-theme", "dark")


def test_question_mark_lists_the_keys_and_escape_closes_them(board):
    board.keyboard.press("?")
    expect(board.locator("#keys")).to_be_visible()
    board.keyboard.press("Escape")
    expect(board.locator("#keys")).to_be_hidden()


def test_g_then_r_goes_to_the_rates(feed, tab):
    page = tab("/rates/BTC_USD/").page
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url("**/rates/")


def test_a_changed_price_is_tinted_unless_motion_is_unwelcome(board, feed, tab):
    still = tab("/rates/", reduced_motion="reduce").page
    expect(still.locator("[data-status-link]")).to_have_attribute("data-connection", "live")
    feed.quote(buy="85005.00")
    expect(board.locator(f"{BUY}.flash-up")).to_be_visible()
    expect(still.locator(BUY)).to_have_text("85,005.00")
    expect(still.locator(f"{BUY}.flash-up")).to_have_count(0)


def test_on_a_narrow_screen_a_row_keeps_pair_prices_and_change(feed, tab):
    page = tab("/rates/", viewport=NARROW).page
    row = page.locator("[data-pair=BTC_USD]")
    for shown in ("buy", "sell", "change"):
        expect(row.locator(f"[data-cell={shown}]")).to_be_visible()
    expect(row.locator("[data-cell=ask]")).to_be_hidden()
    expect(page.locator(".bottombar")).to_be_visible()
