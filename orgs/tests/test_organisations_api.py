"""Organisations over HTTP: asked as owner, manager, member, the desk, a stranger, and nobody."""

import json
import re
from datetime import timedelta

import pytest
from django.core import mail
from django.db import transaction
from django.test import Client
from django.utils import timezone

from accounts.tests.people import make_user, prove, sign_in
from foundation.errors import Unauthenticated
from orgs.models import ApiKey, Invitation, Membership, Organisation, OrgDay, OrgRole
from orgs.services import invitations, keys
from orgs.tests.companies import make_desk_manager, make_member, make_org

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/orgs"
ADDRESS = f"0x{1:040x}"


@pytest.fixture
def org():
    return make_org("Acme Harbour", owner=make_user("owner"))


@pytest.fixture
def people(org):
    """Column -> a browser that is signed in as them."""
    users = {
        "owner": org.memberships.get().user,
        "manager": make_member(org, OrgRole.MANAGER, "manager"),
        "member": make_member(org, OrgRole.MEMBER, "member"),
        "desk": make_desk_manager(),
        "stranger": make_user("stranger"),
    }
    clients = {name: Client() for name in (*users, "nobody")}
    for name, user in users.items():
        clients[name].force_login(user)
    return clients


def ask(client, method, path, body=None):
    return client.generic(method, f"{ROOT}{path}", written(body), content_type="application/json")


def written(body):
    return b"" if body is None else json.dumps(body).encode()


COLUMNS = ("owner", "manager", "member", "desk", "stranger", "nobody")
TABLE = """
GET    /acme-harbour                     -                     200 200 200 200 404 401
PATCH  /acme-harbour                     name=Acme             200 200 403 403 404 401
GET    /acme-harbour/members             -                     200 200 200 200 404 401
PATCH  /acme-harbour/members/{member}    role=manager          200 200 403 403 404 401
PATCH  /acme-harbour/members/{member}    role=owner            200 403 403 403 404 401
PATCH  /acme-harbour/members/{owner}     role=member           409 403 403 403 404 401
DELETE /acme-harbour/members/{member}    -                     204 204 204 403 404 401
DELETE /acme-harbour/members/{owner}     -                     409 403 403 403 404 401
GET    /acme-harbour/invitations         -                     200 200 403 403 404 401
POST   /acme-harbour/invitations         role=member           201 201 403 403 404 401
POST   /acme-harbour/invitations         role=owner            201 403 403 403 404 401
DELETE /acme-harbour/invitations/0       -                     404 404 403 403 404 401
GET    /acme-harbour/domains             -                     200 200 200 200 404 401
POST   /acme-harbour/domains             name=acme.example     201 201 403 403 404 401
DELETE /acme-harbour/domains/none.example -                    404 404 403 403 404 401
GET    /acme-harbour/treasury            -                     200 200 200 200 404 401
POST   /acme-harbour/treasury            address={address}     201 201 403 403 404 401
DELETE /acme-harbour/treasury/{address}  -                     404 404 403 403 404 401
GET    /acme-harbour/keys                -                     200 200 403 403 404 401
POST   /acme-harbour/keys                name=k,scopes=events  401 401 403 403 404 401
DELETE /acme-harbour/keys/0              -                     404 404 403 403 404 401
GET    /acme-harbour/metrics             -                     200 200 200 200 404 401
GET    /acme-harbour/days                -                     200 200 200 200 404 401
GET    /acme-harbour/lifecycle           -                     200 200 200 200 404 401
GET    /acme-harbour/retention           -                     200 200 200 200 404 401
GET    /nobody-has-this                  -                     404 404 404 404 404 401
"""


@pytest.mark.parametrize("line", [line for line in TABLE.splitlines() if line])
def test_everybody_gets_what_the_table_says(line, people, org):
    method, path, given, *expected = line.split()
    ids = {m.role: m.user_id for m in org.memberships.all()}
    path = path.format(member=ids[OrgRole.MEMBER], owner=ids[OrgRole.OWNER], address=ADDRESS)
    given = given.format(address=ADDRESS)
    body = None if given == "-" else dict(pair.split("=") for pair in given.split(","))
    if body and "scopes" in body:
        body["scopes"] = [body["scopes"]]
    got = []
    for name in COLUMNS:
        with transaction.atomic():
            got.append(str(ask(people[name], method, path, body).status_code))
            transaction.set_rollback(True)
    assert got == expected


def test_who_founds_an_organisation_owns_it_and_sees_it_among_theirs(people):
    made = ask(people["stranger"], "POST", "", {"name": "  New   Quay "})
    assert (made.status_code, made.json()["slug"]) == (201, "new-quay")
    again = ask(people["stranger"], "POST", "", {"name": "New Quay"})
    assert re.fullmatch(r"new-quay-[0-9a-f]{6}", again.json()["slug"])
    listed = ask(people["stranger"], "GET", "").json()
    assert [(org["name"], org["role"]) for org in listed] == [("New Quay", "owner")] * 2
    assert ask(people["owner"], "GET", "").json()[0]["slug"] == "acme-harbour"


@pytest.mark.parametrize("name", ["", "a" * 121, "bad\x07bell"])
def test_a_bad_name_is_refused_and_named(people, name):
    refused = ask(people["stranger"], "POST", "", {"name": name})
    assert refused.status_code == 400
    assert "name" in refused.json()["error"]["fields"]
    assert Organisation.objects.count() == 1


def test_names_of_pages_are_nobodys_address(people):
    slug = ask(people["stranger"], "POST", "", {"name": "Metrics"}).json()["slug"]
    assert slug != "metrics"


def invite(people, **body):
    made = ask(people["owner"], "POST", "/acme-harbour/invitations", {"role": "member", **body})
    assert made.status_code == 201
    return made.json()["link"].partition("#")[2]


def accept(client, code):
    return ask(client, "POST", "/invitations/accept", {"code": code})


def test_a_link_makes_one_member_once(people, org):
    code = invite(people)
    assert accept(people["stranger"], code).json()["role"] == "member"
    assert accept(people["desk"], code).status_code == 404
    assert org.memberships.count() == 4


def test_a_member_who_opens_a_link_keeps_role_and_leaves_the_link_to_others(people, org):
    code = invite(people)
    assert accept(people["manager"], code).json()["role"] == "manager"
    assert accept(people["stranger"], code).status_code == 200


def test_a_link_by_mail_is_for_that_address_only(people, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        code = invite(people, email="Stranger@example.com")
    assert accept(people["desk"], code).status_code == 403
    assert accept(people["stranger"], code).status_code == 200
    assert Invitation.objects.get().email == "stranger@example.com"
    assert len(mail.outbox) <= 1


def test_an_expired_or_withdrawn_link_is_unknown(people):
    code = invite(people)
    Invitation.objects.update(expires_at=timezone.now())
    assert accept(people["stranger"], code).status_code == 404
    code = invite(people)
    newest = Invitation.objects.get(expires_at__gt=timezone.now())
    path = f"/acme-harbour/invitations/{newest.pk}"
    assert ask(people["manager"], "DELETE", path).status_code == 204
    assert accept(people["stranger"], code).status_code == 404


def test_the_secret_of_an_invitation_is_not_stored(people):
    code = invite(people)
    assert invitations.FORM.fullmatch(code)
    assert code not in str(list(Invitation.objects.values()))


def test_a_domain_is_spelled_one_way_and_kept_once(people, org):
    body = {"name": "MÜNCHEN.example."}
    made = ask(people["owner"], "POST", "/acme-harbour/domains", body)
    assert made.json()["name"] == "xn--mnchen-3ya.example"
    assert ask(people["owner"], "POST", "/acme-harbour/domains", body).status_code == 409
    bad = ask(people["owner"], "POST", "/acme-harbour/domains", {"name": "no domain"})
    assert bad.status_code == 400
    path = "/acme-harbour/domains/xn--mnchen-3ya.example"
    assert ask(people["owner"], "DELETE", path).status_code == 204


def make_key(org, *scopes, **more):
    return keys.create(
        org=org, by=org.memberships.first().user, name="k", scopes=scopes or ["events"], **more
    )


def test_a_key_is_made_by_who_has_just_proved_to_be_there(people, org):
    owner = org.memberships.get(role=OrgRole.OWNER).user
    client = sign_in(owner)
    refused = ask(client, "POST", "/acme-harbour/keys", {"name": "k", "scopes": ["events"]})
    assert refused.json()["error"]["code"] == "reauthentication_required"
    prove(client)
    made = ask(client, "POST", "/acme-harbour/keys", {"name": "k", "scopes": ["events"]})
    assert made.status_code == 201
    assert keys.authenticate(made.json()["secret"]).org_id == org.pk


def test_a_key_is_known_by_its_secret_which_is_not_stored(org):
    key, secret = make_key(org)
    assert re.fullmatch(r"qo_[A-Za-z0-9_-]{43}", secret)
    assert secret not in str(list(ApiKey.objects.values()))
    found = keys.authenticate(secret)
    assert (found.pk, found.org_id, found.scopes) == (key.pk, org.pk, ["events"])


def test_a_wrong_an_expired_and_a_revoked_key_do_not_get_in(org):
    key, secret = make_key(org, expires_at=timezone.now() + timedelta(hours=1))
    ApiKey.objects.update(expires_at=timezone.now())
    for wrong in (secret, "qo_" + "x" * 43, "qs_" + "x" * 43, "", "\u2603"):
        with pytest.raises(Unauthenticated):
            keys.authenticate(wrong)
    keys.revoke(org=org, by=org.memberships.first().user, key_id=key.pk)
    with pytest.raises(Unauthenticated):
        keys.authenticate(secret)


def test_another_organisations_key_is_not_ours_to_revoke(people, org):
    other = make_org("Other", owner=make_user("other-owner"))
    key, _ = make_key(other)
    assert ask(people["owner"], "DELETE", f"/acme-harbour/keys/{key.pk}").status_code == 404
    assert ApiKey.objects.count() == 1


def test_a_key_reads_its_own_organisations_metrics_and_no_other(org):
    other = make_org("Other")
    for scopes, slug, status in (
        (["metrics"], org.slug, 200),
        (["metrics"], other.slug, 404),
        (["events"], org.slug, 403),
    ):
        _, secret = make_key(org, *scopes)
        answer = Client().get(
            f"{ROOT}/{slug}/metrics", headers={"Authorization": f"Bearer {secret}"}
        )
        assert answer.status_code == status


def test_days_come_as_json_and_csv(people, org):
    today = timezone.now().date()
    OrgDay.objects.create(org_id=org.pk, day=today, actions=5, dau=2)
    days = ask(people["member"], "GET", "/acme-harbour/days?days=2").json()["data"]
    assert days[-1] == {"date": str(today), "dau": 2, "actions": 5}
    table = ask(people["member"], "GET", "/acme-harbour/days?days=1&format=csv")
    assert table.content.decode().splitlines() == ["date,dau,actions", f"{today},2,5"]


def test_two_owners_may_each_leave_but_not_both(people, org):
    Membership.objects.filter(role=OrgRole.MANAGER).update(role=OrgRole.OWNER)
    ids = list(org.memberships.filter(role=OrgRole.OWNER).values_list("user_id", flat=True))
    assert ask(people["owner"], "DELETE", f"/acme-harbour/members/{ids[0]}").status_code == 204
    last = ask(people["manager"], "DELETE", f"/acme-harbour/members/{ids[1]}")
    assert (last.status_code, last.json()["error"]["code"]) == (409, "last_owner")
