"""What WholeAnswers takes from uvicorn, and that a whole answer has the bytes of ``send``."""

from __future__ import annotations

import asyncio
import inspect

import pytest
import uvicorn
from uvicorn.protocols.http import httptools_impl
from uvicorn.server import ServerState

from config.http_protocol import WholeAnswers, send_whole
from config.serve import server_config
from live.wires import WHOLE

HEADERS = [(b"etag", b'"a"'), (b"content-length", b"5")]
REST = b'etag: "a"\r\ncontent-length: 5\r\n\r\nhello'
REQUEST = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"


class Transport(asyncio.Transport):
    """Notes what is written."""

    def __init__(self):
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data):
        self.written += data

    def is_closing(self):
        return self.closed

    def close(self):
        self.closed = True

    def pause_reading(self):
        """Nothing is read from here."""

    def resume_reading(self):
        """Nothing is read from here."""


async def answered(request, application):
    """What the protocol writes, and how often it counts an answer."""
    config = server_config()
    config.load()
    config.loaded_app = application
    state = ServerState()
    state.default_headers = [(b"date", b"Sat, 21 Nov 2026 12:00:00 GMT")]
    protocol = WholeAnswers(config=config, server_state=state, app_state={})
    transport = Transport()
    protocol.connection_made(transport)
    protocol.data_received(request)
    while protocol.tasks:
        await asyncio.gather(*protocol.tasks)
    if protocol.timeout_keep_alive_task is not None:
        protocol.timeout_keep_alive_task.cancel()
    return transport, state.total_requests


async def by_send(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": b"hello"})


async def whole(scope, receive, send):
    assert scope["extensions"][WHOLE](200, REST)


async def whole_or_send(scope, receive, send):
    if not scope["extensions"][WHOLE](200, REST):
        await by_send(scope, receive, send)


async def test_a_whole_answer_has_the_bytes_of_send_and_counts_as_one():
    sent, counted = await answered(REQUEST, by_send)
    direct, also_counted = await answered(REQUEST, whole)
    assert direct.written == sent.written
    assert direct.written.startswith(b"HTTP/1.1 200 OK\r\ndate: Sat, 21 Nov 2026")
    assert (counted, also_counted) == (1, 1)
    assert not direct.closed


async def test_requests_in_one_packet_are_answered_in_turn():
    sent, _ = await answered(REQUEST * 3, by_send)
    direct, counted = await answered(REQUEST * 3, whole)
    assert (direct.written, counted) == (sent.written, 3)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /a HTTP/1.0\r\nHost: a\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ],
)
async def test_who_wants_the_connection_closed_is_answered_by_send(request_bytes):
    direct, _ = await answered(request_bytes, whole_or_send)
    sent, _ = await answered(request_bytes, by_send)
    assert direct.written == sent.written
    assert direct.closed


async def test_nothing_is_taken_twice_or_for_a_client_that_is_gone_or_slow():
    taken = []

    async def greedy(scope, receive, send):
        take = scope["extensions"][WHOLE]
        cycle = take.args[0]
        cycle.disconnected = True
        taken.append(take(200, REST))
        cycle.disconnected = False
        cycle.flow.pause_writing()
        taken.append(take(200, REST))
        cycle.flow.resume_writing()
        taken.append(take(200, REST))
        taken.append(take(200, REST))

    direct, counted = await answered(REQUEST, greedy)
    assert taken == [False, False, True, False]
    assert (direct.written.count(b"hello"), counted) == (1, 1)


def test_uvicorn_is_the_one_whose_insides_were_read():
    """Another release means reading ``RequestResponseCycle.send`` again, then writing it here."""
    assert uvicorn.__version__ == "0.54.0"
    inside = inspect.getsource(httptools_impl.RequestResponseCycle)
    for name in (
        *("response_started", "response_complete", "disconnected", "keep_alive", "access_log"),
        *("waiting_for_100_continue", "default_headers", "message_event", "on_response", "flow"),
    ):
        assert f"self.{name}" in inside
    assert send_whole.__annotations__["cycle"] == "RequestResponseCycle"
