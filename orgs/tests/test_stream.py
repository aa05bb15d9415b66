"""The stream of all organisations, through the lane."""

import asyncio
import json

import pytest

from live.limits import Seats
from orgs.api import metrics, stream
from orgs.models import Organisation
from orgs.services import board, search, seeding

pytestmark = pytest.mark.django_db(transaction=True)

COUNT = 25


@pytest.fixture
def copies():
    """A board of 25, and an empty one after the test."""
    seeding.add_organisations(COUNT)
    yield
    board._execute("TRUNCATE orgs_board_delta, orgs_stat, orgs_organisation CASCADE")
    # Not the one from before: copies are dropped when they are old, as it may be by now.
    board.build()


def scope(query="", **headers):
    told = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {
        "type": "http",
        "method": "GET",
        "path": "/api/metrics/orgs-stream",
        "query_string": query.encode(),
        "headers": told,
        "client": ("127.0.0.1", 1),
        "server": ("testserver", 80),
    }


class Listener:
    """A client that hears everything, or hangs up after some messages."""

    def __init__(self, *, patience=None):
        self.patience = patience
        self.started = {}
        self.bodies = []
        self.left = asyncio.Event()

    async def receive(self):
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        if message["type"] == "http.response.start":
            self.started = message
            return
        self.bodies.append(message["body"])
        if self.patience is not None and len(self.bodies) >= self.patience:
            self.left.set()
            # The task that hears of it runs before the next chunk is asked for.
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    @property
    def messages(self):
        """(event, id, data) of each."""
        found = []
        for part in b"".join(self.bodies).decode().split("\n\n"):
            lines = dict(line.split(": ", 1) for line in part.splitlines())
            if "data" in lines:
                found.append((lines.get("event"), lines.get("id"), json.loads(lines["data"])))
        return found

    @property
    def ranks(self):
        return [
            row["rank"] for event, _, data in self.messages if not event for row in data["data"]
        ]


async def listen(query="chunkSize=10", patience=None, **headers):
    listener = Listener(patience=patience)
    await stream.stream(scope(query, **headers), listener.receive, listener.send)
    return listener


@pytest.fixture(autouse=True)
def _open(settings):
    settings.OPEN_ENDPOINTS = ["metrics"]


async def test_everybody_is_told_once_in_rank_order(copies):
    heard = await listen()
    assert heard.started["status"] == 200
    assert heard.ranks == list(range(1, COUNT + 1))
    assert heard.messages[-1][0] == "end"


async def test_it_tells_of_each_what_the_list_tells(copies):
    listed = await asyncio.to_thread(in_thread, board_with_odd_names)
    heard = await listen("chunkSize=100")
    told = [row for event, _, data in heard.messages if not event for row in data["data"]]
    assert told == listed
    assert {row["lastActiveAt"] is None for row in told} == {True, False}


def board_with_odd_names():
    """What the list tells of organisations, less the addresses of their pages."""
    for number, name in enumerate(
        ['Q"uo\\te', "Two\nLines\tTabs", "\u00dcber \u6771\u4eac \U0001f600"]
    ):
        Organisation.objects.create(name=name, slug=f"odd-{number}")
    board.build()
    rows = [metrics.item(row) for row in search.page(skip=0, limit=100).rows]
    return [{name: value for name, value in row.items() if name != "slug"} for row in rows]


async def test_it_goes_on_after_the_last_message_heard(copies):
    heard = await listen(patience=2)
    last = heard.messages[-1][1]
    rest = await listen(last_event_id=last)
    assert rest.ranks == list(range(heard.ranks[-1] + 1, COUNT + 1))


async def test_a_walk_stays_in_its_copy_while_another_is_built(copies):
    heard = await listen(patience=2)
    await asyncio.to_thread(in_thread, board.build)
    rest = await listen(last_event_id=heard.messages[-1][1])
    assert heard.ranks + rest.ranks == list(range(1, COUNT + 1))


async def test_a_copy_that_is_gone_is_begun_again_and_said_to_be(copies):
    heard = await listen(last_event_id="999999-10")
    assert heard.messages[0][0] == "reset"
    assert heard.ranks == list(range(1, COUNT + 1))


async def test_who_has_everything_is_told_that_nothing_is_left(copies):
    heard = await listen()
    again = await listen(last_event_id=heard.messages[-1][1])
    assert again.started["status"] == 204


async def test_a_client_that_leaves_stops_the_work(copies, monkeypatch):
    asked = []
    chunk = search.chunk

    def noted(*args, **more):
        asked.append(args)
        return chunk(*args, **more)

    monkeypatch.setattr(search, "chunk", noted)
    await listen("chunkSize=1", patience=3)
    assert len(asked) <= 3
    assert stream.running == 0


async def test_a_client_that_takes_nothing_in_loses_its_seat(copies, monkeypatch):
    monkeypatch.setattr(stream, "SEND_TIMEOUT", 0.05)
    listener = Listener()

    async def stuck(message):
        await listener.send(message)
        if len(listener.bodies) == 2:
            await asyncio.Event().wait()

    async with asyncio.timeout(20):
        await stream.stream(scope("chunkSize=10"), listener.receive, stuck)
    assert len(listener.bodies) == 2
    assert stream.running == 0
    assert not stream.seats.taken


async def test_bad_sizes_and_strangers_are_refused_in_the_envelope(copies, settings):
    refused = await listen("chunkSize=0")
    assert refused.started["status"] == 400
    assert "chunkSize" in json.loads(refused.bodies[0])["error"]["fields"]
    settings.OPEN_ENDPOINTS = []
    refused = await listen()
    assert refused.started["status"] == 401


async def test_an_empty_board_ends_at_once():
    heard = await listen()
    assert [event for event, _, _ in heard.messages] == ["end"]


async def test_too_many_streams_are_told_to_come_back(copies, monkeypatch):
    monkeypatch.setattr(stream, "running", stream.MAX_STREAMS)
    refused = await listen()
    assert refused.started["status"] == 429
    assert (b"retry-after", b"5") in refused.started["headers"]


async def test_one_address_leaves_seats_to_others(copies, monkeypatch):
    taken = Seats(lambda: 1)
    monkeypatch.setattr(stream, "seats", taken)
    assert taken.take("127.0.0.1")
    refused = await listen()
    assert refused.started["status"] == 429
    taken.free("127.0.0.1")
    for _ in range(2):
        assert (await listen()).started["status"] == 200
    assert not taken.taken


def in_thread(work):
    from django.db import connection

    try:
        return work()
    finally:
        connection.close()
