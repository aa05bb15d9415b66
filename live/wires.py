"""A shorter way to a websocket than ASGI's ``send``, where the server offers one.

It is optional: without it, and whenever it takes nothing at the moment, ``send`` is driven instead,
which waits, raises or writes as the state of the connection demands.
The server's side imports this before Django is set up, so nothing here may need Django.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from live.scopes import Scope

EXTENSION = "quayside.raw_frames"
# The same for HTTP: a callable that sends a whole answer, as config.http_protocol has it.
WHOLE = "quayside.whole"


class Wire(Protocol):
    """A websocket that takes frames as bytes. ``write_raw`` only right after ``takes_raw``."""

    def takes_raw(self) -> bool: ...

    def write_raw(self, frames: bytes, /) -> Any: ...


def wire_of(scope: Scope) -> Wire | None:
    """What the server offers for this connection, if anything."""
    offered = (scope.get("extensions") or {}).get(EXTENSION)
    wire: Wire | None = None if offered is None else offered["wire"]
    return wire


def text_frame(text: bytes) -> bytes:
    """``text`` as one whole websocket frame of a server, which RFC 6455 wants unmasked."""
    size = len(text)
    if size < 126:
        return bytes((0x81, size)) + text
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + text
    return b"\x81\x7f" + size.to_bytes(8, "big") + text
