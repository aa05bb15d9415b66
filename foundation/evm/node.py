"""One endpoint, asked in JSON-RPC over HTTP: alone or many questions at once."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

from foundation.evm.channel import Channel
from foundation.evm.failures import Kind, NodeError, from_answer

__all__ = ["Endpoint", "Kind", "Node", "NodeError"]

DEADLINE: Final = 10.0
Call = tuple[str, Sequence[Any]]


@dataclass(frozen=True)
class Endpoint:
    """Where a node answers and what probing found it can do. ``name`` is shown; the addresses may
    hold keys and are not.

    ``caps`` are some of ``trace``, ``eip1898``, ``override``, ``subscribe``; empty while nobody has
    looked, and then everything is tried. ``archive_from`` is the first block whose state it has.
    """

    name: str
    url_http: str = field(repr=False)
    url_ws: str = field(default="", repr=False)
    batch_max: int = 100
    logs_range_max: int = 50
    archive_from: int | None = None
    caps: frozenset[str] = frozenset()
    multicall_cells: int = 1000

    def may(self, capability: str) -> bool:
        return not self.caps or capability in self.caps


class Node:
    """Blocking and safe between threads. ``deadline`` is in seconds, for each HTTP exchange; after
    ``until`` (``time.monotonic()``) nothing is asked any more.

    What is asked is only ever read: a question may be sent twice when a connection breaks.
    """

    def __init__(
        self, endpoint: Endpoint, *, deadline: float = DEADLINE, until: float = inf
    ) -> None:
        self.endpoint = endpoint
        self.deadline = deadline
        self.until = until
        self.batch_max = max(endpoint.batch_max, 1)
        self.multicall_cells = max(endpoint.multicall_cells, 1)
        self._channel = Channel(endpoint.url_http)
        self._lock = threading.Lock()

    def close(self) -> None:
        self._channel.close()

    def call(self, method: str, *params: Any) -> Any:
        """The ``result``. Raises ``NodeError``."""
        answer = self._ask_one((method, params))
        if isinstance(answer, NodeError):
            raise answer
        return answer

    def batch(self, calls: Sequence[Call]) -> list[Any | NodeError]:
        """A result, or the error of this one question, for each call in order.

        Raises ``NodeError`` where an exchange failed as a whole. What the node calls too large is
        sent again in halves, and the size that passed is kept for next time.
        """
        answers: list[Any | NodeError] = []
        while len(answers) < len(calls):
            part = calls[len(answers) : len(answers) + self.batch_max]
            try:
                answers += self._ask_many(part) if len(part) > 1 else [self._ask_one(part[0])]
            except NodeError as problem:
                if problem.kind != "too_large" or len(part) == 1:
                    raise
                self._shrink(len(part) // 2)
        return answers

    def _shrink(self, size: int) -> None:
        with self._lock:
            self.batch_max = max(min(self.batch_max, size), 1)

    def _ask_one(self, call: Call) -> Any | NodeError:
        answer = self._exchange(_question(0, call))
        if isinstance(answer, list) and len(answer) == 1:
            answer = answer[0]
        return _result(answer, 0)

    def _ask_many(self, calls: Sequence[Call]) -> list[Any | NodeError]:
        answer = self._exchange([_question(number, call) for number, call in enumerate(calls)])
        if not isinstance(answer, list):
            refused = _result(answer, None)
            raise refused if isinstance(refused, NodeError) else NodeError("bad_answer", "no batch")
        by_id = dict(_with_ids(answer))
        if not by_id and len(answer) == 1:
            # One error for the whole batch, in a list.
            refused = _result(answer[0], None)
            raise refused if isinstance(refused, NodeError) else NodeError("bad_answer", "no ids")
        return [_result(by_id.get(number), number) for number in range(len(calls))]

    def _exchange(self, question: Any) -> Any:
        body = json.dumps(question, separators=(",", ":")).encode()
        left = self.until - time.monotonic()
        if left <= 0:
            raise NodeError("unavailable", "no time left", timed_out=True)
        answer = self._channel.post(body, seconds=min(self.deadline, left))
        try:
            return json.loads(answer)
        except (ValueError, RecursionError):
            raise NodeError("bad_answer", "no JSON") from None


def _question(number: int, call: Call) -> dict[str, Any]:
    method, params = call
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


def _with_ids(answer: list[Any]) -> Iterator[tuple[int, Any]]:
    for item in answer:
        match item:
            # JSON's true would pass for 1.
            case {"id": int(number)} if not isinstance(number, bool):
                yield number, item


def _result(answer: Any, number: int | None) -> Any | NodeError:
    """``number`` None: whatever it answers, only the error is of interest."""
    match answer:
        case {"error": error} if error is not None:
            return from_answer(error)
        case {"id": found, "result": result} if found == number and number is not None:
            return result
        case None:
            return NodeError("bad_answer", "left out of a batch")
    return NodeError("bad_answer", "no answer of JSON-RPC")
