"""The main job on real parts: an edit in the admin changes the prices of two open pages.

The exchange is simulated on a socket; feed, Valkey, PostgreSQL, web process and browser are real.
"""

import subprocess
import sys

import pytest
from playwright.sync_api import expect

from demo.servers import free_port
from rates.tests.desk import make_house_default, make_operator, make_pair
from tests.e2e.conftest import ROOT, Desk

WAIT = 20_000
BUY = "[data-pair=BTC_USD] [data-cell=buy]"
# The market stands still at 84,359.8 / 84,359.9: 50 and 70 basis points on the ask.
BEFORE, AFTER = "84,781.7", "84,950.5"


@pytest.fixture
def running_desk(desk, simulator):
    """A web process and a feed of its own: the epochs of a real feed outrank those of others."""
    make_house_default()
    make_pair()
    simulator.set(mode="silent")
    port = free_port()
    environment = desk.environment | {"PORT": str(port), "KRAKEN_WS_URL": simulator.ws_url}
    web = Desk(port, environment)
    command = [sys.executable, "manage.py", "stream_rates"]
    with subprocess.Popen(command, cwd=ROOT, env=environment) as feed:
        try:
            web.wait()
            simulator.wait_until(lambda state: state["subscriptions"] > 0)
            simulator.tick("BTC/USD", "84359.8", "84359.9")
            yield web
        finally:
            feed.terminate()
            web.stop()


@pytest.fixture
def admin(running_desk, browser, client):
    client.force_login(make_operator())
    context = browser.new_context(base_url=running_desk.url)
    session = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": session, "url": running_desk.url}])
    yield context.new_page()
    context.close()


@pytest.fixture
def pages(running_desk, browser):
    context = browser.new_context(base_url=running_desk.url)
    board, pair = context.new_page(), context.new_page()
    board.goto("/rates/")
    pair.goto("/rates/BTC_USD/")
    yield {board.locator(BUY): board, pair.locator("[data-cell=buy]").first: pair}
    context.close()


def open_editor(admin):
    admin.goto("/admin/rates/pair/")
    admin.locator("#result_list tbody a", has_text="Spread").first.click()


def test_an_edit_in_the_admin_reaches_two_open_pages_without_reload(admin, pages):
    for price in pages:
        expect(price).to_have_text(BEFORE, timeout=WAIT)
    loads = []
    for page in pages.values():
        page.on("load", lambda page: loads.append(page.url))
    open_editor(admin)
    admin.fill("input[name=buy]", "70")
    admin.fill("[name=reason]", "thin book tonight")
    admin.get_by_role("button", name="Save").click()
    for price in pages:
        expect(price).to_have_text(AFTER)
    expect(admin.locator("[data-receipt]")).to_contain_text("is live")
    admin.get_by_role("link", name="History").first.click()
    expect(admin.locator("body")).to_contain_text("thin book tonight")
    assert loads == []
