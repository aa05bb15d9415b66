"""The same topics as an event stream."""

from __future__ import annotations

import json
from contextlib import ExitStack

import httpx
import pytest

from live.tests.conftest import DEADLINE, eventually, say


class Stream:
    """An open event stream. ``next`` gives ``(event, id, data)`` and skips heartbeats."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.lines = response.iter_lines()

    def next(self, wanted: str | None = None):
        while True:
            fields = self._block()
            event = fields.get("event")
            if event and (event == wanted or (not wanted and event != "heartbeat")):
                return event, fields.get("id"), json.loads(fields["data"])

    def _block(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        for line in self.lines:
            if not line:
                return fields
            name, _, value = line.partition(": ")
            fields[name] = value
        raise EOFError


@pytest.fixture
def browse(running):
    with ExitStack() as stack:
        client = stack.enter_context(
            httpx.Client(base_url=f"http://{running.address}", timeout=DEADLINE)
        )

        def start(query: str, **headers: str) -> Stream:
            url = f"/api/v1/live?{query}"
            return Stream(stack.enter_context(client.stream("GET", url, headers=headers)))

        yield start


@pytest.fixture
def published(running):
    running.publish(say("A", 1, 7), say("B", 2, 9))
    eventually(lambda: len(running.hub.latest("tide:live")) == 2)


def test_a_stream_starts_with_the_snapshot_and_carries_positions(running, published, browse):
    stream = browse("topics=tide:live")
    assert stream.response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert stream.response.headers["cache-control"] == "no-cache, no-transform"
    event, position, frame = stream.next()
    assert (event, position, frame["data"]) == ("tide:live", "1:9", {"A": 1, "B": 2})
    running.publish(say("A", 3, 10))
    assert stream.next()[1:] == (
        "1:10",
        {"event": "tide:live", "data": {"A": 3}, "meta": {"A": {}}},
    )


def test_a_stream_is_filtered_by_keys(running, published, browse):
    stream = browse("topics=tide:live&keys=B")
    assert stream.next()[2]["data"] == {"B": 2}
    running.publish(say("A", 5, 10), say("B", 6, 11))
    assert stream.next()[2]["data"] == {"B": 6}


def test_a_stream_resumes_after_the_last_event(published, browse):
    assert browse("topics=tide:live", **{"Last-Event-ID": "1:8"}).next()[2]["data"] == {"B": 2}


@pytest.mark.parametrize("position", ["0:99", "1:x", "", "9" * 400, "-1:-1"])
def test_an_unusable_position_brings_everything(published, browse, position):
    stream = browse("topics=tide:live", **{"Last-Event-ID": position})
    assert stream.next()[2]["data"] == {"A": 1, "B": 2}


def test_a_stale_snapshot_forgets_the_position(serve):
    running = serve(silent_after=0.2)
    running.publish(say("A", 1, 1))
    eventually(lambda: running.hub.is_silent("tide:live"))
    url = f"http://{running.address}/api/v1/live?topics=tide:live"
    with httpx.stream("GET", url, timeout=DEADLINE) as response:
        _, position, frame = Stream(response).next()
    assert (position, frame["data"]) == ("", {"A": None})


def test_a_stream_beats(published, browse):
    _, _, frame = browse("topics=tide:live&keys=A").next("heartbeat")
    assert frame["meta"] == {"tide:live": {"epoch": 1, "seq": 7, "state": "live"}}


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("", "bad_request", "topics"),
        ("topics=", "bad_request", "topics"),
        ("topics=no:such", "unknown_topic", "topic"),
        ("topics=tide:live&keys=NOPE", "unknown_key", "keys"),
        ("topics=tide:live,other&keys=A", "bad_request", "keys"),
        ("topics=tide:live&keys=" + "k" * 65, "bad_request", "keys"),
        ("&".join(["topics=tide:live"] * 50), "bad_request", "query"),
        ("topics=%00%ff", "unknown_topic", "topic"),
    ],
)
def test_a_bad_query_is_refused_with_the_field_to_blame(running, published, query, code, field):
    answer = httpx.get(f"http://{running.address}/api/v1/live?{query}", timeout=DEADLINE)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == code
    assert list(answer.json()["error"]["fields"]) == [field]


def test_too_many_topics_are_refused(running):
    topics = ",".join(str(number) for number in range(51))
    answer = httpx.get(f"http://{running.address}/api/v1/live?topics={topics}", timeout=DEADLINE)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_subscriptions")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(running, method):
    answer = httpx.request(method, f"http://{running.address}/api/v1/live", timeout=DEADLINE)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_a_head_request_ends_at_once(running):
    url = f"http://{running.address}/api/v1/live?topics=tide:live"
    answer = httpx.head(url, timeout=DEADLINE)
    assert (answer.status_code, answer.content) == (200, b"")


def test_streams_and_websockets_share_the_limit_of_an_address(running, settings):
    settings.LIVE_MAX_CONNECTIONS_PER_ADDRESS = 1
    running.open().subscribe()
    url = f"http://{running.address}/api/v1/live?topics=tide:live"
    answer = httpx.get(url, timeout=DEADLINE)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")


def test_a_closed_stream_gives_its_seat_back(running):
    url = f"http://{running.address}/api/v1/live?topics=tide:live"
    with httpx.stream("GET", url, timeout=DEADLINE):
        eventually(lambda: running.hub.addresses.taken)
    eventually(lambda: not running.hub.addresses.taken)
