"""Overview and chain in a real browser: blocks as they come, reorgs, silence, filters."""

import itertools
import json
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from balances.models import Block, Chain
from balances.routing import make_chain as topic_of
from balances.services import publishing, snapshots
from balances.tests import ledger
from foundation import valkey
from live.messages import TOPIC_STATE, Message
from live.publishing import publish
from tests.e2e.test_quality import LOOKS, SHIFTS, WIDTHS, problems

# The web process outlives a test and remembers epochs, so they only rise, and chains are new ones.
NUMBERS = itertools.count(40_000)
WIDE, NARROW = WIDTHS["wide"], WIDTHS["narrow"]


class Follower:
    """Does what the follower of a chain does, as far as pages can see."""

    def __init__(self) -> None:
        self.chain = ledger.make_chain(next(NUMBERS), name="Testing", head=None)
        topic = topic_of(f"chain:{self.chain.pk}")
        assert topic is not None
        self.topic = topic
        # Pages show what was followed, and that alone.
        ledger.span(self.chain, 1, 1_000_000)
        self.block(*range(1, 31), told=False)
        self.silent = threading.Event()
        self.thread = threading.Thread(target=self._beat, daemon=True)

    @property
    def path(self) -> str:
        return f"/chain/?chain={self.chain.pk}"

    def block(self, *numbers: int, told: bool = True, txs: int = 0, **facts) -> None:
        """New blocks, each with ``txs`` transfers of as many ether as its number."""
        now = timezone.now()
        ledger.make_blocks(
            self.chain, numbers, **{"ts": now, "tx_count": txs, "gas_limit": 30_000} | facts
        )
        for number in numbers:
            for _ in range(txs):
                ledger.make_tx(self.chain, number, 0xA1, 0xB2, number * ledger.ETHER)
            if told:
                self.tell()

    def tell(self) -> None:
        for message in snapshots.of_chain(self.chain.pk):
            if message.key != TOPIC_STATE:
                publish(valkey.client(), self.topic, message)

    def reorganise(self, first: int) -> None:
        """Take back the blocks from ``first`` on; what replaces them was not read yet."""
        last = self.chain.head_number
        Block.objects.filter(chain=self.chain, number__gte=first).delete()
        Chain.objects.filter(pk=self.chain.pk).update(
            epoch=self.chain.epoch + 1, head_number=first - 1
        )
        self.chain.refresh_from_db()
        data = {"number": first - 1, "hash": "0x", "reorg": True}
        meta = {
            "epoch": self.chain.epoch,
            "seq": first - 1,
            "state": "reorg",
            "reorg": {"from": first, "to": last},
        }
        body = (json.dumps(data).encode(), json.dumps(meta).encode())
        publish(
            valkey.client(), self.topic, Message(b"!", self.chain.epoch, first - 1, "head", *body)
        )

    def _beat(self) -> None:
        while not self.silent.is_set():
            publishing.say_alive(
                self.chain.pk, epoch=self.chain.epoch, number=self.chain.head_number or 0
            )
            self.silent.wait(1)


@pytest.fixture
def follower(desk):
    started = Follower()
    started.thread.start()
    yield started
    started.silent.set()
    started.thread.join(10)


@pytest.fixture
def chain_page(follower, tab):
    opened = tab(follower.path, viewport=WIDE)
    expect(opened.page.locator("[data-status-link]")).to_have_attribute("data-connection", "live")
    return opened


def blocks(page):
    return page.locator("[data-blocks] tr")


def test_a_new_block_and_its_transactions_appear_without_reload(chain_page, follower):
    page = chain_page.page
    follower.block(31, txs=2)
    expect(blocks(page).first).to_have_attribute("data-block", "31")
    expect(page.locator("[data-entries] tr").first.locator("[data-f=value]")).to_have_text(
        "31.000000"
    )
    expect(page.locator("[data-head]")).to_have_text("31")
    expect(blocks(page)).to_have_count(20)
    assert chain_page.complaints == []
    assert chain_page.violations() == []


def test_blocks_that_were_missed_are_read_over_http(chain_page, follower):
    follower.block(31, 32, 33, 34, told=False, txs=1)
    follower.block(35, txs=1)
    expect(blocks(chain_page.page).first).to_have_attribute("data-block", "35")
    for number in range(31, 36):
        expect(chain_page.page.locator(f"[data-block='{number}']")).to_have_count(1)
        expect(chain_page.page.locator(f"[data-entries] [data-number='{number}']")).to_have_count(1)


def test_a_reorg_takes_its_rows_away_and_the_new_branch_follows(chain_page, follower):
    page = chain_page.page
    follower.block(31, 32, txs=1)
    expect(blocks(page).first).to_have_attribute("data-block", "32")
    follower.reorganise(31)
    expect(blocks(page).first).to_have_attribute("data-block", "30")
    expect(page.locator("[data-entries] [data-number='32']")).to_have_count(0)
    follower.block(31)
    expect(blocks(page).first).to_have_attribute("data-block", "31")


def test_nothing_moves_while_the_pointer_is_over_the_transactions(chain_page, follower):
    page = chain_page.page
    page.hover("[data-entries]")
    expect(page.locator("[data-paused]")).to_be_visible()
    follower.block(31, txs=1)
    expect(blocks(page).first).to_have_attribute("data-block", "31")
    expect(page.locator("[data-entries] [data-number='31']")).to_have_count(0)
    page.hover("h1")
    expect(page.locator("[data-entries] [data-number='31']")).to_have_count(1)


def test_what_was_read_while_nothing_may_move_is_shown_afterwards(chain_page, follower):
    page = chain_page.page
    page.hover("[data-entries]")
    expect(page.locator("[data-paused]")).to_be_visible()
    follower.block(31, txs=1)
    expect(blocks(page).first).to_have_attribute("data-block", "31")
    with page.expect_response(f"**{follower.path}"):
        follower.reorganise(31)
    expect(blocks(page).first).to_have_attribute("data-block", "30")
    # Read by the page and not told: nothing but that reading can know of it.
    follower.block(31, txs=1, told=False)
    page.hover("h1")
    expect(page.locator("[data-entries] [data-number='31']")).to_have_count(1)


def test_filtered_transactions_come_from_the_server(follower, tab):
    page = tab(follower.path).page
    page.fill("#filter-min_value", "33")
    page.click(".filters button")
    expect(page.locator(".chip--off")).to_have_text("Remove the filter At least 33 ETH")
    expect(page.locator("[data-status-link]")).to_have_attribute("data-connection", "live")
    for number in range(31, 35):
        follower.block(number, txs=1)
    expect(page.locator("[data-entries] [data-number='34']")).to_have_count(1)
    expect(page.locator("[data-entries] [data-number='33']")).to_have_count(1)
    expect(page.locator("[data-entries] [data-number='32']")).to_have_count(0)
    page.click(".chip--off")
    expect(page.locator("[data-entries] [data-number='32']")).to_have_count(1)


def test_a_silent_follower_is_told_and_its_return_heals_the_page(chain_page, follower):
    notice = chain_page.page.locator("[data-chain-notice]")
    follower.silent.set()
    expect(notice).to_be_visible(timeout=15_000)
    expect(blocks(chain_page.page)).to_have_count(20)
    follower.block(31)
    expect(notice).to_be_hidden()
    expect(blocks(chain_page.page).first).to_have_attribute("data-block", "31")


def test_the_overview_follows_rates_and_blocks_over_one_connection(feed, follower, tab):
    page = tab("/healthz").page
    sockets: list[Any] = []
    page.on("websocket", lambda socket: sockets.append(socket))
    page.goto("/")
    expect(page.locator("[data-status-link]")).to_have_attribute("data-connection", "live")
    feed.quote(buy="85006.00")
    expect(page.locator("[data-pair=BTC_USD] [data-cell=buy]")).to_have_text("85,006.00")
    follower.block(31)
    expect(blocks(page).first).to_have_attribute("data-block", "31")
    assert len(sockets) == 1


def test_where_websockets_fail_both_come_as_events(feed, follower, tab):
    page = tab("/healthz").page
    page.route_web_socket("**/ws/live", lambda socket: socket.close())
    page.add_init_script("Math.random = () => 0")
    page.goto("/")
    expect(page.locator("[data-status-link]")).to_have_attribute("data-connection", "live")
    feed.quote(buy="85007.00")
    expect(page.locator("[data-pair=BTC_USD] [data-cell=buy]")).to_have_text("85,007.00")
    follower.block(31)
    expect(blocks(page).first).to_have_attribute("data-block", "31")


def test_without_javascript_the_chain_is_there_and_can_be_filtered(follower, tab):
    follower.block(31, txs=1, told=False)
    page = tab(follower.path, java_script_enabled=False).page
    expect(page.locator("[data-entries] [data-number='31']")).to_have_count(1)
    page.fill("#filter-min_value", "40")
    page.click(".filters button")
    expect(page.locator("[data-entries]")).to_contain_text("Nothing recent passes")


def test_letters_lead_to_every_place(follower, tab):
    page = tab("/").page
    for letter, path in (
        ("c", "/chain/"),
        ("r", "/rates/"),
        ("o", "/"),
        ("b", "/accounts/login/**"),
    ):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        page.wait_for_url(f"**{path}")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_moves_when_blocks_arrive(follower, tab, width):
    follower.block(31, txs=25, told=False)
    page = tab(follower.path, viewport=WIDTHS[width]).page
    expect(page.locator("[data-status-link]")).to_have_attribute("data-connection", "live")
    page.evaluate(SHIFTS)
    page.evaluate("window.shifts.length = 0")
    for number in range(32, 37):
        follower.block(number, txs=3)
    expect(blocks(page).first).to_have_attribute("data-block", "36")
    assert page.evaluate("window.shifts") == []


@LOOKS
def test_axe_finds_nothing_on_overview_and_chain(feed, follower, tab, theme, width):
    follower.block(31, txs=2, told=False)
    Chain.objects.filter(pk=follower.chain.pk).update(
        head_seen_at=timezone.now() - timedelta(hours=1), explorer_url="https://etherscan.io"
    )
    options = {"color_scheme": theme, "viewport": WIDTHS[width], "reduced_motion": "reduce"}
    opened = tab("/", **options)
    for path in ("/", f"{follower.path}&min_value=1", "/chain/?chain=1"):
        opened.page.goto(path)
        assert problems(opened.page) == [], path
        assert (
            opened.page.evaluate("document.documentElement.scrollWidth") == WIDTHS[width]["width"]
        )
    assert opened.violations() == []
