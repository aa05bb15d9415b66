"""The converter: the customer price, whole digits, rounding never in the customer's favour."""

import pytest
from playwright.sync_api import expect


@pytest.fixture
def converter(feed, tab):
    page = tab("/rates/").page
    expect(page.locator("[data-status-link]")).to_have_attribute("data-connection", "live")
    page.click("[data-converter-open]")
    return page


@pytest.mark.parametrize(
    ("side", "typed", "shown"),
    [
        ("buy", "1", "84,781.70"),
        ("buy", "0.00000001", "0.01"),  # 0.000848 of a cent is paid in full
        ("sell", "0.00000001", "0.00"),
        ("buy", "123456789.12345678", "10,466,876,458,428.18"),
        ("sell", "1,000.5", "83,979,969.00"),
    ],
)
def test_a_base_amount_becomes_what_is_paid_or_got(converter, side, typed, shown):
    converter.check(f"input[value={side}]", force=True)
    converter.fill("#converter-base-amount", typed)
    expect(converter.locator("#converter-quote-amount")).to_have_value(shown)


@pytest.mark.parametrize(("side", "shown"), [("buy", "0.01179499"), ("sell", "0.01191356")])
def test_a_quote_amount_becomes_a_base_amount_rounded_to_the_desks_side(converter, side, shown):
    converter.check(f"input[value={side}]", force=True)
    converter.fill("#converter-quote-amount", "1000")
    expect(converter.locator("#converter-base-amount")).to_have_value(shown)


def test_the_price_is_named_as_the_customers(converter):
    basis = converter.locator(".converter__basis")
    expect(basis).to_contain_text("At the customer price, our spread included: 84,781.70 USD")


def test_what_is_no_amount_is_refused_in_words(converter):
    converter.fill("#converter-base-amount", "1e9")
    expect(converter.locator("[data-converter-error]")).to_have_text(
        "Write an amount such as 0.25."
    )
    expect(converter.locator("#converter-quote-amount")).to_have_value("")


def test_a_pair_without_a_quote_converts_nothing_and_says_so(converter, feed):
    feed.silent.set()
    expect(converter.locator("[data-converter-price]")).to_have_text(
        "no price now (stale)", timeout=15_000
    )
    expect(converter.locator("#converter-quote-amount")).to_have_value("")
