"""The pages of top coins in a real browser: live, sorted, searched, drawn, usable by keyboard."""

import re

import pytest
from playwright.sync_api import expect

from demo.simulators.coins import CoinMarket
from rates.coins.tests.market import listing, put_rows
from tests.e2e.test_quality import LOOKS, WIDTHS, problems

# What narrow screens leave out until it is asked for.
HIDDEN = ("hour", "week", "cap", "volume", "spark")
PATHS = ("/coins/", "/coins/liquidity/", "/coins/BTC/", "/coins/?limit=all")


def put_market(*, first=None, **prices):
    """Serve the simulated market, with these prices instead of its own."""
    market = CoinMarket(7)
    market.clock = 0
    service = market.services["coinmarketcap"]
    rows = []
    for rank, coin, price in market._rows(service, 0, 120):
        hour, day, week = (str(change) for change in market._changes(coin))
        rows.append(
            listing(
                coin.symbol,
                rank,
                prices.get(coin.symbol, f"{price:.10f}".rstrip("0")),
                name=coin.name,
                change_1h=hour,
                change_24h=day,
                change_7d=week,
                market_cap=f"{price * coin.supply:.2f}",
                volume_24h=f"{market._volume(coin, price):.2f}",
            )
        )
    return put_rows([first, *rows] if first else rows)


@pytest.fixture
def market(desk):
    return put_market()


@LOOKS
def test_axe_finds_nothing_and_nothing_is_complained_of(market, tab, theme, width):
    options = {"color_scheme": theme, "viewport": WIDTHS[width], "reduced_motion": "reduce"}
    opened = tab("/healthz", **options)
    for path in PATHS[:3]:
        opened.page.goto(path)
        assert problems(opened.page) == [], path
        assert opened.violations() == []
        wide = opened.page.evaluate("document.documentElement.scrollWidth")
        assert wide == WIDTHS[width]["width"], path
    assert opened.complaints == []


def test_a_telephone_shows_the_main_columns_and_all_of_them_when_asked_and_cuts_no_price(desk, tab):
    put_market(XRP="0.00000012187451")
    page = tab("/coins/?limit=all", viewport=WIDTHS["narrow"]).page
    for name in ("rank", "symbol", "price", "change_24h"):
        expect(page.locator(f"th[data-sort={name}] button")).to_be_visible()
    left_out = [page.locator(f"th.coins__{name}") for name in HIDDEN]
    left_out += [page.locator(f'[data-symbol="BTC"] td.coins__{name}') for name in HIDDEN]
    for head in left_out:
        expect(head).to_be_hidden()
    sizes = page.evaluate(
        """() => {
          const table = document.querySelector("[data-coins]");
          const cells = [...table.querySelectorAll("[data-cell=price]")];
          return [table.offsetWidth, table.parentElement.clientWidth,
                  cells.filter((cell) => cell.scrollWidth > cell.clientWidth).length];
        }"""
    )
    assert sizes[0] <= sizes[1]
    assert sizes[2] == 0
    page.get_by_label("All columns").check()
    for head in left_out:
        head.scroll_into_view_if_needed()
        expect(head).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") == WIDTHS["narrow"]["width"]


@pytest.mark.parametrize("scripted", [True, False])
def test_a_wide_screen_shows_every_column_and_has_no_need_to_ask(market, tab, scripted):
    page = tab("/coins/", viewport=WIDTHS["wide"], java_script_enabled=scripted).page
    for name in HIDDEN:
        expect(page.locator(f"th.coins__{name}")).to_be_visible()
    expect(page.get_by_label("All columns")).to_be_hidden()


def test_a_new_price_arrives_without_reloading(market, tab):
    page = tab("/coins/").page
    expect(page.locator("[data-status-link]")).to_have_attribute("data-connection", "live")
    page.evaluate("window.same = true")
    put_market(BTC="84400.5")
    expect(page.locator('[data-symbol="BTC"] [data-cell="price"]')).to_have_text("$84,400.5")
    assert page.evaluate("window.same")


def test_a_coin_that_comes_in_is_drawn_without_losing_what_was_typed(market, tab):
    page = tab("/coins/").page
    expect(page.locator("[data-status-link]")).to_have_attribute("data-connection", "live")
    page.evaluate("window.same = true")
    page.click("[data-coins-convert]")
    page.fill("[data-coins-amount]", "7")
    put_market(first=listing("NEWCOIN", 1, "5", name="New coin"))
    expect(page.locator('[data-symbol="NEWCOIN"] [data-star]')).to_be_visible()
    expect(page.locator("[data-coins] tbody tr")).to_have_count(50)
    expect(page.locator("[data-coins-amount]")).to_have_value("7")
    assert page.evaluate("window.same")


@pytest.mark.parametrize("path", ["/coins/liquidity/", "/coins/BTC/"])
def test_a_page_that_is_left_open_says_by_itself_that_its_list_is_old(market, tab, path):
    page = tab("/healthz", fresh=True).page
    page.clock.install()
    page.goto(path)
    expect(page.locator("[data-coins-word]")).to_have_text("Fresh")
    page.clock.fast_forward("04:00")
    expect(page.locator("[data-coins-word]")).to_have_text("Stale")
    expect(page.locator("[data-coins-as-of]")).to_have_text("4 min ago")


def test_search_watchlist_and_sorting(market, tab):
    page = tab("/coins/").page
    shown = page.locator("[data-coins] tbody tr:visible")
    page.fill("[data-coins-search]", "ether")
    expect(shown).to_have_count(3)
    expect(page.locator("[data-coins-count]")).to_have_text("3 of 50 coins")
    page.fill("[data-coins-search]", "")
    page.click('[data-symbol="XRP"] [data-star]')
    page.check("[data-coins-watched] input")
    expect(shown).to_have_count(1)
    page.reload()
    expect(page.locator('[data-symbol="XRP"] [data-star]')).to_have_attribute(
        "aria-pressed", "true"
    )
    page.click("th[data-sort=change_24h] button")
    first = page.locator("[data-coins] tbody tr").first.get_attribute("data-change_24h")
    last = page.locator("[data-coins] tbody tr").last.get_attribute("data-change_24h")
    assert float(first) > float(last)


def test_the_limit_is_kept_from_page_to_page(market, tab):
    page = tab("/coins/").page
    page.click(".coins__limits a:has-text('10'):not(:has-text('100'))")
    expect(page.locator("[data-coins] tbody tr")).to_have_count(10)
    page.click("text=Liquidity")
    expect(page).to_have_url(re.compile(r"/coins/liquidity/\?limit=10$"))
    expect(page.locator(".coins-plot__mark")).to_have_count(10)


def test_marks_are_told_on_hover_and_by_arrow_keys(market, tab):
    page = tab("/coins/liquidity/").page
    page.locator(".coins-plot__mark[tabindex='0']").focus()
    tip = page.locator("[data-plot-tip]")
    expect(tip).to_contain_text("Bitcoin (BTC): market cap $1.69 T")
    page.keyboard.press("ArrowRight")
    expect(tip).to_contain_text("Ethereum (ETH)")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/coins/ETH/$"))


def test_the_converter_counts_in_whole_digits(market, tab):
    page = tab("/coins/").page
    page.click("[data-coins-convert]")
    page.fill("[data-coins-amount]", "2.5")
    expect(page.locator("[data-coins-worth]")).to_have_text("210,899.53")


def test_pages_are_there_without_scripts(market, tab):
    page = tab("/coins/liquidity/", java_script_enabled=False).page
    expect(page.locator("tr[data-point]")).to_have_count(50)
