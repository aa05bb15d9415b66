"""Signing in with a wallet, in a real browser: what works, and every way in which it may not."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from playwright.sync_api import expect

from accounts.models import User
from tests.e2e.test_quality import WIDTHS, problems
from tests.e2e.wallets import TestWallet

LOGIN, ACCOUNT = "/accounts/login/", "/account/"


@pytest.fixture
def opened(tab):
    """The sign-in page in a browser that has these wallets, and all that it complained of."""

    def open_page(*wallets, path=LOGIN, **options):
        found = tab("/healthz", **options)
        for wallet in wallets:
            wallet.install(found.page)
        found.page.goto(path)
        return found

    return open_page


@pytest.fixture
def page_with(opened):
    return lambda *wallets, **options: opened(*wallets, **options).page


def button(page, wallet):
    return page.get_by_role("button", name=wallet.info["name"])


def said(page):
    return page.locator("main [data-wallets-text]").first


def is_signed_in(page) -> bool:
    return any(row["name"] == "sessionid" for row in page.context.cookies()) and (
        page.request.get("/api/v1/auth/wallet/me").status == 200
    )


def sign_in(page, wallet):
    button(page, wallet).click()
    page.wait_for_url(lambda url: LOGIN not in url)


def user_of(wallet, index=0) -> User:
    return SocialAccount.objects.get(uid=wallet.addresses[index]).user


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


# --- Several wallets on one account ---


def add_wallet(page, wallet):
    page.get_by_role("button", name="Add a wallet").click()
    page.get_by_role("dialog", name="Add a wallet").get_by_role(
        "button", name=wallet.info["name"]
    ).click()


def confirm_with(page, wallet):
    dialog = page.get_by_role("dialog", name="Confirm that it is you")
    dialog.get_by_role("button", name=wallet.info["name"]).click()


def test_a_second_wallet_is_added_signs_in_and_the_first_is_removed(opened):
    first, second = TestWallet("First"), TestWallet("Second")
    found = opened(first, second)
    page = found.page
    sign_in(page, first)
    add_wallet(page, second)
    confirm_with(page, first)
    expect(page.locator("#wallets")).to_contain_text(second.addresses[0])
    page.locator("summary", has_text="eth-").first.click()
    page.get_by_role("button", name="Sign out").first.click()
    page.goto(LOGIN)
    sign_in(page, second)
    expect(page.locator("#wallets")).to_contain_text(first.addresses[0])
    remove(page, first)
    page.get_by_role("region", name="Wallets found").get_by_role("button", name="Second").click()
    expect(page.locator("#wallets")).to_contain_text(second.addresses[0])
    expect(page.locator("#wallets")).not_to_contain_text(first.addresses[0])
    assert list(SocialAccount.objects.values_list("uid", flat=True)) == second.addresses
    assert (found.violations(), found.complaints) == ([], [])


def remove(page, wallet):
    row = page.locator("#wallets li", has_text=wallet.addresses[0])
    row.get_by_role("button", name="Remove").click()


def test_another_account_of_the_same_wallet_is_added(page_with):
    wallet = TestWallet(keys=2)
    page = page_with(wallet)
    sign_in(page, wallet)
    add_wallet(page, wallet)
    confirm_with(page, wallet)
    expect(page.locator("#wallets")).to_contain_text(wallet.addresses[1])


def test_a_wallet_that_is_linked_already_is_told_so(page_with):
    wallet = TestWallet()
    page = page_with(wallet)
    sign_in(page, wallet)
    add_wallet(page, wallet)
    expect(page.get_by_role("dialog")).to_contain_text("is linked already")


def test_a_wallet_of_another_account_is_not_taken(page_with):
    mine, theirs = TestWallet("Mine"), TestWallet("Theirs")
    page = page_with(mine, theirs)
    sign_in(page, theirs)
    page.context.clear_cookies()
    page.goto(LOGIN)
    sign_in(page, mine)
    add_wallet(page, theirs)
    confirm_with(page, mine)
    dialog = page.get_by_role("dialog", name="Add a wallet")
    expect(dialog).to_contain_text("This wallet belongs to another account.")
    assert user_of(mine) != user_of(theirs)


def test_not_confirming_adds_nothing(page_with):
    first, second = TestWallet("First"), TestWallet("Second")
    page = page_with(first, second)
    sign_in(page, first)
    add_wallet(page, second)
    expect(page.get_by_role("dialog", name="Confirm that it is you")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Add a wallet")).to_contain_text("Not confirmed.")
    assert SocialAccount.objects.count() == 1


def test_confirming_with_a_wallet_that_is_not_linked_is_refused(page_with):
    first, second = TestWallet("First"), TestWallet("Second")
    page = page_with(first, second)
    sign_in(page, first)
    add_wallet(page, second)
    confirm_with(page, second)
    expect(page.get_by_role("dialog", name="Confirm that it is you")).to_contain_text(
        "is not linked to your account here"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_in_the_dialogs_of_the_account_page(page_with, theme, width):
    first, second = TestWallet("First"), TestWallet("Second")
    page = page_with(
        first, second, color_scheme=theme, viewport=WIDTHS[width], reduced_motion="reduce"
    )
    sign_in(page, first)
    page.get_by_role("button", name="Add a wallet").click()
    expect(page.get_by_role("dialog", name="Add a wallet")).to_be_visible()
    assert problems(page) == []
    page.get_by_role("dialog").get_by_role("button", name="Second").click()
    expect(page.get_by_role("dialog", name="Confirm that it is you")).to_be_visible()
    assert problems(page) == []


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
    page = page_with(wallet, path="/healthz")
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


# --- What a wallet says of itself is not believed ---

HOSTILE: list[dict[str, Any]] = [
    {"name": "<img src=x onerror=window.hit=1>", "icon": "javascript:window.hit=1"},
    {"name": "Meta\u202eksaM\u200b\n\x00", "icon": "https://evil.example/track.png"},
    {"name": "M" * 5000, "icon": "data:text/html,<script>window.hit=1</script>"},
    {
        "name": "<script>window.hit=1</script>",
        "icon": "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='window.hit=1'>"
        "<script>window.hit=1</script></svg>",
        "rdns": "javascript:alert(1)",
    },
    {"name": {"toString": 1}, "icon": "data:image/png;base64,AAAA"},
]


def test_hostile_names_and_icons_are_text_and_images_at_most(opened):
    wallets = [TestWallet(**facts) for facts in HOSTILE]
    found = opened(*wallets)
    names = found.page.locator(".wallet__name")
    expect(names).to_have_count(len(HOSTILE) + 1)
    assert names.all_inner_texts() == [
        "<img src=x onerror=window.hit=1>",
        "MetaksaM",
        "M" * 40,
        "<script>window.hit=1</script>",
        "Unnamed wallet",
        "Demo wallet",
    ]
    assert found.page.evaluate("window.hit") is None
    assert (found.violations(), found.complaints) == ([], [])


@pytest.mark.parametrize(
    "detail",
    [
        "null",
        "{}",
        "{info: null, provider: {}}",
        "{info: {uuid: 1}, provider: {request() {}}}",
        "7",
    ],
)
def test_an_announcement_that_is_none_is_left_out(opened, detail):
    found = opened(TestWallet())
    event = f"new CustomEvent('eip6963:announceProvider', {{ detail: {detail} }})"
    found.page.evaluate(f"dispatchEvent({event})")
    expect(found.page.locator(".wallet")).to_have_count(2)
    assert found.complaints == []


def test_announcements_without_end_fill_the_page_only_so_far(page_with):
    page = page_with(TestWallet())
    page.evaluate(
        """() => {
          for (let n = 0; n < 500; n++) {
            const detail = { info: { uuid: `${n}`, name: `${n}` }, provider: { request() {} } };
            dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
          }
        }"""
    )
    expect(page.locator(".wallet")).to_have_count(12)


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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
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
