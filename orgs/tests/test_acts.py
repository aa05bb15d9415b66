"""Who changed what in an organisation, what they leave behind, and how many letters they send."""

from datetime import timedelta

import pytest
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from accounts.constants import EventKind
from accounts.models import SecurityEvent
from accounts.services import roles
from accounts.services.roles import Role
from accounts.tests.people import make_user, sign_in
from foundation.errors import NotFound, RateLimited
from orgs.models import ApiKey, Invitation, Membership, OrgRole
from orgs.services import invitations, keys, memberships, organisations, treasury
from orgs.tests.companies import make_member, make_org

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return make_user("owner")


@pytest.fixture
def org(owner):
    return make_org("Acme Harbour", owner=owner)


def link(org, by, role=OrgRole.MEMBER, email=""):
    _, url = invitations.invite(org=org, by=by, role=role, email=email, join_url="x")
    return url.partition("#")[2]


def lines(user):
    events = SecurityEvent.objects.filter(user=user).order_by("id")
    return [(event.kind, event.detail) for event in events]


def test_a_removed_managers_saved_link_is_dead(org, owner):
    manager, saved_by_owner = make_member(org, OrgRole.MANAGER, "manager"), link(org, owner)
    saved = link(org, manager)
    memberships.remove(org=org, by=owner, user_id=manager.pk)
    with pytest.raises(NotFound):
        invitations.accept(user=manager, secret=saved)
    # Those of others stay.
    assert invitations.accept(user=manager, secret=saved_by_owner).role == OrgRole.MEMBER


@pytest.mark.parametrize(
    ("before", "after", "works"),
    [
        (OrgRole.OWNER, OrgRole.MANAGER, False),
        (OrgRole.MANAGER, OrgRole.MEMBER, False),
        (OrgRole.MANAGER, OrgRole.OWNER, True),
        (OrgRole.MANAGER, OrgRole.MANAGER, True),
    ],
)
def test_who_loses_rights_loses_the_links_made_by_them(org, owner, before, after, works):
    other = make_member(org, before, "other")
    saved = link(org, other)
    memberships.change_role(org=org, by=owner, user_id=other.pk, role=after)
    stranger = make_user("stranger")
    if works:
        assert invitations.accept(user=stranger, secret=saved).role == OrgRole.MEMBER
    else:
        with pytest.raises(NotFound):
            invitations.accept(user=stranger, secret=saved)


def test_letters_are_so_many_a_day_for_a_user_withdrawn_ones_and_other_organisations_included(
    org, owner, monkeypatch
):
    monkeypatch.setattr(invitations, "MAILED_BY_USER", 3)
    link(org, owner, email="a@example.com")
    withdrawn = Invitation.objects.get()
    invitations.withdraw(org=org, by=owner, invitation_id=withdrawn.pk)
    with pytest.raises(NotFound):
        invitations.withdraw(org=org, by=owner, invitation_id=withdrawn.pk)
    gone = organisations.found(by=owner, name="Gone")
    link(gone, owner, email="b@example.com")
    organisations.dissolve(org=gone, by=owner, confirmed="Gone")
    link(org, owner, email="c@example.com")
    with pytest.raises(RateLimited) as refused:
        link(org, owner, email="d@example.com")
    assert refused.value.code == "too_many_invitation_mails"
    assert refused.value.retry_after is not None
    assert 86_000 < refused.value.retry_after <= 86_401
    # Links are sent to nobody.
    link(org, owner)


def test_letters_are_so_many_a_day_for_an_organisation(org, owner, monkeypatch):
    monkeypatch.setattr(invitations, "MAILED_BY_ORG", 2)
    manager = make_member(org, OrgRole.MANAGER, "manager")
    link(org, manager, email="a@example.com")
    memberships.remove(org=org, by=owner, user_id=manager.pk)
    link(org, owner, email="b@example.com")
    with pytest.raises(RateLimited):
        link(org, owner, email="c@example.com")
    Invitation.objects.update(created_at=timezone.now() - timedelta(days=1))
    link(org, owner, email="c@example.com")


def test_too_many_letters_are_told_by_the_api(org, owner, monkeypatch):
    monkeypatch.setattr(invitations, "MAILED_BY_USER", 1)
    link(org, owner, email="a@example.com")
    answer = sign_in(owner).post(
        "/api/v1/orgs/acme-harbour/invitations",
        {"role": "member", "email": "b@example.com"},
        content_type="application/json",
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (
        429,
        "too_many_invitation_mails",
    )
    assert not mail.outbox


def test_every_change_is_in_the_log_of_who_made_it(org, owner):
    member = make_member(org, OrgRole.MEMBER, "member")
    organisations.rename(org=org, by=owner, name="Acme Quay")
    memberships.change_role(org=org, by=owner, user_id=member.pk, role=OrgRole.MANAGER)
    memberships.remove(org=org, by=owner, user_id=member.pk)
    key, _ = keys.create(org=org, by=owner, name="k", scopes=["events"])
    shown = str(key)
    keys.revoke(org=org, by=owner, key_id=key.pk)
    organisations.add_domain(org=org, by=owner, name="Acme.example")
    organisations.remove_domain(org=org, by=owner, name="acme.example")
    treasury.add(org=org, by=owner, address=f"0x{1:040x}")
    treasury.remove(org=org, by=owner, address=f"0x{1:040x}")
    link(org, owner)
    slug, number = org.slug, member.pk
    organisations.dissolve(org=org, by=owner, confirmed="Acme Quay")
    assert lines(owner) == [
        (EventKind.ORG_RENAMED, f"{slug}: Acme Harbour is Acme Quay now"),
        (EventKind.ORG_ROLE_CHANGED, f"{slug}: user {number} is manager now, was member"),
        (EventKind.ORG_MEMBER_REMOVED, f"{slug}: user {number}, was manager"),
        (EventKind.ORG_KEY_MADE, f"{slug}: {shown} for events"),
        (EventKind.ORG_KEY_REVOKED, f"{slug}: {shown}"),
        (EventKind.ORG_DOMAIN_ADDED, f"{slug}: acme.example"),
        (EventKind.ORG_DOMAIN_REMOVED, f"{slug}: acme.example"),
        (EventKind.ORG_TREASURY_ADDED, f"{slug}: 0x{1:040x}"),
        (EventKind.ORG_TREASURY_REMOVED, f"{slug}: 0x{1:040x}"),
        (EventKind.ORG_INVITED, f"{slug}: as member"),
        (EventKind.ORG_DISSOLVED, f"{slug}: Acme Quay"),
    ]
    # And in that of whom it was done to.
    assert [kind for kind, _ in lines(member)] == [
        EventKind.ORG_ROLE_CHANGED,
        EventKind.ORG_MEMBER_REMOVED,
    ]
    assert all(detail.endswith(f", by user {owner.pk}") for _, detail in lines(member))


def test_joining_is_in_the_log_of_who_joined_and_of_who_invited(org, owner):
    stranger, saved = make_user("stranger"), link(org, owner)
    invitations.accept(user=stranger, secret=saved)
    # Who is a member already joins nothing.
    invitations.accept(user=stranger, secret=link(org, owner))
    told = f"{org.slug}: user {stranger.pk} as member"
    assert lines(stranger) == [(EventKind.ORG_JOINED, told)]
    joined = [line for line in lines(owner) if line[0] == EventKind.ORG_JOINED]
    assert joined == [(EventKind.ORG_JOINED, f"{told}, by user {stranger.pk}")]


def test_what_is_refused_or_changes_nothing_is_in_no_log(org, owner):
    memberships.change_role(org=org, by=owner, user_id=owner.pk, role=OrgRole.OWNER)
    organisations.rename(org=org, by=owner, name="Acme  Harbour")
    with pytest.raises(NotFound):
        keys.revoke(org=org, by=owner, key_id=1)
    assert not lines(owner)


def test_an_administrator_sees_members_and_revokes_a_key(org, owner):
    key, _ = keys.create(org=org, by=owner, name="k", scopes=["events"])
    administrator = make_user("administrator")
    administrator.is_staff = True
    administrator.save()
    roles.join(administrator, Role.ADMINISTRATOR)
    client = sign_in(administrator)
    url = reverse("admin:orgs_organisation_change", args=[org.pk])
    page = client.get(url).content.decode()
    membership = Membership.objects.get()
    assert f"{membership.name} (user {owner.pk}): owner" in page
    assert key.prefix in page
    assert key.digest not in page
    form = {
        "name": org.name,
        "api_keys-TOTAL_FORMS": 1,
        "api_keys-INITIAL_FORMS": 1,
        "api_keys-0-id": key.pk,
        "api_keys-0-org": org.pk,
        "api_keys-0-DELETE": "on",
    }
    assert client.post(url, form).status_code == 302
    assert not ApiKey.objects.exists()
    assert lines(administrator)[-1] == (EventKind.ORG_KEY_REVOKED, f"{org.slug}: {key}")
