"""Treasury addresses: named by who manages, followed by balances, their worth for members only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.tests.people import make_user
from balances.models import Address, BackfillJob, Keep
from balances.services import lookup, upkeep
from balances.tests import ledger
from foundation.errors import Conflict
from orgs.models import OrgRole, TreasuryAddress
from orgs.services import organisations, treasury
from orgs.tests.companies import make_desk_manager, make_member, make_org
from rates.tests.quotes import message, publish

pytestmark = pytest.mark.django_db
API = "/api/v1/orgs/acme-harbour/treasury"
PAGE = "/orgs/acme-harbour/treasury/"
FIRST, SECOND = ledger.text(21), ledger.text(22)


@pytest.fixture
def org():
    return make_org("Acme Harbour", owner=make_user("owner"))


@pytest.fixture
def owner(org):
    return org.memberships.get(role=OrgRole.OWNER).user


@pytest.fixture
def chain():
    return ledger.make_chain(head=10)


def browser(user):
    client = Client()
    client.force_login(user)
    return client


def post(client, **body):
    return client.post(API, body, content_type="application/json")


def name(org, by, address=FIRST, label=""):
    return treasury.add(org=org, by=by, address=address, label=label)


def test_an_address_that_is_named_is_followed_from_the_same_moment(org, owner, chain):
    made = post(browser(owner), address=FIRST.lower(), label=" Cold store ")
    assert made.status_code == 201
    assert made.json()["address"] == FIRST
    assert made.json()["label"] == "Cold store"
    assert made.json()["worth"] == {"usd": None, "complete": False}
    assert Keep.objects.get().keeper == f"organisation:{org.pk}"
    assert str(BackfillJob.objects.get().address) == FIRST


def test_a_kept_address_is_never_forgotten_and_one_that_was_let_go_is(org, owner, chain):
    name(org, owner)
    assert not Address.objects.forgotten(timezone.now()).exists()
    assert browser(owner).delete(f"{API}/{FIRST}").status_code == 204
    assert not Keep.objects.exists()
    upkeep._forget_addresses(timezone.now())
    assert not Address.objects.exists()


def test_two_organisations_may_name_one_address_and_each_lets_go_for_itself(org, owner):
    other = make_org("Other Quay", owner=owner)
    name(org, owner)
    name(other, owner)
    treasury.remove(org=org, by=owner, address=FIRST)
    assert Keep.objects.get().keeper == f"organisation:{other.pk}"


def test_an_organisation_that_ends_lets_its_addresses_go(org, owner):
    name(org, owner)
    organisations.dissolve(org=org, by=owner, confirmed=org.name)
    assert not Keep.objects.exists()


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("", 400, "invalid"),
        ("0x12", 400, "bad_address"),
        ("name.eth", 400, "name_not_address"),
        ("0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed", 400, "bad_checksum"),
        (FIRST, 409, "address_exists"),
    ],
)
def test_what_is_no_address_or_is_there_already_is_refused_and_named(
    org, owner, address, status, code
):
    name(org, owner)
    refused = post(browser(owner), address=address)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (status, code)
    assert list(error["fields"]) == ["address"]


def test_a_label_is_short_and_printable(org, owner):
    for label in ("x" * 61, "a\x07b"):
        refused = post(browser(owner), address=FIRST, label=label)
        assert refused.status_code == 400
        assert list(refused.json()["error"]["fields"]) == ["label"]


def test_addresses_that_nobody_knew_have_a_limit_a_day(org, owner, monkeypatch):
    monkeypatch.setattr(lookup, "NEW_A_DAY", 1)
    name(org, owner)
    refused = post(browser(owner), address=SECOND)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limited")
    assert 0 < int(refused["Retry-After"]) <= 2 * 86_400
    page = browser(owner).post(f"{PAGE}add", {"address": SECOND})
    assert (page.status_code, "that nobody here knew" in page.content.decode()) == (400, True)
    Address.objects.create(raw=bytes.fromhex(SECOND[2:]))
    assert post(browser(owner), address=SECOND).status_code == 201


def test_there_is_room_for_so_many_and_no_more(org, owner, monkeypatch):
    monkeypatch.setattr(treasury, "MAX_ADDRESSES", 1)
    name(org, owner)
    with pytest.raises(Conflict) as refused:
        name(org, owner, SECOND)
    assert refused.value.code == "too_many_addresses"


def hold(chain, text, ether):
    address = Address.objects.get(raw=bytes.fromhex(text[2:]))
    return ledger.hold(address, ledger.native(chain), int(Decimal(ether) * 10**18))


def test_members_see_what_it_is_worth_and_the_desk_only_which_it_is(org, owner, chain):
    publish(message("ETH_USD"))
    name(org, owner, label="Cold")
    hold(chain, FIRST, "1.5")
    member = make_member(org, OrgRole.MEMBER, "member")
    seen = browser(member).get(API).json()
    assert [(row["address"], row["worth"]["usd"]) for row in seen] == [(FIRST, "126539.78")]
    assert "126,539" in browser(member).get(PAGE).content.decode()
    desk = browser(make_desk_manager())
    assert desk.get(API).json()[0]["worth"] is None
    page = desk.get(PAGE).content.decode()
    assert FIRST in page
    assert "126,539" not in page
    assert browser(make_user("eve")).get(PAGE).status_code == 404


def test_what_is_not_known_is_no_zero(org, owner, chain):
    publish(message("ETH_USD"))
    name(org, owner)
    name(org, owner, SECOND)
    hold(chain, FIRST, "1")
    held = treasury.valued(org)
    assert [one.worth and one.worth.usd for one in held] == [Decimal("84359.85"), None]
    together = treasury.total(held)
    assert (together.usd, together.complete) == (Decimal("84359.85"), False)


def test_many_addresses_are_asked_for_as_often_as_one(org, owner, chain, django_assert_num_queries):
    name(org, owner)
    treasury.valued(org)  # what is remembered between requests is read once
    with CaptureQueriesContext(connection) as first:
        treasury.valued(org)
    for number in range(30, 46):
        name(org, owner, ledger.text(number))
    with django_assert_num_queries(len(first)):
        assert len(treasury.valued(org)) == 17


def test_pages_add_and_remove_without_a_script(org, owner):
    client = browser(owner)
    refused = client.post(f"{PAGE}add", {"address": "0x12"})
    assert refused.status_code == 400
    assert "40 hex digits" in refused.content.decode()
    assert client.post(f"{PAGE}add", {"address": FIRST, "label": "Hot"}).status_code == 302
    assert TreasuryAddress.objects.get().label == "Hot"
    assert client.post(f"{PAGE}remove", {"address": FIRST}).status_code == 302
    assert not TreasuryAddress.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_who_name_the_same_address_at_once_one_is_told_so():
    org = make_org("Acme Harbour", owner=make_user("owner"))
    by = org.memberships.get().user

    def add(_):
        try:
            return bool(name(org, by))
        except Conflict:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(add, range(4))) == 1
    assert Keep.objects.count() == 1
