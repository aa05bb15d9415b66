"""One GET with limits on everything: time, size, redirects, and what an error may tell."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Final, NamedTuple, NoReturn

import httpx

from rates.coins.sources.listing import OF_THE_KEY, Kind, SourceFailed

CONNECT_TIMEOUT: Final = 3.0
READ_TIMEOUT: Final = 8.0
# A server that trickles, head or body, keeps every single read short; this ends a whole fetch, all
# of its pages together.
DEADLINE: Final = 20.0
LARGEST_BODY: Final = 8_000_000


class Answer(NamedTuple):
    """``document`` is ``None`` where the body is not JSON."""

    status: int
    document: Any
    retry_after: float | None


def deadline() -> float:
    """When a fetch that begins now must be done, by the monotonic clock."""
    return time.monotonic() + DEADLINE


def get(
    url: str, params: Mapping[str, str | int], headers: Mapping[str, str], ends: float
) -> Answer:
    """The answer, whatever its status. Raises ``SourceFailed`` where there is none by ``ends``.

    Blocks, and has a loop of its own: only a loop can end a call between two bytes.
    """
    try:
        return asyncio.run(_get(url, params, headers, ends - time.monotonic()))
    except TimeoutError as problem:
        raise SourceFailed(Kind.TIMEOUT, f"not done after {DEADLINE:.0f} s") from problem
    except httpx.TimeoutException as problem:
        raise SourceFailed(Kind.TIMEOUT, type(problem).__name__) from problem
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        raise SourceFailed(Kind.UNREACHABLE, type(problem).__name__) from problem


async def _get(
    url: str, params: Mapping[str, str | int], headers: Mapping[str, str], left: float
) -> Answer:
    timeout = httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
    body = bytearray()
    async with (
        asyncio.timeout(left),
        httpx.AsyncClient(timeout=timeout, follow_redirects=False, verify=_tls()) as client,
        client.stream("GET", url, params=dict(params), headers=dict(headers)) as answer,
    ):
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > LARGEST_BODY:
                raise SourceFailed(Kind.TOO_LARGE, f"more than {LARGEST_BODY} bytes")
    wait = _seconds(answer.headers.get("retry-after"))
    return Answer(answer.status_code, parse(bytes(body)), wait)


@cache
def _tls() -> ssl.SSLContext:
    # To read every authority anew costs more than to read an answer.
    return httpx.create_ssl_context()


def parse(body: bytes) -> Any:
    """The document with its numbers' own digits; ``None`` for anything that is not JSON."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_refuse)
    except (ValueError, ArithmeticError, RecursionError):
        return None


def fail_plainly(answer: Answer, kinds: Mapping[int, Kind], what: str = "") -> NoReturn:
    """Raise what a status means where the body does not say it better.

    A page instead of JSON is no word of the source on its key, but of what stands before it on the
    address that asks.
    """
    kind = kinds.get(answer.status)
    if kind in OF_THE_KEY and answer.document is None:
        kind = Kind.ADDRESS
    if kind is None:
        kind = Kind.SERVER if answer.status >= 500 else Kind.REFUSED
        if answer.status < 300:
            kind = Kind.NOT_JSON if answer.document is None else Kind.SHAPE
    text = what or f"status {answer.status}"
    raise SourceFailed(kind, text[:200], retry_after=answer.retry_after)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


def _seconds(value: str | None) -> float | None:
    """``Retry-After`` in seconds; a date is not worth reading."""
    return float(value) if value is not None and value.isdecimal() and len(value) < 8 else None
