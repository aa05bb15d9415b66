"""Whatever ends a session also closes what was opened with it."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import reverse
from redis.exceptions import RedisError

from accounts.ethereum.tests.desk import KeyWallet, Visitor, account_of, link
from accounts.services import deletion, devices
from accounts.services.wallets import unlink
from accounts.tests.people import make_user, sign_in
from foundation import valkey
from live import control

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def orders():
    """Everything that was said to the hubs, when called."""
    heard = valkey.client().pubsub(ignore_subscribe_messages=True)
    heard.subscribe(control.CONTROL)
    heard.get_message(timeout=5)

    def read():
        found = []
        while message := heard.get_message(timeout=0.2):
            found.append(json.loads(message["data"]))
        return found

    yield read
    heard.close()


@pytest.fixture
def ann():
    return make_user("ann")


def ended(client):
    return {"session": control.digest(client.cookies["sessionid"].value)}


def test_signing_out_hangs_up(ann, orders):
    client = sign_in(ann)
    order = ended(client)
    client.post(reverse("account_logout"))
    assert order in orders()


def test_signing_out_elsewhere_hangs_up_there_only(ann, orders):
    here, there = sign_in(ann), sign_in(ann)
    devices.end_others(ann, current_key=here.cookies["sessionid"].value)
    assert orders() == [ended(there)]


def test_closing_the_account_hangs_up_everywhere(ann, orders):
    both = [sign_in(ann), sign_in(ann)]
    deletion.close(ann)
    heard = orders()
    assert all(ended(client) in heard for client in both)


def test_removing_a_wallet_hangs_up_where_it_was_the_way_in(orders):
    first, second = KeyWallet(), KeyWallet()
    visitor, other = Visitor(), Visitor(address="10.0.0.9")
    user = visitor.sign_in(first)
    link(visitor, first, second)
    other.sign_in(second)
    orders()
    unlink(user=user, wallet_id=account_of(second).pk)
    ended_sessions = [order for order in orders() if "session" in order]
    assert ended_sessions == [{"session": control.digest(other.session_key or "")}]


def test_a_valkey_that_is_down_does_not_keep_anybody_signed_in(ann, monkeypatch):
    def down(*args):
        raise RedisError("down")

    client: Client = sign_in(ann)
    monkeypatch.setattr(valkey.client(), "publish", down)
    client.post(reverse("account_logout"))
    assert client.get(reverse("accounts:page")).status_code == 302
