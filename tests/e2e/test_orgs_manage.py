"""An organisation managed in a real browser, and the quality of every page of organisations."""

from datetime import UTC, date, datetime, timedelta

import httpx
import pytest
from django.conf import settings
from playwright.sync_api import expect

from accounts.tests.people import make_user, prove
from accounts.tests.people import sign_in as client_of
from orgs.models import Membership, Organisation, OrgDay, OrgRole, OrgUserDay
from orgs.services import board, invitations, keys, movers, organisations
from orgs.tests.companies import make_desk_manager
from tests.e2e.test_quality import BUDGET_BYTES, LOOKS, WIDTHS, problems

NAME = "Harbour Sons Shipping Collective"
ROOT = "/orgs/harbour-sons-shipping-collective"
BUDGET_REQUESTS = 12


@pytest.fixture
def as_user(tab, desk):
    """Open a tab in which a user is signed in and has just proved to be there."""

    def open_tab(user, path, **options):
        opened = tab("/healthz", **options)
        client = client_of(user)
        prove(client)
        name = settings.SESSION_COOKIE_NAME
        cookie = {"name": name, "value": client.cookies[name].value, "url": desk.url}
        opened.page.context.add_cookies([cookie])
        opened.page.goto(path)
        return opened

    return open_tab


def test_an_owner_founds_invites_and_makes_a_key_that_counts_events(as_user, desk):
    owner = as_user(make_user("owner"), "/orgs/mine/").page
    owner.get_by_label("Name").fill(NAME)
    owner.get_by_role("button", name="Found it").click()
    owner.get_by_role("link", name="Invite somebody").first.click()
    owner.get_by_label("They join as").select_option("manager")
    owner.get_by_role("button", name="Make the invitation").click()
    link = owner.locator("#secret").inner_text()

    eve = as_user(make_user("eve"), link.removeprefix(desk.url)).page
    expect(eve.get_by_label("Invitation")).to_have_value(link.partition("#")[2])
    assert "qi_" not in eve.url
    eve.get_by_role("button", name="Join").click()
    expect(eve.get_by_role("heading", level=1)).to_have_text(NAME)
    eve.get_by_role("link", name="Keys", exact=True).first.click()
    eve.get_by_role("link", name="New key").click()
    eve.get_by_label("Name").fill("nightly")
    eve.get_by_role("button", name="Make the key").click()
    secret = eve.locator("#secret").inner_text()
    sent = httpx.post(
        f"{desk.url}/api/v1/events",
        json=[],
        headers={"Authorization": f"Bearer {secret}"},
        trust_env=False,
    )
    assert sent.status_code in (200, 202)

    owner.goto(f"{ROOT}/people/")
    owner.get_by_label("Role of eve").select_option("member")
    owner.get_by_role("button", name="Save the role of eve").click()
    expect(owner.get_by_role("status").first).to_contain_text("eve is member now")
    owner.get_by_role("button", name="Remove eve").click()
    expect(owner.get_by_role("status").first).to_contain_text("do not belong")
    assert not Membership.objects.filter(user__username="eve").exists()
    assert eve.goto(f"{ROOT}/").status == 404


def test_forms_work_without_a_script_and_tell_errors_at_their_fields(as_user):
    user = make_user("owner")
    organisations.found(by=user, name=NAME)
    page = as_user(user, f"{ROOT}/settings/", java_script_enabled=False).page
    domain = page.get_by_role("textbox", name="Mail domain")
    domain.fill("no domain")
    page.get_by_role("button", name="Add the domain").click()
    expect(page.get_by_role("textbox", name="Mail domain")).to_have_attribute(
        "aria-invalid", "true"
    )
    domain.fill("Harbour.Example")
    page.get_by_role("button", name="Add the domain").click()
    expect(page.locator("strong", has_text="harbour.example")).to_be_visible()
    page.get_by_role("link", name="Delete").click()
    page.get_by_label("Type the organisation's name").fill(NAME)
    page.get_by_role("button", name="Delete the organisation").click()
    expect(page.get_by_role("status").first).to_contain_text("is deleted")
    assert not Organisation.objects.exists()


@pytest.fixture
def full(desk):
    """An organisation with some of everything, and its owner."""
    owner = make_user("owner")
    org = organisations.found(by=owner, name=NAME)
    organisations.add_domain(org=org, by=owner, name="harbour.example")
    keys.create(org=org, by=owner, name="nightly", scopes=["events", "metrics"])
    for email in ("", "new@example.com"):
        invitations.invite(org=org, by=owner, role=OrgRole.MEMBER, email=email, join_url="x")
    for name in ("ann", "bob"):
        Membership.objects.create(org=org, user=make_user(name), role=OrgRole.MEMBER)
    today = datetime.now(UTC).date()
    for age in range(8):
        put_day(org.pk, today - timedelta(days=age), users=3 + age % 3)
    movers.count(today)
    board.build()
    yield owner
    for version in range(1, board.newest(board.Period.ALL).version + 1):
        for name in board._tables(board.table_of(board.Period.ALL, version)):
            board._execute("DROP TABLE IF EXISTS {board}", board=name)
    board._execute("DELETE FROM orgs_board_version WHERE period = 'all' AND version > 0")


def put_day(org_id: int, day: date, *, users: int) -> None:
    OrgDay.objects.create(org_id=org_id, day=day, actions=users * 5, dau=users)
    OrgUserDay.objects.bulk_create(
        OrgUserDay(day=day, org_id=org_id, user_id=user) for user in range(users)
    )


PAGES = (
    *("/orgs/", "/orgs/mine/", "/orgs/new", "/orgs/join/", "/orgs/domains/", "/orgs/metrics/"),
    *(f"{ROOT}/{page}" for page in ("", "people/", "invitations/new", "keys/", "keys/new")),
    *(f"{ROOT}/{page}" for page in ("settings/", "settings/delete")),
)


@LOOKS
def test_axe_finds_nothing_and_nothing_scrolls_sideways(full, as_user, theme, width):
    options = {"color_scheme": theme, "viewport": WIDTHS[width], "reduced_motion": "reduce"}
    page = as_user(full, "/orgs/", **options).page
    for path in PAGES:
        page.goto(path)
        assert problems(page) == [], path
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide == WIDTHS[width]["width"], path


def test_pages_are_light_and_log_no_error(full, as_user):
    opened = as_user(full, "/healthz")
    wire = opened.page.context.new_cdp_session(opened.page)
    wire.send("Network.enable")
    wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes: list[float] = []
    wire.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    for path in PAGES:
        sizes.clear()
        opened.page.goto(path)
        opened.page.wait_for_load_state("load")
        assert sum(sizes) < BUDGET_BYTES, path
        assert len(sizes) <= BUDGET_REQUESTS, path
        assert opened.violations() == [], path
    assert opened.complaints == []


def test_the_desk_sees_an_organisation_and_no_form_to_change_it(full, as_user):
    page = as_user(make_desk_manager(), f"{ROOT}/people/").page
    expect(page.get_by_text("change nothing here")).to_be_visible()
    for path in ("people/", "settings/", ""):
        page.goto(f"{ROOT}/{path}")
        assert page.locator("main form").count() == 0, path
    assert page.goto(f"{ROOT}/keys/").status == 403
