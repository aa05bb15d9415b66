"""``python -m config.serve``: the web process, from ``HOST``, ``PORT`` and ``WEB_PROCESSES``.

It makes the listening socket itself: accepted sockets inherit two options that bound what a reader
who stopped reading can hold, which no ASGI server can do from above (push.md section 6).
Addresses of clients behind a proxy come from ``TRUSTED_PROXIES``, so uvicorn's own handling of
forwarded headers, which believes any depth of them, stays off.
"""

from __future__ import annotations

import errno
import os
import socket
import sys

import django
import structlog
from django.conf import settings
from uvicorn import Config, Server
from uvicorn.supervisors import Multiprocess

from config.http_protocol import WholeAnswers
from config.websocket_protocol import RawFrames

# A client that takes nothing for so long is cut off by the kernel.
USER_TIMEOUT_MS = 10_000
# Bytes that wait in the kernel rather than being replaced by newer values.
UNSENT_BYTES = 16 * 1024
# The most that Linux keeps waiting at one listening socket by default; the next to connect waits a
# second until its kernel tries again. A crowd of 10,000 that comes at once finds room at four.
BACKLOG = 4096
LISTENERS = 4
# Larger websocket frames close the socket without a word; ``live`` judges and explains the others.
MAX_CLIENT_FRAME = 64 * 1024
GRACE_SECONDS = 5

logger = structlog.get_logger(__name__)


def listen(host: str, port: int) -> list[socket.socket]:
    """Listening sockets of one address; one for port 0, which is any free one.

    Raises ``OSError`` when the address cannot be had.
    """
    if sys.platform != "linux" or not port:
        return [_listener(host, port)]
    # Sockets that share an address refuse nobody else of this user: one that does asks first.
    _listener(host, port).close()
    return [_listener(host, port, shared=True) for _ in range(LISTENERS)]


def _listener(host: str, port: int, *, shared: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sys.platform == "linux":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def server_config(*, processes: int = 1) -> Config:
    return Config(
        "config.asgi:application",
        loop="uvloop",
        http=WholeAnswers,
        ws=RawFrames if settings.LIVE_RAW_WRITES else "websockets-sansio",
        ws_per_message_deflate=False,
        ws_max_size=MAX_CLIENT_FRAME,
        backlog=BACKLOG,
        workers=processes,
        timeout_graceful_shutdown=GRACE_SECONDS,
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
    )


def whole_number(name: str, default: int) -> int:
    """The environment's ``name``. Raises ``ValueError`` with a sentence for people."""
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise ValueError(f"{name} must be a number, not {text!r}.")
    return int(text)


def main() -> int:
    django.setup()
    host = os.environ.get("HOST", "127.0.0.1")
    try:
        port, processes = whole_number("PORT", 8000), whole_number("WEB_PROCESSES", 1)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    try:
        listeners = listen(host, port)
    except (OSError, OverflowError) as error:
        in_use = getattr(error, "errno", None) == errno.EADDRINUSE
        reason = "is in use" if in_use else f"cannot be had: {error}"
        sys.stderr.write(f"Port {port} on {host} {reason}. Choose another with PORT=.\n")
        return 1
    config = server_config(processes=processes)
    logger.info("serving", host=host, port=port, processes=processes, demo=settings.DEMO)
    if processes > 1:
        Multiprocess(config, sockets=listeners).run()
    else:
        Server(config).run(sockets=listeners)
    return 0


if __name__ == "__main__":
    sys.exit(main())
