"""Snapshot first, then changes; the keys asked for and no others."""

from __future__ import annotations

from live.messages import PRIORITY
from live.tests.conftest import eventually, say


def test_the_snapshot_comes_first_and_then_the_changes(running):
    running.publish(say("A", 1, 1), say("B", 2, 2))
    browser = running.open()
    eventually(lambda: len(running.hub.latest("tide:live")) == 2)
    assert browser.subscribe() == {
        "event": "tide:live",
        "data": {"A": 1, "B": 2},
        "meta": {"A": {}, "B": {}},
    }
    running.publish(say("A", 3, 3, meta='{"seq":3}'))
    assert browser.next() == {"event": "tide:live", "data": {"A": 3}, "meta": {"A": {"seq": 3}}}


def test_a_snapshot_is_there_before_anything_is_published(serve):
    server = serve()
    assert server.open().subscribe() == {"event": "tide:live", "data": {}, "meta": {}}


def test_only_the_keys_asked_for_arrive(running):
    running.publish(say("A", 1, 1), say("B", 1, 2))
    eventually(lambda: len(running.hub.latest("tide:live")) == 2)
    browser = running.open()
    assert browser.subscribe("B")["data"] == {"B": 1}
    running.publish(say("A", 2, 3), say("B", 2, 4))
    assert browser.next()["data"] == {"B": 2}


def test_a_key_asked_for_before_it_exists_arrives_when_it_does(running):
    browser = running.open()
    assert browser.subscribe("LATE")["data"] == {}
    running.publish(say("OTHER", 1, 1), say("LATE", 1, 2))
    assert browser.next()["data"] == {"LATE": 1}


def test_the_topics_own_state_is_an_event_of_its_own(running):
    browser = running.open()
    browser.subscribe("A")
    running.publish(say("*", {"state": "stale"}, 1, flag=PRIORITY))
    assert browser.next() == {"event": "tide:state", "data": {"state": "stale"}, "meta": {}}


def test_keys_are_added_and_taken_away(running):
    running.publish(say("A", 1, 1), say("B", 1, 2))
    eventually(lambda: len(running.hub.latest("tide:live")) == 2)
    browser = running.open()
    browser.subscribe("A")
    assert browser.subscribe("B")["data"] == {"B": 1}
    browser.ask(op="unsubscribe", topic="tide:live", keys=["A"])
    browser.ask(op="resync", topic="tide:live")
    assert browser.next()["data"] == {"B": 1}


def test_nothing_arrives_after_unsubscribing(running):
    browser = running.open()
    browser.subscribe()
    browser.ask(op="unsubscribe", topic="tide:live")
    browser.ask(op="resync", topic="tide:live")
    assert browser.next()["error"]["code"] == "not_subscribed"
    running.publish(say("A", 1, 1))
    eventually(lambda: running.hub.latest("tide:live"))
    assert browser.heartbeat()["meta"] == {}


def test_a_heartbeat_tells_the_time_and_the_newest_of_the_clients_keys(running):
    browser = running.open()
    browser.subscribe("A")
    running.publish(say("A", 1, 7), say("B", 1, 9))
    browser.until("A", 1)
    beat = browser.heartbeat()
    assert beat["data"]["time"] > 1_500_000_000_000
    assert beat["meta"] == {"tide:live": {"epoch": 1, "seq": 7, "state": "live"}}
