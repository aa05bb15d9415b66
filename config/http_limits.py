"""How much of a request is read while nothing of it can be handed on.

httptools keeps lines of a head, or of a chunked body's end, until they are complete, and sets no
end to them; uvicorn sets none either. Bodies are counted where they are read (``config/asgi.py``).
"""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# Besides the piece in which a head began, which is as long as the socket's reader makes it.
UNFINISHED_BYTES: Final = 64 * 1024


class BoundedHeads(HttpToolsProtocol):
    """Ends a connection whose head, or whose end of a body, has no end."""

    _moved = False
    _unfinished = 0

    def data_received(self, data: bytes) -> None:
        self._moved = False
        super().data_received(data)
        self._unfinished = 0 if self._moved else self._unfinished + len(data)
        if self._unfinished > UNFINISHED_BYTES and not self.transport.is_closing():
            cycle: RequestResponseCycle | None = self.cycle
            if cycle is None or cycle.response_complete:
                self.send_400_response("The head of this request is too long.")
            else:
                self.transport.close()

    def on_message_begin(self) -> None:
        self._moved = True
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        self._moved = True
        super().on_body(body)
