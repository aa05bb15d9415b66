"""Topics that are heard only while somebody listens, and orders that take listeners away."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from accounts.models import Scope as TokenScope
from accounts.services import tokens
from foundation import valkey
from live import control, hub, topics
from live.messages import Message
from live.publishing import publish
from live.tests.conftest import eventually, make_topic, say
from live.topics import Family

FORM = "boat:<name>"


class Harbour:
    """A family: what its snapshots hold, how long they take, and who may hear what."""

    def __init__(self):
        self.held: list[Message] = [say("position", 1, 1)]
        self.reads = 0
        self.delay = 0.0
        self.broken = False
        self.owner: str | None = None

    def make(self, name):
        if not name.removeprefix("boat:").isalpha():
            return None
        private = {"may_subscribe": self.may} if self.owner else {}
        return make_topic(name=name, channel=name, snapshot=self.read, **private)

    def may(self, user, name):
        return user.get_username() == self.owner

    async def read(self):
        self.reads += 1
        await asyncio.sleep(self.delay)
        if self.broken:
            raise RuntimeError("no database")
        return self.held

    def say(self, name, *messages):
        publish(valkey.client(), self.make(name), *messages)


@pytest.fixture
def harbour(monkeypatch):
    found = Harbour()
    family = Family(prefix="boat:", form=FORM, make=found.make)
    monkeypatch.setattr(topics, "_families", {"boat:": family})
    return found


def listen(running, name="boat:anna", **options):
    browser = running.open(**options)
    browser.ask(op="subscribe", topic=name)
    return browser, browser.next()


def listeners(name="boat:anna"):
    return valkey.client().pubsub_numsub(name)[0][1]


def test_the_first_listener_gets_what_is_stored_and_then_what_changes(running, harbour):
    browser, first = listen(running)
    assert (first["event"], first["data"]) == ("boat:anna", {"position": 1})
    harbour.say("boat:anna", say("position", 2, 2))
    assert browser.next()["data"] == {"position": 2}


def test_what_was_stored_is_read_once_for_all_who_listen(running, harbour):
    for _ in range(3):
        assert listen(running)[1]["data"] == {"position": 1}
    assert (harbour.reads, listeners()) == (1, 1)


def test_listeners_of_one_topic_hear_nothing_of_another(running, harbour):
    anna, _ = listen(running, "boat:anna")
    listen(running, "boat:berta")
    harbour.say("boat:berta", say("position", 7, 7))
    harbour.say("boat:anna", say("position", 8, 8))
    assert anna.next()["data"] == {"position": 8}


def test_a_topic_that_nobody_hears_any_more_is_given_up(running, harbour, monkeypatch):
    monkeypatch.setattr(hub, "LINGER", 0.0)
    browser, _ = listen(running)
    assert listeners() == 1
    browser.ask(op="unsubscribe", topic="boat:anna")
    eventually(lambda: listeners() == 0 and "boat:anna" not in running.hub.fans)
    harbour.held = [say("position", 5, 5)]
    assert listen(running)[1]["data"] == {"position": 5}


def test_after_a_lost_connection_what_is_stored_is_read_again(running, harbour):
    browser, _ = listen(running)
    harbour.held = [say("position", 3, 3)]
    valkey.client().client_kill_filter(_type="pubsub")
    assert browser.next()["data"] == {"position": 3}


def test_a_slow_reading_holds_up_nobody_else(running, harbour):
    harbour.delay = 1.5
    waiting = running.open()
    waiting.ask(op="subscribe", topic="boat:anna")
    eventually(lambda: harbour.reads)
    tide = running.open()
    tide.subscribe()
    running.publish(say("level", 1, 1))
    assert tide.next()["data"] == {"level": 1}
    assert not running.hub.fans["boat:anna"].board.loaded
    assert waiting.next()["data"] == {"position": 1}


def test_a_failing_reading_costs_the_first_values_only(running, harbour, monkeypatch):
    monkeypatch.setattr(hub, "FIRST_VALUES", 0.1)
    harbour.broken = True
    browser, first = listen(running)
    assert first["data"] == {}
    harbour.say("boat:anna", say("position", 2, 2))
    assert browser.next()["data"] == {"position": 2}


def test_a_name_that_can_not_be_is_unknown_and_the_names_of_others_are_not_told(running, harbour):
    listen(running, "boat:secret")
    error = listen(running, "boat:12")[1]["error"]
    assert error["code"] == "unknown_topic"
    assert FORM in error["fields"]["topic"][0]
    assert "secret" not in error["fields"]["topic"][0]


def test_the_process_is_ready_though_such_a_topic_has_no_values(running, harbour, monkeypatch):
    monkeypatch.setattr(hub, "FIRST_VALUES", 0.1)
    harbour.broken = True
    listen(running)
    assert running.hub.ready


# --- Orders ------------------------------------------------------------------------------------


def enter(running, harbour, username="ann"):
    """Sign in, listen, and return the browser with its user and session."""
    harbour.owner = username
    client = Client()
    user = get_user_model().objects.create_user(username, f"{username}@localhost")
    client.force_login(user)
    session = client.cookies["sessionid"].value
    headers = {"Cookie": f"sessionid={session}"}
    browser, first = listen(running, origin=running.origin, additional_headers=headers)
    assert first["event"] == "boat:anna"
    return browser, user, session


@pytest.mark.django_db(transaction=True)
def test_the_sockets_of_an_ended_session_are_closed_and_no_others(running, harbour):
    browser, _, session = enter(running, harbour)
    bystander = running.open()
    bystander.subscribe()
    control.end_session("another")
    control.end_session(session)
    assert browser.next()["error"]["code"] == "signed_out"
    assert browser.close_code() == 4401
    running.publish(say("level", 1, 1))
    assert bystander.next()["data"] == {"level": 1}


@pytest.mark.django_db(transaction=True)
def test_a_topic_that_is_withdrawn_is_heard_no_more_and_the_socket_goes_on(running, harbour):
    browser, user, _ = enter(running, harbour)
    control.withdraw(user_id=user.pk + 1, topic="boat:anna")
    control.withdraw(user_id=user.pk, topic="boat:berta")
    control.withdraw(user_id=user.pk, topic="boat:anna")
    told = browser.next()["error"]
    assert (told["code"], told["fields"]) == ("permission_withdrawn", {"topic": ["boat:anna"]})
    harbour.say("boat:anna", say("position", 2, 2))
    assert browser.subscribe()["event"] == "tide:live"


@pytest.mark.django_db(transaction=True)
def test_a_user_who_is_put_out_loses_every_socket(running, harbour):
    browser, user, _ = enter(running, harbour)
    control.withdraw(user_id=user.pk)
    assert browser.next()["error"]["code"] == "signed_out"
    assert browser.close_code() == 4401


@pytest.mark.parametrize("order", [b"", b"no json", b"[]", b"{}", b'{"session": 5}'])
@pytest.mark.django_db(transaction=True)
def test_an_order_that_makes_no_sense_harms_nobody(running, harbour, order):
    browser, _, _ = enter(running, harbour)
    valkey.client().publish(control.CONTROL, order)
    harbour.say("boat:anna", say("position", 2, 2))
    assert browser.next()["data"] == {"position": 2}


@pytest.mark.django_db(transaction=True)
def test_a_revoked_token_closes_what_was_opened_with_it(running, harbour):
    browser, user, token = enter_with_token(running, harbour)
    control.end_token(token.pk + 1)
    tokens.revoke(user=user, token_id=token.pk)
    assert browser.next()["error"]["code"] == "signed_out"
    assert browser.close_code() == 4401


@pytest.mark.django_db(transaction=True)
def test_an_expired_token_hears_nothing_more(running, harbour):
    ends = timezone.now() + timedelta(seconds=1)
    browser, *_ = enter_with_token(running, harbour, expires_at=ends)
    assert browser.next()["error"]["code"] == "signed_out"


def enter_with_token(running, harbour, *, expires_at=None):
    harbour.owner = "ann"
    user = get_user_model().objects.create_user("ann", "ann@localhost")
    token, secret = tokens.create(
        user=user, name="t", scopes=[TokenScope.READ], expires_at=expires_at
    )
    headers = {"Authorization": f"Bearer {secret}"}
    browser, first = listen(running, additional_headers=headers)
    assert first["event"] == "boat:anna"
    return browser, user, token
