"""Coming back with what one holds, and asking again."""

from __future__ import annotations

import pytest

from live.tests.conftest import eventually, say


@pytest.fixture
def browser(running):
    running.publish(say("A", 1, 7), say("B", 2, 9))
    eventually(lambda: len(running.hub.latest("tide:live")) == 2)
    return running.open()


def test_a_returning_client_gets_only_newer_keys(browser):
    assert browser.subscribe(epoch=1, last={"A": 7, "B": 8})["data"] == {"B": 2}


def test_a_returning_client_who_has_everything_is_told_so(browser):
    assert browser.subscribe(epoch=1, last={"A": 7, "B": 9})["data"] == {}


def test_another_epoch_brings_everything(browser):
    assert browser.subscribe(epoch=0, last={"A": 7, "B": 9})["data"] == {"A": 1, "B": 2}


def test_a_resync_brings_the_keys_again(browser):
    browser.subscribe("A")
    browser.ask(op="resync", topic="tide:live")
    assert browser.next()["data"] == {"A": 1}


def test_a_message_that_was_never_delivered_heals_by_the_next_sign_of_life(running):
    from foundation import valkey
    from live.tests.conftest import alive

    browser = running.open()
    browser.subscribe()
    lost = say("A", "lost", 3)
    valkey.client().hset(running.topic.snapshot, "A", lost.encode())
    running.publish(alive(3))
    browser.until("A", "lost")
