"""Managing an organisation on its pages, asked as everybody from its owner to nobody."""

import html
import re
from datetime import timedelta

import pytest
from django.core import mail
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.tests.people import make_user, prove, sign_in
from orgs.models import ApiKey, Invitation, Membership, Organisation, OrgRole, Stat
from orgs.services import invitations, keys, organisations
from orgs.tests.companies import make_desk_manager, make_member, make_org

pytestmark = pytest.mark.django_db
ROOT = "/orgs/acme-harbour"
ADDRESS = f"0x{1:040x}"


@pytest.fixture
def org():
    return make_org("Acme Harbour", owner=make_user("owner"))


@pytest.fixture
def owner(org):
    return org.memberships.get(role=OrgRole.OWNER).user


@pytest.fixture
def browser(owner):
    """The owner's, with a proof of presence given a moment ago."""
    return proved(owner)


def proved(user):
    client = sign_in(user)
    prove(client)
    return client


COLUMNS = ("owner", "manager", "member", "desk", "stranger", "nobody")
TABLE = """
GET  /people/                        -                 200 200 200 200 404 in
POST /people/{member}/role           role=manager      302 302 403 403 404 in
POST /people/{member}/remove         -                 302 302 302 403 404 in
GET  /invitations/new                -                 200 200 403 403 404 in
POST /invitations/new                role=member       200 200 403 403 404 in
POST /invitations/new                role=owner        200 400 403 403 404 in
POST /invitations/{open}/withdraw    -                 302 302 403 403 404 in
POST /invitations/0/withdraw         -                 404 404 403 403 404 in
GET  /keys/                          -                 200 200 403 403 404 in
GET  /keys/new                       -                 200 200 403 403 404 in
POST /keys/new                       scopes=events     400 400 403 403 404 in
POST /keys/{key}/revoke              -                 302 302 403 403 404 in
GET  /treasury/                      -                 200 200 200 200 404 in
POST /treasury/add                   address={address} 302 302 403 403 404 in
POST /treasury/add                   address=0x12      400 400 403 403 404 in
POST /treasury/remove                address={address} 404 404 403 403 404 in
GET  /settings/                      -                 200 200 200 200 404 in
POST /settings/name                  name=Acme         302 302 403 403 404 in
POST /settings/name                  name=             400 400 403 403 404 in
POST /settings/domains/add           domain=acme.test  302 302 403 403 404 in
POST /settings/domains/add           domain=a_b..c     400 400 403 403 404 in
POST /settings/domains/remove        domain=old.test   302 302 403 403 404 in
GET  /settings/delete                -                 200 403 403 403 404 in
POST /settings/delete                confirmed=x       400 403 403 403 404 in
"""


def test_everybody_gets_what_the_table_says(org, owner):
    people = {
        "owner": owner,
        "manager": make_member(org, OrgRole.MANAGER, "manager"),
        "member": make_member(org, OrgRole.MEMBER, "member"),
        "desk": make_desk_manager(),
        "stranger": make_user("stranger"),
    }
    clients = {name: proved(user) for name, user in people.items()} | {"nobody": Client()}
    organisations.add_domain(org=org, by=owner, name="old.test")
    key, _ = keys.create(org=org, by=owner, name="k", scopes=["events"])
    invited, _ = invitations.invite(org=org, by=owner, role=OrgRole.MEMBER, join_url="x")
    ids = {"member": people["member"].pk, "key": key.pk, "open": invited.pk}
    wrong = []
    for line in TABLE.strip().splitlines():
        method, path, given, *expected = line.split()
        name, _, value = given.format(address=ADDRESS).partition("=")
        got = [
            answer(clients[column], method, ROOT + path.format(**ids), {name: value})
            for column in COLUMNS
        ]
        if got != expected:
            wrong.append(f"{method} {path} {given} {got}")
    assert wrong == []


def answer(client, method, path, given):
    """What comes back, after which it never happened."""
    with transaction.atomic():
        said = client.post(path, given) if method == "POST" else client.get(path)
        transaction.set_rollback(True)
    return (
        "in" if said.status_code == 302 and "login" in said["Location"] else f"{said.status_code}"
    )


def text_of(page):
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.content.decode())))


def test_founding_makes_an_owner_and_a_refusal_stands_at_the_field(browser):
    made = browser.post("/orgs/new", {"name": "  New   Quay "})
    assert made["Location"] == "/orgs/new-quay/people/"
    refused = browser.post("/orgs/new", {"name": "a\x01b"})
    assert refused.status_code == 400
    assert "printable characters" in refused.content.decode()
    assert 'aria-invalid="true"' in refused.content.decode()
    assert "New Quay" in text_of(browser.get("/orgs/mine/"))


def test_a_role_is_changed_and_the_last_owner_stays(org, owner, browser):
    member = make_member(org, OrgRole.MEMBER, "member")
    browser.post(f"{ROOT}/people/{member.pk}/role", {"role": "manager"})
    assert Membership.objects.get(user=member).role == OrgRole.MANAGER
    for path, given in ((f"{owner.pk}/role", {"role": "member"}), (f"{owner.pk}/remove", {})):
        told = browser.post(f"{ROOT}/people/{path}", given, follow=True)
        assert "needs an owner" in text_of(told)
    assert Membership.objects.get(user=owner).role == OrgRole.OWNER


@pytest.mark.parametrize("role", ["", "king", "OWNER"])
def test_a_role_that_does_not_exist_is_told_on_the_page(org, browser, role):
    member = make_member(org, OrgRole.MEMBER, "member")
    told = browser.post(f"{ROOT}/people/{member.pk}/role", {"role": role}, follow=True)
    assert "Choose a role" in text_of(told)
    assert Membership.objects.get(user=member).role == OrgRole.MEMBER


def test_who_leaves_sees_it_no_more(org):
    member = make_member(org, OrgRole.MEMBER, "member")
    browser = sign_in(member)
    left = browser.post(f"{ROOT}/people/{member.pk}/remove")
    assert left["Location"] == "/orgs/mine/"
    assert browser.get(f"{ROOT}/people/").status_code == 404


def test_members_see_no_forms_but_their_own_leaving(org):
    page = sign_in(make_member(org, OrgRole.MEMBER, "member")).get(f"{ROOT}/people/")
    assert re.findall(r'action="/orgs/([^"]+)"', page.content.decode()) == [
        f"acme-harbour/people/{Membership.objects.get(role=OrgRole.MEMBER).user_id}/remove"
    ]
    assert "Open invitations" not in text_of(page)


def test_managers_are_offered_nothing_that_is_the_owners(org, owner):
    page = sign_in(make_member(org, OrgRole.MANAGER, "manager")).get(f"{ROOT}/people/")
    assert 'value="owner"' not in page.content.decode()
    assert f"people/{owner.pk}/" not in page.content.decode()
    settings = sign_in(Membership.objects.get(role=OrgRole.MANAGER).user).get(f"{ROOT}/settings/")
    assert "settings/delete" not in settings.content.decode()


def test_many_members_are_paged_and_cost_as_few_queries(
    org, browser, django_assert_max_num_queries
):
    browser.get(f"{ROOT}/people/")
    for number in range(60):
        make_member(org, OrgRole.MEMBER, f"member{number}")
    with django_assert_max_num_queries(20):
        first = browser.get(f"{ROOT}/people/")
    assert "Page 1 of 2" in text_of(first)
    assert "member58" in text_of(browser.get(f"{ROOT}/people/?page=2"))


def test_the_link_of_an_invitation_is_shown_once_and_works(org, browser):
    made = browser.post(f"{ROOT}/invitations/new", {"role": "manager", "email": ""})
    link = re.findall(r">(http://testserver/orgs/join/#qi_[\w-]{43})<", made.content.decode())[0]
    assert "no-store" in made["Cache-Control"]
    listed = text_of(browser.get(f"{ROOT}/people/"))
    assert "Whoever has the link" in listed
    assert "qi_" not in listed
    eve = sign_in(make_user("eve"))
    assert eve.post("/orgs/join/", {"code": link})["Location"] == f"{ROOT}/"
    assert Membership.objects.get(user__username="eve").role == OrgRole.MANAGER
    again = sign_in(make_user("adam")).post("/orgs/join/", {"code": link})
    assert again.status_code == 404
    assert "was used, or has expired" in text_of(again)


def test_an_invitation_by_mail_is_sent(
    org, browser, mailoutbox, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        made = browser.post(
            f"{ROOT}/invitations/new", {"role": "member", "email": "eve@example.com"}
        )
    assert "on its way to eve@example.com" in text_of(made)
    assert [message.to for message in mail.outbox] == [["eve@example.com"]]
    refused = browser.post(f"{ROOT}/invitations/new", {"role": "member", "email": "no address"})
    assert refused.status_code == 400
    assert 'id="id_email_error"' in refused.content.decode()


def test_an_invitation_that_has_ended_is_listed_no_more(org, owner, browser):
    invitations.invite(org=org, by=owner, role=OrgRole.MEMBER, email="", join_url="x")
    assert "Withdraw" in text_of(browser.get(f"{ROOT}/people/"))
    Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "Withdraw" not in text_of(browser.get(f"{ROOT}/people/"))


def test_a_key_is_shown_once_and_can_be_revoked(org, browser):
    made = browser.post(
        f"{ROOT}/keys/new", {"name": "nightly", "scopes": ["events", "metrics"], "days": "30"}
    )
    secret = re.findall(r"qo_[\w-]{43}", made.content.decode())[0]
    assert "no-store" in made["Cache-Control"]
    key = keys.authenticate(secret)
    assert key.expires_at is not None
    assert key.expires_at < timezone.now() + timedelta(days=31)
    listed = browser.get(f"{ROOT}/keys/").content.decode()
    assert secret not in listed
    assert secret[:11] in listed
    browser.post(f"{ROOT}/keys/{key.pk}/revoke")
    assert not ApiKey.objects.exists()


def test_a_new_key_needs_a_proof_that_is_minutes_old(org, owner):
    client = Client()
    client.force_login(owner)
    held_up = client.get(f"{ROOT}/keys/new")
    assert "reauthenticate" in held_up["Location"]
    prove(client)
    assert client.get(f"{ROOT}/keys/new").status_code == 200


@pytest.mark.parametrize(
    "given",
    [
        {"name": "", "scopes": ["events"], "days": "30"},
        {"name": "k", "days": "30"},
        {"name": "k", "scopes": ["everything"], "days": "30"},
        {"name": "k", "scopes": ["events"], "days": "31"},
        {"name": "k\x01", "scopes": ["events"], "days": "0"},
    ],
)
def test_a_key_that_is_asked_for_wrongly_is_not_made(org, browser, given):
    refused = browser.post(f"{ROOT}/keys/new", given)
    assert refused.status_code == 400
    assert "field__errors" in refused.content.decode()
    assert not ApiKey.objects.exists()


def test_domains_are_added_once_in_one_spelling_and_removed(org, browser):
    browser.post(f"{ROOT}/settings/domains/add", {"domain": "Bücher.Example."})
    assert "xn--bcher-kva.example" in text_of(browser.get(f"{ROOT}/settings/"))
    twice = browser.post(f"{ROOT}/settings/domains/add", {"domain": "xn--bcher-kva.example"})
    assert twice.status_code == 400
    assert "is there already" in text_of(twice)
    wrong = browser.post(f"{ROOT}/settings/domains/add", {"domain": "no domain"})
    assert 'id="id_domain_error"' in wrong.content.decode()
    browser.post(f"{ROOT}/settings/domains/remove", {"domain": "xn--bcher-kva.example"})
    assert not org.domains.exists()


def test_renaming_keeps_the_address_and_a_refused_name_changes_nothing(org, browser):
    browser.post(f"{ROOT}/settings/name", {"name": "Acme Quay"})
    assert "Acme Quay" in text_of(browser.get(f"{ROOT}/settings/"))
    refused = browser.post(f"{ROOT}/settings/name", {"name": "x\x01"})
    assert "<h1>Acme Quay</h1>" in refused.content.decode()
    assert "printable characters" in text_of(refused)


def test_deleting_needs_the_name_and_takes_everything_of_it(org, owner, browser):
    keys.create(org=org, by=owner, name="k", scopes=["events"])
    refused = browser.post(f"{ROOT}/settings/delete", {"confirmed": "Acme"})
    assert "not its name" in text_of(refused)
    gone = browser.post(f"{ROOT}/settings/delete", {"confirmed": "acme  harbour"}, follow=True)
    assert "Acme Harbour is deleted" in text_of(gone)
    for model in (Organisation, Membership, ApiKey, Stat):
        assert not model.objects.exists()


def test_deleting_needs_a_proof_that_is_minutes_old(org, owner):
    client = Client()
    client.force_login(owner)
    held_up = client.post(f"{ROOT}/settings/delete", {"confirmed": "Acme Harbour"})
    assert "reauthenticate" in held_up["Location"]
    assert Organisation.objects.exists()


def test_a_name_is_text_and_never_markup_on_the_pages_that_manage(org, owner, browser):
    Organisation.objects.filter(pk=org.pk).update(name="<script>alert(1)</script>")
    owner.display_name = "<script>alert(2)</script>"
    owner.save()
    for path in ("people/", "keys/", "keys/new", "settings/", "settings/delete", "invitations/new"):
        assert b"<script>alert" not in browser.get(f"{ROOT}/{path}").content


def test_a_stranger_is_told_of_no_organisation_by_any_address(org):
    stranger = sign_in(make_user("stranger"))
    there = stranger.get(f"{ROOT}/settings/").content
    assert b"Acme" not in there
    assert stranger.get("/orgs/no-such-org/settings/").status_code == 404
