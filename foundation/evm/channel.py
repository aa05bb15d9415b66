"""POST over kept-alive connections to one address, with a deadline that no dripping extends."""

from __future__ import annotations

import base64
import io
import os
import socket
import ssl
import threading
import time
import weakref
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from foundation.evm.failures import NodeError, from_status

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_ANSWER: Final = 64 * 1024 * 1024
# Of an answer that is not a result only the reason matters.
MAX_REFUSAL: Final = 64 * 1024
# One address of a name that does not answer must not use up the others' time.
LONGEST_CONNECT: Final = 3.0
_PART: Final = 256 * 1024


class Channel:
    """Follows no redirect and uses no proxy of the environment: nobody but the address hears.

    Safe to share between threads and over a fork; each question in flight has its own connection.
    """

    def __init__(self, url: str) -> None:
        """Raises ``ValueError`` for what is no http or https address. The text holds no part of
        it."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("not an address of a node") from None
        if parts.scheme not in ("http", "https") or not host:
            raise ValueError("not an http or https address")
        self._secure = parts.scheme == "https"
        self._host, self._port = host, port or (443 if self._secure else 80)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = {
            "Host": parts.netloc.rpartition("@")[2],
            "Content-Type": "application/json",
            "Accept": "application/json",
            # A packed answer could be a small one that becomes a large one.
            "Accept-Encoding": "identity",
        }
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []
        self._process = os.getpid()
        weakref.finalize(self, _close_all, self._idle)

    def post(self, body: bytes, *, seconds: float) -> bytes:
        """The body of the answer. Everything together takes at most ``seconds``, save the look-up
        of the name, which the system bounds.

        Raises ``NodeError``. A kept connection that had been closed meanwhile is replaced once:
        what is asked must bear being asked twice.
        """
        ends = time.monotonic() + seconds
        if (kept := self._take()) is not None:
            try:
                return self._exchange(kept, body, ends)
            except (ConnectionError, HTTPException):
                kept.close()
            except OSError as problem:
                kept.close()
                raise _unavailable(problem) from None
        try:
            fresh = _Connection(self._open(ends), ends)
        except (OSError, UnicodeError) as problem:
            raise _unavailable(problem) from None
        try:
            return self._exchange(fresh, body, ends)
        except (OSError, HTTPException) as problem:
            fresh.close()
            raise _unavailable(problem) from None

    def _exchange(self, connection: _Connection, body: bytes, ends: float) -> bytes:
        try:
            response = connection.ask(self._target, body, self._headers, ends)
            content = _read(response)
        except NodeError:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self._keep(connection)
        # Some providers send JSON-RPC's errors under a status of their own: their words say more.
        if response.status != 200 and not content.lstrip().startswith((b"{", b"[")):
            raise from_status(response.status, response.headers.get("Retry-After"))
        if response.status in (403, 413, 429) or response.status >= 500:
            raise from_status(response.status, response.headers.get("Retry-After"))
        return content

    def _take(self) -> _Connection | None:
        with self._lock:
            if self._process != os.getpid():
                # Two processes that share a socket would read each other's answers.
                _close_all(self._idle)
                self._process = os.getpid()
            return self._idle.pop() if self._idle else None

    def _keep(self, connection: _Connection) -> None:
        with self._lock:
            self._idle.append(connection)

    def close(self) -> None:
        """Close what is not in use; the channel may be used on."""
        with self._lock:
            _close_all(self._idle)

    def _open(self, ends: float) -> socket.socket:
        problem: OSError = OSError("the name has no address")
        found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        for _family, _type, _protocol, _name, address in found:
            wait = min(_left(ends), LONGEST_CONNECT)
            try:
                plain = socket.create_connection((str(address[0]), self._port), timeout=wait)
            except OSError as refused:
                problem = refused
                continue
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._secured(plain, ends) if self._secure else plain
        raise problem

    def _secured(self, plain: socket.socket, ends: float) -> socket.socket:
        plain.settimeout(_left(ends))
        try:
            return _tls().wrap_socket(plain, server_hostname=self._host)
        except BaseException:
            plain.close()
            raise


@cache
def _tls() -> ssl.SSLContext:
    """Reading all trusted certificates takes longer than most answers."""
    return ssl.create_default_context()


class _Connection:
    """One socket as ``http.client`` wants it, whose every read ends at the question's deadline."""

    def __init__(self, sock: socket.socket, ends: float) -> None:
        self._socket = sock
        self.ends = ends
        self._http = HTTPConnection("node")
        self._http.sock = self

    def ask(self, target: str, body: bytes, headers: dict[str, str], ends: float) -> HTTPResponse:
        self.ends = ends
        self._http.sock = self
        self._http.request("POST", target, body, headers)
        return self._http.getresponse()

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(_left(self.ends))
        self._socket.sendall(data)

    def makefile(self, mode: str, *args: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self), _PART)

    def receive(self, buffer: WriteableBuffer) -> int:
        self._socket.settimeout(_left(self.ends))
        return self._socket.recv_into(buffer)

    def close(self) -> None:
        self._socket.close()


def _close_all(connections: list[_Connection]) -> None:
    while connections:
        connections.pop().close()


class _Reader(io.RawIOBase):
    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._connection.receive(buffer)


def _read(response: HTTPResponse) -> bytes:
    limit = MAX_ANSWER if response.status == 200 else MAX_REFUSAL
    if (response.length or 0) > limit:
        raise NodeError("too_large", "too long an answer")
    body = bytearray()
    while part := response.read(_PART):
        body += part
        if len(body) > limit:
            raise NodeError("too_large", "too long an answer")
    return bytes(body)


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _unavailable(problem: Exception) -> NodeError:
    late = isinstance(problem, TimeoutError)
    return NodeError("unavailable", type(problem).__name__, timed_out=late)
