"""Who closes their account leaves their organisations, none of them without an owner."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.admin.models import ADDITION, LogEntry
from django.db import connection, transaction
from django.db.models import F
from django.urls import reverse

from accounts.constants import DELETE_PHRASE
from accounts.models import User
from accounts.services import deletion
from accounts.tests.people import make_user, prove, sign_in
from balances.tests.following import eventually
from balances.tests.test_forgetting import somebody_waits
from foundation.errors import Conflict
from orgs.models import Membership, Organisation, OrgRole, Stat
from orgs.services import organisations
from orgs.tests.companies import make_member, make_org

# Real transactions: the database looks at the log of accounts when one ends.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner():
    return make_user("owner")


@pytest.fixture
def org(owner):
    return make_org("Acme Harbour", owner=owner)


def close(user):
    client = sign_in(user)
    prove(client)
    return client.post(reverse("accounts:close"), {"phrase": DELETE_PHRASE}, follow=True)


def test_the_only_owner_is_told_what_to_do_first_and_nothing_is_deleted(org, owner):
    make_member(org, OrgRole.MANAGER, "manager")
    refused = close(owner)
    assert refused.redirect_chain[-1][0] == reverse("accounts:page")
    said = refused.content.decode()
    assert "You are the only owner of Acme Harbour. Name another owner" in said
    assert User.objects.filter(pk=owner.pk).exists()
    assert org.memberships.count() == 2


def test_an_organisation_ends_while_its_actions_are_counted(org, owner):
    """As ingest does it: the counter's row is taken, then the board's changes are noted."""
    # Deleting takes the number from the object.
    number = org.pk
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            Stat.objects.select_for_update().get(org_id=number)
            ended = threads.submit(dissolved, org, owner)
            eventually(somebody_waits, "waiting", seconds=15)
            assert Stat.objects.filter(org_id=number).update(actions=F("actions") + 1) == 1
        ended.result()
    assert not Organisation.objects.filter(pk=number).exists()
    assert not Stat.objects.filter(org_id=number).exists()


def dissolved(org, owner):
    try:
        organisations.dissolve(org=org, by=owner, confirmed=org.name)
    finally:
        connection.close()


def test_with_another_owner_they_may_go(org, owner):
    heir = make_member(org, OrgRole.OWNER, "heir")
    assert "Your account is deleted" in close(owner).content.decode()
    assert list(org.memberships.values_list("user_id", flat=True)) == [heir.pk]


def test_after_deleting_the_organisation_they_may_go(org, owner):
    organisations.dissolve(org=org, by=owner, confirmed="Acme Harbour")
    close(owner)
    assert not User.objects.exists()


def test_members_and_managers_may_go(org, owner):
    for role in (OrgRole.MEMBER, OrgRole.MANAGER):
        close(make_member(org, role, role.value))
    assert org.memberships.get().user == owner


def test_a_row_that_stays_for_the_books_belongs_to_no_organisation(org):
    member = make_member(org, OrgRole.MEMBER, "member")
    LogEntry.objects.create(user=member, action_flag=ADDITION, object_repr="a pair")
    assert deletion.close(member) is deletion.Outcome.ANONYMISED
    assert not Membership.objects.filter(user=member).exists()


def test_of_two_owners_who_go_at_once_one_stays(org, owner):
    heir = make_member(org, OrgRole.OWNER, "heir")

    def go(user):
        try:
            return deletion.close(user)
        except Conflict as refused:
            return refused.code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        said = sorted(threads.map(go, [owner, heir]))
    assert said == ["deleted", "last_owner"]
    assert org.memberships.filter(role=OrgRole.OWNER).count() == 1


def test_what_is_taken_away_tells_of_memberships(org, owner):
    client = sign_in(owner)
    prove(client)
    given = json.loads(client.post(reverse("accounts:export")).content)
    assert [row["slug"] for row in given["organisations"]] == ["acme-harbour"]
