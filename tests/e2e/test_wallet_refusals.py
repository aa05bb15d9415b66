"""Signing in with a wallet when something is in the way: the owner, the wallet, our server."""

from __future__ import annotations

import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from playwright.sync_api import expect

from accounts.models import User
from tests.e2e.wallets import (
    LOGIN,
    TestWallet,
    button,
    is_signed_in,
    said,
    sign_in,
    user_of,
)

# --- What the wallet or its owner may do ---


def test_declining_is_said_quietly_and_may_be_taken_back(page_with):
    wallet = TestWallet()
    wallet.state["refuses"] = {"personal_sign": 4001}
    page = page_with(wallet)
    button(page, wallet).click()
    expect(said(page)).to_have_text("You declined in Harbour. Nothing has happened.")
    expect(page.locator("[data-wallets-say]").first).to_have_attribute("data-tone", "quiet")
    wallet.tell(page, "wallet.refuses = {}")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_url(lambda url: LOGIN not in url)


@pytest.mark.parametrize(
    ("method", "code", "hint"),
    [
        ("eth_requestAccounts", 4001, "You declined in Harbour."),
        ("eth_requestAccounts", -32002, "a request is open already"),
        ("personal_sign", -32002, "a request is open already"),
        ("personal_sign", 4100, "unlock it"),
        ("eth_chainId", 4900, "no connection to its chain"),
        ("personal_sign", -32603, "Harbour could not sign."),
    ],
)
def test_each_refusal_of_a_wallet_has_its_own_hint(page_with, method, code, hint):
    wallet = TestWallet()
    wallet.state["refuses"] = {method: code}
    page = page_with(wallet)
    button(page, wallet).click()
    expect(said(page)).to_contain_text(hint)
    expect(button(page, wallet)).to_be_enabled()
    assert not is_signed_in(page)


def test_without_a_wallet_the_page_says_what_to_do(page_with):
    page = page_with(path=LOGIN)
    page.route("**/demo-wallet*", lambda route: route.abort())
    page.reload()
    expect(page.locator("[data-wallets-none]").first).to_contain_text("Install a wallet")
    expect(page.get_by_label("Password")).to_be_visible()


def test_without_scripts_the_page_says_so_and_the_form_stands(page_with):
    page = page_with(java_script_enabled=False)
    expect(page.locator("main noscript p")).to_be_visible()
    expect(page.get_by_text("Looking for wallets")).to_be_hidden()
    expect(page.get_by_label("Password")).to_be_visible()


@pytest.mark.parametrize("accounts", [[], ["0x12"], [None], "0x", None])
def test_a_wallet_that_shows_no_account_is_told_apart(page_with, accounts):
    wallet = TestWallet()
    page = page_with(wallet)
    wallet.tell(page, "wallet.accounts = value", accounts)
    button(page, wallet).click()
    expect(said(page)).to_contain_text("Harbour showed no account.")


def test_a_wallet_on_another_chain_is_asked_to_switch(page_with):
    wallet = TestWallet()
    wallet.state["chain"] = "0x89"
    page = page_with(wallet)
    sign_in(page, wallet)
    assert SocialAccount.objects.get().extra_data["chain_id"] == 1


def test_a_wallet_that_stays_on_another_chain_is_told_which_are_accepted(page_with):
    wallet = TestWallet()
    wallet.state |= {"chain": "0x89", "stubborn": True}
    page = page_with(wallet)
    button(page, wallet).click()
    expect(said(page)).to_have_text(
        "Harbour is on Polygon, which is not accepted here. "
        "Switch it to Ethereum or the local chain and try again."
    )
    assert "personal_sign" not in wallet.tell(page, "wallet.asked")


@pytest.mark.parametrize(
    ("event", "value", "what"),
    [
        ("accountsChanged", ["0x" + "ab" * 20], "account"),
        ("accountsChanged", [], "account"),
        ("chainChanged", "0x89", "chain"),
    ],
)
def test_a_change_while_signing_ends_the_attempt(page_with, event, value, what):
    wallet = TestWallet()
    wallet.state["holds"] = True
    page = page_with(wallet)
    button(page, wallet).click()
    expect(said(page)).to_contain_text("Read and sign the message in Harbour.")
    page.wait_for_function("uuid => window.testWallets[uuid].release", arg=wallet.info["uuid"])
    wallet.tell(page, "wallet.emit(...value)", [event, value])
    expect(said(page)).to_contain_text(f"You switched to another {what} in Harbour")
    asked = wallet.tell(page, "wallet.asked.length")
    wallet.tell(page, "wallet.release()")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    assert wallet.tell(page, "wallet.asked.length") == asked
    assert not SocialAccount.objects.exists()


def test_the_same_account_told_again_while_signing_changes_nothing(page_with):
    wallet = TestWallet()
    wallet.state["holds"] = True
    page = page_with(wallet)
    button(page, wallet).click()
    page.wait_for_function("uuid => window.testWallets[uuid].release", arg=wallet.info["uuid"])
    wallet.tell(page, "wallet.emit('accountsChanged', wallet.accounts)")
    wallet.tell(page, "wallet.release()")
    page.wait_for_url(lambda url: LOGIN not in url)


def test_a_wallet_that_never_answers_is_given_up_after_two_minutes(page_with):
    wallet = TestWallet()
    wallet.state["holds"] = True
    page = page_with(wallet, path="/healthz", fresh=True)
    page.clock.install()
    page.goto(LOGIN)
    button(page, wallet).click()
    expect(said(page)).to_contain_text("Read and sign the message in Harbour.")
    page.clock.fast_forward("02:01")
    expect(said(page)).to_contain_text("has not answered for two minutes")
    wallet.tell(page, "wallet.holds = false")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_url(lambda url: LOGIN not in url)


def test_an_attempt_can_be_cancelled_by_keyboard(page_with):
    wallet, other = TestWallet(), TestWallet("Other")
    wallet.state["holds"] = True
    page = page_with(wallet, other)
    button(page, wallet).focus()
    page.keyboard.press("Enter")
    expect(said(page)).to_contain_text("Read and sign")
    expect(button(page, other)).to_be_disabled()
    page.get_by_role("button", name="Cancel").focus()
    page.keyboard.press("Enter")
    expect(said(page)).to_have_text("Stopped. Nothing has happened.")
    expect(page.get_by_role("button", name="Try again")).to_be_focused()
    expect(button(page, other)).to_be_enabled()


# --- What the server may say ---


def test_a_second_factor_is_asked_for_where_there_is_one(page_with):
    wallet = TestWallet()
    page = page_with(wallet)
    sign_in(page, wallet)
    Authenticator.objects.create(user=user_of(wallet), type="totp", data={"secret": "A" * 32})
    page.context.clear_cookies()
    page.goto(LOGIN)
    button(page, wallet).click()
    page.wait_for_url("**/accounts/2fa/authenticate/")


def test_a_closed_account_is_told_so(page_with):
    wallet = TestWallet()
    page = page_with(wallet)
    sign_in(page, wallet)
    User.objects.update(is_active=False)
    page.context.clear_cookies()
    page.goto(LOGIN)
    button(page, wallet).click()
    expect(said(page)).to_contain_text("This account has been closed.")


def test_without_our_cookie_the_page_says_which_to_allow(page_with):
    wallet = TestWallet()
    wallet.state["holds"] = True
    page = page_with(wallet)
    button(page, wallet).click()
    page.wait_for_function("uuid => window.testWallets[uuid].release", arg=wallet.info["uuid"])
    page.context.clear_cookies()
    wallet.tell(page, "wallet.release()")
    expect(said(page)).to_contain_text("Allow cookies for this site")


def test_too_many_attempts_say_when_to_come_back(page_with):
    wallet = TestWallet()
    page = page_with(wallet)
    limited = {"error": {"code": "rate_limited", "message": "Too many."}}
    page.route(
        "**/wallet/nonce*",
        lambda route: route.fulfill(status=429, json=limited, headers={"Retry-After": "42"}),
    )
    button(page, wallet).click()
    expect(said(page)).to_have_text("Too many attempts. Try again in 42 seconds.")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [(None, "cannot be reached"), ({"status": 502, "body": "<html>"}, "is down")],
)
def test_a_server_out_of_reach_is_said_so(page_with, answer, sentence):
    wallet = TestWallet()
    page = page_with(wallet)
    page.route(
        "**/wallet/nonce*", lambda route: route.fulfill(**answer) if answer else route.abort()
    )
    button(page, wallet).click()
    expect(said(page)).to_contain_text(sentence)


def test_another_name_of_this_site_sends_to_the_right_one(page_with, desk):
    wallet = TestWallet()
    elsewhere = desk.url.replace("127.0.0.1", "localhost")
    page = page_with(wallet, path=f"{elsewhere}{LOGIN}")
    button(page, wallet).click()
    expect(said(page)).to_contain_text(f"works at {desk.url} only")


@pytest.mark.parametrize(
    ("answer", "stays"), [("Stay signed in", True), ("Sign out and go on", False)]
)
def test_who_is_signed_in_already_is_asked_before_being_signed_out(page_with, answer, stays):
    one, other = TestWallet("One"), TestWallet("Other")
    page = page_with(one, other)
    behind = page.context.new_page()
    one.install(behind)
    behind.goto(LOGIN)
    sign_in(behind, one)
    button(page, other).click()
    dialog = page.get_by_role("dialog", name="Somebody is signed in here")
    expect(dialog).to_contain_text(user_of(one).username)
    dialog.get_by_role("button", name=answer).click()
    if stays:
        expect(said(page)).to_have_text("You stay signed in as before.")
    else:
        page.wait_for_url(lambda url: LOGIN not in url)
    now = page.request.get("/api/v1/auth/wallet/me").json()["address"]
    assert now == (one if stays else other).addresses[0]
