"""The board of organisations in a real browser: typing, scrolling far, exporting, going offline."""

import csv

import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from playwright.sync_api import expect

from orgs.services import board, search, seeding
from orgs.services.board_orders import Order

COUNT = 3000


@pytest.fixture
def thousands(desk):
    """Three thousand organisations, and an empty board after the test."""
    seeding.add_organisations(COUNT)
    yield
    board._execute("TRUNCATE orgs_board_delta, orgs_stat, orgs_organisation CASCADE")
    board.build()


@pytest.fixture
def page(thousands, tab):
    """The open board, its first rows read by the module."""
    page = tab("/orgs/").page
    expect(page.locator("[data-orgs][aria-rowcount]")).to_be_visible()
    return page


def first_name(page):
    return page.locator("[data-rows] th a").first


def test_typing_searches_and_the_address_and_the_export_follow(page):
    page.get_by_label("Search organisations").press_sequentially("harbour s", delay=20)
    wanted = search.page(skip=0, limit=1000, term="harbour s")
    assert wanted.total > 0
    expect(page.locator("[data-count]")).to_contain_text(str(wanted.total))
    expect(first_name(page)).to_have_text(wanted.rows[0].name)
    assert "search=harbour+s" in page.url
    with page.expect_download() as downloading:
        page.get_by_role("link", name="CSV").click()
    with downloading.value.path().open() as table:
        assert [int(row["id"]) for row in csv.DictReader(table)] == [row.id for row in wanted.rows]


def test_the_address_restores_the_search(page, tab):
    page.get_by_label("Search organisations").fill("zyxqvar")
    expect(page.locator("[data-count]")).to_have_text("1 organisation")
    assert page.url.endswith("/orgs/?search=zyxqvar")
    again = tab("/orgs/?search=zyxqvar").page
    expect(again.get_by_label("Search organisations")).to_have_value("zyxqvar")
    expect(again.locator("[data-count]")).to_have_text("1 organisation")
    page.go_back()
    expect(page.locator("[data-count]")).to_have_text("3,000 organisations")


def test_row_two_thousand_is_reached_by_scrolling_and_few_rows_are_drawn(page):
    wanted = search.page(skip=1999, limit=1).rows[0]
    page.evaluate("scrollTo(0, 1999 * 44)")
    row = page.locator('[data-rows] tr[aria-rowindex="2001"]')
    expect(row).to_contain_text(wanted.name)
    expect(row).to_contain_text("2,000")
    assert page.locator("[data-rows] tr").count() < 120


def test_offline_keeps_what_was_read_and_says_so_and_comes_back(page):
    before = first_name(page).text_content()
    page.context.set_offline(True)
    page.get_by_label("Search organisations").fill("quarry")
    expect(page.get_by_role("alert")).to_contain_text("offline")
    expect(first_name(page)).to_have_text(before)
    page.context.set_offline(False)
    wanted = search.page(skip=0, limit=1, term="quarry").rows[0]
    expect(first_name(page)).to_have_text(wanted.name, timeout=15_000)
    expect(page.locator("[data-problem]")).to_be_hidden()


def test_nothing_found_says_what_to_do(page):
    page.get_by_label("Search organisations").fill("no such name at all")
    expect(page.locator("[data-nothing]")).to_be_visible()
    expect(page.locator("[data-count]")).to_have_text("0 organisations")


def test_a_head_sorts_again_in_reverse_and_the_address_and_the_export_follow(page):
    for way, order, aria in ((1, Order.NAME, "ascending"), (2, Order.NAME_DOWN, "descending")):
        page.get_by_role("link", name="Organisation", exact=True).click()
        wanted = search.page(skip=0, limit=1, order=order).rows[0]
        expect(first_name(page)).to_have_text(wanted.name)
        expect(page.locator(f'th[data-first="name"][aria-sort="{aria}"]')).to_be_visible()
        assert page.url.endswith(f"/orgs/?sort={order}"), way
    link = page.get_by_role("link", name="CSV").get_attribute("href")
    assert "sort=-name" in link
    page.go_back()
    expect(page.locator('th[data-first="name"]')).to_have_attribute("aria-sort", "ascending")


def test_the_address_follows_the_scrolling_and_leads_back(page, tab):
    page.evaluate("scrollTo(0, 1999 * 44)")
    expect(page.locator('[data-rows] tr[aria-rowindex="2001"]')).to_contain_text("2,000")
    page.wait_for_url("**/orgs/?page=40")
    again = tab(page.url).page
    wanted = search.page(skip=1950, limit=1).rows[0]
    expect(again.locator('[data-rows] tr[aria-rowindex="1952"]')).to_contain_text(wanted.name)
    expect(again.locator('[data-rows] tr[aria-rowindex="1952"]')).to_be_in_viewport()


def test_a_new_search_begins_at_its_first_row_under_the_heads(page):
    page.evaluate("scrollTo(0, 1000 * 44)")
    page.get_by_label("Search organisations").fill("holdings")
    row = page.locator('[data-rows] tr[aria-rowindex="2"]')
    expect(row).to_contain_text(search.page(skip=0, limit=1, term="holdings").rows[0].name)
    head = page.locator("[data-orgs] thead th").first.bounding_box()
    assert row.bounding_box()["y"] >= head["y"] + head["height"] - 1


def test_the_keyboard_walks_down_the_rows_without_being_thrown_out(page):
    first_name(page).focus()
    for _ in range(60):
        page.keyboard.press("Tab")
    held = page.evaluate("document.activeElement.closest('tr')?.getAttribute('aria-rowindex')")
    assert held == "62"


def test_a_server_that_fails_is_asked_again_and_the_rows_stay(page):
    before = first_name(page).text_content()
    refusals = []

    def refuse(route):
        refusals.append(route)
        route.fulfill(status=503, headers={"Retry-After": "60"}, body="{}")

    page.route("**/api/metrics/top-orgs*", refuse)
    page.get_by_label("Search organisations").fill("quarry")
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    expect(first_name(page)).to_have_text(before)
    page.unroute("**/api/metrics/top-orgs*")
    page.get_by_role("button", name="Try again").click()
    wanted = search.page(skip=0, limit=1, term="quarry").rows[0]
    expect(first_name(page)).to_have_text(wanted.name)
    assert len(refusals) == 1


def test_typing_asks_once_for_the_whole_word(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_label("Search organisations").press_sequentially("harbour", delay=30)
    expect(page.locator("[data-count]")).not_to_have_text("3,000 organisations")
    first_pages = [url for url in asked if "top-orgs" in url and "page=1&" in url]
    assert len(first_pages) == 1
    assert "search=harbour&" in first_pages[0]


def test_a_list_that_is_too_long_for_a_page_says_so_at_its_end_and_leaves_the_address_alone(
    thousands, tab
):
    page = tab("/").page

    def millions(route):
        answer = route.fetch()
        told = answer.json()
        told["pagination"] |= {"total": 1_000_000, "hasMore": True}
        route.fulfill(response=answer, json=told)

    page.route("**/api/metrics/top-orgs*", millions)
    page.goto(page.url.rstrip("/") + "/orgs/?search=&sort=-actions")
    expect(page.locator("[data-count]")).to_have_text("1,000,000 organisations")
    expect(page.locator("[data-cut]")).to_be_visible()
    assert page.locator("[data-cut] a").get_attribute("href") == "?page=10001"
    before = page.url
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.locator('[data-rows] tr[aria-rowindex="500001"]')).to_have_count(1)
    # Longer than the address takes to follow a scrolling that rests.
    with pytest.raises(PlaywrightTimeout):
        page.wait_for_url(lambda url: url != before, timeout=1_000)
    # A page behind that end is the server's, with its links.
    page.goto(page.url.split("?")[0] + "?page=10001")
    expect(page.get_by_role("link", name="Before")).to_be_visible()


def test_without_a_script_links_page_search_and_sort(thousands, tab):
    page = tab("/orgs/?search=holdings", java_script_enabled=False).page
    wanted = search.page(skip=0, limit=100, term="holdings", order=Order.NAME).rows
    page.get_by_role("link", name="Organisation", exact=True).click()
    expect(first_name(page)).to_have_text(wanted[0].name)
    page.get_by_role("link", name="Next").click()
    expect(first_name(page)).to_have_text(wanted[50].name)
    page.get_by_label("Search organisations").fill("zyxqvar")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("[data-rows] th a")).to_have_count(1)
