"""Wallets that say of themselves what they like."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.e2e.wallets import (
    TestWallet,
)

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
