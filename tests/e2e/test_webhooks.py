"""The pages of webhooks in a real browser: empty, refused, failing, a long log, and a secret."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.tests.people import make_user, sign_in
from rates.models import Webhook, WebhookDelivery, WebhookEvent
from tests.e2e.test_quality import LOOKS, WIDTHS, problems

LIST = "/coins/webhooks/"
LONG = "https://hooks.shop.example/a/path/that/is/longer/than/a/telephone/is/wide/" + "x" * 90


def make_hooks(owner):
    """One that works and has a log of every outcome, one that fails, one that was switched off."""
    now = timezone.now()
    works, _, _ = Webhook.objects.bulk_create(
        [
            Webhook(owner=owner, url=LONG, key="price", secret="whsec_eA==", delivered_at=now),
            Webhook(
                owner=owner,
                url="https://failing.example/",
                key="price>0.5%",
                secret="whsec_eA==",
                failures=3,
                failing_since=now - timedelta(hours=2),
                next_attempt_at=now + timedelta(minutes=4),
            ),
            Webhook(
                owner=owner,
                url="https://gone.example/",
                key="rank",
                secret="whsec_eA==",
                off=Webhook.Off.GONE,
            ),
        ]
    )
    state = WebhookDelivery.State
    outcomes: list[dict[str, Any]] = [
        {"state": state.PENDING},
        {"state": state.DELIVERED, "attempts": 1, "status": 204, "took_ms": 12},
        {"state": state.FAILED, "attempts": 9, "status": 503, "error": "status", "took_ms": 10_000},
        {"state": state.FAILED, "attempts": 1, "error": "address_refused", "took_ms": 1},
    ]
    for version, facts in enumerate(outcomes * 15, 1):
        event = WebhookEvent.objects.create(key="price", version=version, body="{}")
        WebhookDelivery.objects.create(webhook=works, event=event, **facts)


@pytest.fixture
def signed_in(desk, tab):
    """A tab of a new user without webhooks, and the user."""

    def open_tab(path, **options):
        opened, owner = tab("/healthz", **options), make_user("ann")
        value = sign_in(owner).cookies["sessionid"].value
        opened.page.context.add_cookies([{"name": "sessionid", "value": value, "url": desk.url}])
        opened.page.goto(path)
        return opened, owner

    return open_tab


@LOOKS
def test_axe_finds_nothing_on_the_pages_of_webhooks_and_nothing_is_too_wide(
    signed_in, theme, width
):
    options = {"color_scheme": theme, "viewport": WIDTHS[width], "reduced_motion": "reduce"}
    opened, owner = signed_in(LIST, **options)
    page = opened.page

    def check(what):
        assert problems(page) == [], what
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), what
        assert opened.violations() == [], what

    check("empty")
    page.get_by_label("Address").fill("https://127.0.0.1/")
    page.get_by_role("button", name="Make the webhook").click()
    page.get_by_text("private or reserved address").first.wait_for()
    check("refused")
    make_hooks(owner)
    page.goto(LIST)
    check("listed")
    for url in (LONG, "https://failing.example/", "https://gone.example/"):
        page.goto(LIST)
        page.get_by_role("link", name=url, exact=True).click()
        page.get_by_role("heading", name="Calls").wait_for()
        check(url)
    page.goto(LIST)
    page.get_by_role("link", name=LONG).click()
    page.get_by_role("link", name="Older").click()
    page.get_by_role("link", name="Newest").wait_for()
    check("older calls")
    page.get_by_role("button", name="New secret").click()
    page.get_by_role("heading", name="The webhook's secret").wait_for()
    check("secret")
