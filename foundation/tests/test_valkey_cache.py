from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from django.core.cache import cache

from foundation import valkey


def connections_made() -> int:
    return int(valkey.client().info("stats")["total_connections_received"])


def test_threads_that_come_and_go_open_no_connections():
    cache.set("held", 1)
    before = connections_made()
    for _ in range(20):
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(cache.get, "held").result() == 1
    assert connections_made() == before
