"""The portfolio and the address page in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from accounts.tests.people import make_user
from balances.constants import balances_topic
from balances.models import Balance, Token
from balances.services import publishing, watches
from balances.tests import ledger
from foundation import valkey
from tests.e2e.test_quality import BUDGET_BYTES, LOOKS, WIDTHS, problems

ONE = ledger.text(1)
PAGE = f"/balances/{ONE}/"
NATIVE = f"[data-cell='{ledger.LOCAL}:native']"
NARROW = WIDTHS["narrow"]


@pytest.fixture
def chain(desk):
    return ledger.make_chain(head=30, name="Testing", explorer_url="https://etherscan.io")


@pytest.fixture
def coin(chain):
    return ledger.native(chain)


@pytest.fixture
def held(coin):
    """Address 1: 1 ETH from block 3 on, 2.5 ETH from block 9 on."""
    address = ledger.make_address(1)
    ledger.make_history(address, coin, {3: 10**18, 9: 25 * 10**17})
    return address


@pytest.fixture
def user(desk):
    return make_user("ann")


@pytest.fixture
def as_user(tab, client, desk, user):
    """Open a page as the user."""

    def open_page(path, **options):
        opened = tab("/healthz", **options)
        client.force_login(user)
        cookie = client.cookies["sessionid"].value
        opened.page.context.add_cookies([{"name": "sessionid", "value": cookie, "url": desk.url}])
        opened.page.goto(path)
        return opened

    return open_page


def live(page):
    expect(page.locator("[data-status-link]")).to_have_attribute("data-connection", "live")
    return page


def tell(address, token: Token, value: int) -> Balance:
    """A new balance as the follower leaves and tells it."""
    number = token.chain.head_number or 0
    newest = Balance.objects.filter(address=address, token=token).first()
    if newest is None:
        newest = ledger.hold(address, token, value)
    else:
        newest.value, newest.version = value, newest.version + 1
        newest.block_number = number
        newest.save()
    if not newest.address.points.filter(token=token, block_number=number).exists():
        ledger.point(address, token, number, value)
    message = publishing.cell_message(newest)
    valkey.client().publish(balances_topic(bytes(address.raw)), message.encode())
    return newest


def test_an_address_is_added_named_hidden_and_removed(as_user, held):
    page = as_user("/balances/").page
    expect(page.get_by_role("heading", name="Nothing watched yet")).to_be_visible()
    page.get_by_label("Address", exact=True).fill(ONE)
    page.get_by_label("Label").fill("Treasury")
    page.get_by_role("button", name="Watch it").click()
    card = page.locator("[data-watch]")
    expect(card).to_contain_text("Treasury")
    expect(card.locator("[data-f=amount]")).to_have_text("2.500000")
    card.get_by_text("Edit").click()
    card.get_by_label("Label").fill("Cold")
    card.get_by_label("Colour").select_option(label="Green")
    card.get_by_role("button", name="Save").click()
    expect(card).to_contain_text("Cold")
    card.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("heading", name="Nothing watched yet")).to_be_visible()


def test_any_address_can_be_looked_up_with_the_search_key(as_user, held):
    page = as_user("/balances/").page
    page.keyboard.press("/")
    page.keyboard.type(ONE)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{PAGE}")
    expect(page.locator(f"{NATIVE} [data-f=amount]")).to_have_text("2.500000")


def test_a_new_balance_is_shown_tinted_and_becomes_a_step_without_reload(as_user, held, coin):
    opened = as_user(PAGE)
    page = live(opened.page)
    expect(page.locator("[data-history-box]")).to_have_attribute("data-steps", "2")
    page.evaluate("window.stayed = true")
    tell(held, coin, 4 * 10**18)
    expect(page.locator(f"{NATIVE} [data-f=amount]")).to_have_text("4.000000")
    expect(page.locator("[data-history-box]")).to_have_attribute("data-steps", "3")
    expect(page.locator("[data-history-read]")).to_contain_text("4 ETH from")
    assert page.evaluate("window.stayed")
    assert opened.complaints == []
    assert opened.violations() == []


def test_what_is_loading_fills_in_while_the_page_is_open(as_user, chain, coin):
    page = live(as_user(f"/balances/{ledger.text(7)}/").page)
    expect(page.locator(NATIVE)).to_contain_text("Loading")
    tell(ledger.make_address(7), coin, 7 * 10**18)
    expect(page.locator(f"{NATIVE} [data-f=amount]")).to_have_text("7.000000")
    expect(page.locator(NATIVE)).not_to_contain_text("Loading")


def test_a_token_that_arrives_gets_a_row(as_user, held, chain):
    page = live(as_user(PAGE).page)
    token = ledger.make_token(chain, 0xC0, symbol="USDC", decimals=6)
    tell(held, token, 1_500_000)
    expect(page.locator("[data-holdings]")).to_contain_text("USDC")
    expect(page.locator("[data-holdings]")).to_contain_text("1.500000")


def test_the_portfolio_follows_its_addresses(as_user, held, coin, user):
    watches.add(user, ONE, label="Treasury")
    page = live(as_user("/balances/").page)
    tell(held, coin, 6 * 10**18)
    expect(page.locator("[data-watch] [data-f=amount]")).to_have_text("6.000000")


def test_a_watch_that_is_removed_leaves_the_open_page_alive(as_user, held, coin, user):
    watch = watches.add(user, ONE)
    page = live(as_user(PAGE).page)
    watches.remove(user, watch.pk)
    tell(held, coin, 6 * 10**18)
    expect(page.locator(f"{NATIVE} [data-f=amount]")).to_have_text("6.000000")


def test_a_session_that_ends_is_told_on_the_pages_that_are_open(as_user, held):
    page = live(as_user(PAGE).page)
    other = page.context.new_page()
    other.goto("/account/")
    other.get_by_role("button", name="Sign out here").click()
    expect(page.locator(".connection")).to_be_visible()
    expect(page.locator("[data-address].is-lost")).to_be_visible()


def test_an_edit_that_is_open_is_not_closed_by_a_new_balance(as_user, held, coin, user):
    watches.add(user, ONE, label="Treasury")
    page = live(as_user("/balances/").page)
    card = page.locator("[data-watch]")
    card.get_by_text("Edit").click()
    card.get_by_label("Label").fill("Half writ")
    with page.expect_response("**/balances/"):
        tell(held, coin, 6 * 10**18)
    expect(card.locator("[data-f=amount]")).to_have_text("6.000000")
    expect(card.get_by_label("Label")).to_have_value("Half writ")


def test_the_pickers_answer_for_a_block_and_lead_back(as_user, held):
    page = as_user(PAGE).page
    page.get_by_label("Block", exact=True).fill("5")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator(f"{NATIVE} [data-f=amount]")).to_have_text("1.000000")
    expect(page.locator(NATIVE)).to_contain_text("Exact")
    page.get_by_role("link", name="Back to now").click()
    expect(page.locator(f"{NATIVE} [data-f=amount]")).to_have_text("2.500000")


def test_a_click_into_the_chart_shows_everything_at_that_block(as_user, held):
    page = as_user(PAGE).page
    expect(page.locator("[data-history-box]")).to_have_attribute("data-steps", "2")
    box = page.locator("[data-history-box]").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_url(re.compile(r"block=9"))


def test_the_chart_is_read_from_step_to_step_by_keyboard(as_user, held):
    page = as_user(PAGE).page
    box, said = page.locator("[data-history-box]"), page.locator("[data-history-read]")
    expect(box).to_have_attribute("data-steps", "2")
    box.focus()
    page.keyboard.press("ArrowLeft")
    expect(said).to_contain_text("1 ETH from")
    page.keyboard.press("ArrowRight")
    expect(said).to_contain_text("2.5 ETH from")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"block=3"))


def test_the_chart_breaks_where_nobody_knows_and_says_so(as_user, chain, coin):
    address = ledger.make_address(1)
    ledger.hold(address, coin, 25 * 10**17)
    ledger.cover(address, coin, 3, 7)
    ledger.cover(address, coin, 12, 12)
    ledger.cover(address, coin, 20)
    for number, value in {3: 10**18, 12: 3 * 10**18, 20: 25 * 10**17}.items():
        ledger.point(address, coin, number, value)
    opened = as_user(PAGE)
    box, said = (
        opened.page.locator("[data-history-box]"),
        opened.page.locator("[data-history-read]"),
    )
    expect(box).to_have_attribute("data-steps", "3")
    expect(box).to_have_attribute("data-gaps", "2")
    box.focus()
    for expected in ("Not known after", "3 ETH from", "Not known after", "1 ETH from"):
        opened.page.keyboard.press("ArrowLeft")
        expect(said).to_contain_text(expected)
    assert opened.complaints == []


def test_hidden_tokens_stand_behind_a_toggle(as_user, held, chain):
    ledger.hold(held, ledger.make_token(chain, 0xC1, symbol="FREE", status="spam"), 10**18)
    page = as_user(PAGE).page
    expect(page.locator("[data-holdings]")).not_to_contain_text("FREE")
    page.get_by_role("link", name="Show 1 hidden").click()
    expect(page.locator("[data-spam]")).to_contain_text("FREE")


def test_the_address_is_copied_whole(as_user, held):
    page = as_user(PAGE, permissions=["clipboard-read", "clipboard-write"]).page
    page.locator("[data-copy-text]").click()
    expect(page.locator("[data-copy-word]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == ONE


def test_without_javascript_everything_can_be_read_and_asked(as_user, held, user):
    watches.add(user, ONE, label="Treasury")
    page = as_user("/balances/", java_script_enabled=False).page
    page.get_by_role("link", name="Treasury", exact=True).click()
    expect(page.locator(f"{NATIVE} [data-f=amount]")).to_have_text("2.500000")
    expect(page.locator("[data-copy-text]").first).to_be_hidden()
    page.get_by_label("Block", exact=True).fill("5")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator(f"{NATIVE} [data-f=amount]")).to_have_text("1.000000")


def test_amounts_are_written_in_the_visitors_locale(as_user, held, coin):
    page = live(as_user(PAGE, locale="de-DE").page)
    tell(held, coin, 1234 * 10**18 + 1)
    expect(page.locator(f"{NATIVE} [data-f=amount]").first).to_have_text(
        re.compile(r"1[.,]234[.,]000000")
    )


@LOOKS
def test_axe_finds_nothing_on_the_pages_of_balances(as_user, held, chain, user, theme, width):
    ledger.hold(held, ledger.make_token(chain, 0xC0, symbol="DUST", name="Dust"), 5)
    ledger.hold(held, ledger.make_token(chain, 0xC1, symbol="WAIT"), None, stale=True)
    ledger.make_tx(chain, 9, 2, 1, 15 * 10**17)
    options = {"color_scheme": theme, "viewport": WIDTHS[width], "reduced_motion": "reduce"}
    opened = as_user("/balances/", **options)
    assert problems(opened.page) == []
    watches.add(user, ONE, label="Treasury", colour="#2563c9")
    for path in ("/", "/balances/", PAGE, f"{PAGE}?block=1", "/balances/0x12/"):
        opened.page.goto(path)
        assert problems(opened.page) == [], path
        assert (
            opened.page.evaluate("document.documentElement.scrollWidth") == WIDTHS[width]["width"]
        )
    assert opened.violations() == []


@pytest.mark.parametrize("path", ["/", "/chain/", "/balances/", PAGE])
def test_the_first_load_stays_within_its_budget(as_user, feed, held, user, path):
    watches.add(user, ONE, label="Treasury")
    page = as_user("/healthz", fresh=True).page
    wire = page.context.new_cdp_session(page)
    wire.send("Network.enable")
    sizes: list[float] = []
    asked: set[str] = set()
    wire.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.on("request", lambda request: asked.add(request.url))
    page.goto(path)
    live(page)
    if path == PAGE:
        page.wait_for_selector("[data-history-box][data-steps]")
    assert sum(sizes) < BUDGET_BYTES
    # The chart and the picture of the code come after all that can be read.
    late = {url for url in asked if re.search(r"chart|steps|qr\.svg", url)}
    assert len({url for url in asked - late if url.startswith("http")}) <= 12
