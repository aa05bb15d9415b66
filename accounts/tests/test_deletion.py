"""Closing an account: what goes, what stays, and who may not go."""

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.urls import reverse

from accounts.constants import DELETE_PHRASE
from accounts.models import ApiToken, Scope, SecurityEvent, User
from accounts.services import deletion
from accounts.services.tokens import create
from accounts.tests.people import PASSWORD, make_user, make_wallet, prove, sign_in
from foundation.errors import NotFound

# Real transactions: the database looks at the log when one ends.
pytestmark = pytest.mark.django_db(transaction=True)
CLOSE = "accounts:close"


@pytest.fixture
def ann():
    return make_user("ann")


def close(client, phrase=DELETE_PHRASE):
    return client.post(reverse(CLOSE), {"phrase": phrase})


def give_everything(user):
    make_wallet(user)
    TOTP.activate(user, "SECRETSECRET")
    create(user=user, name="bot", scopes=[Scope.READ], expires_at=None)


def make_staff(user):
    """Somebody whose name stands in the admin's log of changes."""
    User.objects.filter(pk=user.pk).update(is_staff=True)
    user.groups.add(Group.objects.get_or_create(name="desk")[0])
    LogEntry.objects.create(user=user, action_flag=ADDITION, object_repr="a pair")
    user.refresh_from_db()


def test_a_closed_account_and_everything_of_it_are_gone(ann):
    client = sign_in(ann)
    prove(client)
    give_everything(ann)
    assert close(client).status_code == 302
    for model in (User, EmailAddress, SocialAccount, ApiToken, SecurityEvent, UserSession):
        assert not model.objects.exists(), model


def test_closing_signs_out_everywhere(ann):
    here, there = sign_in(ann), sign_in(ann)
    prove(here)
    close(here)
    assert there.get(reverse("accounts:page")).status_code == 302
    assert here.get(reverse("accounts:page")).status_code == 302
    assert not Session.objects.exists()


def test_closing_needs_a_recent_proof(ann):
    answer = close(sign_in(ann))
    assert answer["Location"].startswith(reverse("account_reauthenticate"))
    assert User.objects.exists()


@pytest.mark.parametrize("phrase", ["", "delete", "delete my account now", "x" * 1000])
def test_other_words_delete_nothing(ann, phrase):
    client = sign_in(ann)
    prove(client)
    assert close(client, phrase).status_code == 400
    assert User.objects.exists()


def test_looking_at_the_page_deletes_nothing_and_says_what_would_happen(ann):
    client = sign_in(ann)
    prove(client)
    assert "signed out everywhere" in client.get(reverse(CLOSE)).text
    assert User.objects.exists()


def test_nobody_else_is_touched(ann):
    bea = make_user("bea")
    give_everything(bea)
    sign_in(bea)
    deletion.close(ann)
    assert User.objects.get() == bea
    assert bea.security_events.exists()


def test_staff_with_edits_become_nobody_in_particular(ann):
    make_staff(ann)
    give_everything(ann)
    sign_in(ann, agent="telltale")
    assert deletion.close(ann) is deletion.Outcome.ANONYMISED
    left = User.objects.get()
    assert (left.username, left.email, left.is_active) == (f"deleted-{ann.pk}", "", False)
    assert not left.is_staff
    assert not left.has_usable_password()
    assert not left.groups.exists()
    assert LogEntry.objects.get().user == left
    for model in (EmailAddress, SocialAccount, ApiToken, UserSession):
        assert not model.objects.exists(), model


def test_of_their_log_only_what_and_when_stay(ann):
    make_staff(ann)
    sign_in(ann, agent="telltale")
    client = sign_in(ann)
    prove(client)
    close(client)
    events = SecurityEvent.objects.values_list("ip", "agent", "detail")
    assert set(events) == {(None, "", "")}
    assert SecurityEvent.objects.latest("id").kind == "account_closed"


def test_an_anonymised_user_does_not_sign_in(ann, client):
    make_staff(ann)
    deletion.close(ann)
    client.post(reverse("account_login"), {"login": f"deleted-{ann.pk}", "password": PASSWORD})
    assert "_auth_user_id" not in client.session


def test_the_only_administrator_stays(ann):
    User.objects.update(is_superuser=True)
    client = sign_in(ann)
    prove(client)
    answer = client.post(reverse(CLOSE), {"phrase": DELETE_PHRASE}, follow=True)
    assert "only administrator" in answer.text
    assert User.objects.exists()


def test_one_of_two_administrators_may_go(ann):
    bea = make_user("bea")
    User.objects.update(is_superuser=True)
    ann.refresh_from_db()
    deletion.close(ann)
    assert User.objects.get() == bea


def test_who_is_gone_is_not_deleted_twice(ann):
    again = User.objects.get(pk=ann.pk)
    deletion.close(ann)
    with pytest.raises(NotFound):
        deletion.close(again)
