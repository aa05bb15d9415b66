"""Calls to addresses that customers name: to public addresses only, short, and never redirected.

A name is resolved once for each call, what it resolves to is checked, and the connection is made to
the address that was checked, so that a name that changes its mind in between leads nowhere. TLS is
still checked against the name. Proxies of the environment are not used: they would resolve anew.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from functools import cache
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

import httpcore

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_URL: Final = 500
# Seconds for a whole call, and for any one step of it.
WHOLE: Final = 10.0
STEP: Final = 5.0
# Bytes of an answer that are read; nobody looks at them.
READ_AT_MOST: Final = 16_384
# What some releases of Python call public: protocol assignments, in which a cloud keeps its
# metadata; anycast relays that are no more; and Azure's metadata, public by its number.
NEVER: Final = tuple(
    ipaddress.ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")
)
# IPv4 addresses in the clothes of IPv6, as gateways translate them.
TRANSLATED: Final = ipaddress.ip_network("64:ff9b::/96")
_resolvers = ThreadPoolExecutor(max_workers=16, thread_name_prefix="resolver")


class AddressRefused(Exception):
    """Why an address is not called: ``reason`` is a sentence for its owner."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Result(NamedTuple):
    """What came of a call. ``error`` is empty after a 2xx; ``retry_after`` in seconds."""

    status: int | None
    error: str
    took_ms: int
    retry_after: float | None = None


def check(url: str, private: Sequence[Network] = ()) -> None:
    """Whether ``url`` may be called now. Raises ``AddressRefused``."""
    parts = _parts(url)
    assert parts.hostname is not None
    found = _resolve(parts.hostname, _port(parts), STEP)
    _judge(found, private)
    if parts.scheme != "https" and not all(_is_in(item, private) for item in found):
        raise AddressRefused("not_https", "Use an address that begins with https://.")


def post(
    url: str, headers: Mapping[str, str], body: bytes, *, private: Sequence[Network] = ()
) -> Result:
    """Send ``body``; whatever goes wrong is told, never raised."""
    began = time.monotonic()
    status, error, retry_after = None, "", None
    try:
        status, retry_after = _post(url, headers, body, private)
        if not 200 <= status < 300:
            error = "redirect" if 300 <= status < 400 else "status"
    except AddressRefused as refused:
        error = refused.code
    except httpcore.TimeoutException:
        error = "timeout"
    except httpcore.ConnectError as problem:
        error = "tls" if isinstance(problem.__context__, ssl.SSLError) else "unreachable"
    except (httpcore.NetworkError, httpcore.ProtocolError):
        error = "broken"
    return Result(status, error, int((time.monotonic() - began) * 1000), retry_after)


def _post(
    url: str, headers: Mapping[str, str], body: bytes, private: Sequence[Network]
) -> tuple[int, float | None]:
    if _parts(url).scheme != "https":
        # Plain HTTP is for the networks that the desk's operator has named.
        check(url, private)
    backend = CheckedBackend(private, time.monotonic() + WHOLE)
    step = {"connect": STEP, "read": STEP, "write": STEP, "pool": STEP}
    with (
        httpcore.ConnectionPool(ssl_context=_tls(), network_backend=backend) as pool,
        pool.stream(
            "POST", url, headers=list(headers.items()), content=body, extensions={"timeout": step}
        ) as answer,
    ):
        read = 0
        for chunk in answer.iter_stream():
            read += len(chunk)
            if read >= READ_AT_MOST:
                break
        given = dict(answer.headers).get(b"retry-after", b"")
        retry_after = float(given) if given.isdigit() and len(given) < 8 else None
        return answer.status, retry_after


class CheckedBackend(httpcore.NetworkBackend):
    """Connects to checked addresses only, and lets nothing take longer than until ``ends``."""

    def __init__(self, private: Sequence[Network], ends: float) -> None:
        self._inner, self._private, self._ends = httpcore.SyncBackend(), private, ends

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        found = _resolve(host, port, self.left(timeout))
        _judge(found, self._private)
        failure: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in found:
            try:
                stream = self._inner.connect_tcp(str(address), port, self.left(timeout))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as problem:
                failure = problem
            else:
                return BoundedStream(stream, self)
        assert failure is not None
        raise failure

    def left(self, timeout: float | None) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the call took too long")
        return left if timeout is None else min(timeout, left)


class BoundedStream(httpcore.NetworkStream):
    """A stream whose every step ends when the whole call must: many small ones are no way round."""

    def __init__(self, inner: httpcore.NetworkStream, backend: CheckedBackend) -> None:
        self._inner, self._backend = inner, backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._backend.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._backend.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, self._backend.left(timeout))
        return BoundedStream(inner, self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could mean this address, whichever way it is written."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None or address.is_site_local:
            return False
    reserved = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not reserved and not _is_in(address, NEVER)


def _judge(found: Sequence[Address], private: Sequence[Network]) -> None:
    # One bad address spoils a name: which of them is used is not ours to hope for.
    for address in found:
        if not is_public(address) and not _is_in(address, private):
            raise AddressRefused(
                "address_refused", "This leads to a private or reserved address, not a public one."
            )


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _resolve(host: str, port: int, timeout: float) -> list[Address]:
    asked = _resolvers.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = asked.result(timeout)
    except (OSError, UnicodeError, TooSlow):
        problem = AddressRefused("unresolvable", "This name could not be resolved.")
        raise problem from None
    addresses = [ipaddress.ip_address(str(entry[4][0])) for entry in found]
    return list(dict.fromkeys(addresses))


def _parts(url: str) -> SplitResult:
    """Raises ``AddressRefused`` for what is no plain address of the web."""
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > LONGEST_URL:
        reason = f"Use at most {LONGEST_URL} ASCII characters without spaces."
        raise AddressRefused("not_a_url", reason)
    try:
        parts = urlsplit(url)
        _port(parts)
    except ValueError:
        raise AddressRefused("not_a_url", "This is not an address of the web.") from None
    if parts.scheme not in ("https", "http") or not parts.hostname or "\\" in url:
        raise AddressRefused("not_a_url", "Use an address that begins with https://.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise AddressRefused("not_a_url", "Use an address without a name, password or fragment.")
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
