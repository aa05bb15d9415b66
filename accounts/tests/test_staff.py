"""What administrators do to an account stands in its log, and holds at once."""

from __future__ import annotations

import json

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group
from django.test import Client

from accounts.constants import EventKind
from accounts.ethereum.tasks import purge_expired
from accounts.models import SecurityEvent, User
from accounts.tests.people import make_user, sign_in
from foundation import valkey
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


def test_what_is_known_of_expired_sessions_is_forgotten(ann):
    from django.contrib.sessions.models import Session
    from django.utils import timezone

    sign_in(ann)
    Session.objects.update(expire_date=timezone.now())
    purge_expired()
    assert not UserSession.objects.exists()
