"""Several endpoints of one chain, used as one: the first that can and may be asked answers."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from foundation.evm.failures import Kind, NodeError
from foundation.evm.node import DEADLINE, Call, Endpoint, Node
from foundation.evm.quantities import quantity

T = TypeVar("T")

SHORTEST_COOL_DOWN: Final = 5.0
LONGEST_COOL_DOWN: Final = 300.0
# An endpoint that cools down is still asked this often while nobody else can do the work.
LAST_RESORT: Final = 5.0
# "missing trie node" may be one server's word behind a load balancer: asked again after a while.
LEARNED_FOR: Final = 600.0

# Another endpoint may do better; the others are the same wherever one asks.
_TRY_NEXT: Final[frozenset[Kind]] = frozenset(
    {
        "unavailable",
        "rate_limited",
        "no_archive",
        "no_method",
        "too_large",
        "range",
        "orphan",
        "bad_answer",
        "wrong_chain",
    }
)
_COOLS_DOWN: Final[frozenset[Kind]] = frozenset(
    {"unavailable", "rate_limited", "bad_answer", "wrong_chain"}
)
# Who fails at these is asked for everything else as before: a trace takes a node many times longer
# than any other question, and is often metered on its own.
_SPARED: Final = frozenset({"trace"})
_SPARING: Final[frozenset[Kind]] = frozenset({"unavailable", "rate_limited", "bad_answer"})
# Which of several reasons is told: what passes comes before what stays, so that nobody writes down
# "there is no archive" because the archive was busy.
_TELLING: Final[tuple[Kind, ...]] = (
    "orphan",
    "too_large",
    "range",
    "rate_limited",
    "unavailable",
    "bad_answer",
    "wrong_chain",
    "no_archive",
    "no_method",
)


@dataclass(frozen=True)
class EndpointState:
    """Times are seconds since 1970. ``last_error`` is empty after an answer."""

    name: str
    failures: int
    cooldown_until: float | None
    last_ok_at: float | None
    last_error: str
    archive_from: int | None
    batch_max: int
    multicall_cells: int


@dataclass(eq=False)
class _Line:
    """One endpoint and how it has behaved. Its times are of the monotonic clock."""

    node: Node
    chain_id: int
    failures: int = 0
    rests_until: float = 0.0
    tried_at: float = 0.0
    ok_at: float | None = None
    last_error: str = ""
    chain_seen: bool = False
    # What it was found not to have, until when that is believed.
    lacks: dict[str, float] = field(default_factory=dict)
    state_from: int | None = None
    state_until: float = 0.0
    # How often in a row it failed at what can be done without.
    faults: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def can(self, needs: str, now: float) -> bool:
        if not needs:
            return True
        if block := _archive_block(needs):
            return self.archive_from(now) <= int(block)
        if self.lacks.get(needs, 0) > now:
            return False
        return needs == "logs" or self.node.endpoint.may(needs)

    def archive_from(self, now: float) -> int:
        learned = self.state_from if self.state_until > now else None
        return max(self.node.endpoint.archive_from or 0, learned or 0)

    def is_ready(self, now: float) -> bool:
        return self.rests_until <= now

    def is_due(self, now: float) -> bool:
        """Whether it may be asked though it should rest."""
        pause: float = min(LAST_RESORT, 0.25 * 2 ** min(self.failures, 8))
        return now - self.tried_at >= pause

    def resting(self, now: float) -> NodeError:
        """What it is that keeps this endpoint from being asked."""
        known = next((kind for kind in _COOLS_DOWN if kind == self.last_error), None)
        wait = min(self.rests_until - now, LAST_RESORT)
        return NodeError(known or "unavailable", "resting", retry_after=wait)

    def ask(self, question: Callable[[Node], T]) -> T:
        self.tried_at = time.monotonic()
        if not self.chain_seen:
            if quantity(self.node.call("eth_chainId")) != self.chain_id:
                raise NodeError("wrong_chain", "another chain answers")
            self.chain_seen = True
        return question(self.node)

    def answered(self, needs: str) -> None:
        with self.lock:
            self.failures, self.rests_until, self.last_error = 0, 0.0, ""
            self.faults.pop(needs, None)
            self.ok_at = time.time()

    def failed(self, problem: NodeError, needs: str) -> None:
        now = time.monotonic()
        with self.lock:
            self.last_error = problem.kind
            if needs in _SPARED and problem.kind in _SPARING:
                self.faults[needs] = self.faults.get(needs, 0) + 1
                pause = _cool_down(self.faults[needs], problem.retry_after)
                self.lacks[needs] = now + pause
            elif problem.kind in _COOLS_DOWN:
                self.failures += 1
                self.chain_seen = False
                self.rests_until = now + _cool_down(self.failures, problem.retry_after)
            elif problem.kind == "no_archive" and (block := _archive_block(needs)):
                self.state_from = max(int(block) + 1, self.archive_from(now))
                self.state_until = now + LEARNED_FOR
            elif problem.kind == "no_method" and needs:
                self.lacks[needs] = now + LEARNED_FOR

    def state(self) -> EndpointState:
        now = time.monotonic()
        rests = self.rests_until - now
        return EndpointState(
            name=self.node.endpoint.name,
            failures=self.failures,
            cooldown_until=time.time() + rests if rests > 0 else None,
            last_ok_at=self.ok_at,
            last_error=self.last_error,
            archive_from=self.archive_from(now) or self.node.endpoint.archive_from,
            batch_max=self.node.batch_max,
            multicall_cells=self.node.multicall_cells,
        )


class Nodes:
    """Asks the endpoints in the order given. Blocking and safe between threads.

    ``needs`` names what a question takes: nothing, ``archive:<block number>``, ``trace`` or
    ``logs``. Endpoints without it are passed over; those that turn out not to have it, too.
    """

    def __init__(
        self, endpoints: Sequence[Endpoint], *, chain_id: int, deadline: float = DEADLINE
    ) -> None:
        self.chain_id = chain_id
        self._lines = [_Line(Node(point, deadline=deadline), chain_id) for point in endpoints]

    def call(self, method: str, *params: Any, needs: str = "") -> Any:
        """The ``result``. Raises ``NodeError`` when no endpoint gives one."""
        return self.attempt(lambda node: node.call(method, *params), needs=needs)

    def batch(self, calls: Sequence[Call], needs: str = "") -> list[Any | NodeError]:
        """A result or an error for each call, in order. Raises ``NodeError`` if nobody answered.

        Single calls that an endpoint could not do are asked of the next one.
        """
        if not calls:
            return []
        answers: dict[int, Any | NodeError] = {}
        missing = list(range(len(calls)))

        def ask(node: Node) -> None:
            nonlocal missing
            found = node.batch([calls[number] for number in missing])
            answers.update(zip(missing, found, strict=True))
            missing = [number for number in missing if _may_do_better(answers[number])]
            if missing:
                raise answers[missing[0]]

        try:
            self.attempt(ask, needs=needs)
        except NodeError:
            if len(answers) < len(calls):
                raise
        return [answers[number] for number in range(len(calls))]

    def attempt(self, question: Callable[[Node], T], *, needs: str = "") -> T:
        """What ``question`` returns for the first node at which it raises no ``NodeError``.

        Raises ``NodeError``: at once where another node would say the same, else the most telling
        one of all.
        """
        problems: list[NodeError] = []
        for line in self._in_turn(needs, problems):
            try:
                answer = line.ask(question)
            except NodeError as problem:
                if problem.kind not in _TRY_NEXT:
                    line.answered(needs)
                    raise
                line.failed(problem, needs)
                problems.append(problem)
            else:
                line.answered(needs)
                return answer
        raise min(problems, key=_how_telling, default=_nobody(needs, bool(self._lines)))

    def states(self) -> list[EndpointState]:
        return [line.state() for line in self._lines]

    def close(self) -> None:
        """Close the connections that are not in use."""
        for line in self._lines:
            line.node.close()

    def _in_turn(self, needs: str, problems: list[NodeError]) -> Iterator[_Line]:
        now = time.monotonic()
        able = [line for line in self._lines if line.can(needs, now)]
        resting = [line for line in able if not line.is_ready(now)]
        yield from (line for line in able if line not in resting)
        for line in resting:
            if line.is_due(now):
                yield line
            else:
                problems.append(line.resting(now))


def _cool_down(failures: int, retry_after: float | None) -> float:
    grown: float = SHORTEST_COOL_DOWN * 2 ** min(failures - 1, 6)
    # Spread, so that many processes do not come back in one moment.
    seconds = max(grown * random.uniform(1.0, 1.5), retry_after or 0.0)
    return min(seconds, LONGEST_COOL_DOWN)


def _archive_block(needs: str) -> str:
    return needs.partition("archive:")[2]


def _may_do_better(answer: Any | NodeError) -> bool:
    return isinstance(answer, NodeError) and answer.kind in _TRY_NEXT


def _how_telling(problem: NodeError) -> int:
    return _TELLING.index(problem.kind)


def _nobody(needs: str, any_configured: bool) -> NodeError:
    if not any_configured:
        return NodeError("unavailable", "no endpoint is configured")
    kind: Kind = "no_archive" if _archive_block(needs) else "no_method"
    return NodeError(kind, "no endpoint has what this takes")
