"""From the wallet to the figure: a real node, a real follower, a real browser."""

import pytest
from playwright.sync_api import expect

from balances.models import BackfillJob, Chain
from balances.services import backfill
from balances.tests.following import MULTICALL, RUNTIME, configured, eventually, process
from tests.e2e.wallets import TestWallet, is_signed_in, sign_in

ETHER = 10**18
NATIVE = "[data-cell='1:native'] [data-f=amount]"
FIRST_READING = [BackfillJob.Kind.SEED]


@pytest.fixture
def followed(anvil, desk):
    """The node, and a follower of it that has begun."""
    anvil.ask("anvil_setCode", MULTICALL, f"0x{RUNTIME.read_text().strip()}")
    with process(configured(anvil), "--chain", "1"):
        eventually(lambda: Chain.objects.filter(head_number__isnull=False).exists(), "begun")
        yield anvil


def test_a_wallet_signs_in_its_balance_is_there_and_a_transfer_shows_without_reload(
    followed, page_with
):
    wallet = TestWallet()
    (address,) = wallet.addresses
    followed.ask("anvil_setBalance", address, hex(5 * ETHER))
    page = page_with(wallet)
    sign_in(page, wallet)
    assert is_signed_in(page)
    # What a worker does; its jobs were queued when the wallet was linked.
    eventually(lambda: backfill.run_due(10, kinds=FIRST_READING), "read for the first time")

    page.goto("/balances/")
    card = page.locator("[data-watch]")
    expect(card.locator(NATIVE)).to_have_text("5.000000")
    expect(card).to_contain_text("My wallet")
    card.get_by_role("heading").get_by_role("link").click()
    expect(page.locator("[data-status-link]")).to_have_attribute("data-connection", "live")
    expect(page.locator("[data-history-box]")).to_have_attribute("data-steps", "1")
    page.evaluate("window.stayed = true")

    followed.send({"to": address, "value": hex(ETHER)})
    expect(page.locator(NATIVE)).to_have_text("6.000000", timeout=15_000)
    expect(page.locator("[data-history-box]")).to_have_attribute("data-steps", "2")
    expect(page.locator("[data-history-read]")).to_contain_text("6 ETH from")
    expect(page.locator(".transfers")).to_contain_text("+1.000000")
    assert page.evaluate("window.stayed")
