"""The running day's totals in a real browser: they move without a reload."""

from playwright.sync_api import expect

from orgs.tests.events import count_action


def test_the_days_totals_move_while_pages_are_open(desk, tab):
    # One test: the process outlives it, and within a day totals only rise.
    board, figures = tab("/orgs/").page, tab("/orgs/metrics/").page
    for number in range(3):
        count_action(7, number + 1)
    for page in (board, figures):
        expect(page.locator("[data-figure=events]")).to_have_text("3")
        expect(page.locator("[data-figure=orgs]")).to_have_text("1")
        expect(page.locator("[data-figure=users]")).to_have_text("3")
