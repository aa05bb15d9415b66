"""A publisher that says nothing, and a Valkey that is gone."""

from __future__ import annotations

import signal
import subprocess

import pytest
import redis

from demo import servers
from live.publishing import apublish, publish
from live.tests.conftest import alive, eventually, say


def test_clients_see_the_stale_form_and_then_the_value_again(serve):
    running = serve(silent_after=0.3)
    running.publish(say("A", 1, 1))
    browser = running.open()
    browser.subscribe()
    browser.until("A", None)
    assert browser.heartbeat()["meta"]["tide:live"]["state"] == "stale"
    assert running.hub.is_silent("tide:live")
    running.publish(alive(1))
    browser.until("A", 1)


def test_who_comes_during_silence_gets_the_stale_form_at_once(serve):
    running = serve(silent_after=0.3)
    running.publish(say("A", 1, 1))
    eventually(lambda: running.hub.is_silent("tide:live"))
    assert running.open().subscribe() == {
        "event": "tide:live",
        "data": {"A": None},
        "meta": {"A": {"state": "stale"}},
    }


@pytest.fixture
def own_valkey(tmp_path, settings):
    """A Valkey that a test may kill: ``kill()`` and ``start()``."""

    class Own:
        port = servers.free_port()
        url = f"redis://127.0.0.1:{port}/0"

        def start(self) -> None:
            command = servers.valkey_command(tmp_path, port=self.port, durable=False)
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            servers.wait_for_valkey(self.url)

        def kill(self) -> None:
            self.process.kill()
            self.process.wait()

    own = Own()
    own.start()
    settings.REDIS_URL = own.url
    yield own
    own.kill()


def test_sockets_survive_a_killed_valkey_and_converge_when_it_is_back(own_valkey, serve):
    running = serve(silent_after=0.3)
    with redis.Redis.from_url(own_valkey.url) as client:
        publish(client, running.topic, say("A", 1, 1), say("B", 1, 2))
        browser = running.open()
        browser.subscribe()
        own_valkey.kill()
        browser.until("A", None)
        own_valkey.start()
        eventually(lambda: running.hub.link.connected)
        assert set(running.hub.latest("tide:live")) == {"A", "B"}  # an emptied hash erases nothing
        publish(client, running.topic, say("A", 2, 1, epoch=2), say("B", 2, 2, epoch=2))
        browser.until("B", 2)
    assert running.hub.counters.reconnects == 1


def test_what_was_published_before_the_link_came_back_arrives(own_valkey, serve):
    running = serve()
    browser = running.open()
    browser.subscribe()
    own_valkey.kill()
    own_valkey.start()
    with redis.Redis.from_url(own_valkey.url) as client:
        publish(client, running.topic, say("A", "early", 1))
    browser.until("A", "early")


def test_a_valkey_that_hangs_is_left_and_found_again(own_valkey, serve):
    running = serve()
    browser = running.open()
    browser.subscribe()
    own_valkey.process.send_signal(signal.SIGSTOP)
    eventually(lambda: running.hub.counters.reconnects)
    own_valkey.process.send_signal(signal.SIGCONT)
    eventually(lambda: running.hub.link.connected)
    with redis.Redis.from_url(own_valkey.url) as client:
        publish(client, running.topic, say("A", 1, 1))
    browser.until("A", 1)


def test_an_unreadable_message_is_counted_and_harms_nobody(running):
    from foundation import valkey

    browser = running.open()
    browser.subscribe()
    valkey.client().publish(running.topic.channel, b"nonsense")
    running.publish(say("A", 1, 1))
    browser.until("A", 1)
    assert running.hub.counters.malformed == 1


async def test_a_coroutine_publishes_in_one_round_trip(running):
    from foundation import valkey

    async with valkey.async_client() as client:
        await apublish(client, running.topic, say("A", 1, 1), alive(1))
        assert await client.hgetall(running.topic.snapshot) == {b"A": say("A", 1, 1).encode()}
    eventually(lambda: running.hub.latest("tide:live"))
