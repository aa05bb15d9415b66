"""Lists of an organisation as files for spreadsheets, and page by page."""

import csv
import io

import pytest

from accounts.tests.people import make_user, sign_in
from orgs.models import OrgRole
from orgs.services import invitations, keys, treasury
from orgs.tests.companies import make_member, make_org

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/orgs/acme-harbour"


@pytest.fixture
def owner():
    return make_user("owner")


@pytest.fixture
def org(owner):
    return make_org("Acme Harbour", owner=owner)


def table(client, name):
    answer = client.get(f"{ROOT}/{name}?format=csv")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/csv")
    return list(csv.reader(io.StringIO(answer.content.decode())))


def test_every_list_is_a_file_too_and_has_its_heads_when_it_is_empty(org, owner):
    client = sign_in(owner)
    heads = {name: table(client, name)[0] for name in ("invitations", "keys", "treasury")}
    invitations.invite(org=org, by=owner, role=OrgRole.MEMBER, email="a@example.com", join_url="x")
    keys.create(org=org, by=owner, name="k", scopes=["events", "metrics"])
    treasury.add(org=org, by=owner, address=f"0x{1:040x}", label="=1+1")
    for name, head in heads.items():
        assert table(client, name)[0] == head
    assert "events metrics" in table(client, "keys")[1]
    assert "a@example.com" in table(client, "invitations")[1]
    assert "'=1+1" in table(client, "treasury")[1]
    assert table(client, "members")[1][3] == "owner"


def test_who_may_not_read_a_list_may_not_read_its_file(org):
    member = sign_in(make_member(org, OrgRole.MEMBER, "member"))
    stranger = sign_in(make_user("stranger"))
    for name in ("members", "invitations", "keys", "treasury"):
        plain, file = (member.get(f"{ROOT}/{name}{end}") for end in ("", "?format=csv"))
        assert plain.status_code == file.status_code
        assert stranger.get(f"{ROOT}/{name}?format=csv").status_code == 404


def test_members_come_page_by_page(org, owner):
    for number in range(4):
        make_member(org, OrgRole.MEMBER, f"member{number}")
    client = sign_in(owner)
    seen, url = [], f"{ROOT}/members?limit=2"
    while url:
        answer = client.get(url)
        seen += [row["name"] for row in answer.json()]
        url = answer.get("Link", "").partition(">")[0].removeprefix("<")
    assert seen == ["owner", *(f"member{number}" for number in range(4))]
    for query in ("limit=0", "limit=1001", "after=x", "colour=red"):
        assert client.get(f"{ROOT}/members?{query}").status_code == 400


def test_invitations_come_page_by_page_the_newest_on_top(org, owner):
    for _ in range(5):
        invitations.invite(org=org, by=owner, role=OrgRole.MEMBER, join_url="x")
    client = sign_in(owner)
    seen, url = [], f"{ROOT}/invitations?limit=2"
    while url:
        answer = client.get(url)
        seen += [row["id"] for row in answer.json()]
        url = answer.get("Link", "").partition(">")[0].removeprefix("<")
    assert seen == list(org.invitations.order_by("-pk").values_list("pk", flat=True))
