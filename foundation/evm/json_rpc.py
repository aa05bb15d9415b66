"""One question to an Ethereum node over HTTP: bounded in time and size, never repeated."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from ssl import SSLContext
from typing import Any, Final

import httpx
from asgiref.sync import async_to_sync

# Seconds for everything: name, connection, answer. A node that drips bytes gains nothing.
DEADLINE: Final = 3.0
MAX_ANSWER: Final = 16 * 1024


class NodeUnavailable(Exception):
    """The node did not answer in time, or not what a node answers. Holds no address: it may be
    a secret, as providers put their keys there."""


class NodeRefused(Exception):
    """The node answered with an error. ``code`` is its number; 3 says that a contract reverted."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the node answered with error {code}")
        self.code = code


def ask(endpoint: str, method: str, params: list[Any]) -> Any:
    """The ``result`` of a JSON-RPC call. Raises ``NodeUnavailable`` and ``NodeRefused``.

    No redirect is followed and no proxy of the environment is used: nobody but the endpoint hears
    of the question.
    """
    question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return _result(async_to_sync(_exchange)(endpoint, question))


# An asynchronous client, since only its task can be cut off at any point: the time-outs of a
# blocking one begin anew with every byte.
async def _exchange(endpoint: str, question: dict[str, Any]) -> bytes:
    try:
        async with (
            asyncio.timeout(DEADLINE),
            _client() as client,
            client.stream("POST", endpoint, json=question) as response,
        ):
            return await _body(response)
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as problem:
        raise NodeUnavailable(type(problem).__name__) from None


def _client() -> httpx.AsyncClient:
    # A packed answer could be a small one that becomes a large one.
    headers = {"Accept-Encoding": "identity"}
    return httpx.AsyncClient(verify=_tls(), trust_env=False, timeout=DEADLINE, headers=headers)


@cache
def _tls() -> SSLContext:
    """Reading all trusted certificates takes longer than most answers."""
    return httpx.create_ssl_context(trust_env=False)


async def _body(response: httpx.Response) -> bytes:
    if response.status_code != httpx.codes.OK:
        raise NodeUnavailable(f"HTTP {response.status_code}")
    body = b""
    async for part in response.aiter_raw():
        body += part
        if len(body) > MAX_ANSWER:
            raise NodeUnavailable("too long an answer")
    return body


def _result(body: bytes) -> Any:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise NodeUnavailable("no JSON") from None
    match answer:
        case {"error": {"code": int(code)}}:
            raise NodeRefused(code)
        case {"id": 1, "result": result}:
            return result
    raise NodeUnavailable("no answer of JSON-RPC")
