"""What clients may not do, and how they are told."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from websockets.exceptions import ConnectionClosed, InvalidStatus

from live.limits import MAX_KEYS, Allowance, client_address
from live.tests.conftest import eventually, say

TIDE = {"op": "subscribe", "topic": "tide:live"}


@pytest.mark.parametrize(
    ("frame", "code", "closed"),
    [
        ("not json", "bad_json", 4400),
        ("[" * 4000, "bad_json", 4400),
        (b"\x00", "bad_json", 4400),
        ("[]", "bad_request", 4400),
        ("null", "bad_request", 4400),
        ("{}", "unknown_op", 4400),
        ('{"op": ["subscribe"]}', "unknown_op", 4400),
        ('{"op": "subscribe"}', "bad_request", 4400),
        ('{"op": "subscribe", "topic": 7}', "bad_request", 4400),
        ('{"op": "subscribe", "topic": "no:such"}', "unknown_topic", 4400),
        (json.dumps({**TIDE, "keys": "A"}), "bad_request", 4400),
        (json.dumps({**TIDE, "keys": []}), "bad_request", 4400),
        (json.dumps({**TIDE, "keys": [""]}), "bad_request", 4400),
        (json.dumps({**TIDE, "keys": [1]}), "bad_request", 4400),
        (json.dumps({**TIDE, "keys": ["k" * 65]}), "bad_request", 4400),
        (
            json.dumps({**TIDE, "keys": [str(n) for n in range(MAX_KEYS + 1)]}),
            "too_many_keys",
            4429,
        ),
        (json.dumps({**TIDE, "epoch": "1"}), "bad_request", 4400),
        (json.dumps({**TIDE, "epoch": True}), "bad_request", 4400),
        ('{"op":"subscribe","topic":"tide:live","epoch":1e999}', "bad_request", 4400),
        (json.dumps({**TIDE, "last": [1]}), "bad_request", 4400),
        (json.dumps({**TIDE, "last": {"A": None}}), "bad_request", 4400),
        (json.dumps({**TIDE, "throttle": -1}), "bad_request", 4400),
        (json.dumps({**TIDE, "throttle": 5001}), "bad_request", 4400),
        ('{"op":"subscribe","topic":"tide:live","throttle":NaN}', "bad_request", 4400),
    ],
)
def test_bad_input_gets_an_error_and_a_close_with_a_code(running, frame, code, closed):
    browser = running.open()
    browser.socket.send(frame)
    assert browser.next()["error"]["code"] == code
    assert browser.close_code() == closed


def test_an_unknown_key_is_named_with_the_known_ones_and_the_socket_stays(running):
    running.publish(say("A", 1, 1))
    eventually(lambda: running.hub.latest("tide:live"))
    browser = running.open()
    error = browser.subscribe("A", "NOPE")["error"]
    assert error["code"] == "unknown_key"
    assert error["fields"]["keys"] == ["Unknown: NOPE. Known: A."]
    assert browser.subscribe("A")["data"] == {"A": 1}


def test_a_topic_may_say_itself_which_keys_there_are(serve):
    browser = serve(known_keys=lambda: ["A"]).open()
    assert browser.subscribe("B")["error"]["code"] == "unknown_key"
    assert browser.subscribe("A")["data"] == {}


@pytest.mark.parametrize("characters", [5000, 200_000])
def test_a_frame_beyond_the_size_limit_closes_the_socket(running, characters):
    browser = running.open()
    browser.socket.send("x" * characters)
    assert browser.close_code() == 1009


def test_a_frame_a_little_too_large_is_told_so_first(running):
    browser = running.open()
    browser.socket.send("x" * 5000)
    assert browser.next()["error"]["code"] == "frame_too_large"


def test_ten_thousand_subscriptions_are_too_many(running):
    browser = running.open()
    try:
        for _ in range(10_000):
            browser.ask(**TIDE)
    except ConnectionClosed:
        pass
    assert browser.close_code() == 4429
    eventually(lambda: not running.hub.connections)


def test_an_allowance_refills_with_time():
    now = [0.0]
    allowance = Allowance(lambda: now[0])
    while allowance.spend():
        pass
    now[0] = 1.0
    assert allowance.spend()


def test_an_address_has_so_many_connections_and_gets_one_back(running, settings):
    settings.LIVE_MAX_CONNECTIONS_PER_ADDRESS = 2
    first, _ = running.open(), running.open()
    eventually(lambda: len(running.hub.connections) == 2)
    third = running.open()
    assert third.next()["error"]["code"] == "too_many_connections"
    assert third.close_code() == 4429
    first.socket.close()
    eventually(lambda: len(running.hub.connections) == 1)
    assert running.open().subscribe()["event"] == "tide:live"


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, b"1.1.1.1", "9.9.9.9"),
        (1, b"1.1.1.1, 2.2.2.2", "2.2.2.2"),
        (2, b"1.1.1.1, 2.2.2.2", "1.1.1.1"),
        (3, b"2.2.2.2", "2.2.2.2"),
        (1, None, "9.9.9.9"),
    ],
)
def test_forwarded_addresses_count_as_far_as_our_proxies_go(settings, proxies, forwarded, address):
    settings.TRUSTED_PROXIES = proxies
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded)]
    assert client_address({"client": ("9.9.9.9", 1), "headers": headers}) == address


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1.evil.example",
        "http://localhost@evil.example",
        "http://[",
        "file://",
    ],
)
def test_a_forged_origin_is_refused(running, origin):
    with pytest.raises(InvalidStatus) as refused:
        running.open(origin=origin)
    assert refused.value.response.status_code == 403


def test_our_own_origin_may_come_and_so_may_a_client_without_origin_and_cookie(running):
    assert running.open(origin=running.origin).subscribe()
    assert running.open().subscribe()


def test_another_port_of_our_host_is_another_site_unless_it_is_trusted(running, settings):
    origin = "http://127.0.0.1:9"
    with pytest.raises(InvalidStatus):
        running.open(origin=origin)
    settings.CSRF_TRUSTED_ORIGINS = [origin]
    assert running.open(origin=origin).subscribe()


def test_a_cookie_without_an_origin_is_refused(running):
    with pytest.raises(InvalidStatus):
        running.open(additional_headers={"Cookie": "sessionid=x"})


def test_another_websocket_path_is_refused(running):
    from websockets.sync.client import connect

    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://{running.address}/ws/nothing")
    assert refused.value.response.status_code == 403


@pytest.fixture
def private(serve):
    """A server whose topic is for signed-in users called ann."""
    return serve(may_subscribe=lambda user, topic: user.get_username() == "ann")


def signed_in(private, username):
    client = Client()
    client.force_login(get_user_model().objects.create_user(username, f"{username}@localhost"))
    cookie = f"sessionid={client.cookies['sessionid'].value}"
    return private.open(origin=private.origin, additional_headers={"Cookie": cookie})


@pytest.mark.parametrize("cookie", ["sessionid=forged", "other=1"])
@pytest.mark.django_db(transaction=True)
def test_a_private_topic_needs_a_session(private, cookie):
    browser = private.open(origin=private.origin, additional_headers={"Cookie": cookie})
    assert browser.subscribe()["error"]["code"] == "not_signed_in"
    assert browser.close_code() == 4401


@pytest.mark.django_db(transaction=True)
def test_a_private_topic_asks_who_may_hear_it(private):
    assert signed_in(private, "ann").subscribe()["event"] == "tide:live"
    other = signed_in(private, "bob")
    assert other.subscribe()["error"]["code"] == "permission_denied"
    assert other.close_code() == 4403


@pytest.mark.django_db(transaction=True)
def test_a_user_has_so_many_connections(private, settings):
    settings.LIVE_MAX_CONNECTIONS_PER_USER = 1
    ann = get_user_model().objects.create_user("ann", "ann@localhost")
    client = Client()
    client.force_login(ann)
    headers = {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}
    first = private.open(origin=private.origin, additional_headers=headers)
    assert first.subscribe()["event"] == "tide:live"
    second = private.open(origin=private.origin, additional_headers=headers)
    assert second.subscribe()["error"]["code"] == "too_many_connections"
    first.socket.close()
    eventually(lambda: not private.hub.users.taken)
