"""The account page in a real browser: accessible, within its policy, usable by keyboard and without
scripts; an authenticator app and a passkey for real."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.test import Client
from django.urls import reverse
from playwright.sync_api import expect

from accounts.constants import DELETE_PHRASE
from accounts.models import User
from accounts.tests.people import CHECKSUMMED, PASSWORD, SAFARI, make_user, make_wallet
from accounts.tests.people import sign_in as client_of
from tests.e2e.test_quality import LOOKS, WIDTHS, problems
from tests.e2e.wallets import TestWallet

PAGE = "/account/"
PAGES = [PAGE, "/account/log", "/account/export", "/account/delete", "/account/confirm"]
MFA_PAGES = [
    *("/accounts/2fa/", "/accounts/2fa/totp/activate/", "/accounts/2fa/webauthn/add/"),
    *("/accounts/email/", "/accounts/password/change/"),
]


@pytest.fixture
def ann(desk):
    user = make_user("ann")
    make_wallet(user)
    return user


@pytest.fixture
def mine(tab, ann):
    """A tab in which the user is signed in and has just proved to be there."""

    def open_tab(path=PAGE, host="127.0.0.1", **options):
        opened = tab("/healthz", **options)
        page = opened.page
        base = urlsplit(page.url)._replace(netloc=f"{host}:{urlsplit(page.url).port}")
        client: Client = client_of(ann)
        client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
        value = client.cookies[settings.SESSION_COOKIE_NAME].value
        page.context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": value, "domain": host, "path": "/"}]
        )
        page.goto(base._replace(path=path).geturl())
        return opened

    return open_tab


@LOOKS
def test_axe_finds_nothing_on_the_pages_of_an_account(mine, ann, theme, width):
    client_of(ann, agent=SAFARI)
    options = {"color_scheme": theme, "viewport": WIDTHS[width], "reduced_motion": "reduce"}
    page = mine(**options).page
    for path in PAGES + MFA_PAGES:
        page.goto(path)
        assert problems(page) == [], path


def test_no_page_is_wider_than_a_telephone(mine):
    page = mine(viewport=WIDTHS["narrow"]).page
    for path in PAGES + MFA_PAGES:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


@pytest.mark.parametrize("path", PAGES + MFA_PAGES)
def test_no_page_breaks_the_policy_or_logs_an_error(mine, path):
    opened = mine(path)
    opened.page.wait_for_load_state("load")
    assert opened.violations() == []
    assert opened.complaints == []


def test_the_picture_of_the_secret_is_seen(mine):
    page = mine("/accounts/2fa/totp/activate/").page
    expect(page.locator("img")).to_have_js_property("complete", True)
    assert page.locator("img").evaluate("(image) => image.naturalWidth") > 50


def test_everything_works_without_scripts(mine, ann):
    page = mine(java_script_enabled=False).page
    page.get_by_label("Display name").fill("Ann B.")
    page.get_by_role("button", name="Save profile").click()
    expect(page.get_by_text("Your profile is saved.")).to_be_visible()
    page.locator("summary", has_text="Name").click()
    page.get_by_label(f"Name of {CHECKSUMMED}").fill("Ledger")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#wallets .me__what strong")).to_have_text("Ledger")
    page.get_by_role("link", name="Delete my account").click()
    page.get_by_label("Type").fill(DELETE_PHRASE)
    page.get_by_role("button", name="Delete my account").click()
    expect(page.get_by_text("Your account is deleted.")).to_be_visible()
    assert not User.objects.exists()


def test_a_session_is_ended_by_keyboard(mine, ann):
    client_of(ann, agent=SAFARI)
    page = mine().page
    page.get_by_role("button", name=re.compile("Sign out Safari on iPhone")).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Signed out: Safari on iPhone.")).to_be_visible()


def test_the_file_comes_down(mine):
    page = mine("/account/export").page
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename.endswith(".json")


def test_what_was_held_up_goes_on_when_a_wallet_has_proved_who_it_is(tab, desk):
    """For somebody who has wallets only: remove one of two."""
    user = User.objects.create_user("eth-only")
    user.set_unusable_password()
    user.save()
    wallet = TestWallet(keys=2)
    for address in wallet.addresses:
        make_wallet(user, address)
    opened, client = tab("/healthz"), Client()
    page = opened.page
    client.force_login(user)
    value = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": desk.url}]
    )
    wallet.install(page)
    page.goto(PAGE)
    page.get_by_role("button", name="Remove").nth(1).click()
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    page.get_by_role("button", name=wallet.info["name"]).click()
    expect(page.get_by_text("The wallet is removed.")).to_be_visible()
    expect(page.locator("#wallets")).to_contain_text("This is your only way in")
    assert user.socialaccount_set.get().uid == wallet.addresses[0]
    assert (opened.violations(), opened.complaints) == ([], [])


def test_a_passkey_is_added_and_signs_in(mine, ann):
    """Against a virtual authenticator of the browser, over the scripts that allauth brings."""
    # An address in figures is no place for passkeys.
    opened = mine("/accounts/2fa/webauthn/add/", host="localhost")
    page = opened.page
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True}
    options |= {"hasUserVerification": True, "isUserVerified": True}
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    page.get_by_label("Passwordless").check()
    page.get_by_role("button", name="Add").click()
    page.wait_for_url("**/2fa/**recovery**")
    assert Authenticator.objects.filter(user=ann, type="webauthn").count() == 1
    page.context.clear_cookies()
    page.goto(page.url.split("/accounts/")[0] + "/accounts/login/")
    page.get_by_role("button", name="passkey").click()
    page.wait_for_url(lambda url: "/accounts/" not in url)
    page.goto(page.url.rstrip("/") + PAGE)
    expect(page.locator("#log")).to_contain_text("passkey")
    assert opened.violations() == []
