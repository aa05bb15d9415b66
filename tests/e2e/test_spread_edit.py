"""The main job, with every process real: a spread edited in the admin reaches open pages.

The desk of these tests has a Valkey of its own, since a real feed's epoch outranks a stand-in's.
"""

import subprocess
import sys
from decimal import Decimal

import pytest
from playwright.sync_api import expect

from demo import pytest_servers
from demo.servers import free_port
from rates.tests.desk import make_house_default, make_operator, make_pair
from tests.e2e.conftest import DEADLINE, ROOT, Desk

AT_MOST_MS = 1000


@pytest.fixture
def desk(environment, simulator, transactional_db):
    """Exchange, feed and web process; the market of BTC_USD stands still."""
    make_pair()
    make_house_default(buy=Decimal(40), sell=Decimal(-40))
    servers, port = pytest_servers.TestServers(), free_port()
    environment = environment | {
        "PORT": str(port),
        "REDIS_URL": servers.start_valkey(),
        "KRAKEN_WS_URL": simulator.ws_url,
        "KRAKEN_REST_URL": simulator.rest_url,
    }
    command = [sys.executable, "manage.py", "stream_rates"]
    feed = subprocess.Popen(command, cwd=ROOT, env=environment)
    running = Desk(port, environment)
    try:
        simulator.wait_until(lambda state: state["subscriptions"] > 0)
        simulator.set(mode="silent")
        simulator.tick("BTC/USD", "84359.8", "84359.9")
        running.wait()
        yield running
    finally:
        for process in (running.process, feed):
            process.terminate()
            process.wait(timeout=DEADLINE)
        servers.stop()


@pytest.fixture
def admin(tab, desk, client):
    """The admin's page of the pair's spread, opened by an operator."""
    client.force_login(make_operator())
    page = tab("/healthz").page
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": desk.url}
    page.context.add_cookies([cookie])
    page.goto("/admin/rates/pair/")
    page.get_by_role("link", name="Edit").first.click()
    return page


def shows(page, buy, sell, timeout):
    expect(page.locator("[data-cell=buy]").first).to_have_text(buy, timeout=timeout)
    expect(page.locator("[data-cell=sell]").first).to_have_text(sell, timeout=timeout)


def test_a_spread_saved_in_the_admin_is_on_two_open_pages_within_a_second(tab, admin):
    pages = [tab("/rates/").page, tab("/rates/BTC_USD/").page]
    for page in pages:
        shows(page, "84,697.4", "84,022.3", DEADLINE * 1000)
        page.evaluate("window.loadedOnce = true")
    admin.get_by_label("Buy").fill("50")
    admin.get_by_label("Sell").fill("-50")
    admin.get_by_label("Reason").fill("a wider market")
    admin.get_by_role("button", name="Save").click()
    for page in pages:
        shows(page, "84,781.7", "83,938.0", AT_MOST_MS)
        assert page.evaluate("window.loadedOnce")
    expect(admin.locator("[data-receipt]")).to_contain_text("is live")
