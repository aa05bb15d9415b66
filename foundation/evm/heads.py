"""New heads by subscription: a plain websocket that notices when the other side has gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from foundation.evm.blocks import Header, header_of
from foundation.evm.failures import NodeError, from_answer

PING: Final = 2.0
OPEN: Final = 5.0
# A full closing handshake with a node that stands still would take four times as long as noticing.
CLOSE: Final = 1.0
MAX_FRAME: Final = 64 * 1024 * 1024
_SUBSCRIBE: Final = json.dumps(
    {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}
)


async def new_heads(
    url_ws: str, *, on_subscribed: Callable[[], None] = lambda: None
) -> AsyncGenerator[Header]:
    """Each head as the node announces it, until the connection ends: then ``NodeError``.

    ``on_subscribed`` is called once, before the first head: from then on none is missed. A node
    that stands still is noticed after two pings, about four seconds. Heads that a rollback takes
    back are not announced by every node, and nothing is resumed here: who listens polls beside it.
    """
    try:
        async with connect(
            url_ws,
            ping_interval=PING,
            ping_timeout=PING,
            open_timeout=OPEN,
            close_timeout=CLOSE,
            max_size=MAX_FRAME,
            compression=None,
            # Nobody but the node hears of it.
            proxy=None,
        ) as socket:
            subscription = await asyncio.wait_for(_subscribe(socket), OPEN)
            on_subscribed()
            async for frame in socket:
                header = _header(frame, subscription)
                if header is not None:
                    yield header
    except (OSError, TimeoutError, ValueError, WebSocketException) as problem:
        # The text of these may hold the address.
        raise NodeError("unavailable", type(problem).__name__) from None
    raise NodeError("unavailable", "the subscription ended")


async def _subscribe(socket: ClientConnection) -> str:
    """The subscription's name."""
    await socket.send(_SUBSCRIBE)
    while True:
        match _parsed(await socket.recv()):
            case {"id": 1, "result": str(name)}:
                return name
            case {"id": 1, "error": error}:
                raise from_answer(error)
            case {"id": 1}:
                raise NodeError("bad_answer", "no subscription")


def _header(frame: str | bytes, subscription: str) -> Header | None:
    match _parsed(frame):
        case {"params": {"subscription": name, "result": block}} if name == subscription:
            return header_of(block)
    return None


def _parsed(frame: str | bytes) -> Any:
    try:
        return json.loads(frame)
    except (ValueError, RecursionError):
        raise NodeError("bad_answer", "no JSON") from None
