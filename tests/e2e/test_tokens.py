"""An API token in a real browser: made, shown once, used, revoked."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest
from django.conf import settings
from django.urls import reverse
from playwright.sync_api import expect

from accounts.models import ApiToken
from accounts.tests.people import PASSWORD, make_user
from accounts.tests.people import sign_in as client_of
from tests.e2e.test_quality import LOOKS, WIDTHS, problems

NEW = "/account/tokens/new"


@pytest.fixture
def mine(tab, desk):
    """A tab in which a user is signed in and has just proved to be there."""

    def open_tab(path, **options):
        opened = tab("/healthz", **options)
        client = client_of(make_user("ann"))
        client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
        value = client.cookies[settings.SESSION_COOKIE_NAME].value
        host = urlsplit(opened.page.url).hostname
        opened.page.context.add_cookies(
            [{"name": settings.SESSION_COOKIE_NAME, "value": value, "domain": host, "path": "/"}]
        )
        opened.page.goto(path)
        return opened

    return open_tab


def make(page):
    page.get_by_role("link", name="New token").click()
    page.get_by_label("Name").fill("prices to the shop")
    page.get_by_role("button", name="Make the token").click()
    return page.locator("#secret").inner_text()


def test_a_token_is_made_used_and_revoked(mine):
    opened = mine("/account/")
    page = opened.page
    secret = make(page)
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))

    def status():
        headers = {"Authorization": f"Bearer {secret}"}
        url = f"{origin}/api/schema"
        return httpx.get(url, headers=headers, trust_env=False).status_code

    assert status() == 200
    page.get_by_role("link", name="Done").click()
    expect(page.locator("#tokens")).to_contain_text(secret[:11])
    assert secret not in page.content()
    page.get_by_role("button", name="Revoke").click()
    expect(page.locator("#tokens")).not_to_contain_text(secret[:11])
    assert status() == 401
    assert not ApiToken.objects.exists()
    assert (opened.violations(), opened.complaints) == ([], [])


@LOOKS
def test_axe_finds_nothing_and_nothing_is_too_wide(mine, theme, width):
    options = {"color_scheme": theme, "viewport": WIDTHS[width], "reduced_motion": "reduce"}
    page = mine("/account/", **options).page
    make(page)
    for path in (None, NEW, "/account/"):
        if path:
            page.goto(path)
        assert problems(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
