"""What RawFrames takes from uvicorn's insides, and when it takes a frame from the hub."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import textwrap
from pathlib import Path

import pytest
import uvicorn
from django.conf import settings
from uvicorn import Config
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import OP_TEXT, Frame
from websockets.protocol import State

from config.serve import server_config
from config.websocket_protocol import HIGH_WATER, RawFrames
from live.wires import EXTENSION, text_frame, wire_of

HANDSHAKE = (
    b"GET /ws/live HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Transport(asyncio.Transport):
    """Notes what is written, and its limits."""

    def __init__(self):
        super().__init__()
        self.written = []
        self.high = None
        self.closing = False

    def write(self, data):
        self.written.append(data)

    def set_write_buffer_limits(self, high=None, low=None):
        self.high = high

    def is_closing(self):
        return self.closing

    def close(self):
        self.closing = True


class Door:
    """Accepts, and keeps the scope and the server's ``send``."""

    def __init__(self):
        self.accepted = asyncio.Event()

    async def __call__(self, scope, receive, send):
        self.scope, self.send = scope, send
        await send({"type": "websocket.accept"})
        self.accepted.set()
        while (await receive())["type"] != "websocket.disconnect":
            continue


@pytest.fixture
async def door():
    return Door()


@pytest.fixture
async def wire(door):
    """A connection whose handshake is done."""
    config = Config(door, ws=RawFrames, ws_per_message_deflate=False, log_config=None)
    config.load()
    protocol = RawFrames(config, ServerState(), {})
    protocol.connection_made(Transport())
    protocol.data_received(HANDSHAKE)
    await asyncio.wait_for(door.accepted.wait(), 15)
    yield protocol
    if not protocol.disconnected:
        protocol.connection_lost(None)
    await asyncio.gather(*protocol.tasks)


def test_uvicorn_is_the_version_whose_insides_were_read():
    pinned = re.search(
        r"^uvicorn==(\S+)", Path(settings.BASE_DIR, "requirements.txt").read_text(), re.MULTILINE
    )
    assert pinned is not None
    assert uvicorn.__version__ == pinned[1] == "0.54.0"


def test_every_name_used_of_uvicorn_is_asked_for_here():
    tree = ast.parse(textwrap.dedent(inspect.getsource(RawFrames)))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }
    assert used - {"write_raw"} == {
        *("close_sent", "conn", "disconnected", "handshake_complete", "scope", "transport"),
        "writable",
    }


async def test_the_names_mean_what_they_meant(wire):
    assert isinstance(wire.writable, asyncio.Event)
    assert (wire.handshake_complete, wire.close_sent, wire.disconnected) == (True, False, False)
    assert wire.conn.state is State.OPEN
    assert wire.conn.extensions == []
    assert inspect.iscoroutinefunction(WebSocketsSansIOProtocol.run_asgi)
    for name in ("connection_made", "pause_writing", "resume_writing", "connection_lost"):
        assert callable(getattr(WebSocketsSansIOProtocol, name))


async def test_the_door_finds_the_wire_in_the_scope_only(wire, door):
    assert wire.transport.high == HIGH_WATER == 16_384
    assert wire_of(door.scope) is wire
    assert list(door.scope["extensions"]) == ["websocket.http.response", EXTENSION]
    assert wire_of({"extensions": {}}) is None
    assert wire_of({}) is None


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
async def test_a_raw_frame_has_the_bytes_that_send_would_write(wire, door, size):
    text = "é" + "x" * (size - 2) if size else ""
    await door.send({"type": "websocket.send", "text": text})
    framed = wire.transport.written[-1]
    assert framed == text_frame(text.encode())
    assert framed == Frame(OP_TEXT, text.encode()).serialize(mask=False)


async def test_nothing_is_taken_before_the_handshake():
    config = Config(Door(), ws=RawFrames, log_config=None)
    config.load()
    protocol = RawFrames(config, ServerState(), {})
    protocol.connection_made(Transport())
    assert not protocol.takes_raw()


async def test_a_full_socket_takes_nothing_until_it_is_writable(wire):
    assert wire.takes_raw()
    wire.pause_writing()
    assert not wire.takes_raw()
    wire.resume_writing()
    assert wire.takes_raw()


async def test_nothing_follows_the_close_frame_of_a_shutdown(wire, door):
    wire.shutdown()
    assert not wire.close_sent  # which is why the state of the connection is asked too
    assert not wire.takes_raw()
    with pytest.raises(ClientDisconnected):
        await door.send({"type": "websocket.send", "text": "late"})


async def test_nothing_follows_a_close_frame_of_the_door(wire, door):
    await door.send({"type": "websocket.close", "code": 4400})
    assert not wire.takes_raw()


async def test_nothing_goes_to_a_transport_that_closes_or_a_client_that_is_gone(wire):
    wire.transport.close()
    assert not wire.takes_raw()
    wire.transport.closing = False
    assert wire.takes_raw()
    wire.connection_lost(None)
    assert not wire.takes_raw()


@pytest.mark.parametrize(("raw", "chosen"), [(True, RawFrames), (False, "websockets-sansio")])
def test_the_setting_chooses_the_protocol(settings, raw, chosen):
    settings.LIVE_RAW_WRITES = raw
    assert server_config().ws == chosen
