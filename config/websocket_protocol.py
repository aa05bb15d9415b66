"""uvicorn's websocket protocol, which also lets the hub hand ready frames to the socket.

uvicorn frames the same text anew for each client; the hub frames it once for all who lack the same.
The door finds this under ``live.wires.EXTENSION`` in ``scope["extensions"]``. Nearly all of what is
used here is uvicorn's own business, so ``tests/test_websocket_protocol.py`` asks for each name.
"""

from __future__ import annotations

from asyncio.transports import BaseTransport

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from live.wires import EXTENSION

# Bytes that may wait in the process for one client; beyond them it owes keys instead.
HIGH_WATER = 16 * 1024


class RawFrames(WebSocketsSansIOProtocol):
    """A ``live.wires.Wire``."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        self.write_raw = self.transport.write

    def takes_raw(self) -> bool:
        """Whether a frame may be written now. If not, ``send`` knows whether to wait or raise."""
        return (
            self.writable.is_set()
            and self.handshake_complete
            # A shutdown sends its close frame without setting close_sent.
            and self.conn.state is State.OPEN
            and not self.close_sent
            and not self.disconnected
            and not self.transport.is_closing()
        )

    async def run_asgi(self) -> None:
        self.scope["extensions"][EXTENSION] = {"wire": self}
        await super().run_asgi()
