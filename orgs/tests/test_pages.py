"""The organisations' pages, without a browser."""

import re
from datetime import date

import pytest
from django.test import Client

from accounts.tests.people import make_user
from orgs.models import Organisation, OrgRole
from orgs.services import invitations, movers
from orgs.tests.companies import make_desk_manager, make_member, make_org

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _closed(settings):
    settings.OPEN_ENDPOINTS = []


@pytest.fixture
def org():
    return make_org("Acme Harbour", owner=make_user("owner"), actions=5)


def browser(user):
    client = Client()
    client.force_login(user)
    return client


def names(page):
    return re.findall(r'<a href="/orgs/([a-z-]+)/">', page.content.decode())


def test_the_desk_sees_the_board_and_pages_through_it_without_a_script(org):
    for number in range(60):
        make_org(f"Zeta {chr(97 + number % 26) * (number // 26 + 1)}", actions=1)
    client = browser(make_desk_manager())
    first = client.get("/orgs/")
    assert names(first)[0] == "acme-harbour"
    assert len(names(first)) == 50
    assert 'rel="next"' in first.content.decode()
    assert len(names(client.get("/orgs/?page=2"))) == 11
    assert names(client.get("/orgs/?search=harbour")) == ["acme-harbour"]


@pytest.mark.parametrize(
    "query", ["page=x", "page=0", "page=99999999999", "period=d8", "search=%00"]
)
def test_a_strange_address_still_shows_the_board(org, query):
    assert browser(make_desk_manager()).get(f"/orgs/?{query}").status_code == 200


def test_a_list_page_asks_the_database_as_often_for_many_as_for_few(
    org, django_assert_max_num_queries
):
    client = browser(make_desk_manager())
    client.get("/orgs/")
    for number in range(40):
        make_org(f"Zeta {'z' * number}x")
    with django_assert_max_num_queries(20):
        client.get("/orgs/")


def test_a_customer_sees_their_own_and_can_found_one(org):
    client = browser(org.memberships.get().user)
    assert names(client.get("/orgs/")) == ["acme-harbour"]
    made = client.post("/orgs/new", {"name": "New Quay"})
    assert made["Location"] == "/orgs/new-quay/people/"
    refused = client.post("/orgs/new", {"name": ""})
    assert "This field is required" in refused.content.decode()


def test_nobody_signs_in_first_unless_the_door_is_open(org, client, settings):
    for path in ("/orgs/", "/orgs/metrics/", "/orgs/acme-harbour/", "/orgs/join/"):
        assert client.get(path).status_code == 302
    settings.OPEN_ENDPOINTS = ["metrics"]
    assert names(client.get("/orgs/")) == ["acme-harbour"]
    assert client.get("/orgs/metrics/").status_code == 200
    assert client.get("/orgs/acme-harbour/").status_code == 302


def test_an_organisation_is_there_for_members_and_the_desk_only(org):
    member = make_member(org, OrgRole.MEMBER, "member")
    for user, status in ((member, 200), (make_desk_manager(), 200), (make_user("eve"), 404)):
        assert browser(user).get("/orgs/acme-harbour/").status_code == status
    page = browser(member).get("/orgs/acme-harbour/").content.decode()
    assert "You are member here" in page
    assert "Stickiness" in page


def test_a_name_is_text_and_never_markup(org):
    Organisation.objects.filter(pk=org.pk).update(name="<script>alert(1)</script>")
    client = browser(make_desk_manager())
    for path in ("/orgs/", "/orgs/acme-harbour/"):
        assert b"<script>alert" not in client.get(path).content


def test_the_desks_figures_are_the_desks(org):
    movers.count(date(2026, 1, 1))
    assert browser(make_desk_manager()).get("/orgs/metrics/").status_code == 200
    assert browser(make_user("eve")).get("/orgs/metrics/").status_code == 404


def test_the_link_of_an_invitation_makes_a_member(org):
    _, link = invitations.invite(
        org=org,
        by=org.memberships.get().user,
        role=OrgRole.MEMBER,
        join_url="https://desk.example/orgs/join/",
    )
    client = browser(make_user("eve"))
    assert client.get("/orgs/join/").status_code == 200
    assert client.post("/orgs/join/", {"code": "qi_wrong"}).status_code == 404
    joined = client.post("/orgs/join/", {"code": link})
    assert joined["Location"] == "/orgs/acme-harbour/"
    assert client.get("/orgs/acme-harbour/").status_code == 200
