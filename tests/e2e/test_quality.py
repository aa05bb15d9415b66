"""Every page in both themes and two widths: accessible, within its policy, light, and still."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from accounts.models import User
from rates.models import Pair
from rates.tests.desk import make_house_default, make_operator, put_candles

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
PAGES = [
    *("/rates/", "/rates/BTC_USD/", "/rates/NO_SUCH/", "/nothing-here", "/status"),
    *("/accounts/login/", "/accounts/signup/", "/accounts/password/reset/"),
]
WIDTHS = {"wide": {"width": 1280, "height": 900}, "narrow": {"width": 390, "height": 844}}
# Each width and each theme once: contrast is the theme's matter, and what overlaps the width's.
LOOKS = pytest.mark.parametrize(("width", "theme"), [("wide", "light"), ("narrow", "dark")])
BUDGET_BYTES = 100 * 1024
SHIFTS = """
  window.shifts = [];
  const add = (list) => list.getEntries().forEach((entry) => window.shifts.push(
    [entry.value, ...entry.sources.map(({ node }) =>
      node?.outerHTML?.slice(0, 120) ?? node?.data)].join(" ")));
  new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true });
"""


def problems(page) -> list[str]:
    # As a function of the page, not a script in it: the page's policy would forbid that.
    page.evaluate(AXE)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [f"{item['id']}: {json.dumps([n['target'] for n in item['nodes']])}" for item in found]


@LOOKS
def test_axe_finds_nothing_on_any_public_page(feed, tab, theme, width):
    options = {"color_scheme": theme, "viewport": WIDTHS[width], "reduced_motion": "reduce"}
    page = tab("/healthz", **options).page
    for path in PAGES:
        page.goto(path)
        assert problems(page) == [], path


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_a_signed_in_operators_pages(feed, tab, desk, theme, sign_in):
    make_house_default()
    page = tab("/rates/", color_scheme=theme, reduced_motion="reduce").page
    sign_in(page, make_operator())
    for path in ("/rates/", "/rates/BTC_USD/", "/accounts/email/", "/accounts/password/change/"):
        page.goto(path)
        assert problems(page) == [], path


def test_axe_finds_nothing_in_what_opens_over_the_board(feed, tab):
    page = tab("/rates/", reduced_motion="reduce").page
    page.click("[data-converter-open]")
    assert problems(page) == []
    page.keyboard.press("Escape")
    page.click("[data-keys-open]")
    assert problems(page) == []


@pytest.mark.parametrize("path", ["/rates/", "/rates/BTC_USD/", "/accounts/login/", "/status"])
def test_a_page_breaks_no_policy_and_logs_no_error(feed, tab, path):
    opened = tab(path)
    opened.page.wait_for_load_state("load")
    if path == "/rates/BTC_USD/":
        opened.page.wait_for_selector("[data-chart] canvas")
        opened.page.wait_for_selector('[data-chart][aria-busy="false"]')
    assert opened.violations() == []
    assert opened.complaints == []


@pytest.mark.parametrize("path", ["/rates/", "/rates/BTC_USD/", "/accounts/login/"])
def test_the_first_load_stays_under_its_budget_of_bytes(feed, tab, path):
    walk = [f"{84_000 + (step * 7919) % 997}.{step % 10}" for step in range(288)]
    put_candles(Pair.objects.get(code="BTC_USD"), *walk, step=timedelta(minutes=5))
    page = tab("/healthz", fresh=True).page
    wire = page.context.new_cdp_session(page)
    wire.send("Network.enable")
    sizes: list[float] = []
    wire.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(path)
    if path == "/rates/BTC_USD/":
        page.wait_for_selector('[data-chart][aria-busy="false"]')
    assert sum(sizes) < BUDGET_BYTES, sizes


@pytest.mark.parametrize("path", ["/rates/", "/rates/BTC_USD/"])
def test_a_narrow_screen_never_scrolls_sideways(feed, tab, path):
    page = tab(path, viewport=WIDTHS["narrow"]).page
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_telephone_reaches_every_place_that_the_top_bar_names(feed, tab, desk, theme, sign_in):
    page = tab("/rates/", viewport=WIDTHS["narrow"], color_scheme=theme).page
    sign_in(page, make_operator())
    page.goto("/rates/")
    page.locator(".bottombar summary").click()
    places = page.eval_on_selector_all(".topbar__nav a", "all => all.map((a) => a.pathname)")
    assert len(places) >= 6
    for place in places:
        expect(page.locator(f'.bottombar a[href="{place}"]')).to_be_in_viewport(ratio=1)
    expect(page.locator(".bottombar").get_by_role("button", name="Sign out")).to_be_in_viewport()
    assert problems(page) == []


@pytest.mark.parametrize("path", ["/rates/", "/rates/BTC_USD/"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_moves_when_the_page_comes_alive_and_values_change(feed, tab, path, width):
    page = tab(path, viewport=WIDTHS[width]).page
    expect(page.locator("[data-status-link]")).to_have_attribute("data-connection", "live")
    page.evaluate(SHIFTS)
    for cents in range(20):
        feed.quote(buy=f"84781.{cents:02}")
    expect(page.locator("[data-pair=BTC_USD] [data-cell=buy]")).to_have_text("84,781.19")
    assert page.evaluate("window.shifts") == []


@pytest.fixture
def sign_in(desk, client):
    """Give ``page`` the session of a user."""

    def sign(page, user: User) -> None:
        client.force_login(user)
        cookie = client.cookies["sessionid"].value
        page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": desk.url}])

    return sign
