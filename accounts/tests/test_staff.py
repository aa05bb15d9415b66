"""What administrators do to an account stands in its log, and holds at once."""

from __future__ import annotations

import json

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import ADDITION, DELETION, LogEntry
from django.contrib.auth.models import Group
from django.test import Client

from accounts.constants import EventKind
from accounts.ethereum.tasks import purge_expired
from accounts.models import SecurityEvent, User
from accounts.signals import user_closing
from accounts.tests.people import make_user, make_wallet, sign_in
from foundation import valkey
from foundation.errors import Conflict
from live import control

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def root():
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def ann():
    return make_user("ann")


def kinds(user):
    return list(
        SecurityEvent.objects.filter(user=user).order_by("id").values_list("kind", flat=True)
    )


def change(root, user, **changes):
    url = f"/admin/accounts/user/{user.pk}/change/"
    form = root.get(url).context["adminform"].form
    given = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    data = {name: value for name, value in (given | changes).items() if value not in (None, False)}
    data.pop("password", None)
    for name in ("last_login", "date_joined"):
        if moment := data.pop(name, None):
            data[f"{name}_0"], data[f"{name}_1"] = f"{moment:%Y-%m-%d}", f"{moment:%H:%M:%S}"
    answer = root.post(url, data)
    assert answer.status_code == 302, answer.context["errors"]


def test_a_password_set_by_an_administrator_signs_its_user_out(root, ann):
    client = sign_in(ann)
    new = {"password1": "another correct horse", "password2": "another correct horse"}
    answer = root.post(
        f"/admin/accounts/user/{ann.pk}/password/", {**new, "usable_password": "true"}
    )
    assert answer.status_code == 302
    assert client.get("/account/").status_code == 302
    assert EventKind.PASSWORD_CHANGED in kinds(ann)
    assert not UserSession.objects.filter(user=ann).exists()


def test_switching_an_account_off_puts_its_user_out(root, ann):
    client = sign_in(ann)
    heard = valkey.client().pubsub(ignore_subscribe_messages=True)
    heard.subscribe(control.CONTROL)
    heard.get_message(timeout=5)
    change(root, ann, is_active=False)
    orders = []
    while message := heard.get_message(timeout=0.3):
        orders.append(json.loads(message["data"]))
    heard.close()
    assert {"user": str(ann.pk), "topic": ""} in orders
    assert client.get("/account/").status_code == 302
    assert kinds(ann)[-2:] == [EventKind.SWITCHED_OFF, EventKind.SESSION_ENDED]


def test_new_roles_are_told(root, ann):
    group = Group.objects.create(name="operator")
    change(root, ann, groups=[group.pk])
    event = SecurityEvent.objects.filter(user=ann).latest("id")
    assert (event.kind, event.detail) == (EventKind.ROLES_CHANGED, "operator, by an administrator")


def delete(root, user):
    return root.post(f"/admin/accounts/user/{user.pk}/delete/", {"post": "yes"})


def test_an_administrator_closes_an_account_as_its_owner_would(root, ann):
    client = sign_in(ann)
    make_wallet(ann)
    page = root.get(f"/admin/accounts/user/{ann.pk}/delete/")
    assert "under a number instead of a name" in page.content.decode()
    number = ann.pk
    assert delete(root, ann).status_code == 302
    assert not User.objects.filter(pk=number).exists()
    assert not SecurityEvent.objects.filter(user=number).exists()
    assert client.get("/account/").status_code == 302
    # That it was done stands in the log, and no name beside it.
    entry = LogEntry.objects.get(object_id=str(number), action_flag=DELETION)
    assert entry.object_repr == f"deleted-{number}"


def test_whoever_stands_in_an_audit_trail_is_closed_by_an_administrator_too(root, ann):
    LogEntry.objects.create(user=ann, action_flag=ADDITION, object_repr="a pair")
    assert delete(root, ann).status_code == 302
    ann.refresh_from_db()
    assert (ann.username, ann.email, ann.is_active) == (f"deleted-{ann.pk}", "", False)


def test_what_forbids_closing_is_told_to_the_administrator_and_nothing_is_lost(root, ann):
    def refuse(**kwargs):
        raise Conflict("They are the only owner of Acme.")

    user_closing.connect(refuse)
    try:
        answer = root.post(f"/admin/accounts/user/{ann.pk}/delete/", {"post": "yes"}, follow=True)
    finally:
        user_closing.disconnect(refuse)
    assert "the only owner of Acme" in answer.content.decode()
    assert User.objects.filter(pk=ann.pk, is_active=True).exists()
    assert not LogEntry.objects.filter(action_flag=DELETION).exists()


def test_administrators_neither_close_themselves_nor_several_at_once(root, ann):
    assert delete(root, User.objects.get(username="root")).status_code == 403
    several = {"action": "delete_selected", "_selected_action": [ann.pk], "post": "yes"}
    root.post("/admin/accounts/user/", several)
    assert User.objects.filter(pk=ann.pk).exists()


def test_what_is_known_of_expired_sessions_is_forgotten(ann):
    from django.contrib.sessions.models import Session
    from django.utils import timezone

    sign_in(ann)
    Session.objects.update(expire_date=timezone.now())
    purge_expired()
    assert not UserSession.objects.exists()
