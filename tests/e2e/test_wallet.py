"""Signing in with a wallet, in a real browser: what works, for everybody."""

from __future__ import annotations

import pytest
from allauth.socialaccount.models import SocialAccount
from playwright.sync_api import expect

from tests.e2e.test_quality import LOOKS, WIDTHS, problems
from tests.e2e.wallets import (
    ACCOUNT,
    LOGIN,
    TestWallet,
    button,
    is_signed_in,
    said,
    sign_in,
    user_of,
)

# --- What works ---


def test_a_wallet_signs_in_and_lands_on_the_account_page(opened):
    wallet = TestWallet()
    found = opened(wallet)
    sign_in(found.page, wallet)
    found.page.wait_for_url(f"**{ACCOUNT}")
    assert is_signed_in(found.page)
    assert user_of(wallet).email == ""
    assert (found.violations(), found.complaints) == ([], [])


def test_the_page_says_what_is_signed_and_that_it_costs_nothing(page_with):
    page = page_with(TestWallet())
    section = page.get_by_role("region", name="Wallets found on this machine")
    expect(section).to_contain_text("short message")
    expect(section).to_contain_text("It costs nothing and sends no transaction.")


def test_a_wallet_that_only_sets_window_ethereum_signs_in(page_with):
    wallet = TestWallet("Browser wallet", announced=False)
    page = page_with(wallet)
    sign_in(page, wallet)
    assert is_signed_in(page)


def test_the_wallet_used_last_stands_first_next_time(page_with):
    first, second = TestWallet("Anchor"), TestWallet("Buoy")
    page = page_with(first, second)
    names = page.locator(".wallet__name")
    expect(names).to_have_text(["Anchor", "Buoy", "Demo wallet"])
    sign_in(page, second)
    page.context.clear_cookies()
    page.goto(LOGIN)
    expect(names).to_have_text(["Buoy", "Anchor", "Demo wallet"])


def test_a_wallet_that_announces_itself_twice_is_shown_once(page_with):
    wallet = TestWallet()
    page = page_with(wallet)
    page.evaluate("dispatchEvent(new Event('eip6963:requestProvider'))")
    expect(button(page, wallet)).to_have_count(1)


@pytest.mark.parametrize(
    ("wanted", "landed"),
    [("/rates/BTC_USD/", "/rates/BTC_USD/"), ("rates", "/accounts/login/rates")],
)
def test_next_on_this_site_is_followed(page_with, desk, wanted, landed):
    wallet = TestWallet()
    page = page_with(wallet, path=f"{LOGIN}?next={wanted}")
    button(page, wallet).click()
    page.wait_for_url(f"{desk.url}{landed}")


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example",
        "/%5Cevil.example",
        "javascript:alert(1)",
        "http://[",
    ],
)
def test_next_on_another_site_is_not_followed(page_with, desk, wanted):
    wallet = TestWallet()
    page = page_with(wallet, path=f"{LOGIN}?next={wanted}")
    button(page, wallet).click()
    page.wait_for_url(lambda url: LOGIN not in url)
    assert page.url.startswith(desk.url)


def test_addresses_are_spelled_as_eth_account_spells_them(page_with):
    wallet = TestWallet(keys=60)
    page = page_with(wallet)
    sign_in(page, wallet)
    page.context.clear_cookies()
    page.goto(LOGIN)
    spell = """async (addresses) => {
      const page = document.querySelector("script[src*='wallet/page']").src;
      const text = await (await fetch(page)).text();
      const signin = new URL(text.match(/import\\("(.+?)"\\)/)[1], page);
      const message = (await (await fetch(signin)).text()).match(/from "(.+?message.+?)"/)[1];
      const { checksummed } = await import(new URL(message, signin));
      return addresses.map(checksummed);
    }"""
    lower = [address.lower() for address in wallet.addresses]
    assert page.evaluate(spell, lower) == wallet.addresses


# --- The demo wallet ---


def test_the_demo_wallet_shows_what_it_signs_and_signs_in(opened):
    found = opened()
    found.page.get_by_role("button", name="Demo wallet").click()
    found.page.get_by_label("Account 2").check()
    found.page.get_by_role("button", name="Use this account").click()
    expect(found.page.get_by_role("dialog")).to_contain_text("wants you to sign in")
    found.page.get_by_role("button", name="Sign", exact=True).click()
    found.page.wait_for_url(lambda url: LOGIN not in url)
    assert SocialAccount.objects.get().uid == "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    assert (found.violations(), found.complaints) == ([], [])


@pytest.mark.parametrize("key", ["Escape", "Reject"])
def test_the_demo_wallet_may_be_declined(page_with, key):
    page = page_with()
    page.get_by_role("button", name="Demo wallet").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    if key == "Escape":
        page.keyboard.press(key)
    else:
        page.get_by_role("button", name=key).click()
    expect(said(page)).to_have_text("You declined in Demo wallet. Nothing has happened.")
    expect(page.get_by_role("button", name="Demo wallet")).to_be_focused()


# --- Everybody can use it ---


@LOOKS
def test_axe_finds_nothing_in_the_chooser_and_what_it_says(page_with, theme, width):
    wallets = TestWallet("Anchor"), TestWallet("Buoy")
    wallets[0].state["refuses"] = {"personal_sign": -32002}
    wallets[1].state["holds"] = True
    page = page_with(*wallets, color_scheme=theme, viewport=WIDTHS[width], reduced_motion="reduce")
    expect(button(page, wallets[1])).to_be_visible()
    assert problems(page) == []
    button(page, wallets[0]).click()
    expect(said(page)).to_contain_text("open already")
    assert problems(page) == []
    button(page, wallets[1]).click()
    expect(said(page)).to_contain_text("Read and sign")
    assert problems(page) == []
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Demo wallet").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert problems(page) == []


@pytest.mark.parametrize("path", [LOGIN, "/accounts/signup/"])
def test_a_narrow_screen_never_scrolls_sideways(page_with, path):
    page = page_with(TestWallet("W" * 40), path=path, viewport=WIDTHS["narrow"])
    expect(page.locator(".wallet")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
