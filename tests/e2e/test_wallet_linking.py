"""Several wallets on one account, in a real browser."""

from __future__ import annotations

from allauth.socialaccount.models import SocialAccount
from playwright.sync_api import expect

from tests.e2e.test_quality import LOOKS, WIDTHS, problems
from tests.e2e.wallets import LOGIN, TestWallet, sign_in, user_of


def add_wallet(page, wallet):
    page.get_by_role("button", name="Add a wallet").click()
    page.get_by_role("dialog", name="Add a wallet").get_by_role(
        "button", name=wallet.info["name"]
    ).click()


def confirm_with(page, wallet):
    dialog = page.get_by_role("dialog", name="Confirm that it is you")
    dialog.get_by_role("button", name=wallet.info["name"]).click()


def test_a_second_wallet_is_added_signs_in_and_the_first_is_removed(opened):
    first, second = TestWallet("First"), TestWallet("Second")
    found = opened(first, second)
    page = found.page
    sign_in(page, first)
    add_wallet(page, second)
    confirm_with(page, first)
    expect(page.locator("#wallets")).to_contain_text(second.addresses[0])
    page.locator("summary", has_text="eth-").first.click()
    page.get_by_role("button", name="Sign out").first.click()
    page.goto(LOGIN)
    sign_in(page, second)
    expect(page.locator("#wallets")).to_contain_text(first.addresses[0])
    remove(page, first)
    page.get_by_role("region", name="Wallets found").get_by_role("button", name="Second").click()
    expect(page.locator("#wallets")).to_contain_text(second.addresses[0])
    expect(page.locator("#wallets")).not_to_contain_text(first.addresses[0])
    assert list(SocialAccount.objects.values_list("uid", flat=True)) == second.addresses
    assert (found.violations(), found.complaints) == ([], [])


def remove(page, wallet):
    row = page.locator("#wallets li", has_text=wallet.addresses[0])
    row.get_by_role("button", name="Remove").click()


def test_another_account_of_the_same_wallet_is_added(page_with):
    wallet = TestWallet(keys=2)
    page = page_with(wallet)
    sign_in(page, wallet)
    add_wallet(page, wallet)
    confirm_with(page, wallet)
    expect(page.locator("#wallets")).to_contain_text(wallet.addresses[1])


def test_a_wallet_that_is_linked_already_is_told_so(page_with):
    wallet = TestWallet()
    page = page_with(wallet)
    sign_in(page, wallet)
    add_wallet(page, wallet)
    expect(page.get_by_role("dialog")).to_contain_text("is linked already")


def test_a_wallet_of_another_account_is_not_taken(page_with):
    mine, theirs = TestWallet("Mine"), TestWallet("Theirs")
    page = page_with(mine, theirs)
    sign_in(page, theirs)
    page.context.clear_cookies()
    page.goto(LOGIN)
    sign_in(page, mine)
    add_wallet(page, theirs)
    confirm_with(page, mine)
    dialog = page.get_by_role("dialog", name="Add a wallet")
    expect(dialog).to_contain_text("This wallet belongs to another account.")
    assert user_of(mine) != user_of(theirs)


def test_not_confirming_adds_nothing(page_with):
    first, second = TestWallet("First"), TestWallet("Second")
    page = page_with(first, second)
    sign_in(page, first)
    add_wallet(page, second)
    expect(page.get_by_role("dialog", name="Confirm that it is you")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Add a wallet")).to_contain_text("Not confirmed.")
    assert SocialAccount.objects.count() == 1


def test_confirming_with_a_wallet_that_is_not_linked_is_refused(page_with):
    first, second = TestWallet("First"), TestWallet("Second")
    page = page_with(first, second)
    sign_in(page, first)
    add_wallet(page, second)
    confirm_with(page, second)
    expect(page.get_by_role("dialog", name="Confirm that it is you")).to_contain_text(
        "is not linked to your account here"
    )


@LOOKS
def test_axe_finds_nothing_in_the_dialogs_of_the_account_page(page_with, theme, width):
    first, second = TestWallet("First"), TestWallet("Second")
    page = page_with(
        first, second, color_scheme=theme, viewport=WIDTHS[width], reduced_motion="reduce"
    )
    sign_in(page, first)
    page.get_by_role("button", name="Add a wallet").click()
    expect(page.get_by_role("dialog", name="Add a wallet")).to_be_visible()
    assert problems(page) == []
    page.get_by_role("dialog").get_by_role("button", name="Second").click()
    expect(page.get_by_role("dialog", name="Confirm that it is you")).to_be_visible()
    assert problems(page) == []
