"""While Valkey is away, people read, sign in and sign out as ever."""

from __future__ import annotations

import pytest
import redis
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.tests.people import PASSWORD, make_user, prove, sign_in
from foundation import valkey

pytestmark = pytest.mark.django_db(transaction=True)
PAGES = ["/rates/", "/account/", "/account/log", "/accounts/email/"]


@pytest.fixture
def ann():
    return make_user("ann")


@pytest.fixture
def down(monkeypatch):
    """Every connection is refused from now on, when called."""
    refusing = redis.Redis.from_url("redis://127.0.0.1:1/0", retry=None)
    return lambda: monkeypatch.setattr(valkey, "client", lambda: refusing)


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_shown_to_whoever_is_signed_in(ann, down, page):
    client = sign_in(ann)
    prove(client)
    down()
    assert client.get(page).status_code == 200


def test_somebody_signs_in_and_out(ann, down):
    down()
    client = Client()
    form = {"login": ann.email, "password": PASSWORD}
    assert client.post(reverse("account_login"), form).status_code == 302
    assert client.get("/account/").status_code == 200
    client.post(reverse("account_logout"))
    assert client.get("/account/").status_code == 302


def test_a_forgotten_password_is_asked_for(ann, down):
    down()
    answer = Client().post(reverse("account_reset_password"), {"email": ann.email})
    assert (answer.status_code, len(mail.outbox)) == (302, 1)
