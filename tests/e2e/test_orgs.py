"""The board of organisations in a real browser: typing, scrolling far, exporting, going offline."""

import csv

import pytest
from playwright.sync_api import expect

from orgs.services import board, search, seeding
from orgs.services.board import Period

COUNT = 3000


@pytest.fixture
def thousands(desk):
    """Three thousand organisations; the tables of their board end with the test."""
    before = board.newest(Period.ALL).version
    seeding.add_organisations(COUNT)
    yield
    for version in range(before + 1, board.newest(Period.ALL).version + 1):
        board._execute("DROP TABLE IF EXISTS {board}", board=board.table_of(Period.ALL, version))
    board._execute("DELETE FROM orgs_board_version WHERE period = 'all' AND version > 0")
    board._execute("TRUNCATE orgs_board_delta, orgs_stat, orgs_organisation CASCADE")


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
    assert page.url.endswith("/orgs/?search=zyxqvar&period=all")
    again = tab("/orgs/?search=zyxqvar&period=all").page
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
