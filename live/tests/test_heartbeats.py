from __future__ import annotations

from live import connections, hub
from live.tests.conftest import say


def test_who_hears_changes_is_sent_fewer_heartbeats_and_still_some(running, monkeypatch):
    monkeypatch.setattr(hub, "HEARTBEAT_SECONDS", 0.2)
    browser = running.open()
    browser.subscribe()
    browser.heartbeat()
    between, seq = [], 0
    for _ in range(2):
        changes = 0
        while True:
            seq += 1
            running.publish(say("A", seq, seq))
            event = browser.either()
            if event == "heartbeat":
                break
            changes += 1
        between.append(changes)
    assert min(between) > connections.MAX_SKIPPED


def test_who_hears_nothing_is_sent_every_heartbeat(running, monkeypatch):
    monkeypatch.setattr(hub, "HEARTBEAT_SECONDS", 0.05)
    browser = running.open()
    browser.subscribe()
    times = [browser.heartbeat()["data"]["time"] for _ in range(10)]
    assert times[-1] - times[0] < 10_000
